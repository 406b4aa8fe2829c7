"""What is served: one row that all follow, a candidate beside it, and the one transaction between the two."""

import threading

import numpy as np
import pytest

from models.preprocess.media import MediaInfo
from service.catalogue import Catalogue, Job, NewSegment
from service.catalogue.jobs import JobLost
from service.catalogue.swaps import NoCandidate, NothingToGoBackTo, SwapBusy, SwapOutdated

OLD, NEW, THIRD = "a" * 64, "b" * 64, "c" * 64


def add(library: Catalogue, name: str, *bundles: str, segments: int = 2) -> str:
    """A ready video with segments of these bundles; its id."""
    info = MediaInfo(6.0, True, False, 64, 48, 25.0, "mp4", "h264", None)
    video, _, _ = library.add_video(name * 32, f"{name}.mp4", name, [], 10, info)
    rows = np.ones((1, 4), np.float16)
    for bundle in bundles:
        made = [NewSegment(float(i), i + 1.0, {("visual", "fine"): rows}) for i in range(segments)]
        library.store_segments(video.id, bundle, made)
    return video.id


def begun(library: Catalogue, job: Job) -> Job:
    claimed = library.claim_job(job.id, "w")
    assert claimed is not None
    return claimed


@pytest.fixture
def served(any_library: Catalogue) -> Catalogue:
    any_library.begin_serving(OLD, "old", "00000001-aaaaaa", None)
    return any_library


def promoted(library: Catalogue, bundle: str, name: str, generation: str) -> Job:
    """A promotion of a bundle that all videos have segments of, up to the switch."""
    job = begun(library, library.start_swap("promote", bundle, name, {"bundle": bundle}))
    library.adopt_swap(job, bundle, name)
    library.advance_candidate(job, "building", generation=generation)
    assert library.switch(job) is not None
    library.finish_job(job.id, "w")
    return job


def test_what_is_served_first_is_said_once(any_library: Catalogue) -> None:
    assert any_library.served() is None
    assert any_library.retained_generations() == (None, set())
    first = any_library.begin_serving(OLD, "old", "00000001-aaaaaa", None)
    assert (first.number, first.reason) == (1, "first")
    assert any_library.begin_serving(NEW, "new", None, None) == first == any_library.served()
    assert any_library.retained_generations() == ("00000001-aaaaaa", {"00000001-aaaaaa"})


def test_a_promotion_waits_for_every_video_and_switches_once(served: Catalogue) -> None:
    add(served, "1", OLD, NEW)
    late = add(served, "2", OLD)
    job = begun(served, served.start_swap("promote", NEW, "new", {"bundle": NEW}))
    served.advance_candidate(job, "closing", generation="00000002-bbbbbb", report={"x": 1})
    assert served.closing_bundle() == NEW
    assert [video.id for video in served.waiting_videos(NEW)] == [late]
    assert served.waiting_videos(NEW, passed=[late]) == []
    assert served.switch(job) is None
    assert served.served() == served.begin_serving(OLD, "", None, None)
    served.store_segments(late, NEW, [NewSegment(0.0, 1.0)], job)
    switched = served.switch(job)
    assert switched is not None
    assert (switched.number, switched.bundle, switched.generation) == (2, NEW, "00000002-bbbbbb")
    assert (switched.previous_bundle, switched.previous_generation) == (OLD, "00000001-aaaaaa")
    assert served.served() == switched == served.served_by_job(job.id)
    assert served.candidate() is None
    assert served.closing_bundle() is None
    with pytest.raises(SwapOutdated):
        served.switch(job)
    assert [j.payload for j in served.jobs()[0] if j.kind == "tidy"] == [{"vectors": True}]


def test_a_video_that_cannot_be_embedded_can_be_accepted(served: Catalogue) -> None:
    broken = add(served, "1", OLD)
    job = begun(served, served.start_swap("promote", NEW, "new", {"bundle": NEW}))
    assert served.switch(job) is None
    assert served.switch(job, accept=[broken]) is not None


