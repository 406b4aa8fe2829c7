"""The catalogue over real SQLite and real PostgreSQL: identity, jobs, segments, the change log, several writers."""

import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text, update

from service.catalogue import Catalogue, CatalogueError, NewSegment, open_catalogue
from service.catalogue.engine import make_engine
from service.catalogue.jobs import MAX_ATTEMPTS, JobLost
from service.catalogue.lookups import VideoFilter, matching_videos
from service.catalogue.paging import BadCursor
from service.catalogue.segments import VideoGone
from service.catalogue.tables import Base, JobRow
from service.settings import Settings
from service.tests.stored import segments_of

PROBLEM = {"code": "not_media", "title": "t", "detail": "d", "status": 422}


@dataclass(frozen=True)
class Facts:
    duration_s: float = 10.0
    width: int | None = 64
    height: int | None = 48
    has_video: bool = True
    has_audio: bool = False


@pytest.fixture
def catalogue(any_library: Catalogue) -> Catalogue:
    return any_library


def sha(number: int) -> str:
    return f"{number:064x}"[::-1]


def add(catalogue: Catalogue, number: int, tags: tuple[str, ...] = ()) -> tuple[str, str]:
    video, job, _ = catalogue.add_video(sha(number), f"{number}.mp4", f"Film {number}", tags, 100, Facts())
    return video.id, job.id


def some_segments(count: int = 2) -> list[NewSegment]:
    return [
        NewSegment(
            float(i),
            i + 2.0,
            {
                ("visual", "fine"): np.full((1, 3), i, np.float16),
                ("frame", "fine"): np.arange(6, dtype=np.float16).reshape(2, 3) + i,
            },
        )
        for i in range(count)
    ]


def test_the_migrations_make_the_tables_that_the_code_declares(catalogue: Catalogue) -> None:
    with catalogue._database.engine.connect() as connection:
        difference = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    assert difference == []


def test_a_catalogue_of_a_newer_version_is_refused_with_a_sentence(
    any_settings: Settings, catalogue: Catalogue
) -> None:
    with catalogue._database.write() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(CatalogueError, match="newer version"):
        open_catalogue(any_settings)


def test_a_database_url_that_means_nothing_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="database URL"):
        open_catalogue(Settings(home=tmp_path, database_url="nonsense://x"))


def test_the_same_bytes_again_are_the_same_video_and_job(catalogue: Catalogue) -> None:
    first = catalogue.add_video(sha(1), "a.mp4", "A", ["x", "y", "x"], 100, Facts())
    again = catalogue.add_video(sha(1), "b.mp4", "B", [], 100, Facts())
    assert first[2]
    assert not again[2]
    assert again[0] == first[0]
    assert again[1].id == first[1].id
    assert first[0].tags == ["x", "y"]
    assert first[0].status == "pending"


def test_a_failed_video_is_queued_anew_when_uploaded_again(catalogue: Catalogue) -> None:
    video_id, job_id = add(catalogue, 1)
    assert catalogue.claim_job(job_id, "w")
    assert catalogue.fail_job(job_id, "w", PROBLEM)
    failed = catalogue.video(video_id)
    assert failed is not None
    assert (failed.status, failed.problem) == ("failed", PROBLEM)
    video, job, created = catalogue.add_video(sha(1), "1.mp4", "Film", [], 100, Facts())
    assert (video.status, video.problem, created) == ("pending", None, False)
    assert job.id != job_id
    assert job.status == "queued"


def test_listing_is_newest_first_by_cursor_and_filters_by_tag_and_status(catalogue: Catalogue) -> None:
    ids = [add(catalogue, number, ("even",) if number % 2 == 0 else ("odd",))[0] for number in range(7)]
    seen: list[str] = []
    cursor = None
    while True:
        videos, cursor = catalogue.videos(limit=3, cursor=cursor)
        seen += [video.id for video in videos]
        if cursor is None:
            break
    assert seen == ids[::-1]
    assert {video.id for video in catalogue.videos(tag="odd")[0]} == set(ids[1::2])
    assert catalogue.videos(status="ready") == ([], None)
    with pytest.raises(BadCursor):
        catalogue.videos(cursor="no cursor at all")


def test_texts_with_a_zero_character_find_nothing_and_break_nothing(catalogue: Catalogue) -> None:
    add(catalogue, 1, ("a",))
    assert catalogue.video("v_\0") is None
    assert catalogue.videos(tag="\0") == ([], None)
    assert catalogue.job("\0") is None
    assert matching_videos(catalogue, VideoFilter(tags=("a\0",), video_ids=("\0",))) == []
    assert catalogue.segment(2**62) is None


