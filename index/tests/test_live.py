"""Additions, removals and swaps of the served index, alone and while others search."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index import PAD_ID, FloatArray, IdArray, LiveIndex, SpaceKey, current, write_generation
from index.live import Snapshot
from index.tests.reference import KEY, fake_generation, reference_search

SOUND = SpaceKey("sound", "coarse")
EYE = np.eye(8, dtype=np.float32)


def found(live: LiveIndex, query: FloatArray, k: int = 8, key: SpaceKey = KEY) -> list[int]:
    hits = live.search(key, query[None], k)[1][0]
    return sorted(hits[hits != PAD_ID].tolist())


def test_an_empty_index_has_no_hits() -> None:
    live = LiveIndex("b")
    assert found(live, EYE[0]) == []
    assert live.scores_for(KEY, EYE[0], np.array([1, 2])).tolist() == [-np.inf, -np.inf]
    assert live.snapshot().keys == ()
    assert live.snapshot().ids().tolist() == []


def test_rows_are_found_as_soon_as_they_are_added() -> None:
    live = LiveIndex("b", fake_generation([1], EYE[:1]))
    live.add(KEY, [2, 3], EYE[1:3])
    assert live.search(KEY, EYE[2:3], 1)[1].tolist() == [[3]]
    assert found(live, EYE[0]) == [1, 2, 3]
    assert (live.snapshot().counts, live.snapshot().delta_rows) == ({KEY: 3}, 2)


def test_an_id_in_generation_and_delta_appears_once_with_its_best_score() -> None:
    live = LiveIndex("b", fake_generation([1, 2], EYE[:2]))
    live.add(KEY, [1], EYE[4:5] * 0.5)
    scores, ids = live.search(KEY, EYE[4:5], 3)
    assert (ids.tolist(), scores.tolist()) == ([[1, 2, PAD_ID]], [[0.5, 0.0, -np.inf]])


def test_removed_ids_are_gone_at_once_from_generation_and_delta() -> None:
    live = LiveIndex("b", fake_generation([1, 2, 2], EYE[:3]))
    live.add(KEY, [3, 4], EYE[3:5])
    live.remove([2, 3, 77])
    assert found(live, EYE[0]) == [1, 4]
    assert live.snapshot().ids(KEY).tolist() == [1, 4]
    assert live.scores_for(KEY, EYE[1], np.array([2, 1, 4])).tolist() == [-np.inf, 0.0, 0.0]


def test_some_ids_of_a_key_are_spread_over_its_rows() -> None:
    assert Snapshot().some_ids(KEY, 3).tolist() == []
    live = LiveIndex("b", fake_generation([1, 2, 3, 4], EYE[:4]))
    live.add(KEY, [11, 12], EYE[4:6])
    live.add(KEY, [13], EYE[6:7])
    snapshot = live.snapshot()
    assert snapshot.some_ids(KEY, 7).tolist() == snapshot.some_ids(KEY, 99).tolist() == [1, 2, 3, 4, 11, 12, 13]
    assert snapshot.some_ids(KEY, 3).tolist() == [1, 4, 13]
    live.remove([4, 12])
    assert live.snapshot().some_ids(KEY, 99).tolist() == [1, 2, 3, 11, 13]


def test_a_removed_id_that_is_added_again_has_its_new_rows_alone() -> None:
    live = LiveIndex("b", fake_generation([1, 2], EYE[:2]))
    live.remove([2])
    live.add(KEY, [2], EYE[5:6])
    assert live.scores_for(KEY, EYE[1], np.array([2])).tolist() == [0.0]
    assert live.scores_for(KEY, EYE[5], np.array([2])).tolist() == [1.0]
    live.swap(fake_generation([1, 2], np.stack([EYE[0], EYE[5]])))
    assert live.scores_for(KEY, EYE[5], np.array([2])).tolist() == [1.0]


def test_a_swap_forgets_additions_that_the_generation_contains_and_keeps_the_others() -> None:
    live = LiveIndex("b")
    live.add(KEY, [1, 2], EYE[:2])
    live.add(KEY, [3], EYE[2:3])
    live.swap(fake_generation([1, 2], EYE[:2]))
    assert live.snapshot().delta_rows == 1
    assert found(live, EYE[0]) == [1, 2, 3]


def test_what_a_generation_contains_is_judged_key_by_key() -> None:
    live = LiveIndex("b")
    live.add_all({KEY: ([1], EYE[:1]), SOUND: ([1], EYE[:1, :4])})
    live.swap(fake_generation([1], EYE[:1]))  # built without the sound
    assert live.snapshot().counts == {KEY: 1, SOUND: 1}
    assert found(live, EYE[0, :4], key=SOUND) == [1]


def test_an_id_removed_during_a_rebuild_does_not_come_back_with_it() -> None:
    live = LiveIndex("b", fake_generation([1], EYE[:1]))
    live.add(KEY, [2], EYE[1:2])
    read_before_the_removal = fake_generation([1, 2], EYE[:2])
    live.remove([1, 2])
    live.swap(read_before_the_removal)
    assert found(live, EYE[0]) == []
    live.swap(fake_generation([], np.empty((0, 8), np.float32)))
    live.swap(read_before_the_removal)  # as a rollback would
    assert found(live, EYE[0]) == []


def test_a_snapshot_never_changes() -> None:
    live = LiveIndex("b", fake_generation([1], EYE[:1]))
    before = live.snapshot()
    live.add(KEY, [2], EYE[1:2])
    live.remove([1])
    live.swap(fake_generation([5], EYE[5:6]))
    assert before.search(KEY, EYE[:1], 2)[1].tolist() == [[1, PAD_ID]]
    assert before.ids().tolist() == [1]


def test_another_bundles_generation_is_refused() -> None:
    with pytest.raises(ValueError, match="bundle b, not c"):
        LiveIndex("c", fake_generation([1], EYE[:1]))


def test_vectors_of_another_dimension_are_refused_and_change_nothing() -> None:
    live = LiveIndex("b", fake_generation([1], EYE[:1]))
    with pytest.raises(ValueError, match="8 numbers, not 4"):
        live.add_all({SOUND: ([2], EYE[:1]), KEY: ([2], EYE[:1, :4])})
    assert live.snapshot().ids().tolist() == [1]
    added = LiveIndex("b")
    added.add(KEY, [2], EYE[:1, :4])
    with pytest.raises(ValueError, match="of 8 numbers"):
        added.swap(fake_generation([1], EYE[:1]))
    assert added.snapshot().generation is None


def test_many_small_additions_stay_few_chunks_and_complete() -> None:
    live = LiveIndex("b")
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((1000, 8)).astype(np.float32)
    for i in range(1000):
        live.add(KEY, [i], vectors[i : i + 1])
    sizes = [len(chunk) for chunk in live.snapshot().delta[KEY]]
    assert sum(sizes) == 1000
    assert all(large >= 2 * small for large, small in itertools.pairwise(sizes))
    scores, ids = live.search(KEY, vectors[:1], 20)
    assert (scores[0].tolist(), ids[0].tolist()) == reference_search(np.arange(1000), vectors, vectors[0], 20)


def race(work: Callable[[], None], look: Callable[[], None], watchers: int = 2) -> None:
    """Runs `look` over and over in threads until `work` is done; raises the first failure."""
    done = threading.Event()
    failures: list[BaseException] = []

    def watch() -> None:
        while not done.is_set():
            try:
                look()
            except BaseException as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=watch) for _ in range(watchers)]
    for thread in threads:
        thread.start()
    try:
        work()
    finally:
        done.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]


def test_a_search_during_additions_and_swaps_finds_all_that_was_added_before_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((400, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    live, visible = LiveIndex("b"), [0]
    looks = [0]

    def work() -> None:
        for i in range(400):
            live.add(KEY, [i], vectors[i : i + 1])
            visible[0] = i + 1
            if i % 40 == 39:  # a rebuild that read the catalogue a little earlier
                upto = i - 10
                write_generation(tmp_path, {KEY: (np.arange(upto), vectors[:upto])}, bundle="b")
                generation = current(tmp_path)
                assert generation is not None
                live.swap(generation)

    def look() -> None:
        count = visible[0]
        if not count:
            return
        looks[0] += 1
        probe = np.unique([0, count // 2, count - 1])
        assert live.search(KEY, vectors[probe], 1)[1][:, 0].tolist() == probe.tolist()
        assert np.isfinite(live.scores_for(KEY, vectors[0], np.arange(count))).all()

    race(work, look)
    assert looks[0] > 10
    assert live.snapshot().ids().tolist() == list(range(400))


def test_a_snapshot_taken_during_changes_is_never_a_mixture() -> None:
    def rows(version: int) -> tuple[IdArray, FloatArray]:
        return np.arange(50) + 100 * version, np.tile(EYE[version % 8], (50, 1))

    generations = [fake_generation(*rows(version)) for version in range(8)]
    live = LiveIndex("b", generations[0])

    def work() -> None:
        for turn in range(1, 300):
            old, new = (turn - 1) % 8, turn % 8
            if turn % 2:
                live.swap(generations[new])
                live.remove(np.arange(100 * old, 100 * old + 50))
                live.add(KEY, *rows(old))  # hidden in generations, added anew: then swapped away again
                live.remove(np.arange(100 * old, 100 * old + 50))
            else:
                live.swap(generations[new])
            live.add(KEY, *rows(new))

    def look() -> None:
        snapshot = live.snapshot()
        scores, ids = snapshot.search(KEY, EYE, 1000)
        for query in range(8):
            hits = ids[query][ids[query] != PAD_ID]
            assert set(hits.tolist()) == set(snapshot.ids(KEY).tolist())
            # A version's fifty rows come and go together.
            assert all(np.count_nonzero(hits // 100 == version) in (0, 50) for version in range(8))
        again = snapshot.search(KEY, EYE, 1000)
        assert np.array_equal(scores, again[0])
        assert np.array_equal(ids, again[1])

    race(work, look)


def test_an_item_appears_under_all_its_keys_at_once() -> None:
    live = LiveIndex("b")

    def work() -> None:
        for i in range(300):
            live.add_all({KEY: ([i], EYE[:1]), SOUND: ([i], EYE[:1, :4])})

    def look() -> None:
        snapshot = live.snapshot()
        assert snapshot.ids(KEY).tolist() == snapshot.ids(SOUND).tolist()

    race(work, look)