def test_a_rollback_is_at_once_and_can_itself_be_taken_back(served: Catalogue) -> None:
    with pytest.raises(NothingToGoBackTo):
        served.roll_back_bundle()
    with pytest.raises(NothingToGoBackTo):
        served.roll_back_index()
    promoted(served, NEW, "new", "00000002-bbbbbb")
    back = served.roll_back_bundle()
    assert (back.number, back.bundle, back.bundle_name, back.generation) == (3, OLD, "old", "00000001-aaaaaa")
    assert (back.previous_bundle, back.previous_generation) == (NEW, "00000002-bbbbbb")
    forth = served.roll_back_bundle()
    assert (forth.bundle, forth.generation, forth.number) == (NEW, "00000002-bbbbbb", 4)
    assert served.retained_generations() == ("00000002-bbbbbb", {"00000001-aaaaaa", "00000002-bbbbbb"})


def test_a_rebuild_keeps_one_generation_and_the_bundle_to_go_back_to(served: Catalogue) -> None:
    promoted(served, NEW, "new", "00000002-bbbbbb")
    for name in ("00000003-cccccc", "00000004-dddddd"):
        job = begun(served, served.start_swap("rebuild", NEW, "new", {"bundle": NEW}))
        served.advance_candidate(job, "building", generation=name)
        assert name in served.retained_generations()[1]
        served.switch(job)
        served.finish_job(job.id, "w")
    now, kept = served.retained_generations()
    assert (now, kept) == ("00000004-dddddd", {"00000004-dddddd", "00000003-cccccc", "00000001-aaaaaa"})
    back = served.roll_back_index()
    assert (back.generation, back.parent_generation, back.previous_bundle) == (
        "00000003-cccccc",
        "00000004-dddddd",
        OLD,
    )
    assert served.roll_back_bundle().bundle == OLD
    with pytest.raises(NothingToGoBackTo):
        served.roll_back_index()


def test_one_candidate_at_a_time(served: Catalogue) -> None:
    job = served.start_swap("promote", NEW, "new", {"bundle": NEW})
    assert served.start_swap("promote", NEW, "new", {"bundle": NEW}).id == job.id
    for kind, bundle in (("promote", THIRD), ("rebuild", OLD)):
        with pytest.raises(SwapBusy, match="under way"):
            served.start_swap(kind, bundle, "x", {})  # type: ignore[arg-type]
    with pytest.raises(SwapBusy, match="switches by itself"):  # whoever wants to look first is not told that it waits
        served.start_swap("promote", NEW, "new", {"bundle": NEW, "auto": False})
    with pytest.raises(NoCandidate, match="embedding"):
        served.confirm_candidate()
    claimed = begun(served, job)
    served.advance_candidate(claimed, "ready", generation="00000002-bbbbbb", report={"golden": []})
    served.finish_job(job.id, "w")
    with pytest.raises(SwapBusy, match="confirm it or discard it"):
        served.start_swap("rebuild", OLD, "old", {})
    candidate = served.candidate()
    assert candidate is not None
    assert (candidate.state, candidate.report) == ("ready", {"golden": []})
    confirming = served.confirm_candidate()
    assert served.confirm_candidate().id == confirming.id
    assert served.switch(begun(served, confirming)) is not None
    with pytest.raises(NoCandidate):
        served.confirm_candidate()


