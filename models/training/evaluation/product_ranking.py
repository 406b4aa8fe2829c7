"""Ranking as the service ranks: cosines of several kinds made comparable, weighted and summed.

The service's own code is not called, since models know nothing of it; `service/tests/test_footage_evaluation_ranks.py`
holds both to the same numbers.
"""

from collections.abc import Sequence

import numpy as np

# By words: what is seen and what is heard (service/plans.py).
TEXT_VISUAL, TEXT_SOUND = 1.0, 0.7
# By a still: the library's frames, then the windows around them.
FRAME_INSTANCE, FRAME_FINE, VISUAL_FINE, VISUAL_COARSE = 1.0, 0.5, 0.05, 0.05
LEAST_SPREAD = 0.005


def standardised(cosines: np.ndarray) -> np.ndarray:
    """Standard deviations above the library's average, [Q, N]; 0 where a clip has no such channel (NaN)."""
    rows = cosines.astype(np.float64)
    mean = np.nanmean(rows, axis=1, keepdims=True)
    spread = np.maximum(np.nanstd(rows, axis=1, keepdims=True), LEAST_SPREAD)
    return np.nan_to_num((rows - mean) / spread, nan=0.0)


def fused(parts: Sequence[tuple[float, np.ndarray | None]]) -> np.ndarray:
    """The weighted mean of standardised cosines [Q, N]; a part that the bundle cannot give (None) is left out."""
    there = [(weight, cosines) for weight, cosines in parts if cosines is not None and np.isfinite(cosines).any()]
    total = np.zeros(there[0][1].shape)
    for weight, cosines in there:
        total += weight * standardised(cosines)
    return total / sum(weight for weight, _ in there)


def best_frame(query: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """Cosines [Q, N] of queries [Q, D] to the nearest of each clip's frames [N, T, D]."""
    n, t, d = frames.shape
    return (query @ frames.reshape(n * t, d).T).reshape(len(query), n, t).max(axis=2)