def test_title_and_tags_are_changed_one_by_one(catalogue: Catalogue) -> None:
    video_id, _ = add(catalogue, 1, ("a",))
    changed = catalogue.update_video(video_id, tags=["b", "a"])
    assert changed is not None
    assert (changed.title, changed.tags) == ("Film 1", ["b", "a"])
    changed = catalogue.update_video(video_id, title="New")
    assert changed is not None
    assert (changed.title, changed.tags) == ("New", ["b", "a"])
    assert catalogue.update_video("v_none", title="x") is None


def test_segments_replace_those_of_before_and_readers_learn_of_both(catalogue: Catalogue) -> None:
    video_id, _ = add(catalogue, 1)
    first = catalogue.store_segments(video_id, "bundle", some_segments())
    second = catalogue.store_segments(video_id, "bundle", some_segments(3))
    assert not set(first) & set(second)
    assert [segment.id for segment in segments_of(catalogue, video_id, "bundle")] == second
    assert [(c.revision, c.kind, c.segment_ids) for c in catalogue.changes_since(0)] == [
        (1, "add", first),
        (2, "remove", first),
        (3, "add", second),
    ]
    assert catalogue.revision() == 3
    assert catalogue.changes_since(3) == []
    stored = {(channel, space, i): v for channel, space, i, v in catalogue.vectors("bundle")}
    assert len(stored) == 6
    for segment_id, segment in zip(second, some_segments(3), strict=True):
        for (channel, space), vectors in segment.vectors.items():
            assert (stored[(channel, space, segment_id)] == vectors).all()
    assert len(list(catalogue.vectors("bundle", [video_id]))) == 6
    assert list(catalogue.vectors("other")) == []
    assert list(catalogue.vectors("bundle", ["v_none"])) == []
    one = catalogue.segment_vectors("bundle", second[1])
    assert {key: rows.tolist() for key, rows in one.items()} == {
        key: rows.tolist() for key, rows in some_segments(3)[1].vectors.items()
    }
    assert catalogue.segment_vectors("other", second[1]) == {}
    assert catalogue.segment_vectors("bundle", first[0]) == {}
    video = catalogue.video(video_id)
    assert video is not None
    assert video.status == "ready"


