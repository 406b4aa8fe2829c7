"""A `mmv-search serve` process of the tests' own."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

REPOSITORY = Path(__file__).parent.parent
READY_WITHIN_S = 60.0
JOB_WITHIN_S = 60.0


class Server:
    """Started at once, on a free port, with its library in `home`. Use `stop` or `kill` at the end."""

    def __init__(
        self,
        home: Path,
        *,
        host: str = "127.0.0.1",
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
    ):
        self.home = home
        self._arguments = arguments
        self._host = host
        self._environment = dict(environment or {})
        self.log = home.parent / f"{home.name}.log"
        self.start()

    def start(self) -> None:
        """Start the process and wait until it is ready; `ready_s` says how long that took."""
        if "--replica" not in self._arguments:
            (self.home / "serve.json").unlink(missing_ok=True)
        started = time.monotonic()
        command = [sys.executable, "-m", "service.cli", "serve", "--home", str(self.home), "--host", self._host]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", "0", *self._arguments],
                cwd=REPOSITORY,
                env={**os.environ, **self._environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.url = self._address()
        self.http = httpx.Client(base_url=self.url, timeout=60, trust_env=False)
        assert self.http.get("/readyz").status_code == 200
        self.ready_s = time.monotonic() - started

    @property
    def admin(self) -> dict[str, str]:
        """The header of an admin call."""
        return {"Authorization": f"Bearer {(self.home / 'admin-token').read_text().strip()}"}

    def upload(self, path: Path, **fields: Any) -> dict[str, Any]:
        """Send a file to the library; the answer's JSON."""
        with path.open("rb") as file:
            response = self.http.post("/v1/videos", files={"file": (path.name, file)}, data=fields)
        assert response.status_code in (200, 202), response.text
        answer: dict[str, Any] = response.json()
        return answer

    def add(self, path: Path, **fields: Any) -> str:
        """Send a file and wait until it is searchable; its video's id."""
        uploaded = self.upload(path, **fields)
        job = self.wait(uploaded["job_id"])
        assert job["status"] == "done", job
        return str(uploaded["video_id"])

    def wait(self, job_id: str, within_s: float = JOB_WITHIN_S) -> dict[str, Any]:
        """The job when it is over."""
        deadline = time.monotonic() + within_s
        while True:
            job: dict[str, Any] = self.http.get(f"/v1/jobs/{job_id}").json()
            if job["status"] in ("done", "failed", "cancelled"):
                return job
            assert time.monotonic() < deadline, f"{job}\n{self.tail()}"
            time.sleep(0.1)

    def query(self, kind: str, path: Path, **params: Any) -> httpx.Response:
        """Search by a file."""
        with path.open("rb") as file:
            return self.http.post(f"/v1/search/{kind}", files={"file": (path.name, file)}, params=params)

    def processes(self) -> list[int]:
        """Ids of the server and all that it started."""
        found, new = [self.process.pid], [self.process.pid]
        while new:
            new = [child for pid in new for child in _children(pid)]
            found += new
        return found

    def worker(self) -> int:
        """Process id of the worker."""
        return next(pid for pid in self.processes() if {b"service.cli", b"worker"} <= set(_command(pid)))

    def redis(self) -> int:
        """Process id of the embedded Redis."""
        names = (b"valkey-server", b"redis-server")
        return next(pid for pid in self.processes() if _command(pid)[0].split(b" ")[0].endswith(names))

    def resident_mb(self) -> float:
        """Memory of all its processes: proportional set size where the kernel tells it (shared pages count once)."""
        total_kb = 0
        for pid in self.processes():
            for line in _read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
                if line.startswith(b"Pss:"):
                    total_kb += int(line.split()[1])
        return total_kb / 1024

    def stop(self) -> float:
        """End it as ctrl-C does; the seconds that it took."""
        started = time.monotonic()
        self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(15)
        finally:
            if self.process.poll() is None:
                self.kill()
        return time.monotonic() - started

    def kill(self) -> None:
        """End it and all that it started, as a power cut does."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()

    def tail(self) -> str:
        """The last lines that it wrote."""
        return self.log.read_text(errors="replace")[-3000:]

    def _address(self) -> str:
        from service.settings import Settings
        from service.supervisor import serving_address

        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"the server ended:\n{self.tail()}"
            address = serving_address(Settings(home=self.home))
            if address is not None:
                return address
            time.sleep(0.05)
        self.kill()
        raise AssertionError(f"the server was not ready within {READY_WITHIN_S} s:\n{self.tail()}")


class Replica(Server):
    """One more API process beside a `Server`, with the same home, Redis and worker."""

    def __init__(self, beside: Server, number: int = 1):
        self._said = beside.home.parent / f"{beside.home.name}-replica-{number}.log"
        super().__init__(beside.home, arguments=["--replica"], environment={"COLUMNS": "400"})

    def start(self) -> None:
        """Start the process and wait until it is ready."""
        self.log = self._said
        self.log.unlink(missing_ok=True)
        super().start()

    def _address(self) -> str:
        """It writes no file about itself: the command line talks to the other one."""
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"the replica ended:\n{self.tail()}"
            found = re.search(r"mmv-search serves .* at (http://\S+)", self.log.read_text(errors="replace"))
            if found:
                return found[1]
            time.sleep(0.05)
        self.kill()
        raise AssertionError(f"the replica was not ready within {READY_WITHIN_S} s:\n{self.tail()}")


def _children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in _read(task).split()]


def _command(pid: int) -> list[bytes]:
    return _read(Path(f"/proc/{pid}/cmdline")).split(b"\0")


def _read(path: Path) -> bytes:
    """Of /proc: a process may be gone meanwhile."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
