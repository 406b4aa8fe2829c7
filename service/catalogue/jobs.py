"""Queries about jobs. The catalogue is the truth about them; Redis only delivers their ids.

A job runs for one worker at a time: `claim_job` hands it out, and every later write names the worker and counts only
while the job is still running for it. A worker that lost its job (cancelled, or taken over after a long stall) learns
so at its next heartbeat.
"""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, true, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from service.catalogue.audit import append_audit
from service.catalogue.engine import Database
from service.catalogue.paging import page
from service.catalogue.records import Job, JobKind, JobStatus
from service.catalogue.tables import JobRow, VideoRow
from service.problem_codes import problem_document


class JobLost(Exception):
    """The job is no longer this worker's: it was cancelled, or another worker took it over."""


ACTIVE = ("queued", "running")
GIVEN_UP = ("failed", "cancelled")
# A job that took its worker down this often is given up, or it would go on for ever.
MAX_ATTEMPTS = 5
# Without a sign of life for so long, a running job counts as abandoned (workers beat twice a second).
STALE_AFTER_S = 30.0


def new_job_row(kind: JobKind, video_id: str | None, payload: dict[str, Any]) -> JobRow:
    """A queued job with a fresh id."""
    return JobRow(
        id="j_" + secrets.token_hex(8),
        kind=kind,
        video_id=video_id,
        payload=payload,
        status="queued",
        progress=0.0,
        stage="queued",
        problem=None,
        result=None,
        attempts=0,
        worker=None,
        created_at=datetime.now(UTC),
    )


def job_from_row(row: JobRow) -> Job:
    """The plain value of a row."""
    return Job(
        id=row.id,
        kind=row.kind,  # type: ignore[arg-type]  # only this package writes them
        video_id=row.video_id,
        payload=row.payload,
        status=row.status,  # type: ignore[arg-type]
        progress=row.progress,
        stage=row.stage,
        problem=row.problem,
        result=row.result,
        attempts=row.attempts,
        worker=row.worker,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        heartbeat_at=row.heartbeat_at,
        not_before=row.not_before,
    )


def _due(now: datetime) -> ColumnElement[bool]:
    """Not waiting for a later time."""
    return or_(JobRow.not_before.is_(None), JobRow.not_before <= now)


def _fail_video(session: Session, video_id: str | None, problem: dict[str, Any]) -> None:
    """A video whose first ingest came to nothing is failed; one that was ready stays so."""
    if video_id is not None:
        session.execute(
            update(VideoRow)
            .where(VideoRow.id == video_id, VideoRow.status == "pending")
            .values(status="failed", problem=problem)
        )


