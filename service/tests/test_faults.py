"""What happens when parts die: real processes, really killed. Nothing is lost and nothing is doubled."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.bundle import load_bundle
from models.tests import media_samples
from service.catalogue import Catalogue, Job, NewSegment
from service.jobs.queue import JobQueue
from service.settings import Settings
from service.supervisor import Supervisor
from service.tests.stored import segments_of
from service.tests.test_upload import upload
from service.tests.waiting import wait_for


@pytest.fixture
def supervisor(settings: Settings, library: Catalogue) -> Iterator[Supervisor]:
    """Redis and a worker, without the HTTP server."""
    with Supervisor(settings) as running:
        yield running


@pytest.fixture(scope="module")
def film_of_minutes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long enough to be met in the middle, whatever its worker does in the half second before it stops."""
    return media_samples.film(tmp_path_factory.mktemp("films") / "minutes.mp4", 2, 300.0)


def job_of(library: Catalogue, job_id: str) -> Job:
    job = library.job(job_id)
    assert job is not None
    return job


def is_running(library: Catalogue, job_id: str) -> bool:
    job = job_of(library, job_id)
    return job.status == "running" and job.progress > 0.05


def assert_taken_in_once(library: Catalogue, video_id: str, job_id: str) -> None:
    """The video is ready, with one set of segments, each with its vectors."""
    job, video = job_of(library, job_id), library.video(video_id)
    assert (job.status, job.problem) == ("done", None)
    assert video is not None
    assert video.status == "ready"
    bundle = load_bundle(Settings().bundle_path()).fingerprint
    segments = segments_of(library, video_id, bundle)
    assert job.result is not None
    assert len(segments) == job.result["segments"] == library.segment_count(bundle)
    assert len({segment.start_s for segment in segments}) == len(segments)
    assert sum(len(v) for _, _, _, v in library.vectors(bundle)) == job.result["vectors"]


def test_a_worker_killed_in_the_middle_of_an_ingest_comes_back_and_finishes_it(
    film_of_minutes: Path, settings: Settings, library: Catalogue, supervisor: Supervisor
) -> None:
    video, job, _ = upload(film_of_minutes, settings, library)
    assert JobQueue(str(supervisor.settings.redis_url), library.library_id()).enqueue(job.id)
    wait_for(lambda: is_running(library, job.id))
    assert supervisor.worker_pid is not None
    killed = supervisor.worker_pid
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: supervisor.worker_pid != killed)
    wait_for(lambda: job_of(library, job.id).status not in ("queued", "running"))
    assert job_of(library, job.id).attempts == 2
    assert_taken_in_once(library, video.id, job.id)


def test_a_worker_asked_to_stop_gives_its_job_back_at_once(
    film_of_minutes: Path, settings: Settings, library: Catalogue, supervisor: Supervisor
) -> None:
    video, job, _ = upload(film_of_minutes, settings, library)
    JobQueue(str(supervisor.settings.redis_url), library.library_id()).enqueue(job.id)
    wait_for(lambda: is_running(library, job.id))
    assert supervisor.worker_pid is not None
    os.kill(supervisor.worker_pid, signal.SIGTERM)
    # Half a second and a write, whatever the work is at (`test_jobs.py`); a busy machine takes its time over both.
    wait_for(lambda: job_of(library, job.id).status == "queued", 30)
    wait_for(lambda: job_of(library, job.id).status == "done")
    assert job_of(library, job.id).attempts == 1
    assert_taken_in_once(library, video.id, job.id)


def test_jobs_that_redis_lost_are_found_in_the_catalogue(
    samples: Path, settings: Settings, library: Catalogue, supervisor: Supervisor
) -> None:
    queue = JobQueue(str(supervisor.settings.redis_url), library.library_id())
    _, first, _ = upload(samples / "long.mp4", settings, library)
    queue.enqueue(first.id)
    video, job, _ = upload(samples / "film.mp4", settings, library)
    queue.enqueue(job.id)
    wait_for(lambda: is_running(library, first.id))
    queue.redis.flushall()
    wait_for(lambda: job_of(library, first.id).status == "done")
    wait_for(lambda: job_of(library, job.id).status == "done")
    ready = library.video(video.id)
    assert ready is not None
    assert ready.status == "ready"


