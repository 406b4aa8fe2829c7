"""Decoded clips in two memory-mapped arrays, so that an epoch costs no decoding."""

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from models.bundle import InputSpec
from models.preprocess.media import MediaError
from models.training.data.arrays import new_array, take_place
from models.training.data.decode import Layout, decode, padded_size
from models.training.data.reader import PER_STEP, Picks, Windows
from models.training.data.sample import DataError, Item, Source, fingerprint_of, fingerprint_of_parts
from models.training.data.sources import open_source
from models.training.data.workers import belong_to_parent

MOST_FAILED = 0.1  # of a set's clips may fail to decode; with more, something else is wrong than single files
CHUNK = 8  # clips that a process is given at once
TODO, DONE, SILENT, FAILED = range(4)  # what `done.npy` says of a row; SILENT: no sound where some was announced


@dataclass(frozen=True)
class ClipCache:
    """Clips of one source: frames uint8 [N, F, H, W, 3] at `step_s / PER_STEP` seconds, sound int16 [N, S].

    H and W are larger than the network's frame by the augmentation's margin. All clips are cut or looped to the set's
    median length. `clips` says what the rows hold: where a clip could not be decoded (`failed` of them), the next one
    that could be stands for it.
    """

    clips: list[Item]
    frames: np.ndarray
    sound: np.ndarray
    fingerprint: str
    failed: int = 0

    def lengths(self, inputs: InputSpec) -> np.ndarray:
        """Every clip has the cache's length."""
        return np.full(len(self.clips), self.frames.shape[1])

    def prepare(self, picks: Picks, inputs: InputSpec) -> None:
        """Nothing is to be done before reading."""

    def close(self) -> None:
        """Nothing is to be ended."""

    def read(self, picks: Picks, inputs: InputSpec) -> Windows:
        """Windows of cached frames and sound."""
        span, samples = inputs.frames * PER_STEP, round(inputs.window_s * inputs.sample_rate)
        first = np.round(picks.sound_s * inputs.sample_rate).astype(int).clip(0, self.sound.shape[1] - samples)
        clips = [self.clips[row] for row in picks.rows]
        return Windows(
            clips,
            [self.frames[row, s : s + span : PER_STEP] for row, s in zip(picks.rows, picks.starts, strict=True)],
            np.stack([self.sound[row, s : s + samples] for row, s in zip(picks.rows, first, strict=True)]),
            np.array([clip.has_audio for clip in clips]),
        )


def open_cache(
    data: Path | Source,
    inputs: InputSpec,
    margin: float,
    *,
    keep: Path | None = None,
    processes: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> ClipCache:
    """Decode a set's clips once into `cache-<key>/`; resumes where it was interrupted.

    The cache lies by the data where that was made to be trained on, otherwise in `keep`. Raises DataError where more
    than a tenth of the clips cannot be decoded.
    """
    source = open_source(data) if isinstance(data, Path) else data
    clips = source.items
    layout = layout_of(clips, inputs, margin)
    where = source.folder if source.keeps_caches else keep
    if where is None:
        raise DataError(f"{source.folder} is not ours to write to; say where the decoded clips are to be kept")
    place = where / _name(source.fingerprint, len(clips), layout)
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "done.npy").exists():
        _make_arrays(place, clips, layout, source.fingerprint)
    frames, sound, done = (_array(place, name) for name in ("frames", "sound", "done"))
    todo = [(int(i), clips[i]) for i in np.flatnonzero((done == TODO) | (done == FAILED))]
    errors: list[str] = []
    if todo:
        for name in ("frames", "sound"):  # of a version before this one, they may have holes
            take_place(place / f"{name}.npy")
        for n, error in enumerate(_in_processes(_Decode(place, layout), todo, processes), 1):
            errors += [error] if error else []
            if len(errors) > MOST_FAILED * len(clips):
                raise DataError(
                    f"{len(errors)} of {len(clips)} clips of {source.folder} cannot be decoded; {errors[0]}"
                )
            if progress:
                progress(len(clips) - len(todo) + n, len(clips))
    held = [replace(c, has_audio=False) if d == SILENT else c for c, d in zip(clips, done, strict=True)]
    for i in np.flatnonzero(done == FAILED):
        stand_in = next(j % len(held) for j in range(i + 1, i + len(held)) if done[j % len(held)] != FAILED)
        held[i], frames[i], sound[i] = held[stand_in], frames[stand_in], sound[stand_in]
    return ClipCache(held, frames, sound, source.fingerprint, len(errors))


