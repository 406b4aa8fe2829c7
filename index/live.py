"""The index that is served: a generation, what was added since, and what was removed since.

All of it is one immutable `Snapshot`. A change builds the next snapshot under a lock and then replaces one reference; a
search takes the reference once. So searches never wait, and never see half of a change. Take one snapshot for all the
searches that make up one answer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from index.exact import ExactIndex
from index.faiss_index import FlatIndex
from index.generation import Generation
from index.protocol import PAD_ID, PAD_SCORE, FloatArray, IdArray
from index.rows import best_per_id, checked_ids, checked_queries, contains, top_k
from index.spaces import SpaceKey

_NO_IDS: IdArray = np.empty(0, np.int64)


@dataclass(frozen=True)
class Snapshot:
    """One consistent state of the live index; immutable, safe to search from any number of threads."""

    generation: Generation | None = None
    # Added since, in chunks of at least doubling size: see _with_chunk.
    delta: Mapping[SpaceKey, tuple[ExactIndex, ...]] = field(default_factory=dict, repr=False)
    # Every id ever removed here and not added again, ascending: also to be hidden in the next generation, which may
    # have been read from the catalogue before the removal.
    removed: IdArray = field(default_factory=lambda: _NO_IDS, repr=False)
    # Ids of this generation that are hidden. Chunks of the delta are rewritten instead, so an id may be added again.
    hidden: IdArray = field(default_factory=lambda: _NO_IDS, repr=False)

    @property
    def keys(self) -> tuple[SpaceKey, ...]:
        """Keys that have rows (maybe hidden ones), ascending."""
        return tuple(sorted({*(self.generation.indexes if self.generation else ()), *self.delta}))

    @property
    def counts(self) -> dict[SpaceKey, int]:
        """Rows of each key, in the generation (hidden ones too) and the delta."""
        return {key: len(self._base(key) or ()) + sum(map(len, self.delta.get(key, ()))) for key in self.keys}

    @property
    def delta_rows(self) -> int:
        """Rows added since the generation, over all keys: what a rebuild would move into FAISS."""
        return sum(len(chunk) for chunks in self.delta.values() for chunk in chunks)

    def dim(self, key: SpaceKey) -> int | None:
        """Length of the key's vectors, None if it has no rows."""
        for part in (self._base(key), *self.delta.get(key, ())):
            if part is not None:
                return part.dim
        return None

    def ids(self, key: SpaceKey | None = None) -> IdArray:
        """Ids that can be found, in one key or in any, int64, ascending, distinct."""
        found = [_NO_IDS]
        for each in self.keys if key is None else (key,):
            base = self._base(each)
            if base is not None:
                found.append(np.setdiff1d(base.ids, self.hidden))
            found += [chunk.ids for chunk in self.delta.get(each, ())]
        return np.unique(np.concatenate(found))

    def some_ids(self, key: SpaceKey, count: int) -> IdArray:
        """Ids of at most `count` rows of one key, spread evenly over them, int64, ascending, distinct.

        Unlike `ids` it looks at no other rows.
        """
        base = self._base(key)
        parts = [chunk.ids for chunk in self.delta.get(key, ())]
        if base is not None:
            parts.insert(0, base.ids)
        total = sum(map(len, parts))
        rows = np.arange(total) if total <= count else np.linspace(0, total - 1, count).astype(np.int64)
        found, begin = [_NO_IDS], 0
        for part in parts:
            found.append(part[rows[(rows >= begin) & (rows < begin + len(part))] - begin])
            begin += len(part)
        if base is not None:
            found[1] = np.setdiff1d(found[1], self.hidden)
        return np.unique(np.concatenate(found))

    def search(
        self, key: SpaceKey, queries: npt.ArrayLike, k: int, allowed: IdArray | None = None
    ) -> tuple[FloatArray, IdArray]:
        """The k best ids of each query among the key's vectors, as `protocol.VectorIndex.search`.

        A key without rows has no hits, whatever the queries' dimension.

        Args:
            queries: float [Q, D].
            allowed: int64 [A], the only ids that may be hits; None means all.

        Returns:
            scores float32 [Q, k] and ids int64 [Q, k], padded with -inf and -1.

        Raises:
            ValueError: queries of a wrong shape or dimension, or not finite; k < 1.
        """
        matrix = checked_queries(queries, self.dim(key), k)
        base = self._base(key)
        parts = [] if base is None else [base.search(matrix, k, allowed, self.hidden)]
        parts += [chunk.search(matrix, k, allowed) for chunk in self.delta.get(key, ())]
        if len(parts) == 1:
            return parts[0]
        scores, ids = np.full((len(matrix), k), PAD_SCORE, np.float32), np.full((len(matrix), k), PAD_ID, np.int64)
        for i in range(len(matrix) if parts else 0):
            scores[i], ids[i] = _merged([(part_scores[i], part_ids[i]) for part_scores, part_ids in parts], k)
        return scores, ids

    def scores_for(self, key: SpaceKey, query: npt.ArrayLike, ids: npt.ArrayLike) -> FloatArray:
        """The best score of each of the given ids, float32 [N] in their order; -inf for an id that has none.

        Equal, bit for bit, to the scores that `search` gives.

        Args:
            query: float [D].
            ids: integers [N], in any order, repeats allowed.
        """
        wanted = checked_ids(ids)
        scores = np.full(len(wanted), PAD_SCORE, np.float32)
        base = self._base(key)
        if base is not None:
            scores = np.where(contains(self.hidden, wanted), scores, base.scores_for(query, wanted))
        for chunk in self.delta.get(key, ()):
            scores = np.maximum(scores, chunk.scores_for(query, wanted))
        return scores

    def _base(self, key: SpaceKey) -> FlatIndex | None:
        return self.generation.indexes.get(key) if self.generation else None


