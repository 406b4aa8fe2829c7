"""The worker process: takes jobs one by one, with the ONNX sessions loaded once (docs/decisions.md says why)."""

import logging
import os
import threading
import time
from types import FrameType

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.job import Job as DeliveredJob
from rq.serializers import JSONSerializer

from service.bundles import ensure_serving
from service.catalogue import open_catalogue
from service.chores import Chores
from service.jobs import tasks
from service.jobs.intake import Intake
from service.jobs.now_and_then import NowAndThen
from service.jobs.queue import JobQueue, make_queue
from service.jobs.recovery import Janitor, redeliver
from service.media import confined
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails
from service.memory import use_few_heaps
from service.model_pool import ActiveModel, ModelPool
from service.nudges import Nudges
from service.parent_death import end_with_parent
from service.settings import Settings
from service.spool import sweep_spool
from service.swap_job import Swapper, tidy_home
from service.sweep import sweep_leftovers

log = logging.getLogger(__name__)


ASK_REDIS_AGAIN_S = 0.5
# Much less than the minute that rq's record of a worker outlives its longest wait for a job.
BEAT_EVERY_S = 20.0


class Worker(SimpleWorker):
    """rq's in-process worker; a signal also stops the job at hand, which goes back to the queue.

    Of what rq writes down about jobs and workers it leaves out nearly all: the catalogue knows better, and for each
    film that would take longer than to claim its job there.
    """

    exponential_backoff_factor = 1.0  # ask for a lost Redis every second, not at ever longer intervals

    def __init__(self, redis: Redis, library_id: str, stopping: threading.Event) -> None:
        # rq's own name is fresh each time: it refuses one that a killed worker still holds for some minutes.
        super().__init__(
            [make_queue(redis, library_id)], connection=redis, serializer=JSONSerializer, log_job_description=False
        )
        self._stopping = stopping
        self._beat = NowAndThen(BEAT_EVERY_S)

    def execute_job(self, job: DeliveredJob, queue: Queue) -> None:
        """Does our task, whatever the delivery names, and forgets the delivery before: the janitor finds lost jobs."""
        with self.connection.pipeline() as pipeline:
            pipeline.lrem(queue.intermediate_queue_key, 1, job.id)
            pipeline.delete(job.key)
            pipeline.execute()
        try:
            tasks.run(*job.args)
        except Exception:
            log.exception("the delivery %s came to nothing", job.id)

    def heartbeat(self, timeout: int | None = None, pipeline: Pipeline | None = None) -> None:
        """Keeps rq's record of this worker, now and then."""
        if self._beat.due():
            super().heartbeat(timeout, pipeline)

    def set_state(self, state: str, pipeline: Pipeline | None = None) -> None:
        """Tells Redis what this worker does when that changes."""
        if state != self.get_state():
            super().set_state(state, pipeline)

    def request_stop(self, signum: int, frame: FrameType | None) -> None:
        self._stopping.set()
        super().request_stop(signum, frame)


def run_worker(settings: Settings, name: str, parent_pid: int | None = None) -> None:
    """Works until SIGTERM or SIGINT. `name` is the worker's own for good: by it it finds what its earlier life left.

    With `parent_pid`, ends when that process does. Raises CatalogueError, BundleError, RedisError.
    """
    if settings.redis_url is None:
        raise ValueError("a worker needs the address of a Redis")
    if parent_pid is not None:
        _end_with_parent(parent_pid)
    use_few_heaps()
    settings.prepare_home()
    catalogue = open_catalogue(settings)
    ensure_serving(settings, catalogue)
    pool = ModelPool(settings, warm=False)  # it seldom needs words, and nothing before its first film
    model = ActiveModel(catalogue, pool)
    bundle = model.encoders().bundle
    confined.start()
    queue = JobQueue(settings.redis_url, catalogue.library_id())
    nudges = Nudges(settings.redis_url, catalogue.library_id())
    tidy_home(settings, catalogue)  # what a crash left
    stopping = threading.Event()
    sweep_spool(settings.spool_dir, catalogue.active_videos)
    runner = tasks.Runner(
        name=name,
        settings=settings,
        catalogue=catalogue,
        store=MediaStore(settings.media_dir),
        thumbnails=Thumbnails(settings.thumbnails_dir),
        model=model,
        queue=queue,
        swapper=Swapper(settings, catalogue, pool, nudges),
        intake=Intake(settings.ingest_at_once, settings.embed_threads, stopping),
        stopping=stopping,
    )
    tasks.set_runner(runner)
    if waiting := catalogue.queue_waiting(bundle.fingerprint):
        log.info("%d videos have nothing of the bundle %s yet: taken in again", len(waiting), bundle.name)
    for job_id in redeliver(catalogue, queue, worker=name):
        log.info("found again: %s", job_id)
    janitor = Janitor(catalogue, queue)
    janitor.start()
    chores = Chores(catalogue, queue, lambda: sweep_leftovers(settings, catalogue), model.rest)
    chores.start()
    try:
        _take_jobs(settings.redis_url, catalogue.library_id(), stopping)
    finally:
        stopping.set()
        runner.intake.join()
        runner.trainer.join()
        runner.swap_thread.join()
        runner.tidy_thread.join()
        janitor.stop()
        chores.stop()
        nudges.close()
        queue.close()
        catalogue.close()


def _take_jobs(redis_url: str, library_id: str, stopping: threading.Event) -> None:
    """Until `stopping` is set. When Redis goes away, the jobs at hand go on, and it is tried again."""
    while not stopping.is_set():
        try:
            Worker(Redis.from_url(redis_url), library_id, stopping).work(logging_level="WARNING")
        except RedisError as error:
            log.warning("no new jobs until Redis is back: %s", error)
        stopping.wait(ASK_REDIS_AGAIN_S)


def _end_with_parent(parent_pid: int) -> None:
    """Leave no orphan when the supervisor is killed: at once on Linux, within a second elsewhere."""
    end_with_parent()

    def watch() -> None:
        while os.getppid() == parent_pid:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
