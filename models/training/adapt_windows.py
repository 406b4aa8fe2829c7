"""The windows of somebody's films, decoded once into memory-mapped arrays; an interrupted decoding goes on by film."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.bundle import InputSpec
from models.preprocess.media import MediaError, MediaInfo
from models.preprocess.windows import window_starts
from models.training.data.arrays import new_array, take_place
from models.training.data.cache import ClipCache
from models.training.data.decode import Layout, decode, padded_size
from models.training.data.manifest import Narration
from models.training.data.reader import PER_STEP
from models.training.data.sample import Item

FILMS_AT_ONCE = 2
SILENCE = 1e-4  # a sound below -80 dBFS is none
TODO, UNUSABLE, SILENT, HEARD = range(4)  # of a row; UNUSABLE: no picture


@dataclass(frozen=True)
class Film:
    """A film with what is said in it. `id` tells its content from any other's."""

    id: str
    path: Path
    info: MediaInfo
    narrations: tuple[Narration, ...] = ()


class Decoded(NamedTuple):
    """One window: frames uint8 [T, H, W, 3] and sound float32 [S]; None where there is none."""

    start_s: float
    frames: np.ndarray | None
    sound: np.ndarray | None


# The windows of a film that `window_starts` tells of, in their order. Raises MediaError.
Read = Callable[[Film, InputSpec], Iterator[Decoded]]


@dataclass(frozen=True)
class Windows:
    """Decoded windows: frames uint8 [N, T, H, W, 3], sound int16 [N, S], kind uint8 [N], film [N] by number."""

    films: Sequence[Film]
    spec: InputSpec
    film: np.ndarray
    starts_s: np.ndarray
    kind: np.ndarray
    frames: np.ndarray
    sound: np.ndarray

    def waveforms(self, rows: np.ndarray) -> np.ndarray:
        """float32 [B, S] in [-1, 1]."""
        return self.sound[rows].astype(np.float32) / 32768

    def heard(self) -> np.ndarray:
        """Rows with picture and sound that do not overlap: the last of a film is moved back to end with it."""
        moved = np.append(False, (self.film[1:] == self.film[:-1]) & (np.diff(self.starts_s) < 0.99 * self.spec.hop_s))
        return np.flatnonzero((self.kind == HEARD) & ~moved)

    def said(self, row: int) -> list[Narration]:
        """The words of a window, timed from its beginning: those whose middle is in it."""
        start, narrations = self.starts_s[row], self.films[self.film[row]].narrations
        moved = (replace(n, start_s=n.start_s - start, end_s=n.end_s - start) for n in narrations)
        return [n for n in moved if 0 <= (n.start_s + n.end_s) / 2 < self.spec.window_s]


