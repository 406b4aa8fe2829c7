"""Opening the database: SQLite or PostgreSQL, made to behave alike; migrations at start.

On both, one transaction writes at a time in the whole library, and a transaction that only reads sees one state of it.
So there are no deadlocks, and a check that a transaction makes still holds when it writes.
"""

import contextlib
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_S = 5.0
# SQLite itself asks ten times a second whether another writer is done, and so never gets a turn beside one that writes
# again and again: the moments between two transactions are short.
ASK_EVERY_S = 0.003
# PostgreSQL's advisory locks, any fixed numbers: "this database is being migrated", "this transaction will write".
MIGRATION_LOCK, WRITE_LOCK = 0x6D6D76, 0x6D6D77
# A client that hangs in the middle of a transaction must not hold up the others for good.
IDLE_IN_TRANSACTION_S = 60.0
# What PostgreSQL shows of us in pg_stat_activity; `restore` looks for it.
APPLICATION_NAME = "mmv-search"
POOL, MOST_CONNECTIONS = 5, 30
# A folder of the home in which a backup is brought back, and in it the file that says that the home is half changed.
RESTORING, MOVING = ".restoring", "moving"
# SQLite's PRAGMA user_version, which Alembic leaves alone: all that was ever deleted from the file was overwritten.
SCRUBBED = 1


class CatalogueError(Exception):
    """The catalogue cannot be opened; the message says why and what to do."""


def make_engine(url: str) -> Engine:
    """An engine for `url`, with transactions as the module says.

    A PostgreSQL URL needs no name of a driver: psycopg 3 is used. Raises CatalogueError when the URL is not one
    SQLAlchemy can use.
    """
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise CatalogueError(
                f"The database URL names {parsed.get_backend_name()}; the catalogue can be in SQLite or PostgreSQL."
            )
        engine = _sqlite(parsed) if parsed.get_backend_name() == "sqlite" else _postgresql(parsed)
    except ModuleNotFoundError as error:
        if error.name != "psycopg":
            raise CatalogueError(f"The database URL cannot be used: {error}") from error
        raise CatalogueError(
            "PostgreSQL needs its driver, which is not installed: pip install 'mmv-search[postgres]'"
        ) from error
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:  # ValueError: the port is no number
        raise CatalogueError(f"The database URL cannot be used: {error}") from error
    return engine


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url)
    event.listen(engine, "connect", _tune_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgresql(url: URL) -> Engine:
    limits = {"lock_timeout": BUSY_TIMEOUT_S, "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_S}
    options = " ".join(f"-c {name}={int(seconds * 1000)}" for name, seconds in limits.items())
    given = url.query.get("options")
    if isinstance(given, str):  # an operator's own come last: they win
        options = f"{options} {given}"
    engine = create_engine(
        url,
        pool_pre_ping=True,  # the server may have been started anew
        pool_size=POOL,
        max_overflow=MOST_CONNECTIONS - POOL,
        connect_args={"application_name": APPLICATION_NAME, "options": options},
    )
    event.listen(engine, "begin", _begin_postgresql)
    event.listen(engine, "before_cursor_execute", _without_zero, retval=True)
    return engine


def _tune_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not open transactions by itself: _begin_sqlite does
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")  # an upload that was answered survives a power cut
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten, not only let go of
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once, without waiting, when another process wrote in
    # between. Those that will write therefore take the lock when they begin.
    if not connection.get_execution_options().get("mmv_write", False):
        connection.exec_driver_sql("BEGIN")
        return
    cursor = connection.connection.cursor()
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    cursor.execute("PRAGMA busy_timeout = 0")
    try:
        while time.monotonic() < deadline:
            try:
                cursor.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    break
            time.sleep(ASK_EVERY_S * random.uniform(0.5, 1.5))
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # fails as SQLAlchemy's errors do
    finally:
        cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
        cursor.close()


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get("mmv_write", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITE_LOCK})")


def _without_zero(
    _connection: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
) -> tuple[str, Any]:
    """PostgreSQL knows no character U+0000 and fails on it; what asks for a text with one is to find nothing."""
    if isinstance(parameters, dict):
        return statement, _replaced(parameters)
    if isinstance(parameters, list):
        return statement, [_replaced(each) if isinstance(each, dict) else each for each in parameters]
    return statement, parameters


def _replaced(parameters: dict[str, Any]) -> dict[str, Any]:
    if not any(isinstance(value, str) and "\0" in value for value in parameters.values()):
        return parameters
    return {
        name: value.replace("\0", "\ufffd") if isinstance(value, str) else value for name, value in parameters.items()
    }


def migrate(engine: Engine) -> None:
    """Brings the schema up to date. Safe when several processes start at once; raises CatalogueError."""
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    try:
        newest = tuple(ScriptDirectory.from_config(config).get_heads())
        with engine.connect() as connection:
            if MigrationContext.configure(connection).get_current_heads() == newest:
                return  # as nearly always: without waiting for those that write
        with engine.execution_options(mmv_write=engine.dialect.name == "sqlite").begin() as connection:
            if connection.dialect.name == "postgresql":  # another's migration may take long: wait for it
                connection.exec_driver_sql("SET LOCAL lock_timeout = 0")
                for lock in (MIGRATION_LOCK, WRITE_LOCK):
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({lock})")
            elif not inspect(connection).get_table_names():
                connection.exec_driver_sql(f"PRAGMA user_version = {SCRUBBED}")
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except CommandError as error:
        raise CatalogueError(
            f"The catalogue was made by a newer version of mmv-search; this one cannot read it ({error})"
        ) from error
    except OperationalError as error:
        raise CatalogueError(f"The catalogue{_file_of(engine)} cannot be opened: {error.orig}") from error
    except DBAPIError as error:
        raise CatalogueError(
            f"The catalogue{_file_of(engine)} is damaged ({error.orig}). Put a copy of it back, or move it away and "
            "take the films in again: they are in the media folder beside it."
        ) from error


def _file_of(engine: Engine) -> str:
    """ " FILE", for a database that is one."""
    return f" {engine.url.database}" if engine.dialect.name == "sqlite" else ""


class Database:
    """Sessions over one engine: `read()` and `write()`, each one transaction."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._write_engine = engine.execution_options(mmv_write=True)
        self._read_engine = engine
        if engine.dialect.name == "postgresql":
            self._read_engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        with Session(self._read_engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        with Session(self._write_engine, expire_on_commit=False) as session, session.begin():
            yield session
