"""Jobs."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

JobStatus = Literal["queued", "running", "done", "failed", "cancelled"]


class Job(BaseModel):
    """Work in the background: taking in a video, rebuilding the index, adapting or rebuilding the model."""

    id: str
    kind: str
    video_id: str | None
    status: JobStatus
    progress: float = Field(ge=0, le=1)
    stage: str | None
    problem: dict[str, Any] | None = Field(description="problem document of a failed job")
    result: dict[str, Any] | None = Field(description="what a finished job reports")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobPage(BaseModel):
    """A page of jobs, newest first."""

    jobs: list[Job]
    next_cursor: str | None