def test_a_redis_that_dies_comes_back_with_its_queue(
    samples: Path, settings: Settings, library: Catalogue, supervisor: Supervisor
) -> None:
    queue = JobQueue(str(supervisor.settings.redis_url), library.library_id())
    os.kill(int(queue.redis.info("server")["process_id"]), signal.SIGKILL)
    video, job, _ = upload(samples / "film.mp4", settings, library)
    queue.enqueue(job.id)  # whether or not it takes it
    wait_for(lambda: job_of(library, job.id).status == "done")
    assert_taken_in_once(library, video.id, job.id)


def test_a_cancelled_ingest_stops_and_stores_nothing(
    samples: Path, film_of_minutes: Path, settings: Settings, library: Catalogue, supervisor: Supervisor
) -> None:
    queue = JobQueue(str(supervisor.settings.redis_url), library.library_id())
    cancelled, job, _ = upload(film_of_minutes, settings, library)
    queue.enqueue(job.id)
    wait_for(lambda: is_running(library, job.id))
    assert library.cancel_job(job.id)
    _, following, _ = upload(samples / "film.mp4", settings, library)
    queue.enqueue(following.id)
    wait_for(lambda: job_of(library, following.id).status == "done")
    assert job_of(library, job.id).status == "cancelled"
    video = library.video(cancelled.id)
    assert video is not None
    assert video.status == "failed"
    assert segments_of(library, cancelled.id, load_bundle(Settings().bundle_path()).fingerprint) == []


def test_a_video_deleted_while_it_is_taken_in_leaves_no_trace(
    samples: Path, film_of_minutes: Path, settings: Settings, library: Catalogue, supervisor: Supervisor
) -> None:
    video, job, _ = upload(film_of_minutes, settings, library)
    JobQueue(str(supervisor.settings.redis_url), library.library_id()).enqueue(job.id)
    wait_for(lambda: is_running(library, job.id))
    assert library.delete_video(video.id)
    _, following, _ = upload(samples / "silent.mp4", settings, library)
    JobQueue(str(supervisor.settings.redis_url), library.library_id()).enqueue(following.id)
    wait_for(lambda: job_of(library, following.id).status == "done")
    assert job_of(library, job.id).status == "cancelled"
    assert library.counts()["videos"] == 1
    # Several films are taken in at once: the deleted one's job may end after the other's.
    wait_for(lambda: [folder.name for folder in settings.thumbnails_dir.iterdir()] == [following.video_id])


def test_a_file_that_is_gone_fails_its_job_with_a_sentence(
    samples: Path, settings: Settings, library: Catalogue, supervisor: Supervisor
) -> None:
    video, job, _ = upload(samples / "film.mp4", settings, library)
    for path in settings.media_dir.glob("??/*"):
        path.unlink()
    JobQueue(str(supervisor.settings.redis_url), library.library_id()).enqueue(job.id)
    wait_for(lambda: job_of(library, job.id).status == "failed")
    problem = job_of(library, job.id).problem
    assert problem is not None
    assert problem["code"] == "media_missing"
    failed = library.video(video.id)
    assert failed is not None
    assert failed.problem == problem


def test_a_library_made_with_another_bundle_is_taken_in_again_at_the_start(
    samples: Path, settings: Settings, library: Catalogue
) -> None:
    video, job, _ = upload(samples / "film.mp4", settings, library)
    assert library.claim_job(job.id, "earlier") is not None
    library.store_segments(video.id, "another bundle", [NewSegment(0.0, 3.2)])
    library.finish_job(job.id, "earlier")
    bundle = load_bundle(Settings().bundle_path()).fingerprint
    assert library.waiting_count(bundle) == 1
    with Supervisor(settings):
        wait_for(lambda: library.waiting_count(bundle) == 0)
        wait_for(lambda: library.counts()["active_jobs"] == 0)
    assert library.segment_count(bundle) > 0
    assert library.segment_count("another bundle") == 1
