"""The proof that a deleted video is gone."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class Place(BaseModel):
    """One place that was looked at."""

    place: str = Field(description="a stable name, for example `files.media` or `index.00000007-9f3a1c`")
    looked_at: str
    how: str
    found: int | None = Field(description="how much of the video is there; null if it could not be looked at just now")


class Erasure(BaseModel):
    """What is left of a deleted video: looked for when this was asked, everywhere in the library."""

    video_id: str
    status: Literal["pending", "complete"] = Field(description="complete: everything was looked at, nothing was found")
    requested_at: datetime = Field(description="when the video was deleted; no search has found it since")
    completed_at: datetime | None = Field(description="when nothing was found any more for the first time")
    checked_at: datetime
    places: list[Place]
