"""The catalogue as one SQLite file, whatever database it is in: written from a consistent state, read into either.

That file is what a backup holds, so that a library can move from SQLite to PostgreSQL and back.
"""

import contextlib
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, func, insert, select, text, update

from service.audit import COMMAND_LINE
from service.catalogue.engine import APPLICATION_NAME, make_engine, migrate
from service.catalogue.jobs import ACTIVE
from service.catalogue.tables import AuditRow, Base, JobRow, LibraryRow, RevisionRow, VideoRow

Report = Callable[[float, str], None]

ROWS = 1000
PAGES = 2000  # of SQLite, 4 KiB each, between two reports
# What makes sense only where it was made: sessions of browsers, one-time links, uploads in flight (their bytes are not
# in a backup), and what was about to be served from an index that is not in it either.
PASSING = ("sessions", "links", "uploads", "candidates")
# Readers that remember a revision of before must not take what they see now for it.
REVISIONS_AHEAD = 1_000


def export(engine: Engine, target: Path, report: Report) -> None:
    """Writes the catalogue, as it is at one moment, to a new SQLite file; writers go on meanwhile."""
    report(0.0, "catalogue")
    if engine.dialect.name == "sqlite":
        _copy_sqlite(str(engine.url.database), target, report)
    else:
        _copy_rows_out(engine, target, report)
    with contextlib.closing(sqlite3.connect(target)) as copy:
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
        copy.execute("PRAGMA secure_delete = ON")
        for name in _tables(copy) & set(PASSING):
            copy.execute(f"DELETE FROM {name}")
        copy.commit()
    report(1.0, "catalogue")


def videos_of(copy: Path) -> list[tuple[str, str, int]]:
    """(id, sha256, bytes) of every video in an exported catalogue."""
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        return list(connection.execute("SELECT id, sha256, size_bytes FROM videos ORDER BY created_at, id"))


def forget_videos(copy: Path, video_ids: Iterable[str]) -> None:
    """Takes videos out of an exported catalogue again: they were deleted while the backup was made."""
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA secure_delete = ON")
        for video_id in video_ids:
            connection.execute("DELETE FROM videos WHERE id = ?", (video_id,))
        connection.commit()


def counts_of(copy: Path) -> dict[str, int]:
    """Rows of each table of an exported catalogue."""
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        names = sorted(_tables(connection) - {"alembic_version", "sqlite_sequence"})
        return {name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}


def is_whole(copy: Path) -> bool:
    """Whether SQLite finds an exported catalogue in order."""
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        try:
            return [row[0] for row in connection.execute("PRAGMA integrity_check")] == ["ok"]
        except sqlite3.DatabaseError:
            return False


def prepare(copy: Path, backup: str) -> None:
    """Makes an exported catalogue ready for its new place: today's schema, no running job, nothing of the old index.

    Its audit log says that it was restored from `backup`.
    """
    engine = make_engine(f"sqlite:///{copy}")
    try:
        migrate(engine)
        with engine.execution_options(mmv_write=True).begin() as connection:
            connection.execute(update(LibraryRow).values(id=secrets.token_hex(8)))  # the original may live on
            connection.execute(text("DELETE FROM changes"))
            connection.execute(update(RevisionRow).values(value=RevisionRow.value + REVISIONS_AHEAD))
            restored = {"at": datetime.now(UTC), "actor": COMMAND_LINE, "action": "library.restored"}
            connection.execute(insert(AuditRow).values(**restored, subject=backup, details={}))
            running = JobRow.status == "running"
            connection.execute(update(JobRow).where(running).values(status="queued", worker=None, stage="queued"))
            # What these were at is not in the backup: films are taken in again, what nobody waits for is not.
            connection.execute(
                update(JobRow)
                .where(JobRow.status.in_(ACTIVE), JobRow.kind.not_in(("ingest", "erase")))
                .values(status="cancelled", finished_at=datetime.now(UTC))
            )
            if "servings" in Base.metadata.tables:
                connection.execute(
                    text("UPDATE servings SET generation = NULL, parent_generation = NULL, previous_generation = NULL")
                )
        raw = engine.raw_connection()
        raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        raw.cursor().execute("PRAGMA journal_mode = DELETE")
        raw.invalidate()
    finally:
        engine.dispose()