def training_spec(inputs: InputSpec, margin: float) -> InputSpec:
    """What is decoded to train on: half a window more, twice as many frames and a margin, for random crops."""
    height, width = padded_size(inputs, margin)
    frames = (inputs.frames + inputs.frames // 2) * PER_STEP
    return replace(
        inputs,
        window_s=frames / PER_STEP * inputs.step_s,
        hop_s=inputs.window_s,
        frames=frames,
        frame_height=height,
        frame_width=width,
    )


def judging_spec(inputs: InputSpec) -> InputSpec:
    """What the encoders take, window after window."""
    return replace(inputs, hop_s=inputs.window_s)


def bytes_needed(films: Sequence[Film], spec: InputSpec) -> int:
    """How large the arrays are."""
    per_window = spec.frames * spec.frame_height * spec.frame_width * 3 + 2 * round(spec.window_s * spec.sample_rate)
    return per_window * sum(len(_starts(film, spec)) for film in films)


def decode_films(
    films: Sequence[Film],
    spec: InputSpec,
    folder: Path,
    read: Read,
    done: Callable[[float], None] = lambda seconds: None,
) -> Windows:
    """Decode into a folder below `folder`; `done` is told the seconds of each film that is through.

    A film that cannot be decoded has no usable window. Raises OSError when the disk is full.
    """
    told = json.dumps([asdict(spec), [film.id for film in films]]).encode()
    place = folder / f"windows-{hashlib.sha256(told).hexdigest()[:12]}"
    place.mkdir(parents=True, exist_ok=True)
    starts = [_starts(film, spec) for film in films]
    rows = sum(map(len, starts))
    windows = Windows(
        films,
        spec,
        np.repeat(np.arange(len(films)), [len(s) for s in starts]),
        np.concatenate([np.zeros(0), *map(np.array, starts)]),
        _array(place / "kind.npy", np.uint8, (rows,)),
        _array(place / "frames.npy", np.uint8, (rows, spec.frames, spec.frame_height, spec.frame_width, 3)),
        _array(place / "sound.npy", np.int16, (rows, round(spec.window_s * spec.sample_rate))),
    )

    def fill(number: int) -> float:
        mine = np.flatnonzero(windows.film == number)
        if (windows.kind[mine] == TODO).any():
            _fill(windows, films[number], mine, read)
        return films[number].info.duration_s

    with ThreadPoolExecutor(FILMS_AT_ONCE) as pool:
        futures = [pool.submit(fill, number) for number in range(len(films))]
        try:
            for future in futures:
                done(future.result())
        finally:
            for future in futures:
                future.cancel()
    return windows


def clip_cache(windows: Windows) -> ClipCache:
    """The windows as training clips. Where one has no picture, the next that has one stands for it."""
    usable = np.flatnonzero(windows.kind != UNUSABLE)
    if not len(usable):
        raise ValueError("none of the films can be decoded")
    clips = []
    for row in range(len(windows.kind)):
        source = usable[np.searchsorted(usable, row) % len(usable)]
        if source != row:
            windows.frames[row], windows.sound[row] = windows.frames[source], windows.sound[source]
        film = windows.films[windows.film[source]]
        clips.append(
            Item(
                id=f"{film.id}@{windows.starts_s[source]:.3f}",
                file=film.id,
                path=str(film.path),
                start_s=float(windows.starts_s[source]),
                duration_s=windows.spec.window_s,
                has_audio=bool(windows.kind[source] == HEARD),
                narrations=tuple(windows.said(int(source))),
            )
        )
    fingerprint = hashlib.sha256("\n".join(clip.id for clip in clips).encode()).hexdigest()[:16]
    return ClipCache(clips, windows.frames, windows.sound, fingerprint)


def read_here(film: Film, spec: InputSpec) -> Iterator[Decoded]:
    """Read a file of one's own, in this process. The service reads uploads elsewhere, in a confined child."""
    samples = round(spec.window_s * spec.sample_rate)
    layout = Layout(
        spec.step_s, spec.frame_height, spec.frame_width, spec.resize, spec.sample_rate, spec.frames, samples
    )
    for start in _starts(film, spec):
        length = min(spec.window_s, film.info.duration_s - start)
        item = Item(f"{film.path}@{start:.1f}", film.path.name, str(film.path), start, length, film.info.has_audio)
        try:
            window = decode(item, layout)
        except MediaError:
            yield Decoded(start, None, None)
            continue
        sound = None if window.sound is None else window.sound.astype(np.float32) / 32768
        yield Decoded(start, window.frames, sound)


def _fill(windows: Windows, film: Film, rows: np.ndarray, read: Read) -> None:
    kinds = np.full(len(rows), UNUSABLE, np.uint8)
    try:
        for number, (row, window) in enumerate(zip(rows, read(film, windows.spec), strict=False)):
            if window.frames is None:
                continue
            windows.frames[row] = window.frames
            sound = window.sound
            if sound is None or np.sqrt(np.mean(np.square(sound, dtype=np.float64))) < SILENCE:
                kinds[number] = SILENT
            else:
                looped = np.resize(sound, windows.sound.shape[1])  # a film that is shorter than a window
                windows.sound[row] = np.round(np.clip(looped, -1, 1) * 32767)
                kinds[number] = HEARD
    except MediaError:
        pass  # what was read before the damage is used
    windows.kind[rows] = kinds  # last: until then the film is to be done


def _starts(film: Film, spec: InputSpec) -> list[float]:
    return window_starts(film.info.duration_s, spec.window_s, spec.hop_s, spec.step_s)


def _array(path: Path, kind: type, shape: tuple[int, ...]) -> np.ndarray:
    if not path.exists():
        temporary = path.with_suffix(".tmp")
        new_array(temporary, kind, shape)
        temporary.replace(path)
    else:
        take_place(path)  # it may be of a version that left holes
    return np.lib.format.open_memmap(path, "r+")


def require_space(folder: Path, needed: int) -> None:
    """Raises ValueError when the disk has no room for the arrays; those of an interrupted call have theirs."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = sum(path.stat().st_blocks * 512 for path in folder.glob("windows-*/*") if path.is_file())
    free = shutil.disk_usage(folder).free + taken
    if needed * 1.05 > free:
        raise ValueError(
            f"{folder}: the decoded windows need {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
            "choose another --out, or fewer films"
        )
