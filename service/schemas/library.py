"""Videos (and sound files) of the library."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

VideoStatus = Literal["pending", "ready", "failed"]
LONGEST_TITLE, LONGEST_TAG, MOST_TAGS = 300, 100, 50


def plain(text: str) -> str:
    """One line without control characters."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


Title = Annotated[str, AfterValidator(plain), Field(min_length=1, max_length=LONGEST_TITLE)]
Tag = Annotated[str, AfterValidator(plain), Field(min_length=1, max_length=LONGEST_TAG)]


class Video(BaseModel):
    """One file of the library."""

    id: str
    title: str
    filename: str
    tags: list[str]
    status: VideoStatus
    problem: dict[str, Any] | None = Field(description="why a failed one is not searchable")
    duration_s: float | None
    width: int | None
    height: int | None
    has_video: bool
    has_audio: bool
    size_bytes: int
    sha256: str
    created_at: datetime
    media_url: str
    preview_url: str | None = Field(description="eight pictures from its whole length, side by side")
    subtitles_url: str | None


class VideoPage(BaseModel):
    """A page of the library, newest first."""

    videos: list[Video]
    total: int = Field(description="videos in the whole library")
    next_cursor: str | None


class VideoChange(BaseModel):
    """Body of `PATCH /v1/videos/{id}`: what is given is changed."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    tags: Annotated[list[Tag], Field(max_length=MOST_TAGS)] | None = None


class Uploaded(BaseModel):
    """Answer to an upload."""

    video_id: str
    job_id: str | None
    status: VideoStatus
    created: bool = Field(description="false when the same bytes were there already")
