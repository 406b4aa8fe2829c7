"""Deflation's three paths for a still, side by side: naive, trained, input inflation. Needs torch (the naive one)."""

import time
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from models.networks.deflation import DeflatedMMV
from models.runtime import Encoders
from models.training.evaluation.bootstrap import middle, resamples
from models.training.evaluation.footage_clips import EmbeddedClips
from models.training.evaluation.metrics import RANKS, beaten_by, chance_to_be_found, retrieval
from models.training.restore import restore

BATCH = 32
TIMED = 20


def deflation(encoders: Encoders, found: EmbeddedClips, items: int) -> dict[str, Any]:
    """image -> video in the fine space by each path, how much of the gap training closes, what a still costs.

    Plain values: `paths`, `gap_closed` (shares with intervals, by recall), `seconds_per_still`, `frames`.
    """
    frames = encoders.bundle.inputs.frames
    paths = {
        "naive deflation": naive_fine(encoders, found.stills),
        "trained deflation": found.image_fine,
        "input inflation": inflated_fine(encoders, found.stills),
    }
    scores = {name: fine @ found.video_fine.T for name, fine in paths.items()}
    truth = np.arange(len(found.clips))
    return {
        "paths": {name: asdict(retrieval(s, truth, items)) for name, s in scores.items()},
        "gap_closed": gap_closed(list(scores.values()), items),
        "seconds_per_still": _cost(encoders, found.stills[:frames], frames),
        "frames": frames,
    }


@torch.no_grad()
def naive_fine(encoders: Encoders, stills: np.ndarray) -> np.ndarray:
    """Fine embeddings [N, F], normalised, of stills by the video network taken out of time and nothing else."""
    naive = DeflatedMMV(restore(encoders.bundle).network)
    parts = [
        naive(torch.from_numpy(part).float() / 255)["fine"]
        for part in np.split(stills, range(BATCH, len(stills), BATCH))
    ]
    return torch.nn.functional.normalize(torch.cat(parts), dim=1).numpy()


def inflated_fine(encoders: Encoders, stills: np.ndarray) -> np.ndarray:
    """Fine embeddings [N, F] of stills, each repeated for as long as a window, by the video network."""
    frames = encoders.bundle.inputs.frames
    return np.concatenate([encoders.video(still[None, None].repeat(frames, axis=1)).fine for still in stills])


def gap_closed(scores: list[np.ndarray], items: int) -> dict[str, dict[str, Any]]:
    """By recall, the share of the way from naive to inflated that the trained path goes: scores [N, N] in that order.

    The interval resamples the queries, the same ones for all paths. Shares of a gap that is no larger than noise mean
    nothing: `gap` is its size.
    """
    naive, trained, inflated = scores
    truth, n = np.arange(len(naive)), naive.shape[1]
    better = [beaten_by(path, truth) for path in (naive, trained, inflated)]
    drawn = resamples(len(naive))
    out = {}
    for k in RANKS:
        low, mid, high = (chance_to_be_found(b, n, min(items, n), k) for b in better)
        base, gained, gap = low.mean(), mid.mean(), high.mean() - low.mean()
        steps = low[drawn].mean(axis=1), mid[drawn].mean(axis=1), high[drawn].mean(axis=1)
        gaps = np.where(steps[2] == steps[0], np.nan, steps[2] - steps[0])
        shares = (steps[1] - steps[0]) / gaps
        share = float((gained - base) / gap) if gap else float("nan")
        known = shares[np.isfinite(shares)]
        interval = middle(known) if len(known) else (float("nan"), float("nan"))
        out[f"R@{k}"] = {"share": share, "interval": interval, "gap": float(gap)}
    return out


def _cost(encoders: Encoders, stills: np.ndarray, frames: int) -> dict[str, float]:
    """Median seconds for one still on one thread: alone through either encoder, and among as many as a window has.

    The last is the same number of pictures at once as one still that is repeated.
    """
    repeated = stills[:1, None].repeat(frames, axis=1)
    calls = {
        "deflated": lambda: encoders.image(stills[:1]),
        "inflated": lambda: encoders.video(repeated),
        "deflated_among_others": lambda: encoders.image(stills),
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(TIMED):  # in turn, so that a busy machine slows all
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - started)
    found = {name: float(np.median(times)) for name, times in seconds.items()}
    return found | {"deflated_among_others": found["deflated_among_others"] / len(stills)}
