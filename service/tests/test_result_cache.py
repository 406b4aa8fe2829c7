"""Kept answers, with a real Redis that also goes away."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.redis_server import EmbeddedRedis
from service.result_cache import ResultCache


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    redis = EmbeddedRedis(tmp_path / "redis")
    redis.start()
    yield redis
    redis.stop()


def test_what_was_put_is_got_and_other_keys_are_misses(redis: EmbeddedRedis) -> None:
    cache = ResultCache(redis.url)
    cache.put("a", {"found": [1, 2.5, {"x": 0.1}]})
    assert cache.get("a") == {"found": [1, 2.5, {"x": 0.1}]}
    assert cache.get("b") is None
    cache.close()


def test_without_redis_everything_is_a_miss_and_nothing_waits(redis: EmbeddedRedis) -> None:
    cache = ResultCache(redis.url)
    cache.put("a", {"n": 1})
    redis.stop()
    started = time.monotonic()
    for _ in range(100):
        assert cache.get("a") is None
        cache.put("a", {"n": 2})
    assert time.monotonic() - started < 1
    cache.close()


def test_it_is_used_again_once_redis_is_back(redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.result_cache.REST_S", 0.05)
    cache = ResultCache(redis.url)
    redis.stop()
    assert cache.get("a") is None
    redis.start()
    time.sleep(0.1)
    cache.put("a", {"n": 3})
    assert cache.get("a") == {"n": 3}
    cache.close()


def test_an_entry_that_is_not_json_is_a_miss(redis: EmbeddedRedis) -> None:
    cache = ResultCache(redis.url)
    cache._redis.set("mmv:result:a", b"\xff{")
    assert cache.get("a") is None
    cache.close()
