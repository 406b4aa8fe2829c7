"""The delivery of job ids to workers: an rq queue on Redis. Losing it loses nothing (see `recovery.py`)."""

import logging
import secrets

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer

log = logging.getLogger(__name__)

QUEUE_NAME = "mmv-search"
TASK = "service.jobs.tasks.run"
# Redis is local or near: a caller must not hang on one that is gone (redis-py's own retries block for seconds).
TIMEOUT_S = 1.0
# rq keeps what failed for so long. Only its own bookkeeping: a job's problem is in the catalogue.
FAILURE_TTL_S = 3600


class JobQueue:
    """A client of one library's queue, shared by a process's threads."""

    def __init__(self, redis_url: str, library_id: str) -> None:
        self.redis = Redis.from_url(
            redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 1)
        )
        self._queue = make_queue(self.redis, library_id)

    def enqueue(self, job_id: str, *, front: bool = False) -> bool:
        """Sends a job's id to the workers. False when Redis does not answer: a worker then finds the job by itself.

        `front`: before all that waits, for a job that is not one of thousands.
        """
        try:
            self._queue.enqueue_call(
                TASK,
                args=(job_id,),
                timeout=-1,  # a four-hour film takes as long as it takes; stalls are caught in the decode child
                result_ttl=0,
                failure_ttl=FAILURE_TTL_S,
                description=job_id,
                # Each delivery is a job of its own to rq: what it remembers of an earlier one cannot get in the way.
                job_id=f"{job_id}-{secrets.token_hex(4)}",
                at_front=front,
            )
        except RedisError as error:
            log.warning("Redis does not take the job %s, a worker will find it later: %s", job_id, error)
            return False
        return True

    def waiting(self) -> set[str]:
        """Ids of the jobs that are waiting for a worker. Raises RedisError."""
        return {delivery.rsplit("-", 1)[0] for delivery in self._queue.get_job_ids()}

    def ping(self) -> bool:
        """Whether Redis answers."""
        try:
            return bool(self.redis.ping())
        except RedisError:
            return False

    def close(self) -> None:
        """Closes the connections."""
        self.redis.close()


def make_queue(redis: Redis, library_id: str) -> Queue:
    """The rq queue. JSON and not rq's default pickle: whoever can write to Redis cannot run code here by it."""
    return Queue(f"{QUEUE_NAME}-{library_id}", connection=redis, serializer=JSONSerializer)
