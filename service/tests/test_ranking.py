"""Scores of several spaces made comparable, and moments out of windows."""

import numpy as np
import pytest

from index.live import LiveIndex, Snapshot
from index.spaces import SpaceKey
from service.ranking import Part, combined, pick_moments, rank, rank_parts, standardise

SEEN, HEARD = SpaceKey("visual", "fine"), SpaceKey("sound", "fine")


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def library(seed: int = 0, count: int = 60) -> tuple[Snapshot, np.ndarray, np.ndarray]:
    """Segments 1..count with pictures; the even ones have sound too. Sounds are all alike (one large common part)."""
    random = np.random.default_rng(seed)
    ids = np.arange(1, count + 1)
    seen = unit(random.normal(size=(count, 16)))
    heard = unit(random.normal(size=(count, 16)) * 0.3 + np.ones(16))
    live = LiveIndex("b")
    live.add_all({SEEN: (ids, seen), HEARD: (ids[1::2], heard[1::2])})
    return live.snapshot(), seen, heard


def test_a_segment_is_found_by_its_own_vector_first() -> None:
    index, seen, _ = library()
    ids = np.arange(1, 61)
    ranking = rank(index, {SEEN: 1.0}, {SEEN: seen[6:7]}, sample=ids, k=10)
    assert ranking.ids[0] == 7
    assert ranking.cosines[SEEN][0] == np.float32(1.0) or abs(ranking.cosines[SEEN][0] - 1) < 1e-6
    assert (np.diff(ranking.scores) <= 0).all()


def test_spaces_whose_cosines_are_all_high_do_not_drown_the_others() -> None:
    index, seen, heard = library()
    sample = np.arange(1, 61)
    # Cosines of sounds are all near 1, yet the picture counts as much.
    ranking = rank(index, {SEEN: 1.0, HEARD: 1.0}, {SEEN: seen[6:7], HEARD: heard[9:10]}, sample=sample, k=60)
    assert set(ranking.ids[:2].tolist()) == {7, 10}


def test_what_a_segment_lacks_counts_as_usual() -> None:
    index, seen, heard = library()
    ranking = rank(index, {SEEN: 1.0, HEARD: 1.0}, {SEEN: seen[:1], HEARD: heard[1:2]}, sample=np.arange(1, 61), k=60)
    silent = int(np.flatnonzero(ranking.ids == 1)[0])
    only_seen = rank(index, {SEEN: 1.0}, {SEEN: seen[:1]}, sample=np.arange(1, 61), k=60)
    assert set(ranking.evidence(silent)) == {"visual.fine"}
    assert ranking.scores[silent] == only_seen.scores[np.flatnonzero(only_seen.ids == 1)[0]] / 2


def test_candidates_of_one_space_get_their_scores_in_all() -> None:
    index, seen, heard = library()
    ranking = rank(index, {SEEN: 1.0, HEARD: 1.0}, {SEEN: seen[6:7], HEARD: heard[9:10]}, sample=np.arange(1, 61), k=3)
    place = int(np.flatnonzero(ranking.ids == 10)[0])
    assert set(ranking.evidence(place)) == {"visual.fine", "sound.fine"}


def test_equal_scores_are_in_the_order_of_ids() -> None:
    live = LiveIndex("b")
    same = unit(np.ones((9, 4)))
    live.add(SEEN, [5, 3, 9, 1, 7, 2, 8, 4, 6], same)
    ranking = rank(live.snapshot(), {SEEN: 1.0}, {SEEN: same[:1]}, sample=np.arange(1, 10), k=9)
    assert ranking.ids.tolist() == list(range(1, 10))


def test_an_empty_library_ranks_nothing() -> None:
    ranking = rank(Snapshot(), {SEEN: 1.0}, {SEEN: np.ones((1, 4), np.float32)}, sample=np.empty(0, np.int64), k=5)
    assert len(ranking.ids) == 0


def test_a_segment_scores_by_the_query_vector_that_suits_it_best() -> None:
    index, seen, _ = library()
    ranking = rank(index, {SEEN: 1.0}, {SEEN: seen[[3, 40]]}, sample=np.arange(1, 61), k=10)
    assert set(ranking.ids[:2].tolist()) == {4, 41}


def test_standardised_scores_have_the_librarys_mean_and_spread() -> None:
    rows = np.random.default_rng(1).normal(0.8, 0.1, size=(1, 400))
    z = standardise(np.concatenate([rows, rows], axis=1), 400)
    assert abs(z.mean()) < 1e-9
    assert abs(z.std() - 1) < 1e-9


