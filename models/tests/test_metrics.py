"""Retrieval metrics on rankings worked out by hand."""

import numpy as np
import pytest

from models.training.evaluation.metrics import concept_precision, retrieval


def test_retrieval_counts_ranks_from_one() -> None:
    scores = np.array([[3.0, 2, 1, 0], [0, 1, 2, 3]])
    found = retrieval(scores, np.array([0, 2]))
    assert found.recall == {"R@1": 0.5, "R@5": 1.0, "R@10": 1.0}
    assert found.median_rank == 1.5
    assert found.chance_recall["R@1"] == 0.25
    assert found.chance_median_rank == 2.5


def test_a_tie_counts_as_the_middle_of_the_tied_ranks() -> None:
    found = retrieval(np.zeros((1, 21)), np.array([0]))
    assert found.median_rank == 11
    assert found.recall["R@10"] == 0


def test_concept_precision_and_average_precision() -> None:
    scores = np.array([[9.0, 8, 7, 6, 5, 4], [1, 1, 1, 1, 1, 1]])
    relevant = np.array([[True, False, True, False, False, False], [False] * 6])
    found = concept_precision(scores, relevant, ["a", "none"])
    assert found.queries == 1
    assert found.precision_at_5 == pytest.approx(0.4)
    assert found.mean_average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert found.chance == pytest.approx(1 / 3)
    assert list(found.per_query) == ["a"]
