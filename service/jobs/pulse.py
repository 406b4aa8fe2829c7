"""A running job's signs of life, sent by a thread of their own so that a long step does not look like a dead worker."""

import logging
import threading
from types import TracebackType

from sqlalchemy.exc import SQLAlchemyError

from service.catalogue import Catalogue
from service.catalogue.jobs import JobLost

log = logging.getLogger(__name__)

BEAT_S = 0.5


class WorkerStopping(Exception):
    """The worker was asked to stop; the job goes back to the queue."""


class Pulse:
    """Within its `with` block: heartbeats with the latest progress. `report` raises when the work is to be given up.

    `gives_back`: the job goes back to the queue as soon as the worker is asked to stop, not only at the next report,
    which may come too late: a worker that takes long to stop is killed, and a killed one counts against its job. For
    work that another worker may begin while this one is still letting go of it.
    """

    def __init__(
        self, catalogue: Catalogue, job_id: str, worker: str, stopping: threading.Event, *, gives_back: bool = False
    ) -> None:
        self._catalogue, self._job_id, self._worker, self._stopping = catalogue, job_id, worker, stopping
        self._gives_back = gives_back
        self._progress, self._stage = 0.0, "started"
        self._lost, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, name="pulse", daemon=True)

    def report(self, progress: float, stage: str) -> None:
        """Notes how far the work is (0 to 1). Raises JobLost or WorkerStopping."""
        self._progress, self._stage = progress, stage
        if self._stopping.is_set():
            raise WorkerStopping(self._job_id)
        if self._lost.is_set():
            raise JobLost(self._job_id)

    def _beat(self) -> None:
        while not self._over.wait(BEAT_S):
            try:
                if self._gives_back and self._stopping.is_set():
                    self._catalogue.release_job(self._job_id, self._worker)
                    return
                if not self._catalogue.heartbeat(self._job_id, self._worker, self._progress, self._stage):
                    self._lost.set()
                    return
            except (
                SQLAlchemyError
            ) as error:  # busy for long: the next beat may succeed, and until then nobody takes over
                log.warning("no heartbeat for job %s: %s", self._job_id, error)

    def __enter__(self) -> "Pulse":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
