"""Shared by all answers."""

from pydantic import BaseModel, ConfigDict, Field


class Problem(BaseModel):
    """An error, as RFC 9457 has it; `code` is stable, `detail` says what would be right."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    code: str
    detail: str


class Health(BaseModel):
    """Answer of the probes."""

    status: str = Field(examples=["ok"])
    checks: dict[str, str] = Field(default_factory=dict, description="state of each part: ok, or what is wrong with it")
