"""Decoded clips in two memory-mapped arrays, so that an epoch costs no decoding."""

import hashlib
import json
import multiprocessing
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.bundle import InputSpec
from models.preprocess.media import read_audio, read_frames
from models.training.data.manifest import Clip, read_manifest

PER_STEP = 2  # cached frames per step of the frame grid: finer than the network's, so that crops can start between


@dataclass(frozen=True)
class ClipCache:
    """Clips of one manifest: frames uint8 [N, F, H, W, 3] at `step_s / PER_STEP` seconds, sound int16 [N, S].

    H and W are larger than the network's frame by the augmentation's margin. All clips are cut or looped to the set's
    median length.
    """

    clips: list[Clip]
    frames: np.ndarray
    sound: np.ndarray
    fingerprint: str


def open_cache(
    data: Path,
    inputs: InputSpec,
    margin: float,
    *,
    processes: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> ClipCache:
    """Decode the clips of `data/manifest.jsonl` once into `data/cache-<key>/`; resumes where it was interrupted."""
    clips = read_manifest(data / "manifest.jsonl")
    if not clips:
        raise ValueError(f"{data / 'manifest.jsonl'} lists no clips")
    seconds = float(np.median([c.duration_s for c in clips]))
    height, width = padded_size(inputs, margin)
    per_clip = max(int(seconds / inputs.step_s * PER_STEP + 1e-6), inputs.frames * PER_STEP)
    samples = round(per_clip / PER_STEP * inputs.step_s * inputs.sample_rate)
    fingerprint = fingerprint_of(clips)
    frames_shape = (len(clips), per_clip, height, width, 3)
    sound_shape = (len(clips), samples)
    layout = {"frames": frames_shape, "sound": sound_shape, "data": fingerprint}
    if inputs.resize != "area":  # not said of area: caches that were made before there was another keep their names
        layout["resize"] = inputs.resize
    key = hashlib.sha256(json.dumps(layout).encode()).hexdigest()[:12]
    folder = data / f"cache-{key}"
    folder.mkdir(exist_ok=True)
    arrays = {
        "frames": (np.uint8, frames_shape),
        "sound": (np.int16, sound_shape),
        "done": (np.uint8, (len(clips),)),
    }
    maps = {}
    for name, (dtype, shape) in arrays.items():
        file = folder / f"{name}.npy"
        if not file.exists():
            np.lib.format.open_memmap(file, "w+", dtype, shape).flush()
        maps[name] = np.lib.format.open_memmap(file, "r+")
    todo = np.flatnonzero(maps["done"] == 0)
    jobs = [(int(i), str(data / clips[i].file), clips[i].has_audio) for i in todo]
    job = _Decode(folder, inputs.step_s / PER_STEP, height, width, inputs.sample_rate, per_clip, samples, inputs.resize)
    if jobs:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            for n, _ in enumerate(pool.imap_unordered(job, jobs, chunksize=8), 1):
                if progress:
                    progress(len(clips) - len(jobs) + n, len(clips))
    return ClipCache(clips, maps["frames"], maps["sound"], fingerprint)


def fingerprint_of(clips: list[Clip]) -> str:
    """Which clips these are: 16 hex digits."""
    return hashlib.sha256("\n".join(c.id + c.file for c in clips).encode()).hexdigest()[:16]


def padded_size(inputs: InputSpec, margin: float) -> tuple[int, int]:
    """Height and width of the cached frames."""
    return round(inputs.frame_height * (1 + margin)), round(inputs.frame_width * (1 + margin))


@dataclass(frozen=True)
class _Decode:
    """Decodes one clip into its rows; run in a worker process."""

    folder: Path
    step_s: float
    height: int
    width: int
    rate: int
    frames: int
    samples: int
    resize: str

    def __call__(self, job: tuple[int, str, bool]) -> int:
        i, path, has_audio = job
        frames = list(read_frames(path, self.step_s, self.height, self.width, method=self.resize))
        if not frames:
            raise ValueError(f"{path} has no frame that can be decoded")
        rows = np.lib.format.open_memmap(self.folder / "frames.npy", "r+")
        rows[i] = np.stack(frames)[np.arange(self.frames) % len(frames)]
        if has_audio:
            sound = np.concatenate(list(read_audio(path, self.rate)))
            looped = sound[np.arange(self.samples) % len(sound)]
            np.lib.format.open_memmap(self.folder / "sound.npy", "r+")[i] = np.round(np.clip(looped, -1, 1) * 32767)
        np.lib.format.open_memmap(self.folder / "done.npy", "r+")[i] = 1
        return i
