"""What every vector index promises. One contract suite (tests/test_contract.py) holds all of them to it.

Invariants:

1. A score is the inner product of the float32 vectors exactly as given; nothing is normalised here.
2. Every hit's score is computed by one function (`rows.inner_products`) whose result depends only on the two vectors,
   so equal vectors score equal and scores of different indexes can be compared and merged bit for bit.
3. Several rows may share an id. An id appears once among the hits, with the score of its best row.
4. Hits are in descending order of score; equal scores are in ascending order of id.
5. Where fewer than k ids exist (or are allowed), the rest is padded with id -1 and score -inf.
6. `allowed` restricts the hits to these ids, `excluded` removes ids; unknown and repeated ids in either are harmless.
7. An index never changes after it is built, so any number of threads may search it at once.
8. Wrong dimensions, wrong dtypes, k < 1, and values that are not finite raise ValueError.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IdArray = npt.NDArray[np.int64]

PAD_ID = -1
PAD_SCORE = -np.inf


class VectorIndex(Protocol):
    """An immutable set of rows (id, vector); see the module's invariants."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def ids(self) -> IdArray:
        """The id of each row, int64 [N], ascending, with repeats. Read-only."""

    def __len__(self) -> int:
        """Rows, not distinct ids."""

    def search(
        self, queries: FloatArray, k: int, allowed: IdArray | None = None, excluded: IdArray | None = None
    ) -> tuple[FloatArray, IdArray]:
        """The k best ids of each query.

        Args:
            queries: float [Q, D].
            k: hits wanted per query, at least 1.
            allowed: int64 [A], the only ids that may be hits; None means all.
            excluded: int64 [E], ids that may not be hits.

        Returns:
            scores float32 [Q, k] and ids int64 [Q, k].

        Raises:
            ValueError: invariant 8.
        """

    def scores_for(self, query: FloatArray, ids: IdArray) -> FloatArray:
        """The best score of each of the given ids, float32 [N] in their order; -inf for an id without rows.

        Args:
            query: float [D].
            ids: int64 [N], in any order, repeats allowed.
        """
