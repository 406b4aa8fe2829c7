"""From query vectors to a ranking of segments: comparable scores over several (channel, space), fused, then moments.

Cosines of different spaces are not comparable: two random pictures have a cosine of 0.9 as representations and 0.1 in the
fine space. Each is therefore standardised against the library: how many standard deviations is this segment nearer to the
query than a usual segment is? A channel that a segment lacks (no sound, no picture) counts 0, as a usual one would.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from index.protocol import FloatArray, IdArray
from index.spaces import SpaceKey

Vectors = Mapping[SpaceKey, FloatArray]

# Below this spread differences are rounding, not likeness (all segments of a tiny library may be one picture).
LEAST_SPREAD = 0.02
# Scores that differ by less are equal: rankings must not depend on the last bits of a sum.
DECIMALS = 5


class Searchable(Protocol):
    """What ranking needs of `index.live.LiveIndex`."""

    def keys(self) -> Collection[SpaceKey]: ...

    def search(
        self, key: SpaceKey, queries: FloatArray, k: int, allowed: IdArray | None = None
    ) -> tuple[FloatArray, IdArray]: ...

    def scores_for(self, key: SpaceKey, query: FloatArray, ids: IdArray) -> FloatArray: ...


@dataclass(frozen=True)
class Ranking:
    """Segments, best first, equal scores by id. `cosines` are NaN where a segment has no vector of that key."""

    ids: IdArray  # [N]
    scores: np.ndarray  # float64 [N], standard deviations above the library's average
    cosines: dict[SpaceKey, FloatArray]  # each [N]: the best of the query's and the segment's vectors

    def evidence(self, place: int) -> dict[str, float]:
        """The cosines of one segment, by "channel.space"."""
        values = {str(key): float(row[place]) for key, row in self.cosines.items()}
        return {key: round(value, 4) for key, value in values.items() if np.isfinite(value)}


def rank(
    index: Searchable,
    plan: Mapping[SpaceKey, float],
    vectors: Vectors,
    *,
    sample: IdArray,
    k: int,
    allowed: IdArray | None = None,
) -> Ranking:
    """Rank the segments that are among the k best in at least one (channel, space).

    Args:
        vectors: the query, float32 [Q, D] for each key; a segment's score is that of the query vector it suits best.
        sample: ids of usual segments, against which scores are standardised.
        allowed: the only ids that may be ranked; None means all.
    """
    known = set(index.keys())
    weights = {key: weight for key, weight in plan.items() if key in vectors and key in known}
    found = [index.search(key, vectors[key], k, allowed)[1].reshape(-1) for key in weights]
    ids = np.unique(np.concatenate([np.empty(0, np.int64), *found]))
    return score(index, weights, vectors, sample=sample, ids=ids[ids >= 0])


def score(
    index: Searchable, weights: Mapping[SpaceKey, float], vectors: Vectors, *, sample: IdArray, ids: IdArray
) -> Ranking:
    """Rank exactly these segments; arguments as of `rank`."""
    known = set(index.keys())
    weights = {key: weight for key, weight in weights.items() if key in vectors and key in known}
    total = np.zeros(len(ids))
    cosines: dict[SpaceKey, FloatArray] = {}
    both = np.concatenate([ids, sample])
    for key, weight in weights.items():
        rows = np.stack([index.scores_for(key, query, both) for query in vectors[key]])  # [Q, N + S]
        best = rows.max(axis=0)[: len(ids)]
        cosines[key] = np.where(np.isfinite(best), best, np.nan).astype(np.float32)
        total += weight * standardise(rows, len(ids))
    total = np.round(total / (sum(weights.values()) or 1.0), DECIMALS)
    order = np.lexsort((ids, -total))
    return Ranking(ids[order], total[order], {key: row[order] for key, row in cosines.items()})


def standardise(rows: np.ndarray, count: int) -> np.ndarray:
    """Cosines to standard deviations above the usual, float64 [count]; 0 where there is no vector.

    rows: [Q, count + S], -inf where there is no vector; the last S columns are the usual segments.
    """
    rows = rows.astype(np.float64)
    usual = rows[:, count:]
    usual = usual[:, np.isfinite(usual).all(axis=0)]
    if not usual.size:
        return np.zeros(count)
    mean, spread = usual.mean(axis=1, keepdims=True), np.maximum(usual.std(axis=1, keepdims=True), LEAST_SPREAD)
    best = ((rows[:, :count] - mean) / spread).max(axis=0)
    if len(rows) > 1:  # the best of several is above average everywhere
        usual_best = ((usual - mean) / spread).max(axis=0)
        best = (best - usual_best.mean()) / max(float(usual_best.std()), LEAST_SPREAD)
    return np.where(np.isfinite(best), best, 0.0)


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