class LiveIndex:
    """The current snapshot and the changes to it. All methods may be called from any thread.

    An id's vectors under one key are added together, in one call, and an id is not given to another item later: that is
    how `swap` knows that a generation contains an addition. Adding the same rows twice is harmless.
    """

    def __init__(self, bundle: str, generation: Generation | None = None) -> None:
        """Serves one model bundle's vectors; another bundle needs another LiveIndex.

        Raises:
            ValueError: the generation is of another bundle.
        """
        self._bundle = bundle
        self._lock = threading.Lock()  # taken by changes only
        self._snapshot = Snapshot()
        if generation is not None:
            self.swap(generation)

    @property
    def bundle(self) -> str:
        return self._bundle

    def snapshot(self) -> Snapshot:
        """The state as it is now; it stays searchable, unchanged, for as long as it is held."""
        return self._snapshot

    def search(
        self, key: SpaceKey, queries: npt.ArrayLike, k: int, allowed: IdArray | None = None
    ) -> tuple[FloatArray, IdArray]:
        """`Snapshot.search` of the current snapshot."""
        return self._snapshot.search(key, queries, k, allowed)

    def scores_for(self, key: SpaceKey, query: npt.ArrayLike, ids: npt.ArrayLike) -> FloatArray:
        """`Snapshot.scores_for` of the current snapshot."""
        return self._snapshot.scores_for(key, query, ids)

    def add(self, key: SpaceKey, ids: npt.ArrayLike, vectors: npt.ArrayLike) -> None:
        """Makes rows searchable: ids [N], vectors float [N, D]. Raises ValueError as ExactIndex, and on another D."""
        self.add_all({key: (ids, vectors)})

    def add_all(self, vectors: Mapping[SpaceKey, tuple[npt.ArrayLike, npt.ArrayLike]]) -> None:
        """`add` for several keys, in one step: a search sees the rows of all of them or of none."""
        chunks = {key: ExactIndex(*rows) for key, rows in vectors.items()}
        with self._lock:
            now = self._snapshot
            for key, chunk in chunks.items():
                if now.dim(key) not in (None, chunk.dim):
                    raise ValueError(f"{key} holds vectors of {now.dim(key)} numbers, not {chunk.dim}")
            delta, added = dict(now.delta), [_NO_IDS]
            for key, chunk in chunks.items():
                if len(chunk):
                    delta[key] = _with_chunk(delta.get(key, ()), chunk)
                    added.append(chunk.ids)
            removed = np.setdiff1d(now.removed, np.concatenate(added))
            self._snapshot = replace(now, delta=delta, removed=removed)

    def remove(self, ids: npt.ArrayLike) -> None:
        """Hides all rows of these ids, at once and also in generations to come; unknown ids are harmless."""
        gone = np.unique(checked_ids(ids))
        with self._lock:
            now = self._snapshot
            held = [index.ids for index in now.generation.indexes.values()] if now.generation else []
            self._snapshot = replace(
                now,
                delta=_without(now.delta, dict.fromkeys(now.delta, gone)),
                removed=np.union1d(now.removed, gone),
                hidden=np.unique(np.concatenate([now.hidden, *(gone[contains(part, gone)] for part in held)])),
            )

    def swap(self, generation: Generation) -> None:
        """Serves another generation, and forgets the additions that it contains.

        Additions it lacks stay in the delta, and ids removed so far stay hidden, whenever its vectors were read.

        Raises:
            ValueError: the generation is of another bundle, or has vectors of another dimension.
        """
        if generation.bundle != self._bundle:
            raise ValueError(f"generation {generation.name} is of bundle {generation.bundle}, not {self._bundle}")
        contained = {key: index.ids for key, index in generation.indexes.items()}
        with self._lock:
            now = self._snapshot
            for key, chunks in now.delta.items():
                index = generation.indexes.get(key)
                if index is not None and index.dim != chunks[0].dim:
                    raise ValueError(f"{key} has vectors of {index.dim} numbers, additions of {chunks[0].dim}")
            self._snapshot = replace(
                now,
                generation=generation,
                delta=_without(now.delta, contained),
                hidden=now.removed[contains(generation.ids(), now.removed)],
            )


