"""What a worker does with a job id: claim the job in the catalogue, do its work, record how it ended."""

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from models.bundle import BundleError
from models.preprocess.media import MediaError
from models.runtime import Encoders
from service import swap_job
from service.catalogue import Catalogue, Job
from service.catalogue.jobs import ACTIVE, JobLost
from service.catalogue.segments import VideoGone
from service.catalogue.swaps import SwapBusy, SwapOutdated
from service.crash_points import crash_point
from service.erasure import erase_pending, forget_pictures
from service.ingest import forget_parts, ingest_video
from service.jobs.intake import Intake
from service.jobs.now_and_then import NowAndThen
from service.jobs.pulse import Pulse, WorkerStopping
from service.jobs.queue import JobQueue
from service.jobs.retries import OF_THE_MACHINE, problem_of, wait_before_retry_s
from service.jobs.training import KINDS as TRAINING_KINDS
from service.jobs.training import Trainer, TrainingFailed, run_training
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails
from service.memory import give_back_memory
from service.model_pool import ActiveModel
from service.problem_codes import problem_document
from service.rebuild import is_outgrown
from service.settings import Settings
from service.swap_job import Swapper, SwapRefused

log = logging.getLogger(__name__)

# While films come in, it is looked this often whether the index is to be built anew.
OUTGROWN_EVERY_S = 1.0


