"""A folder of somebody's own pictures and films, without labels: stills and windows out of it."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from models.bundle import InputSpec
from models.preprocess.media import MediaError, MediaInfo, probe, read_audio, read_frames, read_image
from models.preprocess.windows import fit_frames, spread

WINDOWS_PER_FILM = 4


class Window(NamedTuple):
    """Picture and sound of one moment: uint8 [T, H, W, 3] and float32 [S], as the encoders take them."""

    frames: np.ndarray
    waveform: np.ndarray


def stills(folder: Path, inputs: InputSpec, count: int) -> Iterator[np.ndarray]:
    """Up to `count` stills, uint8 [H, W, 3]: the pictures of a folder (and those below), and frames of its films.

    Evenly spread over the files, and over the length of each film. Raises ValueError where there is nothing to see.
    """
    files = [(path, info) for path, info in media_files(folder) if info.has_video]
    if not files:
        raise ValueError(f"{folder} has no picture and no film that can be read")
    chosen = [files[i] for i in spread(len(files), count)]
    size = (inputs.frame_height, inputs.frame_width)
    films = sum(not info.is_image for _, info in chosen)
    per_film = -(-(count - len(chosen) + films) // max(films, 1))
    found = 0
    for path, info in chosen:
        if info.is_image:
            frames: Iterator[np.ndarray] = iter([read_image(path, *size, method=inputs.resize)])
        else:
            step_s = max(info.duration_s / per_film, inputs.step_s)
            frames = read_frames(path, step_s, *size, method=inputs.resize)
        for frame in islice(frames, min(per_film, count - found)):
            found += 1
            yield frame


def windows(folder: Path, inputs: InputSpec, count: int) -> Iterator[Window]:
    """Up to `count` windows with picture and sound, from the beginnings of a folder's films, a few of each.

    Raises ValueError where no film has both.
    """
    films = [path for path, info in media_files(folder) if info.has_video and info.has_audio]
    if not films:
        raise ValueError(f"{folder} has no film with picture and sound that can be read")
    per_film = min(WINDOWS_PER_FILM, -(-count // len(films)))
    for path in [films[i] for i in spread(len(films), -(-count // per_film))]:
        pairs = zip(film_windows(path, inputs), sound_windows(path, inputs), strict=False)  # either may end first
        for frames, waveform in islice(pairs, per_film):
            yield Window(frames, waveform)


def film_windows(film: Path, inputs: InputSpec) -> Iterator[np.ndarray]:
    """A film's picture, window after window: uint8 [T, H, W, 3], the last one looped."""
    frames = read_frames(film, inputs.step_s, inputs.frame_height, inputs.frame_width, method=inputs.resize)
    while seen := list(islice(frames, inputs.frames)):
        yield fit_frames(np.stack(seen), inputs.frames)


def sound_windows(file: Path, inputs: InputSpec) -> Iterator[np.ndarray]:
    """A file's sound, window after window: float32 [S], the last one looped."""
    samples = round(inputs.window_s * inputs.sample_rate)
    return (np.resize(chunk, samples) for chunk in read_audio(file, inputs.sample_rate, chunk=samples))


def media_files(folder: Path) -> Iterator[tuple[Path, MediaInfo]]:
    """Files of a folder and those below that can be read, sorted by path; others are passed over."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        try:
            yield path, probe(path)
        except MediaError:
            continue
