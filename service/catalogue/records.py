"""Plain values that leave the catalogue: no database session hangs on them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

VideoStatus = Literal["pending", "ready", "failed"]
JobStatus = Literal["queued", "running", "done", "failed", "cancelled"]
JobKind = Literal["ingest", "rebuild", "adapt", "train"]  # rebuild: of the index; adapt, train: of a bundle
ChangeKind = Literal["add", "remove"]


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


@dataclass(frozen=True)
class Change:
    """One entry of the log by which readers keep up: segments that came or went, in the order of `revision`."""

    revision: int
    kind: ChangeKind
    video_id: str
    bundle: str
    segment_ids: list[int]
