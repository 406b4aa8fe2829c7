"""Keys, the page's session, and the audit log."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from service.catalogue.records import Role
from service.keys import LONGEST_GRACE, LONGEST_LIFE, LONGEST_NAME

Scope = Literal["search", "library", "media", "uploads", "jobs", "admin"]
KeyStatus = Literal["active", "expired", "revoked"]


class KeyInfo(BaseModel):
    """A key without its secret."""

    id: str
    name: str
    role: Role
    scopes: list[str] = Field(description="the kinds of calls it is for; none means all that its role may make")
    status: KeyStatus
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    rotated_at: datetime | None
    last_used_at: datetime | None = Field(description="to the minute")


class KeyList(BaseModel):
    """All keys that were made, newest first, revoked and expired ones included."""

    keys: list[KeyInfo]


class NewKey(BaseModel):
    """What a key is to be."""

    model_config = ConfigDict(extra="forbid")

    role: Role
    name: str = Field("", max_length=LONGEST_NAME, description="whose it is, or what for")
    scopes: list[Scope] = Field(default_factory=list, max_length=6, description="narrows the role to kinds of calls")
    expires_in_s: int | None = Field(
        None, ge=1, le=int(LONGEST_LIFE.total_seconds()), description="seconds until it expires; null: never"
    )


class Rotation(BaseModel):
    """How a key gets its new secret."""

    model_config = ConfigDict(extra="forbid")

    grace_s: int = Field(
        0, ge=0, le=int(LONGEST_GRACE.total_seconds()), description="seconds for which the old secret stays valid"
    )


class KeyWithSecret(KeyInfo):
    """A key that was just made or rotated."""

    key: str = Field(description="the key itself; shown this once and kept nowhere")


class KeySignIn(BaseModel):
    """Signing in with a key, or with the admin token."""

    model_config = ConfigDict(extra="forbid")

    key: SecretStr = Field(min_length=1, max_length=200)


class LinkSignIn(BaseModel):
    """Signing in with the token of a one-time link."""

    model_config = ConfigDict(extra="forbid")

    token: SecretStr = Field(min_length=1, max_length=200)


class SessionInfo(BaseModel):
    """Who the page's user is to the service."""

    role: Role | None = Field(description="null: nobody it knows, and a key is needed")
    name: str = Field(description="of the key, if there is one")
    scopes: list[str]
    signed_in: bool = Field(description="whether there is a session to sign out of")
    expires_at: datetime | None


class AuditEntry(BaseModel):
    """Who did what, and when."""

    id: int
    at: datetime
    actor: str = Field(description="a key, a session, the admin token, the command line")
    action: str
    subject: str | None = Field(description="the id or name of what it was done to")
    details: dict[str, Any]


class AuditPage(BaseModel):
    """A page of the audit log, newest first."""

    entries: list[AuditEntry]
    next_cursor: str | None = None
