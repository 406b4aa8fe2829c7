"""Queries about videos."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import Select, delete, func, select
from sqlalchemy.orm import Session

from service.catalogue.audit import append_audit
from service.catalogue.engine import Database
from service.catalogue.erasures import record_erasure
from service.catalogue.jobs import ACTIVE, GIVEN_UP, job_from_row, new_job_row
from service.catalogue.paging import page
from service.catalogue.records import Job, MediaFacts, Video, VideoStatus
from service.catalogue.segments import append_change
from service.catalogue.tables import JobRow, SegmentRow, SubtitlesRow, TagRow, VideoRow


def video_id_of(sha256: str) -> str:
    """The id of the video with these bytes."""
    return "v_" + sha256[:16]


def video_from_row(row: VideoRow) -> Video:
    """The plain value of a row."""
    return Video(
        id=row.id,
        sha256=row.sha256,
        filename=row.filename,
        title=row.title,
        tags=[tag.tag for tag in row.tag_rows],
        size_bytes=row.size_bytes,
        duration_s=row.duration_s,
        width=row.width,
        height=row.height,
        has_video=row.has_video,
        has_audio=row.has_audio,
        has_subtitles=row.has_subtitles,
        status=row.status,  # type: ignore[arg-type]  # only this module and jobs.py write it
        problem=row.problem,
        created_at=row.created_at,
    )


def _waiting_for(bundle: str) -> Select[str]:
    """Ids of ready videos without segments of a bundle."""
    embedded = select(SegmentRow.id).where(SegmentRow.video_id == VideoRow.id, SegmentRow.bundle == bundle).exists()
    return select(VideoRow.id).where(VideoRow.status == "ready", ~embedded)


def _last_ingest(session: Session, video_id: str | None) -> JobRow | None:
    """The newest job that takes a video in, whatever became of it."""
    return session.scalars(
        select(JobRow)
        .where(JobRow.video_id == video_id, JobRow.kind == "ingest")
        .order_by(JobRow.created_at.desc(), JobRow.id.desc())
        .limit(1)
    ).first()


def _begin_ingest(session: Session, video: VideoRow) -> JobRow:
    """A new job for a video; one that is searchable (with another model) stays so meanwhile."""
    job = new_job_row("ingest", video.id, {})
    session.add(job)
    if video.status != "ready":
        video.status, video.problem = "pending", None
    return job


def _tag_rows(tags: Sequence[str]) -> list[TagRow]:
    return [TagRow(position=position, tag=tag) for position, tag in enumerate(dict.fromkeys(tags))]


class VideoQueries:
    """The part of the catalogue that is about videos; every method is one transaction."""

    _database: Database

    def add_video(
        self,
        sha256: str,
        filename: str,
        title: str,
        tags: Sequence[str],
        size: int,
        info: MediaFacts,
        subtitles: str | None = None,
    ) -> tuple[Video, Job, bool]:
        """Records an uploaded file, with its WebVTT if it has one, and queues its ingest: (video, job, True).

        The same bytes again give the video that is there with its last ingest job, and False; when that video failed,
        or lost its job, a new job is queued. Subtitles that come with them replace those that are there.
        """
        with self._database.write() as session:
            row = session.get(VideoRow, video_id_of(sha256))
            created = row is None
            if row is None:
                row = VideoRow(
                    id=video_id_of(sha256),
                    sha256=sha256,
                    filename=filename,
                    title=title,
                    tag_rows=_tag_rows(tags),
                    size_bytes=size,
                    duration_s=info.duration_s,
                    width=info.width,
                    height=info.height,
                    has_video=info.has_video,
                    has_audio=info.has_audio,
                    status="pending",
                    problem=None,
                    created_at=datetime.now(UTC),
                )
                session.add(row)
            job = _last_ingest(session, row.id)
            if job is None or created or (row.status != "ready" and job.status not in ACTIVE):
                job = _begin_ingest(session, row)
            if subtitles is not None:
                session.merge(SubtitlesRow(video_id=row.id, vtt=subtitles))
            session.flush()
            session.refresh(row, ["has_subtitles"])
            return video_from_row(row), job_from_row(job), created

    def ingest_again(self, job_id: str) -> Job | None:
        """Queues the ingest of a video anew whose job failed or was cancelled: the new job, or the one that is at it.

        None when there is nothing to do again: there is no such ingest, it did not fail, the video is deleted, or a
        later job has taken it in.
        """
        with self._database.write() as session:
            given_up = session.get(JobRow, job_id)
            if given_up is None or given_up.kind != "ingest" or given_up.status not in GIVEN_UP:
                return None
            video = session.get(VideoRow, given_up.video_id)
            last = _last_ingest(session, given_up.video_id)
            if video is None or last is None or last.status == "done":
                return None
            job = last if last.status in ACTIVE else _begin_ingest(session, video)
            session.flush()
            return job_from_row(job)

    def video(self, video_id: str) -> Video | None:
        """One video, or None."""
        with self._database.read() as session:
            row = session.get(VideoRow, video_id)
            return None if row is None else video_from_row(row)

    def videos(
        self, limit: int = 50, cursor: str | None = None, status: VideoStatus | None = None, tag: str | None = None
    ) -> tuple[list[Video], str | None]:
        """A page of the library, newest first, and the next page's cursor. Raises BadCursor."""
        query = select(VideoRow)
        if status is not None:
            query = query.where(VideoRow.status == status)
        if tag is not None:
            query = query.where(VideoRow.id.in_(select(TagRow.video_id).where(TagRow.tag == tag)))
        with self._database.read() as session:
            rows, following = page(session, query, VideoRow, limit, cursor)
            return [video_from_row(row) for row in rows], following

    def videos_by_id(self, video_ids: Sequence[str]) -> dict[str, Video]:
        """Those of the given videos that exist."""
        found: dict[str, Video] = {}
        with self._database.read() as session:
            for first in range(0, len(video_ids), 500):
                rows = session.scalars(select(VideoRow).where(VideoRow.id.in_(video_ids[first : first + 500])))
                found.update((row.id, video_from_row(row)) for row in rows)
        return found

    def has_media(self, sha256: str) -> bool:
        """Whether a video with these bytes is recorded."""
        with self._database.read() as session:
            return session.scalar(select(VideoRow.id).where(VideoRow.sha256 == sha256)) is not None

    def update_video(self, video_id: str, title: str | None = None, tags: Sequence[str] | None = None) -> Video | None:
        """Changes what is given; None when there is no such video."""
        with self._database.write() as session:
            row = session.get(VideoRow, video_id)
            if row is None:
                return None
            if title is not None:
                row.title = title
            if tags is not None:
                session.execute(delete(TagRow).where(TagRow.video_id == video_id))
                session.expire(row, ["tag_rows"])
                session.add_all(
                    TagRow(video_id=video_id, position=position, tag=tag)
                    for position, tag in enumerate(dict.fromkeys(tags))
                )
            session.flush()
            session.refresh(row)
            return video_from_row(row)

    def delete_video(self, video_id: str, actor: str | None = None) -> bool:
        """Forgets a video with its segments and vectors, and cancels its jobs. False when there is no such video.

        That it is to be forgotten everywhere else too is recorded in the same transaction (`erasures.py`), and, with
        `actor`, who deleted it (`audit.py`: by its id alone).
        """
        with self._database.write() as session:
            row = session.get(VideoRow, video_id)
            if row is None:
                return False
            record_erasure(session, row)
            if actor is not None:
                append_audit(session, actor, "video.deleted", video_id)
            segments = session.execute(
                select(SegmentRow.bundle, SegmentRow.id).where(SegmentRow.video_id == video_id).order_by(SegmentRow.id)
            ).all()
            by_bundle: dict[str, list[int]] = {}
            for bundle, segment_id in segments:
                by_bundle.setdefault(bundle, []).append(segment_id)
            for bundle, segment_ids in by_bundle.items():
                append_change(session, "remove", video_id, bundle, segment_ids)
            for job in session.scalars(select(JobRow).where(JobRow.video_id == video_id, JobRow.status.in_(ACTIVE))):
                job.status, job.finished_at = "cancelled", datetime.now(UTC)
            session.delete(row)
            return True

    def waiting_count(self, bundle: str) -> int:
        """How many ready videos have no segments of this bundle, so that no search finds them with it."""
        with self._database.read() as session:
            return session.scalar(select(func.count()).select_from(_waiting_for(bundle).subquery())) or 0

    def queue_waiting(self, bundle: str, video_id: str | None = None) -> list[Job]:
        """Queues an ingest of every ready video (or of one) without segments of this bundle; the new jobs.

        Those with a job that is not over are passed over. The videos stay ready: with another bundle they can be found.
        """
        active = select(JobRow.video_id).where(
            JobRow.kind == "ingest", JobRow.status.in_(ACTIVE), JobRow.video_id.is_not(None)
        )
        query = _waiting_for(bundle).where(VideoRow.id.not_in(active))
        if video_id is not None:
            query = query.where(VideoRow.id == video_id)
        with self._database.write() as session:
            jobs = [new_job_row("ingest", waiting, {}) for waiting in session.scalars(query.order_by(VideoRow.id))]
            session.add_all(jobs)
            session.flush()
            return [job_from_row(job) for job in jobs]

    def counts(self) -> dict[str, int]:
        """How many videos (in all, and by status), segments and active jobs there are."""
        with self._database.read() as session:
            statuses = session.execute(select(VideoRow.status, func.count()).group_by(VideoRow.status)).all()
            by_status = {status: int(number) for status, number in statuses}
            return {
                "videos": sum(by_status.values()),
                "pending": by_status.get("pending", 0),
                "ready": by_status.get("ready", 0),
                "failed": by_status.get("failed", 0),
                "segments": session.scalar(select(func.count()).select_from(SegmentRow)) or 0,
                "active_jobs": session.scalar(select(func.count()).select_from(JobRow).where(JobRow.status.in_(ACTIVE)))
                or 0,
            }
