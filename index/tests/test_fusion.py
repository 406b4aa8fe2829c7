from __future__ import annotations

import numpy as np
import pytest

from index import PAD_ID, PAD_SCORE, Fused, SpaceKey, candidates, fuse

SEEN, HEARD = SpaceKey("visual", "coarse"), SpaceKey("sound", "coarse")
FULL = {SEEN: ([0.9, 0.5], [1, 2]), HEARD: ([0.8, 0.4], [2, 3])}


def test_scores_are_weighted_and_summed_with_their_evidence() -> None:
    complete = {SEEN: ([0.9, 0.5], [1, 2]), HEARD: ([0.25, 0.75], [1, 2])}
    assert fuse(complete, {SEEN: 1.0, HEARD: 2.0}, missing="floor") == [
        Fused(2, 2.0, {"sound.coarse": 0.75, "visual.coarse": 0.5}),
        Fused(1, 1.4, {"sound.coarse": 0.25, "visual.coarse": 0.9}),
    ]


def test_an_item_that_a_full_ranking_lacks_gets_its_floor_and_no_evidence() -> None:
    fused = {hit.id: hit for hit in fuse(FULL, {SEEN: 1.0, HEARD: 1.0}, missing="floor")}
    assert fused[1].score == pytest.approx(0.9 + 0.4)
    assert fused[1].evidence == {"visual.coarse": 0.9}
    assert fused[3].score == pytest.approx(0.5 + 0.4)


def test_or_the_score_for_absent_vectors_if_so_asked() -> None:
    fused = {hit.id: hit.score for hit in fuse(FULL, {SEEN: 1.0, HEARD: 1.0}, missing="absent", absent=0.1)}
    assert fused == pytest.approx({1: 1.0, 2: 1.3, 3: 0.5})


def test_an_item_that_a_padded_ranking_lacks_has_no_vector_there() -> None:
    padded = {SEEN: ([0.9, 0.5], [1, 2]), HEARD: ([0.8, PAD_SCORE], [2, PAD_ID])}
    fused = {hit.id: hit.score for hit in fuse(padded, {SEEN: 1.0, HEARD: 1.0}, missing="floor")}
    assert fused == pytest.approx({1: 0.9, 2: 1.3})


def test_a_score_of_minus_infinity_means_no_vector() -> None:
    complete = {SEEN: ([0.9, 0.5], [1, 2]), HEARD: ([-np.inf, 0.8], [1, 2])}
    best, second = fuse(complete, {SEEN: 1.0, HEARD: 1.0}, missing="floor")
    assert (best.id, second) == (2, Fused(1, 0.9, {"visual.coarse": 0.9}))


def test_a_negative_weight_pushes_an_item_down() -> None:
    assert [hit.id for hit in fuse(FULL, {SEEN: 1.0, HEARD: -1.0}, missing="absent")] == [1, 2, 3]


def test_equal_sums_are_ordered_by_id() -> None:
    assert [hit.id for hit in fuse({SEEN: ([0.5, 0.5, 0.5], [9, 4, 7])}, {SEEN: 1.0}, missing="floor")] == [4, 7, 9]


def test_a_searchs_result_for_one_query_is_taken_as_it_comes() -> None:
    scores, ids = np.array([[0.5, -np.inf]], np.float32), np.array([[3, -1]])
    assert candidates({SEEN: (scores, ids)}).tolist() == [3]
    assert fuse({SEEN: (scores, ids)}, {SEEN: 2.0}, missing="floor") == [Fused(3, 1.0, {"visual.coarse": 0.5})]


def test_nothing_fuses_to_nothing() -> None:
    assert fuse({}, {}, missing="floor") == []
    assert fuse({SEEN: ([], [])}, {SEEN: 1.0}, missing="floor") == []


def test_a_ranking_without_a_weight_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sound\.coarse"):
        fuse(FULL, {SEEN: 1.0}, missing="floor")
