"""What was deleted and is to be forgotten everywhere: queries, and what the database itself still has of it."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Table, func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from service.catalogue.engine import SCRUBBED, Database
from service.catalogue.tables import Base, ChangeRow, ErasureRow, JobRow, SegmentRow, VideoRow

IDS_PER_QUERY = 500
# What may go on naming a deleted video: by its id, its digest and the numbers of its segments alone.
KEEPS_IDS = ("erasures", "changes", "jobs")


# Somebody may read for long (a backup): it is tried again later, and writers do not wait for it.
SCRUB_WAITS_MS = 200


class ScrubLater(Exception):
    """The database is busy: deleted bytes are in it until the next try."""


@dataclass(frozen=True)
class Erasure:
    """One deleted video. `segment_ids` are those that it ever had, as far as is known."""

    video_id: str
    sha256: str
    segment_ids: tuple[int, ...]
    requested_at: datetime
    completed_at: datetime | None


def record_erasure(session: Session, video: VideoRow) -> None:
    """To be called in the transaction that deletes a video, before it does: whatever happens next, it is known."""
    ids = set(session.scalars(select(SegmentRow.id).where(SegmentRow.video_id == video.id)))
    for earlier in session.scalars(select(ChangeRow.segment_ids).where(ChangeRow.video_id == video.id)):
        ids.update(earlier)  # segments that were replaced: an older generation may have them
    session.execute(update(JobRow).where(JobRow.video_id == video.id).values(payload={}))
    row = session.get(ErasureRow, video.id)
    if row is None:
        row = ErasureRow(video_id=video.id, sha256=video.sha256, segment_ids=[])
        session.add(row)
    row.segment_ids = sorted({*row.segment_ids, *ids})
    row.requested_at, row.completed_at = datetime.now(UTC), None


class ErasureQueries:
    """The part of the catalogue that is about erasures; every method is one transaction."""

    _database: Database

    def erasure(self, video_id: str) -> Erasure | None:
        """The last deletion of a video, or None."""
        with self._database.read() as session:
            row = session.get(ErasureRow, video_id)
            return None if row is None else _erasure(row)

    def pending_erasures(self) -> list[Erasure]:
        """Those that are not complete, oldest first."""
        query = select(ErasureRow).where(ErasureRow.completed_at.is_(None)).order_by(ErasureRow.requested_at)
        with self._database.read() as session:
            return [_erasure(row) for row in session.scalars(query)]

    def complete_erasure(self, erasure: Erasure) -> None:
        """Notes that nothing was found any more; unless the video came back and was deleted again meanwhile."""
        with self._database.write() as session:
            session.execute(
                update(ErasureRow)
                .where(ErasureRow.video_id == erasure.video_id, ErasureRow.requested_at == erasure.requested_at)
                .values(completed_at=datetime.now(UTC))
            )

    def reopen_erasure(self, erasure: Erasure) -> None:
        """Something of it was found after all: it is to be done again."""
        with self._database.write() as session:
            session.execute(update(ErasureRow).where(ErasureRow.video_id == erasure.video_id).values(completed_at=None))

    def rows_left(self, erasure: Erasure) -> dict[str, int]:
        """How many rows each table has of a video: all tables that name videos or segments, but for KEEPS_IDS."""
        left: dict[str, int] = {}
        with self._database.read() as session:
            for table in Base.metadata.sorted_tables:
                if table.name in KEEPS_IDS:
                    continue
                if table.name == "videos":
                    left[table.name] = _count(session, table, "id", [erasure.video_id])
                elif "video_id" in table.c:
                    left[table.name] = _count(session, table, "video_id", [erasure.video_id])
                elif "segment_id" in table.c:
                    left[table.name] = _count(session, table, "segment_id", erasure.segment_ids)
        return left

    def existing_segments(self, ids: Sequence[int]) -> list[int]:
        """Those of the given segments, of whatever bundle, that exist."""
        found: list[int] = []
        with self._database.read() as session:
            for first in range(0, len(ids), IDS_PER_QUERY):
                chunk = ids[first : first + IDS_PER_QUERY]
                found += session.scalars(select(SegmentRow.id).where(SegmentRow.id.in_(chunk)))
        return found

    def scrubbing(self) -> str:
        """What `scrub` does in this database, in words."""
        if self._database.engine.dialect.name == "sqlite":
            return "SQLite overwrites what is deleted (secure_delete); its log was written back and cut off since"
        return "the tables were vacuumed since; backups and the log of the PostgreSQL server are its operator's"

    def scrub(self) -> None:
        """Makes the database let go of the bytes of deleted rows. Raises ScrubLater when it cannot just now.

        SQLite overwrites what is deleted (`secure_delete`); what its write-ahead log still has of it goes when that is
        written back and cut off. A file that an older version made is written anew, once. PostgreSQL is told to vacuum.
        """
        if self._database.engine.dialect.name == "sqlite":
            self._scrub_sqlite()
            return
        names = ", ".join(table.name for table in Base.metadata.sorted_tables if table.name not in KEEPS_IDS)
        with self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            try:
                connection.execute(text(f"VACUUM {names}"))
            except DBAPIError as error:
                raise ScrubLater(str(error.orig)) from error

    def _scrub_sqlite(self) -> None:
        raw = self._database.engine.raw_connection()  # neither statement may be in a transaction
        cursor = raw.cursor()
        try:
            cursor.execute(f"PRAGMA busy_timeout = {SCRUB_WAITS_MS}")
            if cursor.execute("PRAGMA user_version").fetchone()[0] < SCRUBBED:
                cursor.execute("VACUUM")
                cursor.execute(f"PRAGMA user_version = {SCRUBBED}")
            if cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise ScrubLater("somebody reads from it")
        except sqlite3.OperationalError as error:
            raise ScrubLater(str(error)) from error
        finally:
            cursor.close()
            raw.invalidate()  # with its short patience it is of no use to others
            raw.close()


def _count(session: Session, table: Table, column: str, values: Sequence[str | int]) -> int:
    found = 0
    for first in range(0, len(values), IDS_PER_QUERY):
        chunk = values[first : first + IDS_PER_QUERY]
        found += session.scalar(select(func.count()).select_from(table).where(table.c[column].in_(chunk))) or 0
    return found


def _erasure(row: ErasureRow) -> Erasure:
    return Erasure(row.video_id, row.sha256, tuple(row.segment_ids), row.requested_at, row.completed_at)
