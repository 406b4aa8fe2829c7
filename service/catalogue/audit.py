"""The audit log: who did what. Entries are only ever added."""

import base64
import binascii
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.catalogue.engine import Database
from service.catalogue.paging import BadCursor
from service.catalogue.records import AuditEntry
from service.catalogue.tables import AuditRow


def append_audit(
    session: Session, actor: str, action: str, subject: str | None = None, details: dict[str, Any] | None = None
) -> None:
    """Adds an entry within the caller's transaction: what was done and that it was done are kept together."""
    session.add(AuditRow(at=datetime.now(UTC), actor=actor, action=action, subject=subject, details=details or {}))


class AuditQueries:
    """The part of the catalogue that is the audit log; every method is one transaction."""

    _database: Database

    def add_audit(
        self, actor: str, action: str, subject: str | None = None, details: dict[str, Any] | None = None
    ) -> None:
        """Adds an entry."""
        with self._database.write() as session:
            append_audit(session, actor, action, subject, details)

    def audit(self, limit: int = 50, cursor: str | None = None) -> tuple[list[AuditEntry], str | None]:
        """A page of the log, newest first, and the next page's cursor. Raises BadCursor."""
        query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit + 1)
        if cursor is not None:
            query = query.where(AuditRow.id < _decoded(cursor))
        with self._database.read() as session:
            rows = session.scalars(query).all()
        entries = [AuditEntry(row.id, row.at, row.actor, row.action, row.subject, row.details) for row in rows[:limit]]
        return entries, _encoded(entries[-1].id) if len(rows) > limit else None


def _encoded(entry_id: int) -> str:
    return base64.urlsafe_b64encode(f"audit:{entry_id}".encode()).decode().rstrip("=")


def _decoded(cursor: str) -> int:
    try:
        name, _, number = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
        if name != "audit" or not number.isascii() or not number.isdecimal() or len(number) > 10:
            raise ValueError("not a place in the log")
        return min(int(number), 2**31 - 1)
    except (ValueError, binascii.Error) as error:
        raise BadCursor("The cursor is not one that this listing gave out; start again without it.") from error
