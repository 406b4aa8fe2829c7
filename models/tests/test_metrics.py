"""Retrieval metrics on rankings worked out by hand."""

import itertools

import numpy as np
import pytest

from models.training.evaluation.bootstrap import interval
from models.training.evaluation.metrics import concept_precision, naming, retrieval


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


def test_among_some_items_is_the_mean_over_all_draws_of_them() -> None:
    """8 items, 4 at a time: all 35 draws of three others, counted one by one."""
    scores = np.random.default_rng(1).normal(size=(5, 8))
    truth = np.array([0, 3, 3, 7, 5])
    found = retrieval(scores, truth, items=4)
    hits, ranks = [], []
    for row, own in zip(scores, truth, strict=True):
        others = [i for i in range(8) if i != own]
        places = [1 + sum(row[i] > row[own] for i in drawn) for drawn in itertools.combinations(others, 3)]
        hits.append(np.mean([place == 1 for place in places]))
        ranks.append(np.mean(places))
    assert found.items == 4
    assert found.pool == 8
    assert found.recall["R@1"] == pytest.approx(np.mean(hits))
    assert found.recall["R@5"] == pytest.approx(1)
    assert found.median_rank == pytest.approx(np.median(ranks))
    assert found.chance_recall["R@1"] == 0.25


def test_a_random_order_gives_chance_and_its_interval_holds_it() -> None:
    rng = np.random.default_rng(2)
    found = retrieval(rng.normal(size=(400, 1000)), rng.integers(0, 1000, 400), items=300)
    for name, chance in found.chance_recall.items():
        low, high = found.interval[name]
        assert low <= chance <= high
        assert low < found.recall[name] < high
    assert found.interval["median_rank"][0] < found.chance_median_rank < found.interval["median_rank"][1]


def test_an_interval_is_that_of_the_mean_and_the_same_each_time() -> None:
    values = np.random.default_rng(3).normal(5, 2, 400)
    low, high = interval(values)
    assert (low, high) == interval(values)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert interval(np.ones(10)) == (1, 1)


def test_concept_precision_and_average_precision() -> None:
    scores = np.array([[9.0, 8, 7, 6, 5, 4], [1, 1, 1, 1, 1, 1]])
    relevant = np.array([[True, False, True, False, False, False], [False] * 6])
    found = concept_precision(scores, relevant, ["a", "none"])
    assert found.queries == 1
    assert found.precision_at_5 == pytest.approx(1 / 2)  # of the first two, since two are relevant
    assert found.mean_average_precision == pytest.approx((1 + 2 / 3) / 2)
    assert found.chance == pytest.approx(1 / 3)
    assert list(found.per_query) == ["a"]


def test_a_perfect_ranker_reaches_1_however_few_are_relevant() -> None:
    relevant = np.arange(12)[None] < np.array([[1], [3], [5], [9]])
    found = concept_precision(relevant.astype(float), relevant, list("abcd"))
    assert found.precision_at_5 == 1
    assert found.mean_average_precision == 1
    assert concept_precision(-relevant.astype(float), relevant, list("abcd")).precision_at_5 == 0.1  # 2 of 5, of nine


def test_naming_is_right_when_the_best_class_is_one_of_the_right_ones() -> None:
    scores = np.array([[0.9, 0.1, 0.2], [0.1, 0.2, 0.3], [0.5, 0.6, 0.1], [0.0, 0.1, 0.2]])
    relevant = np.array([[True, False, False], [True, False, True], [True, False, False], [False, False, True]])
    found = naming(scores, relevant)
    assert found.right == 0.75
    assert found.chance == pytest.approx(5 / 12)
    assert (found.clips, found.classes) == (4, 3)
