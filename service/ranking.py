"""From query vectors to a ranking of segments: comparable scores over several (channel, space), fused, then moments.

Cosines of different spaces are not comparable: two random pictures have a cosine of 0 in the instance space and of 0.3
in the fine space. Each is therefore standardised against the library: how many standard deviations is this segment
nearer to the query than a usual segment is? A channel that a segment lacks (no sound, no picture) counts 0, as a usual
one would.

A query of several parts adds up what its parts score. A part with a negative weight takes away where a segment is like
it, and gives nothing where it is unlike: "a door, not in the dark" means doors, and not the brightest of moments.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from index.fusion import candidates, fuse
from index.live import Snapshot
from index.protocol import PAD_ID, FloatArray, IdArray
from index.spaces import SpaceKey

Vectors = Mapping[SpaceKey, FloatArray]
Weights = Mapping[SpaceKey, float]

# Below this spread of cosines, differences are rounding (vectors are stored in float16) and not likeness.
LEAST_SPREAD = 0.005
# In a library of which little has a channel (silent films, and a few with sound), hardly any of the usual segments may
# have it, by which nothing can be judged: then as many of those that have it are asked instead.
FEWEST_USUAL, USUAL = 64, 512
# Of fewer usual segments it is not asked how much alike two parts are.
FEWEST_COMPARED = 8
# How much of the parts' variance the sum keeps at least: parts that cancel each other are not blown up.
LEAST_VARIANCE = 0.05


@dataclass(frozen=True)
class Part:
    """One part of a query: its vectors, what they are compared with, and how much it counts; not 0."""

    plan: Weights
    vectors: Vectors
    weight: float = 1.0


@dataclass(frozen=True)
class Ranking:
    """Segments, best first, equal scores by id. `cosines` are -inf where a segment has no vector of that key."""

    ids: IdArray  # [N]
    scores: np.ndarray  # float64 [N], standard deviations above the library's average
    # Each [N]: the best of the query's and the segment's vectors; of a query in parts by "number:channel.space".
    cosines: Mapping[Any, FloatArray]

    def evidence(self, place: int) -> dict[str, float]:
        """The cosines of one segment, by "channel.space"."""
        values = {str(key): float(row[place]) for key, row in self.cosines.items()}
        return {key: round(value, 4) for key, value in values.items() if np.isfinite(value)}


def rank(
    index: Snapshot, plan: Weights, vectors: Vectors, *, sample: IdArray, k: int, allowed: IdArray | None = None
) -> Ranking:
    """Rank the segments that are among the k best in at least one (channel, space).

    Args:
        vectors: the query, float32 [Q, D] for each key; a segment's score is that of the query vector it suits best.
        sample: ids of usual segments, against which scores are standardised.
        allowed: the only ids that may be ranked; None means all.
    """
    usable = [key for key in plan if key in vectors and key in index.keys]
    found = candidates({key: _flat(index.search(key, vectors[key], k, allowed)) for key in usable})
    return score(index, plan, vectors, sample=sample, ids=found)


def score(index: Snapshot, plan: Weights, vectors: Vectors, *, sample: IdArray, ids: IdArray) -> Ranking:
    """Rank exactly these segments (ascending, distinct); arguments as of `rank`."""
    usable = [key for key in plan if key in vectors and key in index.keys]
    if not usable:  # nothing to compare by: all alike
        return Ranking(ids, np.zeros(len(ids)), {})
    everyone = np.concatenate([ids, sample])
    rows = {key: _cosines(index, key, vectors[key], everyone) for key in usable}
    for key in usable:
        if np.isfinite(rows[key][:, len(ids) :]).all(axis=0).sum() < FEWEST_USUAL:
            usual = _cosines(index, key, vectors[key], index.some_ids(key, USUAL))
            rows[key] = np.concatenate([rows[key][:, : len(ids)], usual], axis=1)
    standard = {key: (standardise(rows[key], len(ids)), ids) for key in usable}
    share = sum(plan[key] for key in usable)
    fused = fuse(standard, {key: plan[key] / share for key in usable}, missing="absent", absent=0.0)
    order = np.array([item.id for item in fused], np.int64)
    places = np.searchsorted(ids, order)
    return Ranking(
        order,
        np.array([item.score for item in fused], np.float64),
        {key: rows[key].max(axis=0)[places] for key in usable},
    )


def rank_parts(
    index: Snapshot, parts: Sequence[Part], *, sample: IdArray, k: int, allowed: IdArray | None = None
) -> Ranking:
    """Rank the segments that are among the k best of at least one part with a positive weight.

    Arguments as of `rank`; its ranking for a single part, whatever that part's weight.
    """
    if len(parts) == 1:
        return rank(index, parts[0].plan, parts[0].vectors, sample=sample, k=k, allowed=allowed)
    hits = {
        f"{number}:{key}": _flat(index.search(key, part.vectors[key], k, allowed))
        for number, part in enumerate(parts)
        if part.weight > 0
        for key in part.plan
        if key in part.vectors and key in index.keys
    }
    ids = np.unique(np.concatenate([np.empty(0, np.int64), *(ids for _, ids in hits.values())]))
    ids = ids[ids != PAD_ID]
    everyone = np.union1d(ids, sample)
    scores = np.empty((len(parts), len(everyone)))
    cosines: dict[str, FloatArray] = {}
    for number, part in enumerate(parts):
        ranking = score(index, part.plan, part.vectors, sample=sample, ids=everyone)
        by_id = np.argsort(ranking.ids)
        scores[number] = ranking.scores[by_id]
        cosines |= {f"{number}:{key}": row[by_id] for key, row in ranking.cosines.items()}
    weights = np.array([part.weight for part in parts])
    total = combined(scores, weights, np.searchsorted(everyone, sample))
    at = np.searchsorted(everyone, ids)
    at = at[np.argsort(-total[at], kind="stable")]
    return Ranking(everyone[at], total[at], {name: row[at] for name, row in cosines.items()})


def combined(scores: np.ndarray, weights: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """The parts' scores as one, float64 [N]: again about standard deviations above the library's average.

    Positive parts are summed and divided by the spread of their sum, in which parts that say the same count once. Of
    negative ones only what is above average counts.

    Args:
        scores: float64 [P, N], each in standard deviations.
        weights: float64 [P], none 0, at least one of them positive.
        usual: places of usual segments among the N.
    """
    wanted = weights > 0
    w, rows = weights[wanted], scores[wanted]
    alike = np.eye(len(w))
    if len(usual) >= FEWEST_COMPARED:
        spread = rows[:, usual].std(axis=1)
        told = spread > LEAST_SPREAD  # one that is the same everywhere is like none
        alike[np.ix_(told, told)] = np.corrcoef(rows[np.ix_(told, usual)]) if told.sum() > 1 else 1.0
    scale = np.sqrt(max(w @ alike @ w, LEAST_VARIANCE * (w @ w)))
    taken = -weights[~wanted] @ np.maximum(scores[~wanted], 0.0)
    return (w @ rows - taken) / scale


def _cosines(index: Snapshot, key: SpaceKey, queries: FloatArray, ids: IdArray) -> np.ndarray:
    """float32 [Q, N], -inf where there is no vector."""
    return np.stack([index.scores_for(key, query, ids) for query in queries])


def standardise(rows: np.ndarray, count: int) -> np.ndarray:
    """Cosines to standard deviations above the usual, float64 [count]; -inf where there is no vector.

    rows: [Q, count + S], -inf where there is no vector; the last S columns are the usual segments.
    """
    rows = rows.astype(np.float64)
    usual = rows[:, count:]
    usual = usual[:, np.isfinite(usual).all(axis=0)]
    if not usual.size:  # nothing to compare with: all are usual
        return np.where(np.isfinite(rows[:, :count]).all(axis=0), 0.0, -np.inf)
    mean, spread = usual.mean(axis=1, keepdims=True), np.maximum(usual.std(axis=1, keepdims=True), LEAST_SPREAD)
    best = ((rows[:, :count] - mean) / spread).max(axis=0)
    if len(rows) > 1:  # the best of several is above average everywhere
        usual_best = ((usual - mean) / spread).max(axis=0)
        best = (best - usual_best.mean()) / max(float(usual_best.std()), 0.1)
    return best


def pick_moments(
    videos: np.ndarray, starts: np.ndarray, ends: np.ndarray, *, wanted: int, one_per_video: bool = False
) -> list[int]:
    """Places, in a ranking, of the segments to show: the best of those that overlap in one film (windows do).

    videos: a number for the film of each ranked segment [N]; starts, ends: seconds [N]. At most `wanted` places.
    """
    places: list[int] = []
    kept: dict[int, list[tuple[float, float]]] = {}
    for place, (video, start, end) in enumerate(zip(videos.tolist(), starts.tolist(), ends.tolist(), strict=True)):
        others = kept.setdefault(video, [])
        if others and (one_per_video or any(_overlap(start, end, *other) for other in others)):
            continue
        others.append((start, end))
        places.append(place)
        if len(places) == wanted:
            break
    return places


def _overlap(start: float, end: float, other_start: float, other_end: float) -> bool:
    """Whether two windows share more than a quarter of the shorter one."""
    shared = min(end, other_end) - max(start, other_start)
    return shared > 0.25 * min(end - start, other_end - other_start)


def _flat(hits: tuple[FloatArray, IdArray]) -> tuple[FloatArray, IdArray]:
    """The hits of all query vectors as one list."""
    return hits[0].reshape(-1), hits[1].reshape(-1)
