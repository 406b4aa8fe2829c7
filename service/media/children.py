"""Decode children of this process: forked and confined before they are needed, one file each."""

import contextlib
import itertools
import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from service.media.fork_server import FORK, MESSAGE, PID, SIGNAL, STATUS

log = logging.getLogger(__name__)

# Children that wait for a file. More than one, since a file that takes a millisecond may be followed by another.
READY = 2
# Of this process's environment, what a child may know: neither keys nor passwords of databases.
ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")


class Child:
    """One child, confined, at work on one file once `start` was called. To be ended by `close`."""

    def __init__(self, server: "_Server", number: int) -> None:
        ours, theirs = socket.socketpair()
        status, theirs_status = os.pipe()
        self._server, self._number = server, number
        self._socket, self._status = ours, status
        try:
            server.send(FORK, 0, number, [theirs.fileno(), theirs_status])
        except OSError:
            ours.close()
            os.close(status)
            raise
        finally:
            theirs.close()
            os.close(theirs_status)
        self.connection: Connection | None = None
        self._closed = False
        self._pid: int | None = None
        self._exit: int | None = None
        self.peak_bytes: int | None = None  # the most memory that it had, once it is closed

    def start(self, task: str, arguments: dict[str, Any], cpu_s: int, file: int | None) -> Connection:
        """Hands over a task of `decode_child.TASKS`, with the descriptor of its file; its answers come over the result.

        Raises OSError when the child is gone.
        """
        socket.send_fds(self._socket, [b"\0" if file is None else b"\1"], [] if file is None else [file])
        self.connection = Connection(self._socket.detach())
        self.connection.send_bytes(json.dumps({"task": task, "arguments": arguments, "cpu_s": cpu_s}).encode())
        return self.connection

    def busy_s(self) -> float | None:
        """Seconds in which it computed, or would have had a processor been free; what it slept through is not in it.

        To be asked after its first message. None where the kernel does not tell.
        """
        if self._pid is None and not self._closed:
            self._pid = int.from_bytes(os.read(self._status, PID.size), sys.byteorder)
        try:
            told = [task.read_text().split() for task in Path(f"/proc/{self._pid}/task").glob("*/schedstat")]
            return sum(int(ran) + int(waited) for ran, waited, _ in told) / 1e9 if told else None
        except (OSError, ValueError):  # it has just ended
            return None

    def kill(self, signum: int = signal.SIGKILL) -> None:
        """Sends a signal, which ends it at once; it may be at its end already."""
        with contextlib.suppress(OSError):  # without a server there is no child
            self._server.send(SIGNAL, signum, self._number)

    def close(self) -> int | None:
        """Ends it, waits until it is gone; its exit status (minus the signal's number), None when it is not known.

        May be called again.
        """
        if not self._closed:
            self._closed = True
            if self.connection is not None:
                self.connection.close()
            self._socket.close()
            self.kill()
            with open(self._status, "rb") as status:
                told = status.read()[-STATUS.size :]  # its process id may come first
            _working.discard(self)
            if len(told) == STATUS.size:
                self._exit, self.peak_bytes = STATUS.unpack(told)
        return self._exit


class _Server:
    """The fork server process, and the children that are ready."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        paths = os.pathsep.join(str(Path(path).absolute()) for path in sys.path)
        known = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
        # One thread of linear algebra: what is forked may have no other threads.
        environment = {**known, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from service.media.fork_server import main; main()"],
            stdin=theirs.fileno(),
            env=environment,
            process_group=0,  # ctrl-C in the terminal is not for it
        )
        theirs.close()
        self._owner = ours
        self._owned_by = os.getpid()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._ready: deque[Child] = deque()

    def send(self, kind: bytes, signum: int, number: int, descriptors: list[int] | None = None) -> None:
        """A message to the process. Raises OSError when it is gone."""
        with self._lock:
            socket.send_fds(self._owner, [MESSAGE.pack(kind, signum, number)], descriptors or [])

    def child(self) -> Child:
        """One that is ready, or a fresh one; others are being made meanwhile. Raises OSError."""
        try:
            child = self._ready.popleft()
        except IndexError:
            child = Child(self, next(self._numbers))
        try:
            self.fill()
        except OSError:
            child.close()
            raise
        return child

    def fill(self) -> None:
        """Has children made until enough are ready; does not wait for them. Raises OSError."""
        while len(self._ready) < READY:
            self._ready.append(Child(self, next(self._numbers)))

    def end(self) -> None:
        """Ends the process and all its children."""
        self._owner.close()
        for child in self._ready:
            child.close()
        try:
            self._process.wait(2.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def usable(self) -> bool:
        """Whether it runs, and is this very process's: a fork of its owner has to start one of its own."""
        return self._owned_by == os.getpid() and self._process.poll() is None


_lock = threading.RLock()
_server: _Server | None = None
_working: set[Child] = set()


def take() -> Child:
    """A confined child, ready for its file. Raises OSError when the machine has no more processes to give."""
    with _lock:
        try:
            child = _running().child()
        except OSError:
            log.error("the process that decoders are forked from is gone; it is started again")
            stop()
            child = _running().child()
        _working.add(child)
        return child


def start() -> None:
    """Starts the fork server now, and the first children, so that the first file does not wait half a second."""
    with _lock:
        _running().fill()


def stop() -> None:
    """Ends the fork server and all children; the next file starts them again."""
    global _server
    with _lock:
        if _server is not None:
            _server.end()
            _server = None


def at_work() -> list[Child]:
    """The children that have a file."""
    return list(_working)


def _running() -> _Server:
    global _server
    if _server is None or not _server.usable:
        _server = _Server()
    return _server
