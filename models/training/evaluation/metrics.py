"""Retrieval metrics, each with the value that chance gives and its 95% interval over the queries."""

from dataclasses import dataclass

import numpy as np

from models.training.evaluation.bootstrap import Interval, interval

RANKS = (1, 5, 10)
TOP = 5


@dataclass(frozen=True)
class Retrieval:
    """Recall at 1, 5, 10 and the median rank (from 1) of the one true match; `chance` are those of a random order.

    `items` are ranked for each query, out of a pool of `pool`. `interval` has the 95% intervals of the recalls and of
    `median_rank`, by name: how far they move with another draw of queries.
    """

    queries: int
    items: int
    recall: dict[str, float]
    median_rank: float
    chance_recall: dict[str, float]
    chance_median_rank: float
    pool: int
    interval: dict[str, Interval]


def retrieval(scores: np.ndarray, truth: np.ndarray, items: int | None = None) -> Retrieval:
    """scores [Q, N] of every item for every query; truth [Q] is the index of each query's item. Ties count half.

    With `items` below N, each query's own item is ranked among `items - 1` of the N - 1 others: what is given is the
    mean over all the ways to draw those others, so that a large pool makes the figure steadier and not lower.
    """
    n = scores.shape[1]
    items = min(items or n, n)
    better = beaten_by(scores, truth)
    found = {k: chance_to_be_found(better, n, items, k) for k in RANKS}
    ranks = 1 + better * (items - 1) / max(1, n - 1)
    return Retrieval(
        queries=len(scores),
        items=items,
        recall={f"R@{k}": float(row.mean()) for k, row in found.items()},
        median_rank=float(np.median(ranks)),
        chance_recall={f"R@{k}": min(1.0, k / items) for k in RANKS},
        chance_median_rank=(items + 1) / 2,
        pool=n,
        interval={f"R@{k}": interval(row) for k, row in found.items()} | {"median_rank": interval(ranks, np.median)},
    )


def beaten_by(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """float [Q]: how many items score above each query's own one, those with its score counting half."""
    true = scores[np.arange(len(scores)), truth][:, None]
    return (scores > true).sum(axis=1) + ((scores == true).sum(axis=1) - 1) / 2


def chance_to_be_found(better: np.ndarray, pool: int, items: int, k: int) -> np.ndarray:
    """float [Q]: how probably fewer than k of `items - 1` others, drawn out of `pool - 1`, are among the `better` ones.

    The hypergeometric distribution's sum up to k - 1; 0 or 1 where all others are drawn.
    """
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, pool + 1)))])  # of factorials

    def log_choose(n: np.ndarray, r: np.ndarray) -> np.ndarray:
        possible = (r >= 0) & (r <= n)
        n, r = np.where(possible, n, 0), np.where(possible, r, 0)
        return np.where(possible, logs[n] - logs[r] - logs[n - r], -np.inf)

    above = np.ceil(better).astype(int)[:, None]  # half an item better is not found at this rank
    drawn = np.arange(k)[None]
    others, picked = np.array(pool - 1), np.array(items - 1)
    log_share = log_choose(above, drawn) + log_choose(others - above, picked - drawn) - log_choose(others, picked)
    return np.minimum(1.0, np.exp(log_share).sum(axis=1))


@dataclass(frozen=True)
class Concepts:
    """Concept precision@5 and mean average precision over text queries, with chance (the concepts' mean frequency).

    Precision is that of the first min(5, relevant) results, so that a perfect ranker reaches 1 also for a concept which
    fewer than five items have. `interval` has the 95% intervals of both, by name.
    """

    queries: int
    precision_at_5: float
    mean_average_precision: float
    chance: float
    per_query: dict[str, float]
    per_query_ap: dict[str, float]
    interval: dict[str, Interval]


def concept_precision(scores: np.ndarray, relevant: np.ndarray, names: list[str]) -> Concepts:
    """scores [Q, N]; relevant bool [Q, N]; names [Q] label the queries. Queries with no relevant item are left out."""
    used = np.asarray(relevant.any(axis=1))
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = np.take_along_axis(relevant, order, axis=1)[used]
    places = np.arange(1, hits.shape[1] + 1)
    precision = hits.cumsum(axis=1) / places
    average = (precision * hits).sum(axis=1) / hits.sum(axis=1)
    looked_at = np.minimum(TOP, hits.sum(axis=1))
    top = (hits & (places <= looked_at[:, None])).sum(axis=1) / looked_at
    kept = [n for n, u in zip(names, used, strict=True) if u]
    return Concepts(
        queries=int(used.sum()),
        precision_at_5=float(top.mean()),
        mean_average_precision=float(average.mean()),
        chance=float(relevant[used].mean()),
        per_query={n: round(float(t), 4) for n, t in zip(kept, top, strict=True)},
        per_query_ap={n: round(float(t), 4) for n, t in zip(kept, average, strict=True)},
        interval={"precision_at_5": interval(top), "mean_average_precision": interval(average)},
    )


@dataclass(frozen=True)
class Naming:
    """How often the class that scores highest is right; `chance` is the mean share of classes that would be."""

    clips: int
    classes: int
    right: float
    chance: float
    interval: Interval


def naming(scores: np.ndarray, relevant: np.ndarray) -> Naming:
    """scores [N, C] of every class for every clip; relevant bool [N, C]: the class or classes that are right."""
    right = relevant[np.arange(len(scores)), scores.argmax(axis=1)]
    return Naming(len(scores), scores.shape[1], float(right.mean()), float(relevant.mean()), interval(right))
