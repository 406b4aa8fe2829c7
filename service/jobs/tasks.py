"""What a worker does with a job id: claim the job in the catalogue, do its work, record how it ended."""

import errno
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from models.preprocess.media import MediaError
from models.runtime import Encoders
from service.catalogue import Catalogue, Job
from service.catalogue.jobs import ACTIVE, JobLost
from service.catalogue.segments import VideoGone
from service.crash_points import crash_point
from service.erasure import erase_pending
from service.ingest import forget_parts, ingest_video
from service.jobs.intake import Intake
from service.jobs.pulse import Pulse, WorkerStopping
from service.jobs.queue import JobQueue
from service.jobs.retries import problem_of, wait_before_retry_s
from service.jobs.training import KINDS as TRAINING_KINDS
from service.jobs.training import Trainer, TrainingFailed, run_training
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails
from service.problem_codes import problem_document
from service.rebuild import is_outgrown, rebuild_index
from service.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Runner:
    """What the tasks of one worker process work with."""

    name: str
    settings: Settings
    catalogue: Catalogue
    store: MediaStore
    thumbnails: Thumbnails
    encoders: Encoders
    queue: JobQueue
    stopping: threading.Event = field(default_factory=threading.Event)
    trainer: Trainer = field(default_factory=Trainer)

    def run(self, job_id: str) -> None:
        """Does a job, unless it is over or another worker's. Raises nothing: how it ended is in the catalogue.

        A training is done in a thread of its own: it takes hours, in which other jobs are to go on.
        """
        if self.stopping.is_set():
            return
        waiting = self.catalogue.job(job_id)
        is_training = waiting is not None and waiting.kind in TRAINING_KINDS
        if is_training and self.trainer.busy:
            return  # this very one, delivered twice; or another, which the janitor delivers again
        job = self.catalogue.claim_job(job_id, self.name)
        if job is None:
            return
        if is_training:
            self.trainer.start(partial(self._do, job))
        else:
            self._do(job)

    def _do(self, job: Job) -> None:
        log.info("job %s (%s %s): attempt %d", job.id, job.kind, job.video_id or "", job.attempts)
        try:
            with Pulse(self.catalogue, job.id, self.name, self.stopping) as pulse:
                result = self._work(job, pulse.report)
            self.catalogue.finish_job(job.id, self.name, result)
            log.info("job %s: done", job.id)
        except (JobLost, VideoGone):
            log.info("job %s: cancelled", job.id)
            self._forget_parts(job)
            if job.video_id is not None and self.catalogue.video(job.video_id) is None:
                self.thumbnails.delete(job.video_id)  # those that were made after the video was deleted
        except WorkerStopping:
            self.catalogue.release_job(job.id, self.name)
        except TrainingFailed as error:
            log.error("job %s: the training failed: %s", job.id, error)
            self.catalogue.fail_job(job.id, self.name, problem_document("training_failed", str(error)))
        except Exception as error:
            self._give_up_or_try_again(job, error)
        if job.kind == "ingest":
            self._rebuild_if_outgrown()

    def _give_up_or_try_again(self, job: Job, error: Exception) -> None:
        """What passes is tried again a little later. A file that is never going to work is set aside, and says why."""
        problem = problem_of(error)
        if isinstance(error, MediaError):
            log.info("job %s: %s: %s", job.id, error.code, error.message)
        else:
            log.error("job %s failed", job.id, exc_info=error)
        wait_s = wait_before_retry_s(problem["code"], job.attempts, self.settings.retry_s)
        if job.kind == "ingest" and wait_s is not None:
            log.info("job %s: tried again in %.0f s", job.id, wait_s)
            self.catalogue.retry_job(job.id, self.name, problem, wait_s)
            crash_point("ingest.put_back")
            return
        self.catalogue.fail_job(job.id, self.name, problem)
        crash_point("ingest.set_aside")
        self._forget_parts(job)

    def _forget_parts(self, job: Job) -> None:
        if job.kind == "ingest" and job.video_id is not None:
            forget_parts(self.settings.spool_dir, job.video_id, self.encoders.bundle.fingerprint)

    def _work(self, job: Job, report: Callable[[float, str], None]) -> dict[str, Any]:
        if job.kind in TRAINING_KINDS:
            return run_training(self.settings, self.catalogue, job, report)
        if job.kind == "rebuild":
            for waiting in self.catalogue.queue_waiting(self.encoders.bundle.fingerprint):
                self.queue.enqueue(waiting.id)
            return rebuild_index(self.catalogue, self.encoders.bundle.fingerprint, self.settings.index_dir, report)
        if job.kind == "erase":
            return erase_pending(self.settings, self.catalogue, self.queue.redis, report)
        video = self.catalogue.video(job.video_id or "")
        if video is None:
            raise VideoGone(job.video_id)
        return ingest_video(
            self.catalogue,
            self.store,
            self.thumbnails,
            self.encoders,
            video,
            report,
            job=job,
            embed_threads=self.settings.embed_threads,
        )

    def _rebuild_if_outgrown(self) -> None:
        """Once nothing else is to be done: queue a rebuild when much of the library is not in the index generation."""
        if self.stopping.is_set() or self.catalogue.active_jobs(("ingest", "rebuild")):
            return
        if is_outgrown(self.catalogue, self.encoders.bundle.fingerprint, self.settings.index_dir):
            self.queue.enqueue(self.catalogue.create_job("rebuild", {"reason": "outgrown"}).id)


# rq calls a task by its name, so a worker process has one runner, set once at its start (`worker.py`).
_runner: Runner | None = None


def set_runner(runner: Runner) -> None:
    """To be called once, before the worker takes jobs."""
    global _runner
    _runner = runner


def run(job_id: str) -> None:
    """What rq calls."""
    assert _runner is not None, "a task runs in a worker process only"
    _runner.run(job_id)