@dataclass(frozen=True)
class Runner:
    """What the tasks of one worker process work with."""

    name: str
    settings: Settings
    catalogue: Catalogue
    store: MediaStore
    thumbnails: Thumbnails
    model: ActiveModel
    queue: JobQueue
    swapper: Swapper
    intake: Intake
    stopping: threading.Event
    trainer: Trainer = field(default_factory=Trainer)
    swap_thread: Trainer = field(default_factory=Trainer)
    tidy_thread: Trainer = field(default_factory=Trainer)
    at_work: set[str] = field(default_factory=set)  # ids of the ingests that run here
    ask_if_outgrown: NowAndThen = field(default_factory=lambda: NowAndThen(OUTGROWN_EVERY_S))

    def run(self, job_id: str) -> None:
        """Does a job, unless it is over or another worker's. Raises nothing: how it ended is in the catalogue.

        A training is done in a thread of its own: it takes hours, in which other jobs are to go on. So may a promotion.
        Ingests are done a few at once; this waits until there is a place for another.
        """
        if self.stopping.is_set():
            return
        waiting = self.catalogue.job(job_id)
        thread = self._thread_for(waiting)
        if thread is not None and thread.busy:
            return  # this very one, delivered twice; or another, which the janitor delivers again
        if waiting is not None and waiting.kind == "ingest":
            self._take_in(waiting)
            return
        job = self.catalogue.claim_job(job_id, self.name)
        if job is None:
            return
        if thread is not None:
            thread.start(swap_job.politely(partial(self._do, job)))
        else:
            self._do(job)

    def _take_in(self, waiting: Job) -> None:
        if waiting.status not in ACTIVE or not self.intake.take_place(waiting.attempts):
            return
        try:
            # Delivered twice, it would be claimed again as something that an earlier life of this worker left.
            job = self.catalogue.claim_job(waiting.id, self.name) if waiting.id not in self.at_work else None
        except BaseException:
            self.intake.leave_place()
            raise
        if job is None:
            self.intake.leave_place()
            return
        crash_point("ingest.claimed")
        self.at_work.add(job.id)
        try:
            self.intake.start(partial(self._do_noted, job))
        except RuntimeError:  # the machine has no more threads to give: the janitor finds the job again
            self.at_work.discard(job.id)
            raise

    def _do_noted(self, job: Job) -> None:
        try:
            self._do(job)
        finally:
            self.at_work.discard(job.id)

    def _thread_for(self, job: Job | None) -> Trainer | None:
        if job is not None and job.kind in TRAINING_KINDS:
            return self.trainer
        if job is not None and job.kind == "tidy":  # a promotion may take hours
            return self.tidy_thread
        return self.swap_thread if job is not None and job.kind in swap_job.KINDS else None

    def _do(self, job: Job) -> None:
        log.info("job %s (%s %s): attempt %d", job.id, job.kind, job.video_id or "", job.attempts)
        try:
            with Pulse(self.catalogue, job.id, self.name, self.stopping, gives_back=job.kind == "ingest") as pulse:
                result = self._work(job, pulse.report)
            if result is not None:
                self.catalogue.finish_job(job.id, self.name, result)
            log.info("job %s: done", job.id)
        except (JobLost, VideoGone):
            log.info("job %s: no longer this worker's", job.id)
            now = self.catalogue.job(job.id)
            if now is None or now.status not in ACTIVE:  # else another worker goes on with them
                self._forget_parts(job)
            if job.video_id is not None:
                forget_pictures(job.video_id, self.catalogue, self.store, self.thumbnails)
        except WorkerStopping:
            self.catalogue.release_job(job.id, self.name)
        except TrainingFailed as error:
            log.error("job %s: the training failed: %s", job.id, error)
            self.catalogue.fail_job(job.id, self.name, problem_document("training_failed", str(error)))
        except (SwapBusy, SwapOutdated, SwapRefused, BundleError) as error:
            log.error("job %s: %s", job.id, error)
            self.catalogue.fail_job(job.id, self.name, problem_document(_SWAP_CODES[type(error)], str(error)))
        except Exception as error:
            self._give_up_or_try_again(job, error)
        if job.kind == "ingest":
            self._catch_up(job)
            self.at_work.discard(job.id)
            # Of many films in a row not each needs to ask; the last one does in any case.
            if self.ask_if_outgrown.due() or not self.at_work:
                self._rebuild_if_outgrown()
        if job.kind in swap_job.KINDS:
            self.model.refresh()
            give_back_memory()

    def _give_up_or_try_again(self, job: Job, error: Exception) -> None:
        """What passes is tried again a little later. A file that is never going to work is set aside, and says why.

        A rebuild or a promotion goes on where it was.
        """
        problem = problem_of(error)
        if isinstance(error, MediaError):
            log.info("job %s: %s: %s", job.id, error.code, error.message)
        else:
            log.error("job %s failed", job.id, exc_info=error)
        wait_s = wait_before_retry_s(problem["code"], job.attempts, self.settings.retry_s)
        if job.kind in ("ingest", *swap_job.KINDS) and wait_s is not None:
            log.info("job %s: tried again in %.0f s", job.id, wait_s)
            counts = problem["code"] not in OF_THE_MACHINE
            self.catalogue.retry_job(job.id, self.name, problem, wait_s, counts=counts)
            crash_point("ingest.put_back")
            return
        if self.catalogue.fail_job(job.id, self.name, problem):
            crash_point("ingest.set_aside")
            self._forget_parts(job)

    def _forget_parts(self, job: Job) -> None:
        if job.kind == "ingest" and job.video_id is not None:
            forget_parts(self.settings.spool_dir, job.video_id, self.encoders.bundle.fingerprint)

    def _work(self, job: Job, report: Callable[[float, str], None]) -> dict[str, Any] | None:
        """What came of it; None when that is in the catalogue already, and the job is done."""
        if job.kind in TRAINING_KINDS:
            return run_training(self.settings, self.catalogue, job, report)
        if job.kind == "rebuild":
            for waiting in self.catalogue.queue_waiting(self.encoders.bundle.fingerprint):
                self.queue.enqueue(waiting.id)
        if job.kind in swap_job.KINDS:
            return self.swapper.work(job, report)
        if job.kind == "erase":
            return erase_pending(self.settings, self.catalogue, self.queue.redis, report)
        video = self.catalogue.video(job.video_id or "")
        if video is None:
            raise VideoGone(job.video_id)
        ingest_video(
            self.catalogue,
            self.store,
            self.thumbnails,
            self.encoders,
            video,
            report,
            job=job,
            incoming=self._incoming,
            pool=self.intake.pool,
            spool_dir=self.settings.spool_dir,
            checkpoint_s=self.settings.checkpoint_s,
        )
        return None

    @property
    def encoders(self) -> Encoders:
        """Of the model that is served now."""
        return self.model.encoders()

    def _incoming(self) -> Encoders | None:
        """Of a model that is about to be switched to: what is taken in now is to be there with it too.

        None too when it is gone: that is the promotion's failure, and not the film's.
        """
        fingerprint = self.catalogue.closing_bundle()
        try:
            return None if fingerprint is None else self.model.pool.get(fingerprint)
        except BundleError as error:
            log.error("what is taken in waits for the new model: %s", error)
            return None

    def _catch_up(self, job: Job) -> None:
        """A video that was taken in while the model was switched is taken in again with the new one."""
        served = self.catalogue.served()
        if job.video_id is None or served is None or not self.catalogue.is_waiting(job.video_id, served.bundle):
            return
        for waiting in self.catalogue.queue_waiting(served.bundle, job.video_id):
            self.queue.enqueue(waiting.id)

    def _rebuild_if_outgrown(self) -> None:
        """Queue a rebuild when much of the library is not in the index generation; later, while there is more to do."""
        served = self.catalogue.served()
        if self.stopping.is_set() or served is None or self.catalogue.active_jobs(("rebuild", "promote")):
            return
        busy = self.catalogue.active_jobs(("ingest",)) > 0
        if is_outgrown(self.catalogue, served.bundle, self.settings.index_dir, served.generation, busy=busy):
            payload = {"bundle": served.bundle, "auto": True, "reason": "outgrown"}
            with contextlib.suppress(SwapBusy):  # something else is to be confirmed first
                job = self.catalogue.start_swap("rebuild", served.bundle, served.bundle_name, payload)
                self.queue.enqueue(job.id, front=True)


_SWAP_CODES: dict[type[Exception], str] = {
    SwapBusy: "swap_busy",
    SwapOutdated: "swap_outdated",
    SwapRefused: "index_check_failed",
    BundleError: "bundle_unusable",
}


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
