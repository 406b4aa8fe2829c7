"""The slow obvious index: compares with every row. The oracle of the others, and the live index's small delta."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from index.protocol import PAD_ID, PAD_SCORE, FloatArray, IdArray
from index.rows import Rows, checked_queries, checked_rows


class ExactIndex:
    """Brute force in NumPy; see `protocol.VectorIndex` for the promises."""

    def __init__(self, ids: npt.ArrayLike, vectors: npt.ArrayLike) -> None:
        """ids: integers [N], not negative, repeats allowed; vectors: floats [N, D], kept as a float32 copy."""
        self._rows = Rows(*checked_rows(ids, vectors))

    @property
    def dim(self) -> int:
        return self._rows.vectors.shape[1]

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
        mask = self._rows.mask(allowed, excluded)
        rows = None if mask is None else np.flatnonzero(mask)
        scores, ids = np.full((len(matrix), k), PAD_SCORE, np.float32), np.full((len(matrix), k), PAD_ID, np.int64)
        for i, query in enumerate(matrix):
            scores[i], ids[i] = self._rows.top_k(query, k, rows)
        return scores, ids

    def scores_for(self, query: npt.ArrayLike, ids: npt.ArrayLike) -> FloatArray:
        return self._rows.scores_for(query, ids)