def test_vectors_are_read_in_chunks_without_a_loss(catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.catalogue.segments.ROWS_PER_READ", 3)
    video_id, _ = add(catalogue, 1)
    ids = catalogue.store_segments(video_id, "b", some_segments(10))
    assert sorted({i for _, _, i, _ in catalogue.vectors("b")}) == ids
    assert len(list(catalogue.vectors("b"))) == 20


def test_deletion_takes_everything_along_and_ids_never_come_back(catalogue: Catalogue) -> None:
    video_id, job_id = add(catalogue, 1)
    ids = catalogue.store_segments(video_id, "b", some_segments())
    assert catalogue.delete_video(video_id)
    assert not catalogue.delete_video(video_id)
    assert catalogue.video(video_id) is None
    assert catalogue.segments(ids) == {}
    assert list(catalogue.vectors("b")) == []
    assert catalogue.segment_vectors("b", ids[0]) == {}
    assert catalogue.changes_since(1)[0].kind == "remove"
    job = catalogue.job(job_id)
    assert job is not None
    assert job.status == "cancelled"
    assert catalogue.claim_job(job_id, "w") is None
    with pytest.raises(VideoGone):
        catalogue.store_segments(video_id, "b", some_segments())
    other, _ = add(catalogue, 2)
    assert min(catalogue.store_segments(other, "b", some_segments())) > max(ids)


def test_a_job_is_claimed_once_however_many_ask(catalogue: Catalogue) -> None:
    _, job_id = add(catalogue, 1)
    claimed: list[str] = []

    def claim(name: str) -> None:
        if catalogue.claim_job(job_id, name):
            claimed.append(name)

    threads = [threading.Thread(target=claim, args=(f"w{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(claimed) == 1


def test_a_running_job_is_taken_over_by_name_at_once_and_by_others_only_when_stale(catalogue: Catalogue) -> None:
    _, job_id = add(catalogue, 1)
    assert catalogue.claim_job(job_id, "w")
    assert catalogue.claim_job(job_id, "other") is None
    assert catalogue.abandoned_jobs() == []
    assert catalogue.abandoned_jobs(worker="w") == [job_id]
    assert catalogue.claim_job(job_id, "w")
    with catalogue._database.write() as session:
        session.execute(update(JobRow).values(heartbeat_at=datetime.now(UTC) - timedelta(minutes=5)))
    assert catalogue.abandoned_jobs() == [job_id]
    taken = catalogue.claim_job(job_id, "other")
    assert taken is not None
    assert taken.attempts == 3
    assert not catalogue.heartbeat(job_id, "w", 0.5, "embedding")
    assert not catalogue.finish_job(job_id, "w")
    assert catalogue.heartbeat(job_id, "other", 0.5, "embedding")
    assert catalogue.finish_job(job_id, "other", {"segments": 3})
    done = catalogue.job(job_id)
    assert done is not None
    assert (done.status, done.progress, done.result) == ("done", 1.0, {"segments": 3})


def test_a_job_that_keeps_killing_its_worker_is_given_up(catalogue: Catalogue) -> None:
    video_id, job_id = add(catalogue, 1)
    for _ in range(MAX_ATTEMPTS):
        assert catalogue.claim_job(job_id, "w")
    assert catalogue.claim_job(job_id, "w") is None
    job, video = catalogue.job(job_id), catalogue.video(video_id)
    assert job is not None
    assert video is not None
    assert (job.status, video.status) == ("failed", "failed")
    assert job.problem is not None
    assert job.problem["code"] == "worker_died"


def test_a_released_job_does_not_count_as_tried(catalogue: Catalogue) -> None:
    _, job_id = add(catalogue, 1)
    for _ in range(MAX_ATTEMPTS + 2):
        assert catalogue.claim_job(job_id, "w")
        assert catalogue.release_job(job_id, "w")
    assert catalogue.abandoned_jobs() == [job_id]


def test_a_cancelled_job_fails_its_pending_video_and_stops_its_worker(catalogue: Catalogue) -> None:
    video_id, job_id = add(catalogue, 1)
    assert catalogue.claim_job(job_id, "w")
    cancelled = catalogue.cancel_job(job_id)
    assert cancelled is not None
    assert cancelled.status == "cancelled"
    assert not catalogue.heartbeat(job_id, "w", 0.1, "decoding")
    assert not catalogue.fail_job(job_id, "w", PROBLEM)
    video = catalogue.video(video_id)
    assert video is not None
    assert video.status == "failed"
    assert catalogue.cancel_job("j_none") is None


def test_a_worker_that_lost_its_job_stores_nothing(catalogue: Catalogue) -> None:
    video_id, job_id = add(catalogue, 1)
    job = catalogue.claim_job(job_id, "w")
    assert job is not None
    assert catalogue.store_segments(video_id, "b", some_segments(), job)
    catalogue.cancel_job(job_id)
    with pytest.raises(JobLost):
        catalogue.store_segments(video_id, "b", some_segments(5), job)
    assert catalogue.segment_count("b") == 2


def test_a_rebuild_that_waits_already_is_not_queued_twice(catalogue: Catalogue) -> None:
    first = catalogue.create_job("rebuild", {"reason": "asked"})
    assert catalogue.create_job("rebuild", {"reason": "asked"}).id == first.id
    assert catalogue.claim_job(first.id, "w")
    assert catalogue.create_job("rebuild", {"reason": "asked"}).id != first.id


def test_many_writers_lose_nothing(any_settings: Settings) -> None:
    settings = any_settings
    open_catalogue(settings).close()
    errors: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            mine = open_catalogue(settings)  # an engine of its own, as another process would have
            for number in range(5):
                video_id, job_id = add(mine, worker * 100 + number)
                assert mine.claim_job(job_id, f"w{worker}")
                mine.store_segments(video_id, "b", some_segments())
                assert mine.finish_job(job_id, f"w{worker}")
            mine.close()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    catalogue = open_catalogue(settings)
    assert errors == []
    assert catalogue.counts() == {
        "videos": 20,
        "pending": 0,
        "ready": 20,
        "failed": 0,
        "segments": 40,
        "active_jobs": 0,
    }
    assert [change.revision for change in catalogue.changes_since(0)] == list(range(1, 21))


def test_ready_videos_without_segments_of_a_bundle_are_queued_once(catalogue: Catalogue) -> None:
    first, _ = add(catalogue, 1)
    second, _ = add(catalogue, 2)
    add(catalogue, 3)  # pending: its own job embeds it
    for video_id, bundle in ((first, "old"), (second, "old"), (second, "new")):
        catalogue.store_segments(video_id, bundle, some_segments())
    for job in catalogue.jobs()[0]:
        catalogue.claim_job(job.id, "w")
        catalogue.finish_job(job.id, "w")
    assert (catalogue.waiting_count("old"), catalogue.waiting_count("new")) == (0, 1)
    assert catalogue.queue_waiting("new", second) == []
    (queued,) = catalogue.queue_waiting("new")
    assert (queued.video_id, queued.kind, queued.status) == (first, "ingest", "queued")
    assert catalogue.queue_waiting("new") == []
    assert catalogue.waiting_count("new") == 1  # until it is embedded
    video = catalogue.video(first)
    assert video is not None
    assert video.status == "ready"
    catalogue.store_segments(first, "new", some_segments())
    assert catalogue.waiting_count("new") == 0


@pytest.mark.parametrize("url", ["postgresql://u:secret@h:port/db", "postgresql://u:secret@[::1/db", "u:secret@h", "x"])
def test_a_url_that_is_none_is_told_without_its_password(url: str) -> None:
    with pytest.raises(CatalogueError, match="cannot be used") as caught:
        make_engine(url)
    assert "secret" not in str(caught.value)
