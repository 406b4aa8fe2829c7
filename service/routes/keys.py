"""API keys and the audit log, over HTTP. Every call here needs an admin's key (service/auth.py)."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query

from service import problems
from service.auth import CallerOf
from service.catalogue.keys import KeyOver
from service.catalogue.records import ApiKey
from service.keys import Issued, create_key, rotate_key
from service.problems import Refused, not_found
from service.schemas.access import AuditEntry, AuditPage, KeyInfo, KeyList, KeyWithSecret, NewKey, Rotation
from service.state import StateOf

router = APIRouter(prefix="/v1/admin", tags=["admin"])


@router.get("/keys", responses=problems.openapi())
async def list_keys(state: StateOf) -> KeyList:
    """All keys, without their secrets."""
    return KeyList(keys=[key_schema(key) for key in await state.read(state.catalogue.keys)])


@router.post("/keys", status_code=201, responses=problems.openapi("bad_request"))
async def make_key(state: StateOf, caller: CallerOf, wanted: NewKey) -> KeyWithSecret:
    """Make a key. The answer is the only place where its secret is ever shown.

    As soon as there is a key, calls from this machine need one too.
    """
    life = None if wanted.expires_in_s is None else timedelta(seconds=wanted.expires_in_s)
    issued = await state.read(
        create_key,
        state.catalogue,
        wanted.role,
        caller.actor,
        name=wanted.name,
        scopes=tuple(dict.fromkeys(wanted.scopes)),
        expires_at=None if life is None else datetime.now(UTC) + life,
    )
    return _with_secret(issued)


@router.post("/keys/{key_id}/rotate", responses=problems.openapi("key_not_found", "key_over", "bad_request"))
async def rotate(state: StateOf, caller: CallerOf, key_id: str, how: Rotation | None = None) -> KeyWithSecret:
    """Give a key a new secret; the old one is invalid at once, or after a grace period."""
    grace = timedelta(seconds=how.grace_s if how is not None else 0)
    try:
        issued = await state.read(rotate_key, state.catalogue, key_id, caller.actor, grace)
    except KeyOver:
        raise Refused(
            "key_over", "This key was revoked or has expired, so it gets no new secret; make another."
        ) from None
    if issued is None:
        raise not_found("key", key_id)
    return _with_secret(issued)


@router.delete("/keys/{key_id}", responses=problems.openapi("key_not_found"))
async def revoke_key(state: StateOf, caller: CallerOf, key_id: str) -> KeyInfo:
    """Revoke a key, from this moment on, with the sessions of pages that signed in with it."""
    key = await state.read(state.catalogue.revoke_key, key_id, caller.actor)
    if key is None:
        raise not_found("key", key_id)
    return key_schema(key)


@router.get("/audit", responses=problems.openapi("bad_cursor"))
async def audit(
    state: StateOf,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> AuditPage:
    """What admins did, newest first."""
    entries, following = await state.read(state.catalogue.audit, limit, cursor)
    return AuditPage(entries=[AuditEntry(**vars(entry)) for entry in entries], next_cursor=following)


def key_schema(key: ApiKey) -> KeyInfo:
    """What is shown of a key."""
    return KeyInfo(**{**vars(key), "scopes": list(key.scopes)}, status=key.status(datetime.now(UTC)))


def _with_secret(issued: Issued) -> KeyWithSecret:
    return KeyWithSecret(**key_schema(issued.key).model_dump(), key=issued.text)
