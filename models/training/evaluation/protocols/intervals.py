"""95% intervals by the bootstrap: the test items drawn anew, with replacement, and the figure computed again."""

from collections.abc import Callable

import numpy as np

Statistic = Callable[[np.ndarray], float]  # of counts int64 [N]: how often each item is in the sample


def interval(
    statistic: Statistic, items: int, resamples: int = 1000, seed: int = 0
) -> tuple[float | None, float | None]:
    """2.5th and 97.5th percentile of `statistic` over samples of `items` items.

    Samples of which it is NaN are left out; None where it is NaN of all.
    """
    rng = np.random.default_rng(seed)
    values = [
        statistic(np.bincount(rng.integers(0, items, items), minlength=items)) if items else np.nan
        for _ in range(resamples)
    ]
    kept = [v for v in values if not np.isnan(v)]
    if not kept:
        return None, None
    low, high = np.percentile(kept, [2.5, 97.5])
    return float(low), float(high)


def mean_known(values: list[float]) -> float:
    """The mean of those that are not NaN; NaN if all are."""
    known = [v for v in values if not np.isnan(v)]
    return float(np.mean(known)) if known else float("nan")


def mean_share(right: np.ndarray) -> Statistic:
    """right [N, S]: whether item n is right in split s, NaN where it is not tested. The mean of the splits' shares."""
    tested = ~np.isnan(right)
    ones = np.where(tested, right, 0.0)

    def share(counts: np.ndarray) -> float:
        of = counts @ tested
        return float(np.mean(counts @ ones / of)) if of.all() else float("nan")

    return share
