"""95% intervals by resampling (Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979), seeded."""

from collections.abc import Callable

import numpy as np

RESAMPLES = 2000
Interval = tuple[float, float]


def resamples(count: int, seed: int = 0) -> np.ndarray:
    """int [RESAMPLES, count]: draws of `count` out of `count`, with replacement; the same ones for a count and seed."""
    return np.random.default_rng([seed, count]).integers(0, count, (RESAMPLES, count))


def interval(values: np.ndarray, statistic: Callable[..., np.ndarray] = np.mean, seed: int = 0) -> Interval:
    """The middle 95% of a statistic (called with `axis=1`) of resampled values [Q]."""
    return middle(statistic(values[resamples(len(values), seed)], axis=1))


def middle(statistics: np.ndarray) -> Interval:
    """From the 2.5th to the 97.5th percentile."""
    low, high = np.percentile(statistics, (2.5, 97.5))
    return float(low), float(high)
