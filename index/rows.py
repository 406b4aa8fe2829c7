"""Rows (id, vector) in memory, and the exact arithmetic that all indexes share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from index.protocol import PAD_ID, PAD_SCORE, FloatArray, IdArray

BoolArray = npt.NDArray[np.bool_]


def inner_products(vectors: FloatArray, query: FloatArray) -> FloatArray:
    """float32 [N] of vectors [N, D] and query [D].

    vecdot computes each row by itself, so a row's score does not depend on its neighbours or its place. A matrix
    product (`@`, and FAISS's blocks) promises no such thing: equal vectors could score apart and fall out of order.
    """
    # An overflow gives inf, in order; it is the caller's vectors that are absurd, not a fault to warn about.
    with np.errstate(over="ignore", invalid="ignore"):
        return np.vecdot(vectors, query)


def checked_ids(ids: npt.ArrayLike, what: str = "ids") -> IdArray:
    """ids as int64 [N]. Raises ValueError on another shape, on bools and on floats."""
    array = np.asarray(ids)
    if array.ndim != 1 or (array.size and not np.issubdtype(array.dtype, np.integer)):
        raise ValueError(f"{what} must be a flat array of integers, not {array.dtype} of shape {array.shape}")
    return array.astype(np.int64, copy=False)


def checked_rows(ids: npt.ArrayLike, vectors: npt.ArrayLike) -> tuple[IdArray, FloatArray]:
    """Rows sorted by id: int64 [N] and contiguous float32 [N, D]. Raises ValueError on anything else."""
    flat_ids, matrix = checked_ids(ids), np.asarray(vectors)
    if matrix.ndim != 2 or matrix.shape[1] < 1 or not np.issubdtype(matrix.dtype, np.floating):
        raise ValueError(f"vectors must be floats [N, D], not {matrix.dtype} of shape {matrix.shape}")
    if len(flat_ids) != len(matrix):
        raise ValueError(f"{len(flat_ids)} ids for {len(matrix)} vectors")
    if flat_ids.size and flat_ids.min() < 0:
        raise ValueError("ids must not be negative: -1 marks a missing hit")
    order = np.argsort(flat_ids, kind="stable")
    return flat_ids[order], _finite_float32(matrix[order], "vectors")


def checked_queries(queries: npt.ArrayLike, dim: int | None, k: int) -> FloatArray:
    """Contiguous float32 [Q, dim] (dim None: any). Raises ValueError on another shape, k < 1, inf and NaN."""
    matrix = np.asarray(queries)
    if matrix.ndim != 2 or dim not in (None, matrix.shape[1]) or not np.issubdtype(matrix.dtype, np.floating):
        raise ValueError(f"queries must be floats [Q, {dim or 'D'}], not {matrix.dtype} of shape {matrix.shape}")
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    return _finite_float32(matrix, "queries")


def _finite_float32(matrix: npt.NDArray[np.floating], what: str) -> FloatArray:
    with np.errstate(over="ignore"):  # a double too large for float32 becomes inf and is refused below
        result = np.ascontiguousarray(matrix, dtype=np.float32)
    if not np.isfinite(result).all():
        raise ValueError(f"{what} must be finite")
    return result


def contains(ascending: IdArray, ids: IdArray) -> BoolArray:
    """Which of `ids` are among the `ascending` ones (repeats allowed): bool, of the shape of `ids`."""
    return np.searchsorted(ascending, ids, side="right") > np.searchsorted(ascending, ids, side="left")


def best_per_id(ids: IdArray, scores: FloatArray) -> tuple[IdArray, FloatArray]:
    """Distinct ids, ascending, each with its best score; `ids` [R] must be ascending."""
    if not ids.size:
        return ids, scores
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
    return ids[starts], np.maximum.reduceat(scores, starts)


def top_k(ids: IdArray, scores: FloatArray, k: int) -> tuple[FloatArray, IdArray]:
    """The k best of distinct ascending `ids` [U], ordered and padded as the protocol says: scores [k], ids [k]."""
    if len(ids) > k:
        threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
        best = np.flatnonzero(scores >= threshold)  # may be more than k: the ties at the end
        ids, scores = ids[best], scores[best]
    order = np.argsort(-scores, kind="stable")[:k]  # stable: equal scores stay in ascending order of id
    out_scores, out_ids = np.full(k, PAD_SCORE, np.float32), np.full(k, PAD_ID, np.int64)
    out_scores[: len(order)], out_ids[: len(order)] = scores[order], ids[order]
    return out_scores, out_ids


class Rows:
    """Checked rows sorted by id. Treat both arrays as read-only."""

    def __init__(self, ids: IdArray, vectors: FloatArray) -> None:
        """ids int64 [N] ascending and vectors float32 [N, D] contiguous, as `checked_rows` gives them."""
        self.ids = ids
        self.vectors = vectors

    def positions(self, ids: IdArray) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Row numbers of each of `ids` [N] in turn, [R], and how many rows each has, [N]."""
        low = np.searchsorted(self.ids, ids, side="left")
        count = np.searchsorted(self.ids, ids, side="right") - low
        first = np.cumsum(count) - count
        return np.repeat(low - first, count) + np.arange(count.sum()), count

    def mask(self, allowed: IdArray | None, excluded: IdArray | None) -> BoolArray | None:
        """Which rows may be hits, bool [N]; None means all of them."""
        if allowed is None and (excluded is None or not len(excluded)):
            return None
        if allowed is None:
            mask = np.ones(len(self.ids), bool)
        else:
            mask = np.zeros(len(self.ids), bool)
            mask[self.positions(checked_ids(allowed, "allowed"))[0]] = True
        if excluded is not None:
            mask[self.positions(checked_ids(excluded, "excluded"))[0]] = False
        return mask

    def top_k(self, query: FloatArray, k: int, rows: npt.NDArray[np.intp] | None = None) -> tuple[FloatArray, IdArray]:
        """The k best ids among the given ascending row numbers (None: all rows), exactly."""
        vectors, ids = (self.vectors, self.ids) if rows is None else (self.vectors[rows], self.ids[rows])
        return top_k(*best_per_id(ids, inner_products(vectors, query)), k)

    def scores_for(self, query: npt.ArrayLike, ids: npt.ArrayLike) -> FloatArray:
        """As the protocol's `scores_for`."""
        wanted = checked_ids(ids)
        vector = checked_queries(np.asarray(query)[None], self.vectors.shape[1], 1)[0]
        rows, count = self.positions(wanted)
        scores = np.full(len(wanted), PAD_SCORE, np.float32)
        if rows.size:
            owner = np.repeat(np.arange(len(wanted)), count)
            np.maximum.at(scores, owner, inner_products(self.vectors[rows], vector))
        return scores
