"""The tables. A change here needs a migration in `migrations/versions/` (a test compares the two)."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    TypeDecorator,
    exists,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship


class UtcDateTime(TypeDecorator[datetime]):
    """Aware UTC times; stored without a zone, since SQLite knows none."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


# SQLite counts by itself in "INTEGER" columns alone, which have 64 bits there.
SegmentId = BigInteger().with_variant(Integer(), "sqlite")


class Base(DeclarativeBase):
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: JSON(none_as_null=True), list[int]: JSON}  # noqa: RUF012


class SubtitlesRow(Base):
    __tablename__ = "subtitles"

    video_id: Mapped[str] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True)
    vtt: Mapped[str]


class VideoRow(Base):
    __tablename__ = "videos"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    filename: Mapped[str]
    title: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    duration_s: Mapped[float]
    width: Mapped[int | None]
    height: Mapped[int | None]
    has_video: Mapped[bool]
    has_audio: Mapped[bool]
    status: Mapped[str] = mapped_column(String(16), index=True)
    problem: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]
    has_subtitles: Mapped[bool] = column_property(exists().where(SubtitlesRow.video_id == id))
    tag_rows: Mapped[list["TagRow"]] = relationship(
        order_by="TagRow.position", cascade="all, delete-orphan", lazy="selectin", passive_deletes=True
    )

    __table_args__ = (Index("videos_newest_first", "created_at", "id"),)


class TagRow(Base):
    __tablename__ = "video_tags"

    video_id: Mapped[str] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    tag: Mapped[str] = mapped_column(index=True)


class SegmentRow(Base):
    __tablename__ = "segments"

    id: Mapped[int] = mapped_column(SegmentId, primary_key=True)
    video_id: Mapped[str] = mapped_column(ForeignKey("videos.id", ondelete="CASCADE"))
    bundle: Mapped[str] = mapped_column(String(64))
    ordinal: Mapped[int]
    start_s: Mapped[float]
    end_s: Mapped[float]

    # Index generations outlive segments, so an id must never come back; SQLite would reuse the largest.
    __table_args__ = (
        Index("segments_of_video", "video_id", "bundle", "ordinal", unique=True),
        {"sqlite_autoincrement": True},
    )


class VectorRow(Base):
    __tablename__ = "vectors"

    segment_id: Mapped[int] = mapped_column(SegmentId, ForeignKey("segments.id", ondelete="CASCADE"), primary_key=True)
    channel: Mapped[str] = mapped_column(String(16), primary_key=True)
    space: Mapped[str] = mapped_column(String(16), primary_key=True)
    dim: Mapped[int]
    # Little-endian float16 [rows, dim], C order.
    data: Mapped[bytes] = mapped_column(LargeBinary)


class JobRow(Base):
    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    # Not a foreign key: the job of a deleted video stays readable.
    video_id: Mapped[str | None] = mapped_column(String(32), index=True)
    payload: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(String(16), index=True)
    progress: Mapped[float]
    stage: Mapped[str] = mapped_column(String(32))
    problem: Mapped[dict[str, Any] | None]
    result: Mapped[dict[str, Any] | None]
    attempts: Mapped[int]
    worker: Mapped[str | None] = mapped_column(String(128))
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    heartbeat_at: Mapped[datetime | None]
    # A job that failed for a reason that passes waits until then for its next try.
    not_before: Mapped[datetime | None]

    __table_args__ = (Index("jobs_newest_first", "created_at", "id"),)


class LibraryRow(Base):
    """One row, made with the table: what tells this library from others on the same Redis."""

    __tablename__ = "library"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)


class RevisionRow(Base):
    """One row, locked by every writer of `changes`, so that revisions become visible in their order."""

    __tablename__ = "revision"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[int]


class ChangeRow(Base):
    __tablename__ = "changes"

    revision: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(8))
    video_id: Mapped[str] = mapped_column(String(32))
    bundle: Mapped[str] = mapped_column(String(64))
    segment_ids: Mapped[list[int]]


class ErasureRow(Base):
    """What was asked to be forgotten: written with the deletion, completed when nothing of the video is left."""

    __tablename__ = "erasures"

    video_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    # Of all bundles: by them it is looked for in index generations and cached answers.
    segment_ids: Mapped[list[int]]
    requested_at: Mapped[datetime]
    completed_at: Mapped[datetime | None] = mapped_column(index=True)


class KeyRow(Base):
    """Revoked and expired keys stay: that there ever was one is why calls need one."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(12), primary_key=True)
    name: Mapped[str]
    role: Mapped[str] = mapped_column(String(8))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    # SHA-256 of the whole text of the key, hexadecimal; of the one before it while that is still valid.
    sha256: Mapped[str] = mapped_column(String(64))
    previous_sha256: Mapped[str | None] = mapped_column(String(64))
    previous_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    rotated_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class SessionRow(Base):
    """A page that signed in. Without a key: by a one-time link or the admin token."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64))
    key_id: Mapped[str | None] = mapped_column(ForeignKey("api_keys.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class LinkRow(Base):
    """A link by which a page signs in, once. Used and expired ones stay: they tell a first start from a later one."""

    __tablename__ = "links"

    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class AuditRow(Base):
    __tablename__ = "audit"

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str]
    action: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str | None]
    details: Mapped[dict[str, Any]]


class ServingRow(Base):
    """What is searched: the row with the largest number is the truth for all processes; rows are only ever added."""

    __tablename__ = "servings"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    bundle: Mapped[str] = mapped_column(String(64))
    bundle_name: Mapped[str]
    # None: no index generation, the catalogue's vectors are searched as they are.
    generation: Mapped[str | None] = mapped_column(String(32))
    # What is kept to go back to: the generation before, of the same bundle; and the pair before the last promotion.
    parent_generation: Mapped[str | None] = mapped_column(String(32))
    previous_bundle: Mapped[str | None] = mapped_column(String(64))
    previous_name: Mapped[str | None]
    previous_generation: Mapped[str | None] = mapped_column(String(32))
    # The settings of a service name the bundle: when they don't any more, the home's is served again.
    pinned: Mapped[bool]
    reason: Mapped[str] = mapped_column(String(16))
    job_id: Mapped[str | None] = mapped_column(String(40), index=True)
    switched_at: Mapped[datetime]


class CandidateRow(Base):
    """What is to be served next: at most one row, of id 1."""

    __tablename__ = "candidates"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(16))
    bundle: Mapped[str] = mapped_column(String(64))
    bundle_name: Mapped[str]
    generation: Mapped[str | None] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(16))
    job_id: Mapped[str] = mapped_column(String(40))
    report: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime]


class GoldenQueryRow(Base):
    """Queries of the administrator's, asked of the old and the new before a switch."""

    __tablename__ = "golden_queries"

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    query: Mapped[str]