def test_what_an_administrator_asks_for_is_in_the_audit_log_once(served: Catalogue) -> None:
    payload = {"bundle": NEW, "auto": False}
    for _ in range(2):  # the second time it is the same job
        job = served.start_swap("promote", NEW, "new", payload, "me")
    served.advance_candidate(begun(served, job), "ready", report={"not_embedded": {"v_1": "media_missing"}})
    served.finish_job(job.id, "w")
    confirming = served.confirm_candidate("me")
    assert served.confirm_candidate("me").id == confirming.id
    assert confirming.payload["accept"] == ["v_1"]
    assert served.switch(begun(served, confirming)) is not None
    served.roll_back_bundle("me")
    rebuild = served.start_swap("rebuild", OLD, "old", {"auto": True}, "me")
    served.cancel_job(rebuild.id, "me")
    served.cancel_job(rebuild.id, "me")
    served.discard_candidate("me")
    served.set_golden_queries(["a"], "me")
    served.switch_at_once(THIRD, "third", "promote", actor="me")
    asked = ("me", "bundle.adapt_started")
    for _ in range(2):
        training = served.create_only_job(["adapt"], "adapt", {"steps": 1}, asked)
    assert training is not None
    said = [(entry.action, entry.subject, entry.details) for entry in reversed(served.audit()[0])]
    assert said == [
        ("bundle.promoted", NEW, {"auto": False, "job": job.id}),
        ("index.promoted", confirming.id, {}),
        ("bundle.rolled_back", "old", {}),
        ("index.rebuild_started", rebuild.id, {"auto": True}),
        ("job.cancelled", rebuild.id, {"kind": "rebuild"}),
        ("index.discarded", None, {"bundle": "old"}),
        ("golden_queries.set", None, {"queries": 1}),
        ("bundle.promoted", THIRD, {"at_once": True}),
        ("bundle.adapt_started", training.id, {"steps": 1}),
    ]


def test_a_stopped_promotion_is_gone_on_with_and_another_takes_its_place(served: Catalogue) -> None:
    job = served.start_swap("promote", NEW, "new", {"bundle": NEW})
    served.advance_candidate(begun(served, job), "building", generation="00000002-bbbbbb")
    served.cancel_job(job.id)
    candidate = served.candidate()
    assert candidate is not None
    assert candidate.state == "stopped"
    with pytest.raises(JobLost):
        served.switch(begin_again(served, job))
    again = served.start_swap("promote", NEW, "new", {"bundle": NEW})
    assert again.id != job.id
    candidate = served.candidate()
    assert candidate is not None
    assert (candidate.state, candidate.generation, candidate.job_id) == ("embedding", "00000002-bbbbbb", again.id)
    served.cancel_job(again.id)
    other = served.start_swap("promote", THIRD, "third", {"bundle": THIRD})
    candidate = served.candidate()
    assert candidate is not None
    assert (candidate.bundle, candidate.generation, candidate.job_id) == (THIRD, None, other.id)


def begin_again(library: Catalogue, job: Job) -> Job:
    found = library.job(job.id)
    assert found is not None
    return found


def test_a_closing_candidate_whose_job_is_cancelled_is_ready_again_and_closes_nothing(served: Catalogue) -> None:
    job = begun(served, served.start_swap("promote", NEW, "new", {"bundle": NEW}))
    served.advance_candidate(job, "closing", generation="00000002-bbbbbb")
    served.cancel_job(job.id)
    assert served.closing_bundle() is None
    candidate = served.candidate()
    assert candidate is not None
    assert candidate.state == "ready"


def test_discarding_cancels_the_job_and_leaves_its_segments_to_the_tidying(served: Catalogue) -> None:
    with pytest.raises(NoCandidate):
        served.discard_candidate()
    add(served, "1", OLD, NEW)
    job = begun(served, served.start_swap("promote", NEW, "new", {"bundle": NEW}))
    assert served.collect_garbage() == 0
    gone, tidying = served.discard_candidate()
    assert (gone.bundle, tidying.kind, tidying.payload) == (NEW, "tidy", {"vectors": True})
    assert not served.heartbeat(job.id, "w", 0.5, "embedding")
    assert served.candidate() is None
    assert served.collect_garbage() == 2
    assert served.collect_garbage() == 0
    assert (served.segment_count(OLD), served.segment_count(NEW)) == (2, 0)


