"""How often each key may search and upload: counted in Redis, so that all replicas count together.

Fixed windows of a minute that begin with a caller's first request: one round trip a request, and "wait so long" is
exact. Without Redis nothing is counted: a limit protects the service from being asked too much, and is no reason to
answer nobody.
"""

import logging
import math
import time
from collections.abc import Mapping

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from service.problems import Refused

log = logging.getLogger(__name__)

WINDOW_S = 60
TIMEOUT_S = 0.2
# After a failure Redis is left alone for so long, or every request would wait for the timeout.
REST_S = 5.0


class RateLimits:
    """Counts what callers do. `per_minute` has a limit for each counter; 0 means none."""

    def __init__(self, redis_url: str, library: str, per_minute: Mapping[str, int]):
        self._pool = ConnectionPool.from_url(
            redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, retry=Retry(NoBackoff(), 0)
        )
        # The address is the pool's; this one only says which kind of storage it is.
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=f"mmv:limits:{library}",
            connection_pool=self._pool,  # type: ignore[arg-type]  # as its documentation says
        )
        self._limiter = FixedWindowRateLimiter(storage)
        self._items = {name: RateLimitItemPerMinute(limit) for name, limit in per_minute.items() if limit > 0}
        self._rests_until = 0.0

    async def count(self, counter: str, caller: str) -> None:
        """Counts one request. Raises Refused(rate_limited) when it is one too many."""
        item = self._items.get(counter)
        if item is None or time.monotonic() < self._rests_until:
            return
        try:
            if await self._limiter.hit(item, counter, caller):
                return
            stats = await self._limiter.get_window_stats(item, counter, caller)
        except (RedisError, OSError, TimeoutError) as error:
            self._rests_until = time.monotonic() + REST_S
            log.warning("rate limits: not counted for %.0f s, since Redis does not answer (%s)", REST_S, error)
            return
        wait_s = min(WINDOW_S, max(1, math.ceil(stats.reset_time - time.time())))
        raise Refused(
            "rate_limited",
            f"More than {item.amount} {counter} within a minute. Try again in {wait_s} s.",
            headers={
                "Retry-After": str(wait_s),
                "RateLimit-Limit": str(item.amount),
                "RateLimit-Remaining": str(stats.remaining),
                "RateLimit-Reset": str(wait_s),
                "RateLimit-Policy": f"{item.amount};w={WINDOW_S}",
            },
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()
