"""The log of changes and old jobs go, and nobody who needs them is misled."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from sqlalchemy import update

from index import SpaceKey
from service.catalogue import Catalogue, NewSegment
from service.catalogue.pruning import Pruned, prune
from service.catalogue.segments import ChangesPruned
from service.catalogue.tables import JobRow
from service.library_view import LibraryView
from service.settings import Settings
from service.tests.test_catalogue import Facts, add, sha, some_segments

LONG_AGO = datetime.now(UTC) - timedelta(days=90)


def test_a_reader_older_than_the_log_is_told_so(any_library: Catalogue) -> None:
    video_id, _ = add(any_library, 1)
    for _ in range(4):
        any_library.store_segments(video_id, "b", some_segments(1))
    newest = any_library.revision()
    assert newest == 7
    assert prune(any_library, keep_changes=newest) == Pruned(0, 0)
    assert prune(any_library, keep_changes=3) == Pruned(4, 0)
    assert [change.revision for change in any_library.changes_since(4)] == [5, 6, 7]
    assert any_library.changes_since(7) == []
    with pytest.raises(ChangesPruned):
        any_library.changes_since(3)
    assert prune(any_library, keep_changes=0) == Pruned(3, 0)
    assert any_library.changes_since(7) == []
    with pytest.raises(ChangesPruned):
        any_library.changes_since(6)
    any_library.store_segments(video_id, "b", some_segments(1))
    assert [change.revision for change in any_library.changes_since(7)] == [8, 9]


def test_a_view_that_was_away_for_too_long_reloads_everything(any_settings: Settings, any_library: Catalogue) -> None:
    kept, _ = add(any_library, 1)
    gone, _ = add(any_library, 2)
    for video_id in (kept, gone):
        any_library.store_segments(video_id, "b", [NewSegment(0.0, 1.0, {("visual", "fine"): np.eye(1, 3, 0, "f2")})])
    view = LibraryView(any_library, "b", any_settings.index_dir)
    assert len(view.current().segments.ids) == 2
    any_library.delete_video(gone)
    added, _ = add(any_library, 3)
    new = any_library.store_segments(
        added, "b", [NewSegment(0.0, 1.0, {("visual", "fine"): np.eye(1, 3, 1, dtype=np.float16)})]
    )
    prune(any_library, keep_changes=0)
    seen = view.current()
    assert seen.segments.ids.tolist() == any_library.segment_ids("b") == seen.index.ids().tolist()
    _, ids = seen.index.search(SpaceKey("visual", "fine"), np.eye(1, 3, 1, dtype=np.float32), 1)
    assert ids.tolist() == [new]
    assert seen.revision == any_library.revision()


def test_old_jobs_go_but_not_the_last_ingest_of_a_video(any_library: Catalogue) -> None:
    video_id, first = add(any_library, 1)
    done = [first, any_library.create_job("rebuild", {"n": 1}).id]
    for job_id in done:
        assert any_library.claim_job(job_id, "w")
        assert any_library.finish_job(job_id, "w")
    any_library.store_segments(video_id, "b", some_segments(1))
    (again,) = any_library.queue_waiting("other")
    assert any_library.claim_job(again.id, "w")
    assert any_library.finish_job(again.id, "w")
    waiting = any_library.create_job("rebuild", {"n": 2})
    with any_library._database.write() as session:
        session.execute(update(JobRow).where(JobRow.finished_at.is_not(None)).values(finished_at=LONG_AGO))
    assert prune(any_library) == Pruned(0, 0)  # the newest are kept, however old
    assert prune(any_library, keep_jobs=0, keep_jobs_for=timedelta(days=365)) == Pruned(0, 0)  # and so are the young
    assert prune(any_library, keep_jobs=0) == Pruned(0, 2)
    assert {job.id for job in any_library.jobs()[0]} == {again.id, waiting.id}
    video, job, created = any_library.add_video(sha(1), "1.mp4", "Film", [], 100, Facts())
    assert (video.status, job.id, created) == ("ready", again.id, False)
