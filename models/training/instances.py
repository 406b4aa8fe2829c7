"""Fits the instance heads of stills and sounds to training clips (see models/networks/instance.py)."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.bundle import InputSpec
from models.networks.deflation import DeflatedMMV
from models.training.config import AugmentConfig
from models.training.data.augment import DRAWS, colours
from models.training.data.cache import ClipCache
from models.training.run import Run

MOST_CLIPS = 5000
PART = 64
LEAST_PART = 0.8  # of a frame's sides
LIGHT = AugmentConfig(brightness=0.25, contrast=0.25, tint=0.25)


@torch.no_grad()
def fit_instances(run: Run, deflated: DeflatedMMV, cache: ClipCache, clips: int = MOST_CLIPS) -> None:
    """Views of one moment are neighbouring frames of a clip, and two windows of its sound that overlap at random.

    The second frame is cut, and its light and colour changed, as pictures are that people search with.
    """
    network, rng = run.network, np.random.default_rng([run.config.seed, 2])
    if deflated.instance is None or network.audio_instance is None:
        return
    rows = rng.permutation(len(cache.clips))[:clips]
    at = rng.integers(0, cache.frames.shape[1] - 1, len(rows))
    first = seen(deflated, (whole(cache.frames[rows[p], at[p]], run.config.inputs) for p in _parts(len(rows))))
    second = seen(deflated, (changed(cache.frames[rows[p], at[p] + 1], run, rng) for p in _parts(len(rows))))
    deflated.instance.fit(first, second)
    rows = rng.permutation([i for i, clip in enumerate(cache.clips) if clip.has_audio])[:clips]
    latest = cache.sound.shape[1] - round(run.config.inputs.window_s * run.config.inputs.sample_rate)
    starts = rng.integers(0, latest + 1, (2, len(rows)))
    network.audio_instance.fit(*(_sounds(run, cache, rows, starts[k]) for k in (0, 1)))


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


def _sounds(run: Run, cache: ClipCache, rows: np.ndarray, starts: np.ndarray) -> Tensor:
    """Representations [N, D] of the window from sample `starts` of each clip's sound."""
    network, length = run.network, round(run.config.inputs.window_s * run.config.inputs.sample_rate)
    out = []
    for part in _parts(len(rows)):
        waves = np.stack([cache.sound[r, s : s + length] for r, s in zip(rows[part], starts[part], strict=True)])
        log_mel = network.log_mel(torch.from_numpy(waves.astype(np.float32) / 32768))
        out.append(network.encode_audio(log_mel)["representation"])
    return torch.cat(out)


def _parts(count: int) -> list[slice]:
    return [slice(i, i + PART) for i in range(0, count, PART)]
