"""Processes for tests that end by SIGKILL or write at the same time: forks of one that has imported everything.

A fork costs some milliseconds, a fresh Python with the service imported seconds. The one that is forked has no threads
and no connections, and does nothing else: `python -m service.tests.zygote`.
"""

import contextlib
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from service.media import children
from service.parent_death import end_with_parent

PRELOADED = ("service.tests.crashing", "service.supervisor", "psycopg")
# OpenBLAS and OpenMP would start threads, which a fork does not survive.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Call:
    """`function` of `module` with arguments that JSON can carry, in a process with these variables set."""

    module: str
    function: str
    arguments: list[Any]
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """How it went: `status` as of subprocess (negative: the signal), what came back, and the traceback if it raised."""

    status: int
    result: Any
    error: str

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL

    def checked(self) -> Any:
        """The result; fails the test when the process did not end well."""
        assert self.status == 0, f"it ended with {self.status}: {self.error}"
        return self.result


class Zygote:
    """The process that is forked. `close` it at the end."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "service.tests.zygote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent.parent,
            env={**os.environ, **ONE_THREAD},
        )

    def run(self, *calls: Call, within_s: float = 60.0) -> list[Ended]:
        """Runs the calls at the same time, a process each, and waits for all; those that take longer are killed."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        said = {"within_s": within_s, "calls": [vars(call) for call in calls]}
        self._process.stdin.write(json.dumps(said).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the zygote ended: {self._process.wait()}"
        return [Ended(**ended) for ended in json.loads(answer)]

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """One for the whole run."""
    started = Zygote()
    yield started
    started.close()


def main() -> None:
    """Serves the requests on standard input until it is closed."""
    end_with_parent(signal.SIGTERM)
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the service prints is not an answer
    for name in PRELOADED:
        importlib.import_module(name)
    children._server = children._Server()  # what decodes for the forks, see `crashing.py`; it has one thread as well
    assert threading.active_count() == 1
    while line := requests.readline():
        request = json.loads(line)
        answers.write(json.dumps(_run_all(request["calls"], request["within_s"])).encode() + b"\n")
        answers.flush()


def _run_all(calls: list[dict[str, Any]], within_s: float) -> list[dict[str, Any]]:
    sys.stderr.flush()
    running = [_fork(call) for call in calls]
    deadline = time.monotonic() + within_s
    said = {reader: b"" for _, reader in running}
    unread = set(said)
    while unread and (left := deadline - time.monotonic()) > 0:
        for reader in select.select(list(unread), [], [], left)[0]:
            chunk = os.read(reader, 65536)
            said[reader] += chunk
            if not chunk:
                unread.remove(reader)
    ended = []
    for pid, reader in running:
        if reader in unread:  # too late; a process of its own group, so that what it started ends too
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGTERM)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.close(reader)
        told = json.loads(said[reader]) if said[reader] else {"result": None, "error": ""}
        ended.append({"status": status, **told})
    return ended


def _fork(call: dict[str, Any]) -> tuple[int, int]:
    """(process id, where it will say how it went). The pipe closes when the process ends, however it does."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writer)
        return pid, reader
    code = 1
    try:
        end_with_parent()
        os.setpgid(0, 0)
        os.close(reader)
        os.set_inheritable(writer, False)
        os.environ.update(call["environment"])
        try:
            function = getattr(importlib.import_module(call["module"]), call["function"])
            told, code = {"result": function(*call["arguments"]), "error": ""}, 0
        except BaseException:
            told = {"result": None, "error": traceback.format_exc()}
        os.write(writer, json.dumps(told).encode())
    finally:
        os._exit(code)  # nothing of the forked process is to be cleaned up here


if __name__ == "__main__":
    main()