@pytest.mark.parametrize("sampled", [0, 1, 2, 8])
def test_where_few_segments_have_a_channel_it_is_measured_by_those_that_have(sampled: int) -> None:
    random = np.random.default_rng(2)
    live, sounding = LiveIndex("b"), np.arange(101, 141)
    seen, heard = unit(random.normal(size=(3000, 16))), unit(random.normal(size=(len(sounding), 16)))
    live.add_all({SEEN: (np.arange(1, 3001), seen), HEARD: (sounding, heard)})
    sample = np.concatenate([sounding[:sampled], np.arange(1000, 1500)])  # that many of them are among the usual
    by_sound = rank(live.snapshot(), {HEARD: 1.0}, {HEARD: heard[5:6]}, sample=sample, k=40)
    assert by_sound.ids[0] == 106
    assert by_sound.scores[0] > 3
    assert by_sound.scores[1] < by_sound.scores[0] - 0.5
    # Nothing sounds like what is asked for: sounds come before the film that shows it no more than by chance.
    both = {SEEN: seen[2000:2001], HEARD: unit(random.normal(size=(1, 16)))}
    ranking = rank(live.snapshot(), {SEEN: 1.0, HEARD: 0.7}, both, sample=sample, k=40)
    assert ranking.ids[0] == 2001


def test_overlapping_windows_of_one_film_are_one_moment() -> None:
    videos = np.array([0, 0, 0, 1, 0])
    starts = np.array([1.6, 0.0, 3.2, 1.6, 4.8])
    assert pick_moments(videos, starts, starts + 3.2, wanted=10) == [0, 3, 4]


def test_grouped_by_video_each_film_comes_once() -> None:
    videos = np.array([0, 0, 1, 0, 1])
    starts = np.array([0.0, 10.0, 0.0, 20.0, 30.0])
    assert pick_moments(videos, starts, starts + 3.2, wanted=10, one_per_video=True) == [0, 2]


def test_parts_together_are_again_about_standard_deviations() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=(3, 4000))
    scores[2] = scores[0]
    usual = np.arange(4000)
    for weights in ([1.0, 1.0, 1e-9], [1.0, 2.0, 0.5], [1.0, 1e-9, 1.0]):
        assert combined(scores, np.array(weights), usual).std() == pytest.approx(1, abs=0.05)
    alone = combined(scores[:1], np.array([4.0]), usual)
    np.testing.assert_allclose(alone, scores[0])
    np.testing.assert_allclose(combined(scores[[0, 2]], np.array([1.0, 3.0]), usual), scores[0])  # the same once more
    np.testing.assert_allclose(
        combined(scores[:2], np.array([1.0, 2.0]), usual), combined(scores[:2], np.array([3.0, 6.0]), usual)
    )
    few = combined(scores[:2], np.array([1.0, 1.0]), usual[:3])  # of too few to know how much alike they are
    np.testing.assert_allclose(few, (scores[0] + scores[1]) / np.sqrt(2))


def test_what_is_not_wanted_takes_away_and_gives_nothing() -> None:
    wanted, unwanted = np.array([2.0, 2.0, 2.0, 0.0]), np.array([3.0, 0.0, -3.0, -3.0])
    out = combined(np.stack([wanted, unwanted]), np.array([1.0, -0.5]), np.arange(4))
    np.testing.assert_allclose(out, [0.5, 2.0, 2.0, 0.0])


def test_parts_that_cancel_each_other_are_not_blown_up() -> None:
    one = np.random.default_rng(0).normal(size=500)
    out = combined(np.stack([one, -one]), np.array([1.0, 0.9]), np.arange(500))
    assert np.abs(out).max() < 2
    nothing = combined(np.zeros((2, 500)), np.array([1.0, 1.0]), np.arange(500))
    assert not nothing.any()


def test_a_query_of_parts_ranks_what_is_near_to_both_first() -> None:
    index, seen, heard = library()
    sample = np.arange(1, 61)
    by_picture, by_sound = Part({SEEN: 1.0}, {SEEN: seen[9:10]}), Part({HEARD: 1.0}, {HEARD: heard[9:10]})
    alone = rank_parts(index, [by_picture], sample=sample, k=5)
    assert alone.ids.tolist() == rank(index, by_picture.plan, by_picture.vectors, sample=sample, k=5).ids.tolist()
    both = rank_parts(index, [by_picture, by_sound], sample=sample, k=5)
    assert both.ids[0] == 10
    assert (np.diff(both.scores) <= 0).all()
    assert set(both.evidence(0)) == {"0:visual.fine", "1:sound.fine"}
    assert both.evidence(0)["0:visual.fine"] == pytest.approx(1, abs=1e-3)
    without = rank_parts(index, [by_picture, Part(by_sound.plan, by_sound.vectors, -5.0)], sample=sample, k=60)
    assert without.ids[-1] == 10
    allowed = np.array([3, 4, 10])
    assert set(rank_parts(index, [by_picture, by_sound], sample=sample, k=5, allowed=allowed).ids.tolist()) <= {
        3,
        4,
        10,
    }
    elsewhere = Part({SEEN: 1.0}, {})  # nothing of it can be compared
    assert rank_parts(index, [by_picture, elsewhere], sample=sample, k=5).ids[0] == 10
    assert not len(rank_parts(index, [elsewhere, elsewhere], sample=sample, k=5).ids)
