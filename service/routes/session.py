"""The page's session: a key, or a one-time link, in exchange for a cookie that scripts cannot read.

Pictures and players send no Authorization header, but they do send cookies. The cookie is not the key: it is random,
its digest is kept, it goes to this service alone, and it ends with the key, after some days, or when its user
signs out.
"""

import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fastapi import APIRouter, Request, Response

from service import problems
from service.auth import WRONG_KEY, Access, Caller
from service.keys import digest, matches, new_secret, session_id_of
from service.problems import Refused
from service.schemas.access import KeySignIn, LinkSignIn, SessionInfo
from service.state import StateOf

router = APIRouter(prefix="/v1/session", tags=["session"])

LIFE = timedelta(days=30)
# Of a session that no key stands behind, so that none can be revoked to end it.
ADMIN_LIFE = timedelta(days=7)


@router.get("", responses=problems.openapi())
async def who_am_i(request: Request) -> SessionInfo:
    """Who the caller is. Answers everybody."""
    try:
        caller = await _access(request).caller(request.scope)
    except Refused:
        return SessionInfo(role=None, name="", scopes=[], signed_in=False, expires_at=None)
    return _info(caller)


@router.post("", responses=problems.openapi("bad_request"))
async def sign_in(request: Request, response: Response, state: StateOf, sign_in: KeySignIn | LinkSignIn) -> SessionInfo:
    """Open a session with a key, or with the token of a one-time link; the answer sets its cookie."""
    access, now = _access(request), datetime.now(UTC)
    session_id, secret = secrets.token_hex(8), new_secret()
    cookie = f"{session_id}.{secret}"
    if isinstance(sign_in, LinkSignIn):
        until = now + ADMIN_LIFE
        token = digest(sign_in.token.get_secret_value())
        actor = f"session {session_id}"
        if not await access.ask(state.catalogue.redeem_link, token, session_id, digest(cookie), until, actor):
            raise Refused(
                "unauthorized",
                "This link was used already, or is too old. Make another: mmv-search keys link",
                headers=WRONG_KEY,
            )
        caller = Caller(actor, "admin", valid_until=until, by_cookie=True)
    else:
        caller = await access.by_text(sign_in.key.get_secret_value().strip())
        until = min(now + (LIFE if caller.key else ADMIN_LIFE), caller.valid_until or datetime.max.replace(tzinfo=UTC))
        if not await access.ask(state.catalogue.add_session, session_id, digest(cookie), until, caller.key):
            raise Refused("unauthorized", "This key was revoked or replaced just now.", headers=WRONG_KEY)
        caller = replace(caller, valid_until=until, by_cookie=True)
    life_s = int((until - now).total_seconds())
    response.set_cookie(
        access.cookie, cookie, max_age=life_s, httponly=True, samesite="strict", secure=_encrypted(request)
    )
    return _info(caller)


@router.delete("", status_code=204, responses=problems.openapi())
async def sign_out(request: Request, response: Response, state: StateOf) -> None:
    """End the session, if there is one."""
    access = _access(request)
    cookie = access.session_cookie(request.headers)
    if cookie is None:
        return
    session_id = session_id_of(cookie)
    # Only who has the whole cookie may end it, not who knows its id.
    stored = await access.ask(state.catalogue.stored_session, session_id) if session_id else None
    if stored is not None and matches(cookie, stored.sha256):
        await access.ask(state.catalogue.end_session, stored.id)
    response.delete_cookie(access.cookie, httponly=True, samesite="strict", secure=_encrypted(request))


def _encrypted(request: Request) -> bool:
    """Whether the page came over HTTPS, perhaps to a proxy: then the cookie never goes without."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")


def _info(caller: Caller) -> SessionInfo:
    return SessionInfo(
        role=caller.role,
        name=caller.name,
        scopes=list(caller.scopes),
        signed_in=caller.by_cookie,
        expires_at=caller.valid_until,
    )


def _access(request: Request) -> Access:
    access: Access = request.app.state.access
    return access
