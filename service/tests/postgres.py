"""A throw-away PostgreSQL server for the tests: a real one, on a socket in a folder of its own, without durability."""

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from service.parent_death import end_with_parent

READY_WITHIN_S = 30.0
PREFIX = "mmv-pg-"
# What a test loses by a crash of the machine is of no interest; the crashes it makes are of the clients.
FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_connections=60", "shared_buffers=32MB")


def find_binaries() -> Path | None:
    """The folder with `initdb` and `postgres`: of the PATH, else the newest of Debian's; None where there is none."""
    on_path = shutil.which("initdb")
    folders = [Path(os.path.realpath(on_path)).parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: folder.parent.name, reverse=True)
    return next((f for f in folders if (f / "initdb").is_file() and (f / "postgres").is_file()), None)


class PostgresServer:
    """One server process with any number of databases. `stop` it at the end; it also ends with this process."""

    def __init__(self, binaries: Path) -> None:
        self._user = _unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))  # short enough for a socket
        if self._user is not None:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        data = self.folder / "data"
        self._run([str(binaries / "initdb"), "-D", str(data), "-U", "mmv", "-A", "trust", "--no-sync", "-E", "UTF8"])
        user = None if self._user is None else self._user.pw_uid
        options = [argument for option in (*FAST, "listen_addresses=") for argument in ("-c", option)]
        with (self.folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(binaries / "postgres"), "-D", str(data), "-k", str(self.folder), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                process_group=0,
                preexec_fn=partial(end_with_parent, signal.SIGQUIT),
                user=user,
                group=None if self._user is None else self._user.pw_gid,
                extra_groups=None if self._user is None else [],
            )
        self._numbers = itertools.count(1)
        self._wait_until_ready()

    def url(self, database: str) -> str:
        """For SQLAlchemy, as an operator would write it (without the name of a driver)."""
        return f"postgresql://mmv@/{database}?host={self.folder}"

    def create(self, template: str = "template1") -> str:
        """A new database, a copy of `template` (which nobody may be connected to); its name."""
        name = f"mmv{next(self._numbers)}"
        with self._admin() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        return name

    def drop(self, database: str) -> None:
        """Removes a database and ends whatever is connected to it."""
        with self._admin() as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)".encode())

    def stop(self) -> None:
        """Ends the server and removes what it wrote."""
        self._process.send_signal(signal.SIGQUIT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _admin(self) -> psycopg.Connection:
        return psycopg.connect(host=str(self.folder), user="mmv", dbname="postgres", autocommit=True)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                self._admin().close()
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    said = (self.folder / "server.log").read_text(errors="replace")
                    self.stop()
                    raise AssertionError(f"PostgreSQL does not start: {said[-2000:]}") from error
            time.sleep(0.02)

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=self.folder,
            user=None if self._user is None else self._user.pw_uid,
            group=None if self._user is None else self._user.pw_gid,
            extra_groups=None if self._user is None else [],
        )
        assert done.returncode == 0, f"{command[0]}: {done.stdout[-500:]} {done.stderr[-1500:]}"


def _unprivileged() -> pwd.struct_passwd | None:
    """Who the server runs as: PostgreSQL refuses to be root. None: as this process."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise AssertionError("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for all tests of the run; skips where PostgreSQL is not installed."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's initdb and postgres are neither on the PATH nor in /usr/lib/postgresql")
    server = PostgresServer(binaries)  # where it is installed it must start
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postgres_template(postgres_server: PostgresServer) -> str:
    """A database with the schema of today and nothing in it, to copy from: much faster than migrating each time."""
    from service.catalogue import open_catalogue
    from service.settings import Settings

    name = postgres_server.create()
    open_catalogue(Settings(home=postgres_server.folder / "unused", database_url=postgres_server.url(name))).close()
    return name


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_template: str) -> Iterator[str]:
    """A catalogue of the test's own, migrated and empty."""
    name = postgres_server.create(postgres_template)
    yield postgres_server.url(name)
    postgres_server.drop(name)


@pytest.fixture
def empty_postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """A database without any table."""
    name = postgres_server.create()
    yield postgres_server.url(name)
    postgres_server.drop(name)
