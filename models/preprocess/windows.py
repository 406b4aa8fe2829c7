"""Cutting a film's time line into the overlapping windows that are embedded and searched."""

import math

import numpy as np


def window_starts(duration_s: float, window_s: float, hop_s: float, step_s: float | None = None) -> list[float]:
    """Start times, in seconds, of the windows of a film.

    One every `hop_s`; the last is aligned to the film's end, on a multiple of `step_s` (the frame grid) so that
    windows share frames. A film no longer than a window has the single window 0.
    """
    if duration_s <= window_s + 1e-6:
        return [0.0]
    step = step_s or hop_s
    last = math.floor((duration_s - window_s) / step + 1e-6) * step
    count = math.floor(last / hop_s + 1e-6) + 1
    starts = [i * hop_s for i in range(count)]
    if last - starts[-1] > 1e-6:
        starts.append(last)
    return starts


def fit_frames(frames: np.ndarray, count: int) -> np.ndarray:
    """Exactly `count` frames [count, H, W, 3]: the first ones, looped where there are fewer, as MMV does."""
    return frames[np.arange(count) % len(frames)]


def spread(count: int, most: int) -> np.ndarray:
    """Indices of at most `most` of `count` things, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