def _merged(parts: Iterable[tuple[FloatArray, IdArray]], k: int) -> tuple[FloatArray, IdArray]:
    """One query's k best ids of several lists of hits, each with its best score."""
    found = list(parts)
    scores = np.concatenate([part_scores for part_scores, _ in found])
    ids = np.concatenate([part_ids for _, part_ids in found])
    scores, ids = scores[ids != PAD_ID], ids[ids != PAD_ID]
    order = np.argsort(ids, kind="stable")
    return top_k(*best_per_id(ids[order], scores[order]), k)


def _with_chunk(chunks: tuple[ExactIndex, ...], chunk: ExactIndex) -> tuple[ExactIndex, ...]:
    """Appends, joining the last chunks while they are less than twice as large as what follows.

    Each row is then copied about log2(N) times in all, and there are at most about log2(N) chunks to search.
    """
    kept = list(chunks)
    joined = [chunk]
    size = len(chunk)
    while kept and len(kept[-1]) < 2 * size:
        size += len(kept[-1])
        joined.append(kept.pop())
    if len(joined) > 1:
        chunk = ExactIndex(np.concatenate([c.ids for c in joined]), np.concatenate([c.vectors for c in joined]))
    return (*kept, chunk)


def _without(
    delta: Mapping[SpaceKey, tuple[ExactIndex, ...]], gone: Mapping[SpaceKey, IdArray]
) -> dict[SpaceKey, tuple[ExactIndex, ...]]:
    """The delta without the rows of `gone`'s ids, key by key; chunks and keys left empty are dropped."""
    result = {}
    for key, chunks in delta.items():
        kept = []
        for chunk in chunks:
            keep = ~contains(gone.get(key, _NO_IDS), chunk.ids)
            if keep.all():
                kept.append(chunk)
            elif keep.any():
                kept.append(ExactIndex(chunk.ids[keep], chunk.vectors[keep]))
        if kept:
            result[key] = tuple(kept)
    return result
