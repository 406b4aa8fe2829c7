"""FAISS behind the protocol: an exact inner-product index that is built once, saved, and memory-mapped when loaded."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from index.protocol import PAD_ID, PAD_SCORE, FloatArray, IdArray
from index.rows import Rows, best_per_id, checked_queries, checked_rows, inner_products, top_k

INDEX_TYPE = "flat_ip_fp32"

# Both only bound work, never the result. Rows fetched per wanted id at first (an id often owns several good rows) ...
_FETCH_PER_HIT = 4
_FETCH_MORE = 16
# ... and the number of allowed rows up to which comparing with them directly is cheaper than scanning everything.
_FEW_ROWS = 2048


class IndexFileError(Exception):
    """A file of an index is missing, damaged or not what it should be. `path` names it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class FlatIndex:
    """`faiss.IndexFlatIP` over float32 rows; see `protocol.VectorIndex` for the promises.

    FAISS finds candidates fast; the protocol's order is then made exact. Its own scores may differ in the last bits
    from `inner_products`, and it knows nothing of several rows sharing an id, so for each query rows are fetched until
    no row left out could, within the rounding error, belong among the k best ids.
    """

    def __init__(self, ids: npt.ArrayLike, vectors: npt.ArrayLike) -> None:
        """ids: integers [N], not negative, repeats allowed; vectors: floats [N, D], kept as a float32 copy."""
        sorted_ids, matrix = checked_rows(ids, vectors)
        index = faiss.IndexFlatIP(matrix.shape[1])
        index.add(matrix)
        self._adopt(index, sorted_ids)

    def _adopt(self, index: Any, sorted_ids: IdArray) -> None:
        self._faiss = index
        matrix = _rows_of(index)
        self._rows = Rows(sorted_ids, matrix)
        longest = float(np.sqrt(np.vecdot(matrix, matrix).max(initial=0.0)))
        # |computed - true inner product| <= D * u * |x| * |q| (u = 2**-24) for any order of summation; twice, as two
        # computed values are compared.
        self._rounding = index.d * 2.0**-23 * longest

    @property
    def dim(self) -> int:
        return int(self._faiss.d)

    @property
    def ids(self) -> IdArray:
        return self._rows.ids

    @property
    def vectors(self) -> FloatArray:
        """float32 [N, D], in the order of `ids`. Read-only."""
        return self._rows.vectors

    def __len__(self) -> int:
        return len(self._rows.ids)

    def search(
        self, queries: npt.ArrayLike, k: int, allowed: IdArray | None = None, excluded: IdArray | None = None
    ) -> tuple[FloatArray, IdArray]:
        matrix = checked_queries(queries, self.dim, k)
        scores, ids = np.full((len(matrix), k), PAD_SCORE, np.float32), np.full((len(matrix), k), PAD_ID, np.int64)
        mask = self._rows.mask(allowed, excluded)
        total = len(self) if mask is None else int(np.count_nonzero(mask))
        rows = None if mask is None else np.flatnonzero(mask)
        fetch = k * _FETCH_PER_HIT + _FETCH_MORE
        pending = list(range(len(matrix)))
        if fetch < total and (mask is None or total > _FEW_ROWS):
            # OpenMP keeps this setting per thread, so it must be made in the thread that searches. Requests are
            # served in parallel already; FAISS spreading each over all cores makes every one of them slower.
            faiss.omp_set_num_threads(1)
            parameters = None if mask is None else _only(mask)
            while pending and fetch < total:
                found_scores, found = self._faiss.search(matrix[pending], fetch, params=parameters)
                unsure = []
                for i, row_scores, row_numbers in zip(pending, found_scores, found, strict=True):
                    hit = self._settle(matrix[i], k, np.sort(row_numbers), float(row_scores[-1]))
                    if hit is None:
                        unsure.append(i)
                    else:
                        scores[i], ids[i] = hit
                pending, fetch = unsure, fetch * 4
        for i in pending:  # everything there is, or so many equal scores that it comes to the same
            scores[i], ids[i] = self._rows.top_k(matrix[i], k, rows)
        return scores, ids

    def _settle(
        self, query: FloatArray, k: int, candidates: npt.NDArray[np.int64], last: float
    ) -> tuple[FloatArray, IdArray] | None:
        """Exact hits among the candidate rows (ascending), or None if a row that scores at most `last` might belong."""
        if candidates[0] == PAD_ID:  # FAISS leaves out scores that overflow
            return None
        exact = inner_products(self._rows.vectors[candidates], query)
        hit_scores, hit_ids = top_k(*best_per_id(self._rows.ids[candidates], exact), k)
        margin = self._rounding * float(np.linalg.norm(query))
        return (hit_scores, hit_ids) if hit_scores[-1] > last + margin else None

    def scores_for(self, query: npt.ArrayLike, ids: npt.ArrayLike) -> FloatArray:
        return self._rows.scores_for(query, ids)

    def save(self, directory: Path, stem: str) -> list[Path]:
        """Writes `<stem>.faiss` and `<stem>.ids.npy` into an existing directory; returns their paths."""
        index_path, ids_path = _paths(directory, stem)
        faiss.write_index(self._faiss, str(index_path))
        np.save(ids_path, self._rows.ids, allow_pickle=False)
        return [index_path, ids_path]

    @classmethod
    def load(cls, directory: Path, stem: str) -> FlatIndex:
        """Maps what `save` wrote: the vectors are read from disk as they are needed, and shared between processes.

        Checks the structure, not the content (a generation's checksums do that).

        Raises:
            IndexFileError: naming the file that is missing, truncated or inconsistent.
        """
        index_path, ids_path = _paths(directory, stem)
        for path in (index_path, ids_path):
            if not path.is_file():
                raise IndexFileError(path, "is missing")
        try:
            index = faiss.read_index(str(index_path), faiss.IO_FLAG_MMAP_IFC)
        except RuntimeError as error:  # all that FAISS raises
            raise IndexFileError(index_path, "is not a readable FAISS index (damaged or truncated)") from error
        if not isinstance(index, faiss.IndexFlat) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise IndexFileError(index_path, f"is not a flat inner-product index but {type(index).__name__}")
        try:
            ids = np.load(ids_path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise IndexFileError(ids_path, "is not a readable array of ids (damaged or truncated)") from error
        if ids.dtype != np.int64 or ids.shape != (index.ntotal,):
            raise IndexFileError(ids_path, f"holds {ids.dtype} {ids.shape} for {index.ntotal} vectors")
        if ids.size and (ids[0] < 0 or (np.diff(ids) < 0).any()):
            raise IndexFileError(ids_path, "holds negative or unsorted ids")
        loaded = cls.__new__(cls)
        loaded._adopt(index, ids)
        return loaded


def _paths(directory: Path, stem: str) -> tuple[Path, Path]:
    return directory / f"{stem}.faiss", directory / f"{stem}.ids.npy"


def _rows_of(index: Any) -> FloatArray:
    """The index's vectors, float32 [N, D], without a copy. They keep the index alive: it owns (or maps) the memory."""
    if not index.ntotal:
        return np.empty((0, index.d), np.float32)
    count = index.ntotal * index.d
    address = faiss.rev_swig_ptr(index.get_xb(), count).ctypes.data
    memory: Any = (ctypes.c_float * count).from_address(address)
    memory.owner = index  # what is made of `memory` holds it, also when only a part is left of that
    view: FloatArray = np.frombuffer(memory, np.float32).reshape(index.ntotal, index.d)
    view.flags.writeable = False  # the file may be mapped; writing would crash the process
    return view


def _only(mask: npt.NDArray[np.bool_]) -> Any:
    """FAISS search parameters that restrict it to the rows set in the mask. (Array selectors are far slower.)"""
    untyped: Any = faiss  # its stubs know the C++ constructors only
    return untyped.SearchParameters(sel=untyped.IDSelectorBitmap(np.packbits(mask, bitorder="little")))
