"""The embedded Redis is a real server: private, durable, and gone when it should be."""

import os
import signal
import stat
import time
from pathlib import Path

import pytest
from redis import Redis

from service.redis_server import LONGEST_SOCKET_PATH, EmbeddedRedis, find_server, socket_path
from service.settings import Settings


def test_it_starts_on_a_private_socket_and_stops(settings: Settings) -> None:
    server = EmbeddedRedis(settings.redis_dir)
    server.start()
    path = socket_path(settings.redis_dir)
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with Redis.from_url(server.url) as redis:
        assert redis.ping()
        assert redis.config_get("port")["port"] == "0"
    server.stop()
    assert not server.alive()
    assert not path.exists()


def test_what_it_holds_survives_kill_9(settings: Settings) -> None:
    server = EmbeddedRedis(settings.redis_dir)
    server.start()
    with Redis.from_url(server.url) as redis:
        redis.rpush("queue", "a", "b")
        pid = int(redis.info("server")["process_id"])
        time.sleep(1.1)  # appendfsync everysec
    os.kill(pid, signal.SIGKILL)
    while server.alive():
        time.sleep(0.01)
    server.start()
    with Redis.from_url(server.url) as redis:
        assert redis.lrange("queue", 0, -1) == [b"a", b"b"]
    server.stop()


def test_a_server_that_a_killed_supervisor_left_is_ended_first(settings: Settings) -> None:
    orphan = EmbeddedRedis(settings.redis_dir)
    orphan.start()
    with Redis.from_url(orphan.url) as redis:
        redis.set("key", "value")
    server = EmbeddedRedis(settings.redis_dir)
    server.start()
    deadline = time.monotonic() + 5
    while orphan.alive() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not orphan.alive()
    with Redis.from_url(server.url) as redis:
        assert redis.get("key") == b"value"
    server.stop()


def test_files_that_it_cannot_read_are_set_aside(settings: Settings) -> None:
    server = EmbeddedRedis(settings.redis_dir)
    server.start()
    with Redis.from_url(server.url) as redis:
        redis.set("key", "value")
    server.stop()
    for file in (settings.redis_dir / "appendonlydir").iterdir():
        file.write_bytes(b"something else")
    server.start()
    with Redis.from_url(server.url) as redis:
        assert redis.get("key") is None
    server.stop()
    assert (settings.redis_dir / "appendonlydir.unreadable").is_dir()


def test_a_home_with_a_long_path_gets_its_socket_elsewhere(settings: Settings) -> None:
    folder = settings.home / ("long" * 30) / "redis"
    folder.mkdir(parents=True)
    path = socket_path(folder)
    assert len(os.fsencode(path)) <= LONGEST_SOCKET_PATH
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    server = EmbeddedRedis(folder)
    server.start()
    assert server.alive()
    server.stop()
    path.parent.rmdir()


def test_a_server_on_the_path_comes_before_the_bundled_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = tmp_path / "valkey-server"
    mine.write_text("#!/bin/sh\n")
    mine.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_server() == mine
