"""What need not be kept for ever: the log of changes, and jobs that are over."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.engine import CursorResult

from service.catalogue.catalogue import Catalogue
from service.catalogue.jobs import ACTIVE
from service.catalogue.tables import ChangeRow, JobRow, RevisionRow, VideoRow

# Readers ask before every search: one that is so far behind was away, and reloading is cheaper for it than catching up.
KEEP_CHANGES = 10_000
# Both must be passed: a busy library keeps a month of jobs, a quiet one its last thousand.
KEEP_JOBS, KEEP_JOBS_FOR = 1_000, timedelta(days=30)
# Rows deleted in one transaction, which nobody else can write beside.
BATCH = 500


@dataclass(frozen=True)
class Pruned:
    """How many rows went."""

    changes: int
    jobs: int


def prune(
    catalogue: Catalogue,
    *,
    keep_changes: int = KEEP_CHANGES,
    keep_jobs: int = KEEP_JOBS,
    keep_jobs_for: timedelta = KEEP_JOBS_FOR,
) -> Pruned:
    """Forgets changes beyond the newest `keep_changes`, and jobs that ended long ago.

    The newest ingest job of each video stays for as long as the video: an upload of the same bytes is answered with it.
    """
    with catalogue._database.read() as session:
        oldest_kept = session.execute(select(RevisionRow.value)).scalar_one() - keep_changes + 1
    changes = 0
    while gone := _delete_changes(catalogue, oldest_kept):
        changes += gone
    jobs = 0
    while gone := _delete_jobs(catalogue, keep_jobs, datetime.now(UTC) - keep_jobs_for):
        jobs += gone
    return Pruned(changes, jobs)


def _delete_changes(catalogue: Catalogue, oldest_kept: int) -> int:
    with catalogue._database.write() as session:
        first = session.scalar(select(func.min(ChangeRow.revision)))
        if first is None or first >= oldest_kept:
            return 0
        end = min(first + BATCH, oldest_kept)  # the oldest first: the log never has a gap inside
        return _count(session.execute(delete(ChangeRow).where(ChangeRow.revision < end)))


def _delete_jobs(catalogue: Catalogue, keep: int, ended_before: datetime) -> int:
    newest = (
        select(JobRow.id)
        .where(JobRow.status.not_in(ACTIVE))
        .order_by(JobRow.created_at.desc(), JobRow.id.desc())
        .limit(keep)
    )
    last_ingests = (
        select(JobRow.id, func.row_number().over(partition_by=JobRow.video_id, order_by=_newest_first()).label("place"))
        .join(VideoRow, VideoRow.id == JobRow.video_id)
        .where(JobRow.kind == "ingest")
        .subquery()
    )
    with catalogue._database.write() as session:
        old = session.scalars(
            select(JobRow.id)
            .where(
                JobRow.status.not_in(ACTIVE),
                JobRow.finished_at < ended_before,
                JobRow.id.not_in(newest),
                JobRow.id.not_in(select(last_ingests.c.id).where(last_ingests.c.place == 1)),
            )
            .order_by(JobRow.created_at, JobRow.id)
            .limit(BATCH)
        ).all()
        return _count(session.execute(delete(JobRow).where(JobRow.id.in_(old)))) if old else 0


def _newest_first() -> tuple[Any, Any]:
    return JobRow.created_at.desc(), JobRow.id.desc()


def _count(result: Any) -> int:
    assert isinstance(result, CursorResult)
    return int(result.rowcount)
