"""What a worker does now and then, in a thread of its own: pruning, finishing deletions, giving memory back."""

import logging
import threading
import time
from collections.abc import Callable

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from service.catalogue import Catalogue
from service.catalogue.pruning import prune
from service.jobs.queue import JobQueue

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
PRUNE_EVERY_S = 3600.0
# What stands in the way of an erasure (a backup that reads, a Redis that is away) is not over at once.
ERASE_AGAIN_AFTER_S = 30.0


def queue_erasures(catalogue: Catalogue, queue: JobQueue) -> bool:
    """Queues the job that finishes pending deletions, if there are any and it is not queued; whether it was needed."""
    if not catalogue.pending_erasures() or catalogue.active_jobs(["erase"]):
        return False
    queue.enqueue(catalogue.create_job("erase").id, front=True)
    return True


class Chores:
    """`start` it once in a worker process, `stop` it at the end."""

    def __init__(
        self,
        catalogue: Catalogue,
        queue: JobQueue,
        tidy: Callable[[], None] | None = None,
        rest: Callable[[], None] | None = None,
    ) -> None:
        """`tidy` is done whenever old rows are pruned: what is left over outside the catalogue. May raise OSError.

        `rest` is done every few seconds.
        """
        self._catalogue, self._queue, self._tidy, self._rest = catalogue, queue, tidy, rest
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="chores", daemon=True)
        self._prune_at = self._erase_at = 0.0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(timeout=LOOK_EVERY_S)

    def _run(self) -> None:
        while True:
            try:
                self._do_what_is_due()
            except (RedisError, SQLAlchemyError, OSError) as error:
                log.warning("a chore is put off: %s", error)
            if self._over.wait(LOOK_EVERY_S):
                return

    def _do_what_is_due(self) -> None:
        if self._rest is not None:
            self._rest()
        now = time.monotonic()
        if now >= self._erase_at and queue_erasures(self._catalogue, self._queue):
            self._erase_at = now + ERASE_AGAIN_AFTER_S
        if now >= self._prune_at:
            self._prune_at = now + PRUNE_EVERY_S
            pruned = prune(self._catalogue)
            if pruned.changes or pruned.jobs:
                log.info("forgotten: %d entries of the log of changes, %d old jobs", pruned.changes, pruned.jobs)
            if self._tidy is not None:
                self._tidy()
