"""What a worker does with its jobs when something is in the way: gives back, tries again, sets aside, leaves alone."""

import errno
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from models.preprocess.media import MediaError, MediaInfo
from service.catalogue import Catalogue, Job
from service.catalogue.jobs import JobLost
from service.jobs import tasks
from service.jobs.intake import Intake
from service.jobs.pulse import Pulse, WorkerStopping
from service.jobs.queue import JobQueue
from service.jobs.recovery import redeliver
from service.jobs.tasks import Runner
from service.media.partial import PartialUploads
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails
from service.redis_server import EmbeddedRedis
from service.settings import Settings
from service.spool import Spool
from service.sweep import sweep_leftovers
from service.tests.test_spool import part_of
from service.tests.waiting import wait_for

INFO = MediaInfo(8.0, True, False, 128, 96, 25.0, "mp4", "h264", None)
BUNDLE = "b" * 64
NAME = "local-1"


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path_factory.mktemp("r"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def queue(redis: EmbeddedRedis, library: Catalogue) -> Iterator[JobQueue]:
    queue = JobQueue(redis.url, library.library_id())
    yield queue
    queue.close()


@pytest.fixture
def runner(settings: Settings, library: Catalogue, queue: JobQueue) -> Runner:
    stopping = threading.Event()
    model: Any = SimpleNamespace(encoders=lambda: SimpleNamespace(bundle=SimpleNamespace(fingerprint=BUNDLE)))
    return Runner(
        name=NAME,
        settings=settings.model_copy(update={"retry_s": 0.0}),
        catalogue=library,
        store=MediaStore(settings.media_dir),
        thumbnails=Thumbnails(settings.thumbnails_dir),
        model=model,
        queue=queue,
        swapper=None,  # type: ignore[arg-type]  # nothing is swapped here
        intake=Intake(2, 1, stopping),
        stopping=stopping,
    )


def queued(library: Catalogue, digit: str = "a") -> Job:
    return library.add_video(digit * 64, f"{digit}.mp4", digit, [], 5, INFO)[1]


def run(runner: Runner, monkeypatch: pytest.MonkeyPatch, job: Job, work: Callable[[Job], dict[str, Any]]) -> Job:
    """The job as it is after a try in which its work was this."""
    monkeypatch.setattr(tasks.Runner, "_work", lambda self, job, report: work(job))
    runner.run(job.id)
    for thread in list(runner.intake._threads):
        thread.join()
    now = runner.catalogue.job(job.id)
    assert now is not None
    return now


def raising(error: Exception) -> Callable[[Job], dict[str, Any]]:
    def work(job: Job) -> dict[str, Any]:
        raise error

    return work


def test_a_worker_that_is_to_stop_gives_its_job_back_before_its_work_lets_go(library: Catalogue) -> None:
    job, stopping = queued(library), threading.Event()
    assert library.claim_job(job.id, NAME)
    with Pulse(library, job.id, NAME, stopping, gives_back=True) as pulse:
        pulse.report(0.3, "embedding")
        stopping.set()  # and the work does not come to its next report

        def given_back() -> bool:
            now = library.job(job.id)
            return now is not None and (now.status, now.attempts) == ("queued", 0)

        wait_for(given_back, 20)
        with pytest.raises(WorkerStopping):
            pulse.report(0.4, "embedding")


def test_a_full_disk_sets_no_film_aside_however_long_it_lasts(
    runner: Runner, library: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = queued(library)
    for _ in range(7):
        now = run(runner, monkeypatch, job, raising(OSError(errno.ENOSPC, "No space left on device")))
        assert now.problem is not None
        assert (now.status, now.attempts, now.problem["code"]) == ("queued", 0, "storage_full")
    assert run(runner, monkeypatch, job, lambda job: {"segments": 1}).status == "done"


def test_a_poisoned_file_is_set_aside_with_its_reason(
    runner: Runner, library: Catalogue, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, following = queued(library), queued(library, "b")
    assert job.video_id is not None
    Spool(settings.spool_dir, job.video_id, BUNDLE).add(part_of(0, 2), 0)
    crash = raising(MediaError("decoder_crashed", "The file breaks the decoder."))
    assert [run(runner, monkeypatch, job, crash).status for _ in range(3)] == ["queued", "queued", "failed"]
    video = library.video(job.video_id)
    assert video is not None
    assert video.problem is not None
    assert (video.status, video.problem["detail"]) == ("failed", "The file breaks the decoder.")
    assert list(settings.spool_dir.iterdir()) == []
    assert run(runner, monkeypatch, following, lambda job: {}).status == "done"


@pytest.mark.parametrize("by", ["another worker", "a user"])
def test_parts_of_a_film_that_another_worker_took_over_stay(
    runner: Runner, library: Catalogue, settings: Settings, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    job = queued(library)
    assert job.video_id is not None
    Spool(settings.spool_dir, job.video_id, BUNDLE).add(part_of(0, 2), 0)

    def lose(job: Job) -> dict[str, Any]:
        if by == "a user":
            library.cancel_job(job.id)
        else:
            library.release_job(job.id, NAME)
            assert library.claim_job(job.id, "another")
        raise JobLost(job.id)

    now = run(runner, monkeypatch, job, lose)
    kept = [path.name for path in settings.spool_dir.glob("*/*")]
    assert (now.status, len(kept)) == (("cancelled", 0) if by == "a user" else ("running", 1))


def test_a_job_that_is_one_of_few_does_not_wait_for_thousands(library: Catalogue, queue: JobQueue) -> None:
    films = [queued(library, digit) for digit in "abc"]
    for film in films:
        queue.enqueue(film.id)
    erase = library.create_job("erase")
    queue.enqueue(erase.id, front=True)
    assert queue._queue.get_job_ids()[0].startswith(erase.id)
    assert library.abandoned_jobs()[0] == erase.id


def test_one_of_few_that_is_delivered_again_does_not_wait_for_thousands_either(
    library: Catalogue, queue: JobQueue
) -> None:
    films = [queued(library, digit) for digit in "abc"]
    for film in films[:2]:
        queue.enqueue(film.id)
    few = [library.create_job("erase").id, library.create_job("tidy").id]
    assert redeliver(library, queue) == [*few, films[2].id]
    waiting = [name.rsplit("-", 1)[0] for name in queue._queue.get_job_ids()]
    assert waiting == [*few, *(film.id for film in films)]


def test_what_nobody_goes_on_with_is_cleared_away_while_the_service_runs(
    settings: Settings, library: Catalogue
) -> None:
    uploads = PartialUploads(settings.upload_dir, -1.0)
    uploads.create(1000, {})
    kept = PartialUploads(settings.upload_dir, 60.0).create(1000, {})
    job = queued(library)
    assert job.video_id is not None
    for video_id in (job.video_id, "v_0123456789abcdef"):
        Spool(settings.spool_dir, video_id, BUNDLE).add(part_of(0, 1), 0)
    sweep_leftovers(settings, library)
    assert uploads.ids() == [kept.id]
    assert [path.name for path in settings.spool_dir.iterdir()] == [f"{job.video_id}-{BUNDLE[:16]}"]


def test_a_place_comes_back_when_there_is_no_thread_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def no_thread(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    intake = Intake(1, 1, threading.Event())
    assert intake.take_place()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(RuntimeError):
            intake.start(lambda: None)
    assert intake.take_place()
    intake.leave_place()
    intake.join()
