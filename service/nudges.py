"""A message to all processes of a library that something else is served now: it only makes them look sooner.

They also look by themselves (`serving.py`), since a message may be lost: redis-py connects again in silence, and what
was said meanwhile is gone.
"""

import logging
import threading
import time

from redis import Redis
from redis.backoff import NoBackoff
from redis.client import PubSub
from redis.exceptions import RedisError
from redis.retry import Retry

log = logging.getLogger(__name__)

TIMEOUT_S = 1.0
# How long it takes at most to see that the process stops.
SLICE_S = 0.25


class Nudges:
    """The channel of one library. Nothing here raises when Redis is away."""

    def __init__(self, redis_url: str, library_id: str) -> None:
        self._redis = Redis.from_url(
            redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        self._channel = f"mmv-search:serving:{library_id}"
        self._pubsub: PubSub | None = None
        self._stopped = threading.Event()

    def send(self) -> None:
        """Tell all who wait."""
        try:
            self._redis.publish(self._channel, b"look")
        except RedisError as error:
            log.info("nobody is told that something else is served, they will see: %s", error)

    def wait(self, seconds: float) -> None:
        """Until somebody sends, or `stop` is called, or the time is over. For one thread alone."""
        until = time.monotonic() + seconds
        try:
            if self._pubsub is None:
                self._pubsub = self._redis.pubsub()
                self._pubsub.subscribe(self._channel)
                self._pubsub.get_message(timeout=TIMEOUT_S)  # that it is subscribed
                return  # whatever was sent before is to be looked for now
            while not self._stopped.is_set() and (left := until - time.monotonic()) > 0:
                if self._pubsub.get_message(timeout=min(left, SLICE_S)) is not None:
                    return
        except (RedisError, OSError):
            self._pubsub = None
            self._stopped.wait(max(0.0, until - time.monotonic()))

    def stop(self) -> None:
        """Whoever waits returns soon."""
        self._stopped.set()

    def close(self) -> None:
        """Let go of the connections; nobody may wait any more."""
        if self._pubsub is not None:
            self._pubsub.close()
        self._redis.close()
