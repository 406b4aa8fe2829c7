"""Fits the instance heads of stills and sounds to training clips (see models/networks/instance.py)."""

from collections.abc import Iterable, Iterator
from math import log

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.bundle import InputSpec
from models.networks.deflation import DeflatedMMV
from models.networks.mmv import MMV
from models.training.config import AugmentConfig
from models.training.data.augment import DRAWS, colours
from models.training.data.cache import ClipCache
from models.training.run import Run

MOST_CLIPS = 5000
PART = 64
LEAST_PART = 0.8  # of a frame's sides
GAIN_DB, TILT_DB, MIDDLE_HZ = 6, 2, 1000  # the second: to an octave
LOWEST_HZ, HIGHEST_HZ, NOISE_BELOW_DB = (20, 400), (3000, 12000), (35, 80)
RERECORDED_EVERY = 4  # sounds: what another microphone changes is far more than what time does
LIGHT = AugmentConfig(brightness=0.25, contrast=0.25, tint=0.25)


@torch.no_grad()
def fit_instances(run: Run, deflated: DeflatedMMV, cache: ClipCache, clips: int = MOST_CLIPS) -> None:
    """Views of one moment are neighbouring frames of a clip, and two windows of its sound that overlap at random.

    The second frame is cut, and its light and colour changed, as pictures are that people search with; some of
    the second sounds are as another microphone would have them.
    """
    network, inputs, rng = run.network, run.config.inputs, np.random.default_rng([run.config.seed, 2])
    if deflated.instance is None or network.audio_instance is None:
        return
    rows = rng.permutation(len(cache.clips))[:clips]
    at = rng.integers(0, cache.frames.shape[1] - 1, len(rows))
    first = seen(deflated, (whole(cache.frames[rows[p], at[p]], inputs) for p in _parts(len(rows))))
    second = seen(deflated, (changed(cache.frames[rows[p], at[p] + 1], run, rng) for p in _parts(len(rows))))
    deflated.instance.fit(first, second)
    rows = rng.permutation([i for i, clip in enumerate(cache.clips) if clip.has_audio])[:clips]
    if not len(rows):  # nothing to fit the head of sounds to
        return
    latest = cache.sound.shape[1] - round(inputs.window_s * inputs.sample_rate)
    starts = rng.integers(0, latest + 1, (2, len(rows)))
    parts = _parts(len(rows))
    one = (windows(cache, rows[p], starts[0, p], inputs) for p in parts)
    other = (windows(cache, rows[p], starts[1, p], inputs) for p in parts)
    network.audio_instance.fit(heard(network, one), heard(network, some_rerecorded(other, inputs.sample_rate, rng)))


def seen(deflated: DeflatedMMV, images: Iterable[Tensor]) -> Tensor:
    """What the instance head is for, [N, S]."""
    return torch.cat([deflated(part)["seen"] for part in images])


def whole(frames: np.ndarray, inputs: InputSpec) -> Tensor:
    """uint8 [B, H', W', 3] -> float [B, H, W, 3] in [0, 1], as a library holds them."""
    return resized(torch.from_numpy(np.ascontiguousarray(frames)), inputs).float() / 255


def changed(frames: np.ndarray, run: Run, rng: np.random.Generator) -> Tensor:
    """uint8 [B, H', W', 3] -> float [B, H, W, 3] in [0, 1]: a part of each, in other light."""
    out = []
    for frame in torch.from_numpy(np.ascontiguousarray(frames)):
        share = rng.uniform(LEAST_PART, 1)
        h, w = (round(size * share) for size in frame.shape[:2])
        top, left = rng.integers(0, frame.shape[0] - h + 1), rng.integers(0, frame.shape[1] - w + 1)
        out.append(resized(frame[None, top : top + h, left : left + w], run.config.inputs))
    return colours(torch.stack(out), rng.random((len(out), DRAWS)), LIGHT)[:, 0]


def resized(frames: Tensor, inputs: InputSpec) -> Tensor:
    """As bytes, as training crops: uint8 [B, h, w, 3] -> [B, H, W, 3]."""
    size = (inputs.frame_height, inputs.frame_width)
    return F.interpolate(frames.permute(0, 3, 1, 2), size, mode="bilinear", antialias=True).permute(0, 2, 3, 1)


def heard(network: MMV, sounds: Iterable[np.ndarray]) -> Tensor:
    """What the instance head is for, [N, S], of parts float32 [B, samples]."""
    return torch.cat([network.hear(network.log_mel(torch.from_numpy(part)))["heard"] for part in sounds])


def windows(cache: ClipCache, rows: np.ndarray, starts: np.ndarray, inputs: InputSpec) -> np.ndarray:
    """The window of each clip's sound that begins at its sample `starts`: float32 [B, samples]."""
    length = round(inputs.window_s * inputs.sample_rate)
    waves = [cache.sound[r, s : s + length] for r, s in zip(rows, starts, strict=True)]
    return np.stack(waves).astype(np.float32) / 32768


def some_rerecorded(parts: Iterable[np.ndarray], sample_rate: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Sounds in parts, of which some are by other microphones."""
    for part in parts:
        chosen = np.arange(len(part)) % RERECORDED_EVERY == 0
        out = part.copy()
        out[chosen] = rerecorded(part[chosen], sample_rate, rng)
        yield out


def rerecorded(waves: np.ndarray, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Sounds float32 [B, samples] by other microphones: other levels, balances of low and high, limits, noises."""
    count, length = waves.shape
    hertz = np.fft.rfftfreq(length, 1 / sample_rate)
    octaves = np.log2(np.maximum(hertz, MIDDLE_HZ / 16) / MIDDLE_HZ)
    decibels = rng.uniform(-GAIN_DB, GAIN_DB, (count, 1)) + rng.uniform(-TILT_DB, TILT_DB, (count, 1)) * octaves
    lowest, highest = (np.exp(rng.uniform(log(a), log(b), (count, 1))) for a, b in (LOWEST_HZ, HIGHEST_HZ))
    kept = (hertz >= lowest) & (hertz <= highest)
    out = np.fft.irfft(np.fft.rfft(waves) * 10 ** (decibels / 20) * kept, length)
    below = 10 ** (-rng.uniform(*NOISE_BELOW_DB, (count, 1)) / 20)
    noise = rng.standard_normal(out.shape) * np.sqrt(np.mean(out**2, axis=1, keepdims=True)) * below
    return (out + noise).astype(np.float32)


def _parts(count: int) -> list[slice]:
    return [slice(i, i + PART) for i in range(0, count, PART)]
