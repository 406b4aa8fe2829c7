"""Opening the database: SQLite tuned for several processes, PostgreSQL as it comes; migrations at start."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import Session

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_S = 5.0
# Any fixed number: PostgreSQL's advisory lock for "this database is being migrated".
MIGRATION_LOCK = 0x6D6D76


class CatalogueError(Exception):
    """The catalogue cannot be opened; the message says why and what to do."""


def make_engine(url: str) -> Engine:
    """An engine for `url`. For SQLite: WAL, foreign keys, a busy timeout, and write transactions that lock at BEGIN.

    Raises CatalogueError when the URL is not one SQLAlchemy can use.
    """
    try:
        engine = create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise CatalogueError(f"The database URL cannot be used: {error}") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _tune_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _tune_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not open transactions by itself: _begin_sqlite does
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")  # an upload that was answered survives a power cut
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once, without waiting, when another process wrote in
    # between. Those that will write therefore take the lock when they begin.
    writes = connection.get_execution_options().get("mmv_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def migrate(engine: Engine) -> None:
    """Brings the schema up to date. Safe when several processes start at once; raises CatalogueError."""
    from alembic import command
    from alembic.config import Config
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    try:
        with engine.execution_options(mmv_write=True).begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
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

    @contextlib.contextmanager
    def read(self) -> Iterator[Session]:
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextlib.contextmanager
    def write(self) -> Iterator[Session]:
        with Session(self._write_engine, expire_on_commit=False) as session, session.begin():
            yield session
