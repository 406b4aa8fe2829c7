"""Plain values that leave the catalogue: no database session hangs on them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

VideoStatus = Literal["pending", "ready", "failed"]
JobStatus = Literal["queued", "running", "done", "failed", "cancelled"]
# rebuild: of the index; adapt, train, promote: of a bundle; tidy: away what is not kept any more after a switch
JobKind = Literal["ingest", "rebuild", "adapt", "train", "promote", "tidy", "erase"]
ChangeKind = Literal["add", "remove"]
Role = Literal["reader", "editor", "admin"]
ROLES: tuple[Role, ...] = ("reader", "editor", "admin")  # each may what those before it may


class MediaFacts(Protocol):
    """What the catalogue keeps of a probed file (`models.preprocess.media.MediaInfo` fits)."""

    @property
    def duration_s(self) -> float: ...
    @property
    def width(self) -> int | None: ...
    @property
    def height(self) -> int | None: ...
    @property
    def has_video(self) -> bool: ...
    @property
    def has_audio(self) -> bool: ...


@dataclass(frozen=True)
class Video:
    """A film or a sound of the library. `id` is "v_" and the first 16 hex digits of `sha256`."""

    id: str
    sha256: str
    filename: str
    title: str
    tags: list[str]
    size_bytes: int
    duration_s: float
    width: int | None
    height: int | None
    has_video: bool
    has_audio: bool
    has_subtitles: bool
    status: VideoStatus
    problem: dict[str, Any] | None
    created_at: datetime


@dataclass(frozen=True)
class Segment:
    """A window of a video, in seconds. Ids are never used twice."""

    id: int
    video_id: str
    bundle: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class NewSegment:
    """A segment to store, with its vectors: (channel, space) -> float16 [rows, dim], rows >= 1."""

    start_s: float
    end_s: float
    vectors: dict[tuple[str, str], npt.NDArray[np.float16]] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """A piece of work for the worker. `progress` runs from 0 to 1; `problem` is a problem document."""

    id: str
    kind: JobKind
    video_id: str | None
    payload: dict[str, Any]
    status: JobStatus
    progress: float
    stage: str
    problem: dict[str, Any] | None
    result: dict[str, Any] | None
    attempts: int
    worker: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    heartbeat_at: datetime | None
    not_before: datetime | None


@dataclass(frozen=True)
class Change:
    """One entry of the log by which readers keep up: segments that came or went, in the order of `revision`."""

    revision: int
    kind: ChangeKind
    video_id: str
    bundle: str
    segment_ids: list[int]


@dataclass(frozen=True)
class ApiKey:
    """A key without its secret. No scopes mean all that the role allows."""

    id: str
    name: str
    role: Role
    scopes: tuple[str, ...]
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    rotated_at: datetime | None
    last_used_at: datetime | None

    def status(self, now: datetime) -> Literal["active", "expired", "revoked"]:
        """Whether it is valid at a time."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


@dataclass(frozen=True)
class StoredKey:
    """A key as it is checked: digests of its secret, and of the one before while that is still valid."""

    key: ApiKey
    sha256: str
    previous_sha256: str | None
    previous_until: datetime | None


@dataclass(frozen=True)
class StoredSession:
    """A page's session as it is checked. Without a key it came from a one-time link or the admin token."""

    id: str
    sha256: str
    expires_at: datetime
    key: ApiKey | None


@dataclass(frozen=True)
class AuditEntry:
    """Who did what to what, and when."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str | None
    details: dict[str, Any]


@dataclass(frozen=True)
class Served:
    """What is searched, and what is kept to go back to. Bundles by their fingerprint, generations by their name.

    `number` grows by one with every switch. `generation` None: the catalogue's vectors are searched as they are.
    `pinned`: the settings of a service name the bundle.
    """

    number: int
    bundle: str
    bundle_name: str
    generation: str | None
    parent_generation: str | None
    previous_bundle: str | None
    previous_name: str | None
    previous_generation: str | None
    pinned: bool
    reason: str
    job_id: str | None
    switched_at: datetime


@dataclass(frozen=True)
class Candidate:
    """What is to be served next. `state`: see `service/catalogue/swaps.py`."""

    kind: JobKind
    bundle: str
    bundle_name: str
    generation: str | None
    state: str
    job_id: str
    report: dict[str, Any] | None
    created_at: datetime