def test_only_what_is_neither_served_nor_kept_nor_coming_is_garbage(served: Catalogue) -> None:
    for name in "1234567":
        add(served, name, OLD, NEW, THIRD, "f" * 64)
    promoted(served, NEW, "new", "00000002-bbbbbb")
    served.start_swap("promote", THIRD, "third", {"bundle": THIRD})
    before = served.revision()
    assert [served.collect_garbage(videos=3) for _ in range(4)] == [6, 6, 2, 0]
    assert [served.segment_count(bundle) for bundle in (OLD, NEW, THIRD)] == [14, 14, 14]
    assert {(change.kind, change.bundle) for change in served.changes_since(before)} == {("remove", "f" * 64)}


def test_a_generation_is_replaced_wherever_it_is_named(served: Catalogue) -> None:
    promoted(served, NEW, "new", "00000002-bbbbbb")
    assert served.replace_generation("00000001-aaaaaa", "00000003-cccccc")
    now = served.served()
    assert now is not None
    assert (now.number, now.generation, now.previous_generation) == (3, "00000002-bbbbbb", "00000003-cccccc")
    assert not served.replace_generation("00000001-aaaaaa", "00000004-dddddd")
    job = begun(served, served.start_swap("rebuild", NEW, "new", {}))
    served.advance_candidate(job, "comparing", generation="00000005-eeeeee")
    with pytest.raises(SwapBusy):
        served.replace_generation("00000005-eeeeee", "00000006-ffffff")
    served.advance_candidate(job, "ready")
    served.finish_job(job.id, "w")
    assert served.replace_generation("00000005-eeeeee", "00000006-ffffff")
    assert "00000006-ffffff" in served.retained_generations()[1]


def test_another_bundle_can_be_served_at_once_and_back_again(served: Catalogue) -> None:
    assert served.switch_at_once(OLD, "old", "pinned").number == 1
    pinned = served.switch_at_once(NEW, "new", "pinned")
    assert (pinned.number, pinned.bundle, pinned.generation, pinned.reason) == (2, NEW, None, "pinned")
    back = served.switch_at_once(OLD, "old", "unpinned")
    assert (back.bundle, back.generation, back.previous_bundle) == (OLD, "00000001-aaaaaa", NEW)


def test_two_switches_at_once_are_one(served: Catalogue) -> None:
    job = begun(served, served.start_swap("promote", NEW, "new", {"bundle": NEW}))
    found: list[object] = []

    def switch() -> None:
        try:
            found.append(served.switch(job))
        except SwapOutdated as error:
            found.append(error)

    threads = [threading.Thread(target=switch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(not isinstance(each, SwapOutdated) for each in found) == 1
    now = served.served()
    assert now is not None
    assert now.number == 2


def test_golden_queries_are_kept_in_their_order(any_library: Catalogue) -> None:
    assert any_library.golden_queries() == []
    any_library.set_golden_queries(["b", "a"])
    any_library.set_golden_queries(["c", "b", "a"])
    assert any_library.golden_queries() == ["c", "b", "a"]


def test_vectors_are_counted_and_read_by_channel_and_space(any_library: Catalogue) -> None:
    video = add(any_library, "1", segments=0)
    rows = np.arange(24, dtype=np.float16).reshape(3, 8)
    made = [
        NewSegment(0.0, 1.0, {("visual", "fine"): rows[:1], ("frame", "fine"): rows}),
        NewSegment(1.0, 2.0, {("visual", "fine"): rows[1:2]}),
    ]
    first, second = any_library.store_segments(video, OLD, made)
    assert any_library.vector_counts(OLD) == {("visual", "fine"): (2, 8), ("frame", "fine"): (3, 8)}
    ids, counts = any_library.rows_per_segment(OLD, "frame", "fine")
    assert (ids.tolist(), counts.tolist()) == ([first], [3])
    assert any_library.rows_per_segment(NEW, "frame", "fine")[0].tolist() == []
    found = [(channel, i) for channel, _, i, _ in any_library.vectors(OLD, key=("visual", "fine"))]
    assert found == [("visual", first), ("visual", second)]
    assert {i for _, _, i, _ in any_library.vectors(OLD, up_to=first)} == {first}