def is_empty(engine: Engine) -> bool:
    """Whether a database has no catalogue in it, or one that never had a video."""
    with engine.connect() as connection:
        if not engine.dialect.has_table(connection, "videos"):
            return True
        revision = connection.execute(select(RevisionRow.value)).scalar_one()
        return revision == 0 and connection.execute(select(func.count()).select_from(VideoRow)).scalar_one() == 0


def users_of(engine: Engine) -> int:
    """How many other processes of ours are connected to a PostgreSQL database."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = :ours"
    )
    with engine.connect() as connection:
        return int(connection.execute(query, {"ours": APPLICATION_NAME}).scalar_one())


def load(copy: Path, engine: Engine, report: Report) -> None:
    """Puts a prepared catalogue into a PostgreSQL database in the place of what is there: all of it or nothing."""
    migrate(engine)
    source = make_engine(f"sqlite:///{copy}")
    try:
        with source.connect() as reading, engine.execution_options(mmv_write=True).begin() as writing:
            writing.exec_driver_sql("SET LOCAL lock_timeout = 0")
            for table in reversed(Base.metadata.sorted_tables):
                writing.execute(table.delete())
            for table in _reported(report):
                for rows in _rows(reading, table):
                    writing.execute(insert(table), rows)
            high: dict[str, int] = {
                str(name): int(seq) for name, seq in reading.execute(text("SELECT name, seq FROM sqlite_sequence"))
            }
            for table in Base.metadata.sorted_tables:
                _set_sequence(writing, table, high.get(table.name, 0))
    finally:
        source.dispose()


def _copy_sqlite(source: str, target: Path, report: Report) -> None:
    with (
        contextlib.closing(sqlite3.connect(source, isolation_level=None)) as reading,
        contextlib.closing(sqlite3.connect(target)) as writing,
    ):
        reading.execute("PRAGMA busy_timeout = 10000")
        # Within a transaction the copy is of the state that it began with, however much is written beside it.
        reading.execute("BEGIN")
        reading.execute("SELECT count(*) FROM sqlite_master").fetchone()

        def told(_status: int, remaining: int, total: int) -> None:
            report(1 - remaining / max(total, 1), "catalogue")

        reading.backup(writing, pages=PAGES, progress=told)
        reading.execute("ROLLBACK")


def _copy_rows_out(engine: Engine, target: Path, report: Report) -> None:
    copy = make_engine(f"sqlite:///{target}")
    try:
        migrate(copy)
        snapshot = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with snapshot.connect() as reading, copy.execution_options(mmv_write=True).begin() as writing:
            for table in reversed(Base.metadata.sorted_tables):
                writing.execute(table.delete())
            for table in _reported(report):
                for rows in _rows(reading, table):
                    writing.execute(insert(table), rows)
            # Ids of segments are never given out again, not even those of the last, deleted one.
            last = reading.execute(text("SELECT last_value FROM segments_id_seq")).scalar_one()
            writing.execute(text("DELETE FROM sqlite_sequence WHERE name = 'segments'"))
            writing.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES ('segments', :last)"), {"last": last})
        raw = copy.raw_connection()
        raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        raw.invalidate()
    finally:
        copy.dispose()


def _reported(report: Report) -> Iterator[Table]:
    tables = Base.metadata.sorted_tables
    for number, table in enumerate(tables):
        report(number / len(tables), f"catalogue: {table.name}")
        yield table


def _rows(connection: Connection, table: Table) -> Iterator[list[dict[str, Any]]]:
    """In portions, without ever holding the table."""
    streaming = connection.execution_options(yield_per=ROWS)
    for part in streaming.execute(select(table).order_by(*table.primary_key.columns)).mappings().partitions():
        yield [dict(row) for row in part]


def _set_sequence(connection: Connection, table: Table, at_least: int) -> None:
    """PostgreSQL counts by itself only for rows that it numbered itself."""
    column = table.autoincrement_column
    if column is None:
        return
    sequence = connection.execute(
        text("SELECT pg_get_serial_sequence(:table, :column)"), {"table": table.name, "column": column.name}
    ).scalar_one()
    if sequence is None:
        return
    largest = connection.execute(select(func.max(column))).scalar_one() or 0
    value = max(largest, at_least)
    connection.execute(
        text("SELECT setval(:sequence, :value, :used)"),
        {"sequence": sequence, "value": max(value, 1), "used": value > 0},
    )


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
