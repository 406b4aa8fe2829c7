"""One ranking out of several, by a weighted sum of scores that can be explained.

    rankings = {key: snapshot.search(key, query[key], k) ...}          # each channel and space proposes its best
    ids = candidates(rankings)                                         # the union of what they propose
    complete = {key: (snapshot.scores_for(key, query[key], ids), ids) for key in rankings}
    best = fuse(complete, weights, missing="floor")                    # exact on the union, each part as evidence

Without the completing step fuse has to assume something of an item that a ranking does not list; `missing` says what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from index.protocol import PAD_ID, PAD_SCORE, IdArray
from index.spaces import SpaceKey

# scores float [N] or [1, N] and ids int [N] or [1, N] of one query, from an index's `search` or `scores_for`
Ranking = tuple[npt.ArrayLike, npt.ArrayLike]
Missing = Literal["floor", "absent"]


@dataclass(frozen=True)
class Fused:
    """An item, its weighted sum, and the unweighted score of every ranking that knows it ("visual.fine": 0.71)."""

    id: int
    score: float
    evidence: dict[str, float]


def candidates(rankings: Mapping[SpaceKey, Ranking]) -> IdArray:
    """Every id that some ranking lists, int64, ascending, distinct."""
    listed = [np.empty(0, np.int64), *(np.asarray(ids, np.int64).ravel() for _, ids in rankings.values())]
    ids = np.unique(np.concatenate(listed))
    return ids[ids != PAD_ID]


def fuse(
    rankings: Mapping[SpaceKey, Ranking],
    weights: Mapping[SpaceKey, float],
    *,
    missing: Missing,
    absent: float = 0.0,
) -> list[Fused]:
    """All listed items, by descending weighted sum of scores; equal sums by ascending id.

    An item's score in a ranking is the one listed (the best, if listed twice). If there is none:

    * listed with -inf (what `scores_for` says of an id without vectors): it has nothing to compare, as a silent film
      has no sound. It counts as `absent` and is not in the evidence.
    * not listed, and the ranking is padded with id -1 (its index ran out of items): the same.
    * not listed in a full ranking: it scored no better than the last one listed. missing="floor" counts that last
      score, its upper bound; missing="absent" counts `absent`. Neither is in the evidence.

    Args:
        rankings: one query's hits per key.
        weights: per key; may be negative ("unlike this"). Every ranking needs one.
        missing: what an unlisted item counts; see above.
        absent: the score of an item that has no vector under a key. 0 is neutral for cosines whose unrelated pairs
            score about 0; give the typical score of unrelated pairs if it is another.

    Raises:
        ValueError: a ranking without a weight, or `missing` is neither.
    """
    if missing not in ("floor", "absent"):
        raise ValueError(f"missing must be 'floor' or 'absent', not {missing!r}")
    unweighted = [str(key) for key in rankings if key not in weights]
    if unweighted:
        raise ValueError(f"no weight for {', '.join(unweighted)}")

    everyone = [int(item) for item in candidates(rankings)]
    sums = dict.fromkeys(everyone, 0.0)
    evidence: dict[int, dict[str, float]] = {item: {} for item in everyone}
    for key in sorted(rankings):
        listed, ran_out = _listed(rankings[key])
        real = [score for score in listed.values() if score != PAD_SCORE]
        floor = min(real) if real and missing == "floor" and not ran_out else absent
        for item in everyone:
            score = listed.get(item, floor)
            if score == PAD_SCORE:
                score = absent
            elif item in listed:
                evidence[item][str(key)] = score
            sums[item] += weights[key] * score
    return [Fused(item, sums[item], evidence[item]) for item in sorted(everyone, key=lambda item: (-sums[item], item))]


def _listed(ranking: Ranking) -> tuple[dict[int, float], bool]:
    """Best score of each listed id, and whether the ranking is padded."""
    scores, ids = np.asarray(ranking[0], np.float64).ravel(), np.asarray(ranking[1], np.int64).ravel()
    listed: dict[int, float] = {}
    for item, score in zip(ids.tolist(), scores.tolist(), strict=True):
        if item != PAD_ID:
            listed[item] = max(score, listed.get(item, PAD_SCORE))
    return listed, bool((ids == PAD_ID).any()) or not ids.size
