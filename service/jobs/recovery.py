"""The janitor: finds jobs that the catalogue knows and Redis lost, or whose worker died, and delivers them again."""

import logging
import threading

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from service.catalogue import Catalogue
from service.jobs.queue import JobQueue

log = logging.getLogger(__name__)

INTERVAL_S = 2.0


def redeliver(catalogue: Catalogue, queue: JobQueue, worker: str | None = None) -> list[str]:
    """Delivers every job that waits for a worker and is not in the queue; its ids.

    With `worker`, also those that run under this name: to be asked by a worker that has just started, which runs none.
    Delivering a job twice is harmless, since it is claimed once. What is no ingest goes before all that waits, as it
    did at first: thousands of films may wait in Redis still. Raises RedisError.
    """
    waiting = queue.waiting()
    few, many = (
        [job_id for job_id in catalogue.abandoned_jobs(worker=worker, ingests=ingests) if job_id not in waiting]
        for ingests in (False, True)
    )
    for job_id in reversed(few):
        queue.enqueue(job_id, front=True)
    for job_id in many:
        queue.enqueue(job_id)
    return few + many


class Janitor:
    """Looks every INTERVAL_S seconds, in a thread of the worker process."""

    def __init__(self, catalogue: Catalogue, queue: JobQueue) -> None:
        self._catalogue, self._queue = catalogue, queue
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="janitor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(timeout=INTERVAL_S)

    def _watch(self) -> None:
        while not self._over.wait(INTERVAL_S):
            try:
                if lost := redeliver(self._catalogue, self._queue):
                    log.info("delivered again: %s", ", ".join(lost))
            except (RedisError, SQLAlchemyError) as error:
                log.warning("cannot look for lost jobs just now: %s", error)
