"""The index and the model bundles."""

from typing import Any

from pydantic import BaseModel, Field


class IndexStatus(BaseModel):
    """What is searched."""

    generation: str | None = Field(description="the current index generation; null before the first rebuild")
    bundle: str
    segments: int
    vectors: dict[str, int] = Field(description="rows per channel.space, the live additions included")
    live_additions: int = Field(description="rows added since the generation, searched exactly beside it")
    live_deletions: int = Field(description="segments of the generation that are masked")
    waiting_videos: int = Field(description="ready videos that have yet to be taken in with the active bundle")
    details: dict[str, Any] | None = Field(description="generation.json: index type, recall, sizes, build time")


class BundleInfo(BaseModel):
    """A model."""

    name: str
    fingerprint: str
    active: bool
    graph: str
    modalities: list[str]
    licence: str
    metrics: dict[str, Any]


class BundleList(BaseModel):
    """The models at hand."""

    bundles: list[BundleInfo]
