"""Answers to text queries, kept in Redis for a short while. Without Redis everything is simply searched again."""

import json
import logging
import time
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

log = logging.getLogger(__name__)

PREFIX = "mmv:result:"
TTL_S = 300
TIMEOUT_S = 0.2
# After a failure Redis is left alone for so long, or every search would wait for the timeout.
REST_S = 5.0


class ResultCache:
    """Fails open: an unreachable Redis, or an entry it cannot read, is a miss."""

    def __init__(self, url: str):
        self._redis = Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        self._rests_until = 0.0

    def get(self, key: str) -> dict[str, Any] | None:
        """What was put there, or None."""
        if time.monotonic() < self._rests_until:
            return None
        try:
            raw = self._redis.get(PREFIX + key)
            return json.loads(raw) if isinstance(raw, bytes) else None
        except RedisError as error:
            self._rest(error)
        except ValueError:
            pass
        return None

    def put(self, key: str, value: dict[str, Any]) -> None:
        """Keep a JSON object for TTL_S seconds."""
        if time.monotonic() < self._rests_until:
            return
        try:
            self._redis.set(PREFIX + key, json.dumps(value), ex=TTL_S)
        except RedisError as error:
            self._rest(error)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _rest(self, error: RedisError) -> None:
        self._rests_until = time.monotonic() + REST_S
        log.warning("result cache: %s", error)
