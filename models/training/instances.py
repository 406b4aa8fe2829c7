"""Fits the instance heads of stills and sounds to training clips (see models/networks/instance.py)."""

import numpy as np
import torch
from torch import Tensor

from models.networks.deflation import DeflatedMMV
from models.training.data.batches import centre_crop
from models.training.data.cache import ClipCache
from models.training.run import Run

MOST_CLIPS = 3000
PART = 64


@torch.no_grad()
def fit_instances(run: Run, deflated: DeflatedMMV, cache: ClipCache, clips: int = MOST_CLIPS) -> None:
    """Views of one moment are neighbouring frames of a clip, and two windows of its sound that overlap at random."""
    network, rng = run.network, np.random.default_rng([run.config.seed, 2])
    if deflated.instance is None or network.audio_instance is None:
        return
    rows = rng.permutation(len(cache.clips))[:clips]
    at = rng.integers(0, cache.frames.shape[1] - 1, len(rows))
    deflated.instance.fit(*(_stills(run, deflated, cache, rows, at + k) for k in (0, 1)))
    rows = rng.permutation([i for i, clip in enumerate(cache.clips) if clip.has_audio])[:clips]
    latest = cache.sound.shape[1] - round(run.config.inputs.window_s * run.config.inputs.sample_rate)
    starts = rng.integers(0, latest + 1, (2, len(rows)))
    network.audio_instance.fit(*(_sounds(run, cache, rows, starts[k]) for k in (0, 1)))


def _stills(run: Run, deflated: DeflatedMMV, cache: ClipCache, rows: np.ndarray, at: np.ndarray) -> Tensor:
    """Representations [N, D] of frame `at` of each clip."""
    out = []
    for part in _parts(len(rows)):
        frames = np.ascontiguousarray(centre_crop(cache.frames[rows[part], at[part]], run.config.inputs))
        out.append(deflated(torch.from_numpy(frames).float() / 255)["representation"])
    return torch.cat(out)


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
