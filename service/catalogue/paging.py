"""Listings by cursor, newest first: a place in the order, so that rows that come or go shift nothing."""

import base64
import binascii
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Select, and_, or_
from sqlalchemy.orm import Session

from service.catalogue.tables import JobRow, VideoRow

_ROW_ID = re.compile(r"[vj]_[0-9a-f]{1,32}")
Row = TypeVar("Row", VideoRow, JobRow)


class BadCursor(ValueError):
    """A cursor that this library never gave out."""


def encode_cursor(created_at: datetime, row_id: str) -> str:
    """The place just behind a row, opaque to clients."""
    return base64.urlsafe_b64encode(json.dumps([created_at.isoformat(), row_id]).encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, str]:
    """The inverse of `encode_cursor`; raises BadCursor."""
    try:
        created_at, row_id = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not _ROW_ID.fullmatch(row_id):
            raise ValueError("not the id of a row")
        return datetime.fromisoformat(created_at).astimezone(UTC), row_id
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error) as error:
        raise BadCursor("The cursor is not one that this listing gave out; start again without it.") from error


def page(
    session: Session, query: Select[Row], table: type[Row], limit: int, cursor: str | None
) -> tuple[Sequence[Row], str | None]:
    """One page of `query`, newest first, and the cursor of the next (None at the end). Raises BadCursor."""
    if cursor is not None:
        created_at, row_id = decode_cursor(cursor)
        query = query.where(or_(table.created_at < created_at, and_(table.created_at == created_at, table.id < row_id)))
    rows = session.scalars(query.order_by(table.created_at.desc(), table.id.desc()).limit(limit + 1)).all()
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], encode_cursor(last.created_at, last.id)