class JobQueries:
    """The part of the catalogue that is about jobs; every method is one transaction."""

    _database: Database

    def job(self, job_id: str) -> Job | None:
        """One job, or None."""
        with self._database.read() as session:
            row = session.get(JobRow, job_id)
            return None if row is None else job_from_row(row)

    def jobs(
        self,
        limit: int = 50,
        cursor: str | None = None,
        status: JobStatus | None = None,
        video_id: str | None = None,
    ) -> tuple[list[Job], str | None]:
        """A page of jobs (of a video), newest first, and the next page's cursor. Raises BadCursor."""
        query = select(JobRow)
        if video_id is not None:
            query = query.where(JobRow.video_id == video_id)
        if status is not None:
            query = query.where(JobRow.status == status)
        with self._database.read() as session:
            rows, following = page(session, query, JobRow, limit, cursor)
            return [job_from_row(row) for row in rows], following

    def create_job(self, kind: JobKind, payload: dict[str, Any] | None = None) -> Job:
        """Queues a job that belongs to no video; a queued job of the same kind and payload is given back instead."""
        payload = payload or {}
        with self._database.write() as session:
            for row in session.scalars(
                select(JobRow).where(JobRow.kind == kind, JobRow.status == "queued", JobRow.video_id.is_(None))
            ):
                if row.payload == payload:
                    return job_from_row(row)
            row = new_job_row(kind, None, payload)
            session.add(row)
            session.flush()
            return job_from_row(row)

    def create_only_job(
        self, kinds: Sequence[JobKind], kind: JobKind, payload: dict[str, Any], asked: tuple[str, str] | None = None
    ) -> Job | None:
        """Queues a job unless one of `kinds` is queued or running: that one is given back if it is the same, else None.

        So only one of them is active at a time. `asked`, who did what, goes into the audit log if it is a new one.
        """
        with self._database.write() as session:
            for row in session.scalars(select(JobRow).where(JobRow.kind.in_(kinds), JobRow.status.in_(ACTIVE))):
                return job_from_row(row) if (row.kind, row.payload) == (kind, payload) else None
            row = new_job_row(kind, None, payload)
            session.add(row)
            if asked is not None:
                append_audit(session, *asked, row.id, payload)
            session.flush()
            return job_from_row(row)

    def active_jobs(self, kinds: Sequence[JobKind]) -> int:
        """How many jobs of these kinds are queued or running."""
        query = select(func.count()).select_from(JobRow).where(JobRow.kind.in_(kinds), JobRow.status.in_(ACTIVE))
        with self._database.read() as session:
            return session.scalar(query) or 0

    def cancel_job(self, job_id: str, actor: str | None = None) -> Job | None:
        """Cancels a job that is not over yet (one that is stays as it is); its job as it now is, or None.

        With `actor`, that an admin's job was cancelled is in the audit log.
        """
        with self._database.write() as session:
            row = session.get(JobRow, job_id)
            if row is None:
                return None
            if row.status in ACTIVE:
                row.status, row.finished_at = "cancelled", datetime.now(UTC)
                if actor is not None and row.kind != "ingest":
                    append_audit(session, actor, "job.cancelled", job_id, {"kind": row.kind})
                _fail_video(
                    session,
                    row.video_id,
                    problem_document(
                        "ingest_cancelled",
                        "The job was cancelled before it was done; try it again (POST /v1/jobs/{id}/retry), or delete "
                        "the video.",
                    ),
                )
            session.flush()
            return job_from_row(row)

    def claim_job(self, job_id: str, worker: str) -> Job | None:
        """Takes a job for `worker`; None when it is over, not due yet, or running for another worker that is alive.

        A job found running under the worker's own name was left by its earlier life, and is taken at once. One that has
        been tried MAX_ATTEMPTS times is failed instead (code `worker_died`).
        """
        now = datetime.now(UTC)
        stale = now - timedelta(seconds=STALE_AFTER_S)
        claimable = or_(
            and_(JobRow.status == "queued", _due(now)),
            and_(JobRow.status == "running", or_(JobRow.worker == worker, JobRow.heartbeat_at < stale)),
        )
        with self._database.write() as session:
            row = session.scalars(select(JobRow).where(JobRow.id == job_id, claimable).with_for_update()).first()
            if row is None:
                return None
            if row.attempts >= MAX_ATTEMPTS:
                problem = problem_document(
                    "worker_died",
                    f"The worker ended {row.attempts} times while it was at this job, so it was given up.",
                )
                row.status, row.problem, row.finished_at = "failed", problem, now
                _fail_video(session, row.video_id, problem)
                return None
            row.status, row.worker, row.started_at, row.heartbeat_at = "running", worker, now, now
            row.attempts += 1
            row.progress, row.stage = 0.0, "started"
            row.problem = row.not_before = None
            session.flush()
            return job_from_row(row)

    def _write_running(self, session: Session, job_id: str, owner: str, **values: Any) -> bool:
        result = session.execute(
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.status == "running", JobRow.worker == owner)
            .values(**values)
        )
        assert isinstance(result, CursorResult)
        return result.rowcount == 1

    def heartbeat(self, job_id: str, worker: str, progress: float, stage: str) -> bool:
        """A sign of life. False when the job is no longer this worker's: cancelled, or taken over."""
        with self._database.write() as session:
            return self._write_running(
                session,
                job_id,
                worker,
                heartbeat_at=datetime.now(UTC),
                progress=min(max(progress, 0.0), 1.0),
                stage=stage,
            )

    def finish_job(self, job_id: str, worker: str, result: dict[str, Any] | None = None) -> bool:
        """The job is done. False when it was no longer this worker's."""
        now = datetime.now(UTC)
        with self._database.write() as session:
            return self._write_running(
                session, job_id, worker, status="done", progress=1.0, stage="done", result=result, finished_at=now
            )

    def fail_job(self, job_id: str, worker: str, problem: dict[str, Any]) -> bool:
        """The job failed for good, and its video too unless it was ready before. False when no longer this worker's."""
        now = datetime.now(UTC)
        with self._database.write() as session:
            if not self._write_running(session, job_id, worker, status="failed", problem=problem, finished_at=now):
                return False
            _fail_video(session, session.scalar(select(JobRow.video_id).where(JobRow.id == job_id)), problem)
            return True

    def release_job(self, job_id: str, worker: str) -> bool:
        """Puts a running job back (the worker was asked to stop); this try does not count."""
        with self._database.write() as session:
            return self._write_running(
                session,
                job_id,
                worker,
                status="queued",
                worker=None,
                stage="queued",
                progress=0.0,
                attempts=JobRow.attempts - 1,
            )

    def retry_job(
        self, job_id: str, worker: str, problem: dict[str, Any], after_s: float, *, counts: bool = True
    ) -> bool:
        """Puts a running job back, to be tried again in `after_s` seconds: it failed for a reason that passes.

        `problem` is shown meanwhile. Whether this try `counts` as one. False when it was no longer this worker's.
        """
        with self._database.write() as session:
            return self._write_running(
                session,
                job_id,
                worker,
                status="queued",
                worker=None,
                stage="waiting to try again",
                progress=0.0,
                problem=problem,
                attempts=JobRow.attempts - (0 if counts else 1),
                not_before=datetime.now(UTC) + timedelta(seconds=after_s),
            )

    def active_videos(self) -> set[str]:
        """Ids of the videos that have a job which is not over."""
        query = select(JobRow.video_id).where(JobRow.status.in_(ACTIVE), JobRow.video_id.is_not(None))
        with self._database.read() as session:
            return {video_id for video_id in session.scalars(query) if video_id is not None}

    def abandoned_jobs(
        self, stale_after_s: float = STALE_AFTER_S, worker: str | None = None, ingests: bool | None = None
    ) -> list[str]:
        """Ids of jobs that wait for a worker: queued ones that are due, and running ones with no sign of life.

        Ingests last, since there may be thousands; else the oldest first, but those that were tried before come last:
        one that took its worker down holds up no others.
        With `worker`, also those running under its name (to be asked at its start, when it runs none). `ingests`: these
        alone, or all others.
        """
        now = datetime.now(UTC)
        stale = now - timedelta(seconds=stale_after_s)
        lost = JobRow.heartbeat_at < stale
        if worker is not None:
            lost = or_(lost, JobRow.worker == worker)
        with self._database.read() as session:
            return list(
                session.scalars(
                    select(JobRow.id)
                    .where(or_(and_(JobRow.status == "queued", _due(now)), and_(JobRow.status == "running", lost)))
                    .where(true() if ingests is None else (JobRow.kind == "ingest") == ingests)
                    .order_by(JobRow.kind == "ingest", JobRow.attempts, JobRow.created_at, JobRow.id)
                )
            )
