"""Resumable uploads."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class Upload(BaseModel):
    """An upload that may be interrupted and gone on with."""

    id: str
    status: Literal["receiving", "done"]
    offset: int = Field(description="bytes that are there")
    length: int = Field(description="bytes of the whole file")
    expires_at: datetime = Field(description="when it is forgotten if nothing more comes")
    video_id: str | None
    job_id: str | None
    created: bool | None = Field(description="false when the same bytes were in the library already")
