"""Searches and their results."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    field_validator,
    model_validator,
)

Match = Literal["visual", "sound", "both"]
Space = Literal["auto", "fine", "coarse"]
GroupBy = Literal["moment", "video"]


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside the years 1 to 9999 in UTC") from None


Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class SearchParameters(BaseModel):
    """Query parameters common to all searches."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100, description="results on a page")] = 20
    cursor: Annotated[str | None, Field(max_length=200, description="`next_cursor` of the page before")] = None
    match: Annotated[Match, Field(description="search what is seen, what is heard, or both")] = "both"
    space: Annotated[
        Space,
        Field(description="fine: picture and sound; coarse: the space shared with words; auto: the best for the query"),
    ] = "auto"
    group_by: Annotated[GroupBy, Field(description="every moment, or the best moment of each video")] = "moment"
    min_confidence: Annotated[float, Field(ge=0, le=1, description="leave out results that are less sure")] = 0.0
    tag: Annotated[list[str], Field(max_length=20, description="only videos with all of these tags")] = []
    video_id: Annotated[list[str], Field(max_length=100, description="only these videos")] = []
    has_sound: Annotated[bool | None, Field(description="only videos with (or without) sound")] = None
    min_duration_s: Annotated[float | None, Field(ge=0, description="only videos of at least this length")] = None
    max_duration_s: Annotated[float | None, Field(ge=0, description="only videos of at most this length")] = None
    added_after: Annotated[Instant | None, Field(description="only videos added at or after this time (RFC 3339)")] = (
        None
    )
    added_before: Annotated[Instant | None, Field(description="only videos added before this time (RFC 3339)")] = None


class TextParameters(SearchParameters):
    """Of `GET /v1/search`."""

    q: Annotated[str, Field(max_length=1000, description="words that describe what is seen or heard")]


class TextQuery(BaseModel):
    """Body of `POST /v1/search/text`."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"query": "a door opens"}]})

    query: Annotated[str, Field(max_length=1000, description="words that describe what is seen or heard")]


LEAST_WEIGHT = 0.001
Weight = Annotated[
    float,
    Field(
        ge=-10, le=10, allow_inf_nan=False, description="how much it counts; less than 0: moments that are unlike it"
    ),
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    weight: Weight = 1.0

    @field_validator("weight")
    @classmethod
    def _counts(cls, weight: float) -> float:
        if abs(weight) < LEAST_WEIGHT:
            raise ValueError(
                f"a part of so little weight says nothing; leave it out, or give it {LEAST_WEIGHT} or more"
            )
        return weight


class TextPart(_Part):
    """Words."""

    text: Annotated[str, Field(max_length=1000, description="words that describe what is seen or heard")]


class SegmentPart(_Part):
    """A moment of the library, which is not among the results."""

    segment_id: Annotated[int, Field(ge=0, lt=2**63, description="of a result")]


class FilePart(_Part):
    """A file that is sent along."""

    file: Annotated[str, Field(max_length=100, description="name of the form's part that has the file")]
    kind: Annotated[
        Literal["image", "audio", "video"] | None, Field(description="what of it is meant; as it is, if left out")
    ] = None


def _what(part: Any) -> str | None:
    """What a part asks with, None where that is not one thing."""
    given = [name for name in ("text", "segment_id", "file") if isinstance(part, Mapping) and name in part]
    return given[0] if len(given) == 1 else None


Part = Annotated[
    Annotated[TextPart, Tag("text")] | Annotated[SegmentPart, Tag("segment_id")] | Annotated[FilePart, Tag("file")],
    Discriminator(
        _what,
        custom_error_type="one_of_three",
        custom_error_message="a part has one of text, segment_id and file, and perhaps a weight",
    ),
]


class ComposedQuery(BaseModel):
    """Body of `POST /v1/search`: several things at once, such as words and a picture, or a moment but not another."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"parts": [{"text": "a door opens"}, {"text": "in the dark", "weight": -0.5}]}]
        },
    )

    parts: Annotated[list[Part], Field(min_length=1, max_length=8)]

    @model_validator(mode="after")
    def _looks_for_something(self) -> "ComposedQuery":
        if not any(part.weight > 0 for part in self.parts):
            raise ValueError("at least one part needs a weight above 0: nothing else says what to look for")
        return self


class Hit(BaseModel):
    """A moment of a video."""

    video_id: str
    segment_id: int
    title: str
    has_video: bool
    has_audio: bool
    start_s: float
    end_s: float
    score: float = Field(description="standard deviations above the library's average for this query")
    confidence: float = Field(
        ge=0, le=1, description="how surely this is what was asked for, comparable between queries"
    )
    evidence: dict[str, float] = Field(
        description="cosine similarity in each `channel.space` that was searched; in a composed query of several parts "
        "by `part:channel.space`, the first part being 0"
    )
    thumbnail_url: str | None
    media_url: str


class TookMs(BaseModel):
    """Where the time went, in milliseconds."""

    decode: float
    embed: float
    search: float
    total: float


class SearchResponse(BaseModel):
    """A page of results, best first."""

    results: list[Hit]
    next_cursor: str | None
    generation: str | None = Field(description="the index generation that was searched; null before the first")
    generation_number: int = Field(description="grows by one whenever another model or generation is searched")
    bundle: str = Field(description="name of the model")
    bundle_fingerprint: str = Field(description="tells models of one name apart")
    took_ms: TookMs


class TimelineMoment(BaseModel):
    """The score of one segment."""

    segment_id: int
    start_s: float
    end_s: float
    score: float
    confidence: float


class Timeline(BaseModel):
    """The score of every moment of one video for a query, in order of time."""

    video_id: str
    duration_s: float
    moments: list[TimelineMoment]
    generation: str | None
    generation_number: int
    bundle: str
    bundle_fingerprint: str
    took_ms: TookMs