def layout_of(clips: list[Item], inputs: InputSpec, margin: float) -> Layout:
    """What a row holds: the median clip, but never less than a window."""
    height, width = padded_size(inputs, margin)
    seconds = float(np.median([c.duration_s for c in clips]))
    per_clip = max(int(seconds / inputs.step_s * PER_STEP + 1e-6), inputs.frames * PER_STEP)
    samples = round(per_clip / PER_STEP * inputs.step_s * inputs.sample_rate)
    return Layout(inputs.step_s / PER_STEP, height, width, inputs.resize, inputs.sample_rate, per_clip, samples)


def _name(fingerprint: str, clips: int, layout: Layout) -> str:
    said: dict[str, Any] = {
        "frames": (clips, layout.frames, layout.height, layout.width, 3),
        "sound": (clips, layout.samples),
        "data": fingerprint,
    }
    if layout.resize != "area":  # not said of area: caches that were made before there was another keep their names
        said["resize"] = layout.resize
    return "cache-" + hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]


def _make_arrays(place: Path, clips: list[Item], layout: Layout, fingerprint: str) -> None:
    """Empty arrays, but for the clips that a cache of a shorter set of the same clips has already."""
    frames_shape = (len(clips), layout.frames, layout.height, layout.width, 3)
    frames = new_array(place / "frames.npy", np.uint8, frames_shape)
    try:
        sound = new_array(place / "sound.npy", np.int16, (len(clips), layout.samples))
    except BaseException:
        (place / "frames.npy").unlink()  # what cannot be used is not to fill the disk
        raise
    done = np.zeros(len(clips), np.uint8)
    # Where times and sizes count, a cache that is named by ids alone may hold other frames.
    named = fingerprint_of if fingerprint == fingerprint_of(clips) else fingerprint_of_parts
    for other in place.parent.glob("cache-*/done.npy"):
        known = np.load(other)
        same = _name(named(clips[: len(known)]), len(known), layout) == other.parent.name
        if same and (done == TODO).sum() > (np.append(known, done[len(known) :]) == TODO).sum():
            for array, name in ((frames, "frames"), (sound, "sound")):
                source = np.load(other.parent / f"{name}.npy", mmap_mode="r")
                for i in range(0, len(known), 256):
                    array[i : i + 256][: len(known) - i] = source[i : i + 256]
            done[: len(known)] = known
    np.save(place / "done.tmp.npy", done)
    (place / "done.tmp.npy").replace(place / "done.npy")  # last: arrays without it are made anew


def _array(place: Path, name: str) -> np.ndarray:
    return np.lib.format.open_memmap(place / f"{name}.npy", "r+")


def _in_processes(work: "_Decode", jobs: list[tuple[int, Item]], processes: int) -> Iterator[str]:
    """What each job gave, in their order. Ended early, those that have not begun are not done.

    Where a process dies, those that may have been under way are done one after the other, each in a process of its own.
    """
    done = 0
    while done < len(jobs):
        pool = _pool(processes)
        try:
            for error in pool.map(work, jobs[done:], chunksize=CHUNK):
                done += 1
                yield error
        except BrokenProcessPool:
            for job in jobs[done : done + CHUNK * (processes + 1)]:
                done += 1
                yield _alone(work, job)
        finally:
            _end(pool)


def _alone(work: "_Decode", job: tuple[int, Item]) -> str:
    pool = _pool(1)
    try:
        return pool.submit(work, job).result()
    except BrokenProcessPool:
        return work.failed(job, "decoding it ends the process")
    finally:
        _end(pool)


def _end(pool: ProcessPoolExecutor) -> None:
    """Whatever its processes are at: a clip is decoded again unless `done` says that it was."""
    for process in list((pool._processes or {}).values()):
        process.kill()
    pool.shutdown(cancel_futures=True)


def _pool(processes: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), belong_to_parent)


@dataclass(frozen=True)
class _Decode:
    """Decodes one clip into its rows; run in a worker process. Gives what went wrong, or nothing."""

    place: Path
    layout: Layout

    def __call__(self, job: tuple[int, Item]) -> str:
        i, item = job
        try:
            window = decode(item, self.layout)
        except MediaError as error:
            return self.failed(job, error.message)
        _array(self.place, "frames")[i] = window.frames
        if window.sound is not None:
            _array(self.place, "sound")[i] = window.sound
        _array(self.place, "done")[i] = SILENT if window.sound is None and item.has_audio else DONE
        return ""

    def failed(self, job: tuple[int, Item], why: str) -> str:
        """Note that a clip could not be decoded; what is told of it."""
        i, item = job
        _array(self.place, "done")[i] = FAILED
        return f"{item.id}: {why}"
