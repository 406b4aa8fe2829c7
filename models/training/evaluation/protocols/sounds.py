"""Sounds to features: windows of the bundle's length, anywhere in training, evenly spread in the test."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.preprocess.media import MediaError, read_audio
from models.runtime import Encoders
from models.training.data.decode import SLACK_S
from models.training.evaluation.protocols.features import Embed, Task
from models.training.evaluation.protocols.seeds import generator


def read_sound(path: Path, rate: int, part: tuple[float, float] | None = None) -> np.ndarray:
    """Mono float32 [S] at `rate`: the whole, or from one time to another (seconds). Raises MediaError for no sound.

    A file that ends before that part does and is no longer than it is that part itself, cut out already.
    """
    start, end = (round(t * rate) for t in part) if part else (0, None)
    pieces, held = [], 0
    for piece in read_audio(path, rate):
        pieces.append(piece)
        held += len(piece)
        if end is not None and held >= end:
            break
    if end is not None and held < end - SLACK_S * rate and held <= end - start + SLACK_S * rate:
        start, end = 0, end - start
    wave = np.concatenate(pieces)[start:end] if pieces else np.zeros(0, np.float32)
    if not len(wave):
        raise MediaError("no_streams", f"{path} has no sound that can be decoded.")
    return wave


def spread_windows(wave: np.ndarray, length: int, count: int) -> np.ndarray:
    """`count` windows [count, length] from the first to the last that fits; a shorter sound is whole in each."""
    starts = np.linspace(0, max(0, len(wave) - length), count).astype(int)
    return np.stack([wave[start : start + length] for start in starts])


def random_windows(wave: np.ndarray, length: int, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` windows [count, length] that start anywhere; a shorter sound is whole in each."""
    starts = rng.integers(0, max(0, len(wave) - length) + 1, count)
    return np.stack([wave[start : start + length] for start in starts])


Part = Callable[[Task, Path], tuple[float, float] | None]  # from when to when, in seconds; None is the whole


def whole_file(_task: Task, _path: Path) -> None:
    """Every sound is a file of its own."""


def sound_features(encoders: Encoders, protocol: str, seed: int, *, training: bool, part: Part = whole_file) -> Embed:
    """`task.rows` windows of a sound (or of a part of its file) to representations."""
    spec = encoders.bundle.inputs
    length = round(spec.window_s * spec.sample_rate)

    def embed(task: Task, path: Path) -> np.ndarray:
        wave = read_sound(path, spec.sample_rate, part(task, path))
        if training:
            windows = random_windows(wave, length, task.rows, generator(seed, protocol, task.key))
        else:
            windows = spread_windows(wave, length, task.rows)
        return encoders.audio(windows).representation

    return embed
