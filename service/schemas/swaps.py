"""What is served, what is to be served next, and going back."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

LONGEST_QUERY, MOST_QUERIES = 500, 200


class SwapRequest(BaseModel):
    """How to bring a model or an index generation into service."""

    model_config = ConfigDict(extra="forbid")

    auto: bool = Field(
        True, description="switch to it as soon as it is checked; false: wait until somebody confirms it"
    )


class BundleName(BaseModel):
    """A model."""

    name: str
    fingerprint: str


class ServedInfo(BaseModel):
    """What searches are answered with, and what is kept to go back to."""

    number: int = Field(description="grows by one with every switch")
    bundle: BundleName
    generation: str | None
    parent_generation: str | None = Field(description="the generation before it: POST /v1/admin/index/rollback")
    previous_bundle: BundleName | None = Field(description="the model before it: POST /v1/admin/bundles/rollback")
    previous_generation: str | None
    reason: str
    switched_at: datetime


class CandidateInfo(BaseModel):
    """What is to be served next."""

    kind: str = Field(description="promote: another model; rebuild: another index generation of the same")
    bundle: BundleName
    generation: str | None
    state: str = Field(
        description="embedding, building, comparing, closing; ready: waits to be confirmed; refused: a check failed; "
        "stopped: its job was cancelled or failed, the same call goes on with it"
    )
    job_id: str
    created_at: datetime
    report: dict[str, Any] | None = Field(
        description="checks, sizes, and what golden queries give before and after: `overlap_at_10`, `left`, `came`"
    )
    titles: dict[str, str] = Field(description="of the videos that the report names, by id")


class GoldenQueries(BaseModel):
    """Queries that are asked of old and new before a switch."""

    queries: list[str] = Field(description="the administrator's own")
    shipped: list[str] = Field(description="asked as well")


class GoldenQueryList(BaseModel):
    """Body of `PUT /v1/admin/golden-queries`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"queries": ["a door opens"]}]})

    queries: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=LONGEST_QUERY)]], Field(max_length=MOST_QUERIES)
    ]
