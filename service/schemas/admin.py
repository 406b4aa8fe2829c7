"""The index and the model bundles."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from service.schemas.swaps import ServedInfo

Place = Literal["active", "previous", "candidate"]


class IndexStatus(BaseModel):
    """What is searched."""

    generation: str | None = Field(description="the current index generation; null before the first rebuild")
    generation_number: int = Field(description="grows by one whenever another model or generation is searched")
    bundle: str
    bundle_fingerprint: str
    segments: int
    vectors: dict[str, int] = Field(description="rows per channel.space, the live additions included")
    live_additions: int = Field(description="rows added since the generation, searched exactly beside it")
    live_deletions: int = Field(description="segments of the generation that are masked")
    waiting_videos: int = Field(description="ready videos that have yet to be taken in with the active bundle")
    details: dict[str, Any] | None = Field(description="generation.json: index type, recall, sizes, build time")
    served: ServedInfo = Field(
        description="what the catalogue says; with another number than `generation_number`, it is about to be followed"
    )


class BundleInfo(BaseModel):
    """A model."""

    name: str
    fingerprint: str
    active: bool
    place: Place | None = Field(
        description="active: searched with; previous: kept to go back to; candidate: to be searched with next"
    )
    graph: str
    modalities: list[str]
    licence: str
    metrics: dict[str, Any]


class AdaptRequest(BaseModel):
    """How to adapt the active model to the library."""

    steps: int = Field(0, ge=0, le=100_000, description="steps of training; 0: as the library's length asks for")
    promote: bool = Field(False, description="if it is better, bring it into service: queue its promotion")


class RebuildRequest(BaseModel):
    """How to make a model from nothing."""

    config: str = Field("freedoom-fac-small", max_length=100, description="a configuration that comes with the package")
    clips: int = Field(11_500, ge=1, le=1_000_000, description="clips to film for training")
    held_out_clips: int = Field(1000, ge=0, le=100_000, description="clips to film for the figures")
    validation_clips: int = Field(300, ge=0, le=100_000, description="clips to film to watch training by")
    seed: int = Field(1, ge=0, description="seed of the footage")
    promote: bool = Field(False, description="bring it into service: queue its promotion")


class BundleList(BaseModel):
    """The models at hand."""

    bundles: list[BundleInfo]
