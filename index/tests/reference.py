"""The protocol in plain Python, one pair at a time: what all indexes are compared with."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index import PAD_ID, PAD_SCORE, ExactIndex, FlatIndex, FloatArray, IdArray, LiveIndex, SpaceKey, VectorIndex
from index.generation import Generation

KEY = SpaceKey("visual", "fine")


def reference_search(
    ids: npt.ArrayLike,
    vectors: FloatArray,
    query: FloatArray,
    k: int,
    allowed: Collection[int] | None = None,
    excluded: Collection[int] = (),
) -> tuple[list[float], list[int]]:
    best: dict[int, float] = {}
    for item, vector in zip(np.asarray(ids).tolist(), vectors, strict=True):
        if (allowed is None or item in allowed) and item not in excluded:
            best[item] = max(best.get(item, PAD_SCORE), float(np.vecdot(vector, query)))
    ranked = sorted(best.items(), key=lambda hit: (-hit[1], hit[0]))[:k]
    ranked += [(PAD_ID, PAD_SCORE)] * (k - len(ranked))
    return [score for _, score in ranked], [item for item, _ in ranked]


def fake_generation(ids: npt.ArrayLike, vectors: npt.ArrayLike, name: str = "00000001-000000") -> Generation:
    """A generation that was never on disk, for tests that make many."""
    return Generation(Path(name), {"name": name, "bundle": "b"}, {KEY: FlatIndex(ids, vectors)})


class LiveParts:
    """A LiveIndex behind the protocol: a third of the rows in the generation, the rest added in uneven pieces."""

    def __init__(self, ids: npt.ArrayLike, vectors: npt.ArrayLike) -> None:
        all_ids, rows = np.asarray(ids), np.asarray(vectors)
        third = len(all_ids) // 3
        self._generation = fake_generation(all_ids[:third], rows[:third]) if third else None
        ends = [third, third + 1, third + 4, third + third // 2, len(all_ids)]
        self._pieces = [(all_ids[a:b], rows[a:b]) for a, b in itertools.pairwise(ends) if b > a]
        if third // 2 < 4:
            self._pieces = [(all_ids[third:], rows[third:])]
        self._live = self._build()
        self.dim = rows.shape[1]
        self.ids = np.sort(all_ids)

    def _build(self) -> LiveIndex:
        live = LiveIndex("b", self._generation)
        for piece in self._pieces:
            live.add(KEY, *piece)
        return live

    def __len__(self) -> int:
        return self._live.snapshot().counts.get(KEY, 0)

    def search(
        self, queries: FloatArray, k: int, allowed: IdArray | None = None, excluded: IdArray | None = None
    ) -> tuple[FloatArray, IdArray]:
        live = self._live
        if excluded is not None:
            live = self._build()
            live.remove(excluded)
        return live.search(KEY, queries, k, allowed)

    def scores_for(self, query: FloatArray, ids: IdArray) -> FloatArray:
        return self._live.scores_for(KEY, query, ids)


Build = Callable[[npt.ArrayLike, npt.ArrayLike, Path], VectorIndex]


def _saved(ids: npt.ArrayLike, vectors: npt.ArrayLike, folder: Path) -> VectorIndex:
    FlatIndex(ids, vectors).save(folder, "x")
    return FlatIndex.load(folder, "x")


BUILDERS: dict[str, Build] = {
    "exact": lambda ids, vectors, _: ExactIndex(ids, vectors),
    "flat": lambda ids, vectors, _: FlatIndex(ids, vectors),
    "flat-saved": _saved,
    "live": lambda ids, vectors, _: LiveParts(ids, vectors),
}
