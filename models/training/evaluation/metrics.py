"""Retrieval metrics, each with the value that chance gives."""

from dataclasses import dataclass

import numpy as np

RANKS = (1, 5, 10)


@dataclass(frozen=True)
class Retrieval:
    """Recall at 1, 5, 10 and the median rank (from 1) of the one true match; `chance` are those of a random order."""

    queries: int
    items: int
    recall: dict[str, float]
    median_rank: float
    chance_recall: dict[str, float]
    chance_median_rank: float


def retrieval(scores: np.ndarray, truth: np.ndarray) -> Retrieval:
    """scores [Q, N] of every item for every query; truth [Q] is the index of each query's item. Ties count half."""
    true = scores[np.arange(len(scores)), truth][:, None]
    ranks = 1 + (scores > true).sum(axis=1) + ((scores == true).sum(axis=1) - 1) / 2
    n = scores.shape[1]
    return Retrieval(
        queries=len(scores),
        items=n,
        recall={f"R@{k}": float((ranks <= k).mean()) for k in RANKS},
        median_rank=float(np.median(ranks)),
        chance_recall={f"R@{k}": min(1.0, k / n) for k in RANKS},
        chance_median_rank=(n + 1) / 2,
    )


@dataclass(frozen=True)
class Concepts:
    """Concept precision@5 and mean average precision over text queries, with chance (the concepts' mean frequency)."""

    queries: int
    precision_at_5: float
    mean_average_precision: float
    chance: float
    per_query: dict[str, float]


def concept_precision(scores: np.ndarray, relevant: np.ndarray, names: list[str]) -> Concepts:
    """scores [Q, N]; relevant bool [Q, N]; names [Q] label the queries. Queries with no relevant item are left out."""
    used = np.asarray(relevant.any(axis=1))
    order = np.argsort(-scores, axis=1, kind="stable")
    hits = np.take_along_axis(relevant, order, axis=1)[used]
    precision = hits.cumsum(axis=1) / np.arange(1, hits.shape[1] + 1)
    top = hits[:, :5].mean(axis=1)
    kept = [n for n, u in zip(names, used, strict=True) if u]
    return Concepts(
        queries=int(used.sum()),
        precision_at_5=float(top.mean()),
        mean_average_precision=float(((precision * hits).sum(axis=1) / hits.sum(axis=1)).mean()),
        chance=float(relevant[used].mean()),
        per_query={n: float(t) for n, t in zip(kept, top, strict=True)},
    )
