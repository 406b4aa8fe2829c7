"""Who may call: checked once, before routing, on every request. DESIGN section 4 has the rules.

On loopback, as long as no key was ever made, reader and editor calls need none. Else every call but the probes, the
page's own files and signing in needs a key: in the header Authorization, or as the session cookie of a page that signed
in with one. Admin calls always do; the token in the home's admin-token counts as an admin's key.

A browser can be misled into sending what its user did not mean: a page of another site can make it send requests to
127.0.0.1, with the cookies that it holds for that name, and can point its own name at 127.0.0.1 (DNS rebinding). So the
names by which a service on loopback may be called are checked, and the Origin of whatever a browser may have sent.

The catalogue is asked about the key with every request (some 0.2 ms): a revoked key is of no use at once, whichever
process revoked it.
"""

import asyncio
import hmac
import ipaddress
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, TypeVar
from urllib.parse import urlsplit

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import Depends, Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service import problems
from service.addresses import is_loopback
from service.catalogue import Catalogue
from service.catalogue.keys import USED_EVERY
from service.catalogue.records import ApiKey, Role, StoredKey
from service.first_start import is_private
from service.keys import key_id_of, matches, session_id_of
from service.permissions import ADMIN_PREFIX, SAFE_METHODS, SCOPES, covers, need_of
from service.problems import Refused
from service.rate_limits import RateLimits
from service.settings import Settings

log = logging.getLogger(__name__)

PROBES = ("/healthz", "/readyz")
# What a browser needs before its user can show a key. None of it tells anything of the library.
PAGE = ("/", "/favicon.ico", "/v1/session")
PAGE_FILES = "/static/"
REALM = 'Bearer realm="mmv-search"'
CHALLENGE = {"WWW-Authenticate": REALM}
WRONG_KEY = {"WWW-Authenticate": f'{REALM}, error="invalid_token"'}
TOO_LOW = {"WWW-Authenticate": f'{REALM}, error="insufficient_scope"'}
# A proxy's marks. What came through one may come from anywhere, whatever address it is sent on from.
PROXIED = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
# Threads that look keys up: of their own, so that no query holds them up.
LOOKUPS = 8

T = TypeVar("T")


@dataclass(frozen=True)
class Caller:
    """Who sent a request. `actor` names them in the audit log; `counted_as` is None for those without a rate limit."""

    actor: str
    role: Role
    scopes: tuple[str, ...] = ()
    counted_as: str | None = None
    # Of the key, and until when it is valid (None: without an end).
    name: str = ""
    valid_until: datetime | None = None
    # The key that was in the header.
    key: StoredKey | None = None
    by_cookie: bool = False
    # False for somebody who showed nothing, where nothing is asked for.
    known: bool = True


class Access:
    """Decides about requests. `open` it with a catalogue before the first one."""

    def __init__(self, settings: Settings, token: str):
        self._token = token
        self._insecure = settings.insecure
        self._loopback = is_loopback(settings.host)
        self._names = settings.public_names
        self.private = is_private(settings)
        self._limits_per_minute = {
            "searches": settings.searches_per_minute,
            "uploads": settings.uploads_per_minute,
        }
        self._redis_url = settings.redis_url
        self._catalogue: Catalogue | None = None
        self._limits: RateLimits | None = None
        self._lookups = CapacityLimiter(LOOKUPS)
        self._noting: dict[str, asyncio.Task[None]] = {}
        self.cookie = "mmv_session"

    def open(self, catalogue: Catalogue) -> None:
        """From now on there is a catalogue to ask."""
        self._catalogue = catalogue
        library = catalogue.library_id()
        # Cookies know no ports: two libraries on one machine must not take each other's.
        self.cookie = f"mmv_session_{library[:8]}"
        if self._redis_url is not None:
            self._limits = RateLimits(self._redis_url, library, self._limits_per_minute)

    async def close(self) -> None:
        """Finish what is being noted and let go of Redis. The catalogue is its owner's to close."""
        await asyncio.gather(*self._noting.values(), return_exceptions=True)
        if self._limits is not None:
            await self._limits.close()

    async def admit(self, scope: Scope) -> Caller | None:
        """Who sends this request; None for what everybody may. Raises Refused (401, 403, 429)."""
        method, path, headers = scope["method"], scope["path"], Headers(scope=scope)
        if path in PROBES:
            return None
        if self._loopback or self._names:
            self._check_host(headers)
        if path in PAGE or path.startswith(PAGE_FILES):
            if method not in SAFE_METHODS:
                check_origin(headers)
            return None
        caller = await self.caller(scope)
        if (caller.by_cookie or not caller.known) and method not in SAFE_METHODS:
            check_origin(headers)
        need = need_of(method, path)
        require_role(caller, need.role)
        if caller.scopes and need.scope is not None and need.scope not in caller.scopes:
            raise Refused(
                "forbidden_scope",
                f"This needs the scope {need.scope} ({SCOPES[need.scope]}), and {caller.actor} is for "
                f"{', '.join(caller.scopes)} alone.",
                headers=TOO_LOW,
            )
        if need.counted is not None and caller.counted_as is not None and self._limits is not None:
            await self._limits.count(need.counted, caller.counted_as)
        return caller

    async def caller(self, scope: Scope) -> Caller:
        """Who sends this request, by what it carries. Raises Refused(unauthorized)."""
        headers = Headers(scope=scope)
        given = headers.get("authorization")
        if given is not None:
            scheme, _, text = given.partition(" ")
            if scheme.lower() != "bearer" or not text.strip():
                raise Refused(
                    "unauthorized",
                    "The Authorization header must be 'Bearer KEY', with an API key of this library.",
                    headers=WRONG_KEY,
                )
            return await self.by_text(text.strip())
        cookie = self.session_cookie(headers)
        if cookie is not None and (found := await self._by_cookie(cookie)) is not None:
            return found
        key_made = await self.ask(self._opened.any_key)
        proxied = next((name for name in PROXIED if name in headers), None)
        if not key_made and (self._insecure or (self.private and proxied is None)):
            return _anonymous(scope)
        if not key_made and self.private:
            why = f"This request came through a proxy (it has the header {proxied}), so it needs a key. Make one: "
        else:
            why = "The session is over. " if cookie is not None else ""
            why += (
                "Every call needs the header 'Authorization: Bearer KEY' with an API key of this library; the page "
                "at / asks for one. Its owner makes them with: "
            )
        raise Refused("unauthorized", why + "mmv-search keys create --role reader", headers=CHALLENGE)

    async def still_valid(self, scope: Scope) -> bool:
        """Whether who sent a request is still let in: to be asked by answers that go on for long."""
        try:
            await self.caller(scope)
        except Refused:
            return False
        return True

    async def by_text(self, text: str) -> Caller:
        """The holder of a key or of the admin token. Raises Refused(unauthorized)."""
        if hmac.compare_digest(text.encode(), self._token.encode()):
            return Caller("admin-token", "admin")
        key_id = key_id_of(text)
        stored = await self.ask(self._opened.stored_key, key_id) if key_id is not None else None
        if stored is None:
            raise Refused("unauthorized", "This is not a key of this library.", headers=WRONG_KEY)
        now = datetime.now(UTC)
        until = stored.key.expires_at
        current, previous = matches(text, stored.sha256), matches(text, stored.previous_sha256)
        if not current and not previous:
            raise Refused("unauthorized", "This is not a key of this library.", headers=WRONG_KEY)
        status = stored.key.status(now)
        if status != "active":
            said = "was revoked" if status == "revoked" else "has expired"
            raise Refused("unauthorized", f"This key {said}; ask the library's owner for another.", headers=WRONG_KEY)
        if not current:
            if stored.previous_until is None or stored.previous_until <= now:
                raise Refused("unauthorized", "This key was replaced by a newer secret.", headers=WRONG_KEY)
            until = min(filter(None, (until, stored.previous_until)))
        self._note_use(stored.key, now)
        return replace(_holder(stored.key), key=stored, valid_until=until)

    async def _by_cookie(self, cookie: str) -> Caller | None:
        """The holder of a page's session; None when it is over."""
        session_id = session_id_of(cookie)
        stored = await self.ask(self._opened.stored_session, session_id) if session_id is not None else None
        now = datetime.now(UTC)
        if stored is None or not matches(cookie, stored.sha256) or stored.expires_at <= now:
            return None
        key = stored.key
        if key is None:
            caller = Caller(f"session {stored.id}", "admin", (), f"session:{stored.id}")
        elif key.status(now) == "active":
            self._note_use(key, now)
            caller = _holder(key)
        else:
            return None
        return replace(caller, valid_until=stored.expires_at, by_cookie=True)

    def session_cookie(self, headers: Headers) -> str | None:
        """The value of the session cookie of a request."""
        for header in headers.getlist("cookie"):
            for pair in header.split(";"):
                name, _, value = pair.strip().partition("=")
                if name == self.cookie:
                    return value
        return None

    async def ask(self, question: Callable[..., T], *args: object) -> T:
        """Ask the catalogue, off the event loop."""
        return await anyio.to_thread.run_sync(question, *args, limiter=self._lookups)

    def _check_host(self, headers: Headers) -> None:
        """Refuse a name that somebody pointed at this machine. Raises Refused."""
        host = headers.get("host", "")
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            name = ""
        if not is_loopback(name) and name.rstrip(".").lower() not in self._names:
            raise Refused(
                "forbidden_host",
                f"This service answers to {', '.join(('localhost', '127.0.0.1', *self._names))} only, not to "
                f"{host[:80]!r} (DNS rebinding). Other names are allowed with MMV_PUBLIC_HOSTS.",
            )

    @property
    def _opened(self) -> Catalogue:
        if self._catalogue is None:
            raise RuntimeError("the access control was not opened")
        return self._catalogue

    def _note_use(self, key: ApiKey, now: datetime) -> None:
        """Notes that a key is in use, once a minute, while the request goes on."""
        if key.id in self._noting or (key.last_used_at is not None and key.last_used_at > now - USED_EVERY):
            return
        task = asyncio.create_task(self._note(key.id))
        self._noting[key.id] = task
        task.add_done_callback(lambda _: self._noting.pop(key.id, None))

    async def _note(self, key_id: str) -> None:
        try:
            await self.ask(self._opened.key_used, key_id)
        except SQLAlchemyError as error:  # the catalogue is busy: the next call notes it
            log.warning("the use of the key %s was not noted: %s", key_id, type(error).__name__)


class AccessControl:
    """ASGI middleware that applies `Access.admit` to everything, static files and unknown addresses included."""

    def __init__(self, app: ASGIApp, access: Access):
        self.app, self.access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                scope.setdefault("state", {})["caller"] = await self.access.admit(scope)
            except Refused as refused:
                await problems.response(refused.code, refused.detail, refused.headers)(scope, receive, send)
                return
            except SQLAlchemyError as error:
                log.error("catalogue: %s", error)
                await problems.response(
                    "catalogue_busy",
                    "The library could not be asked who may call just now. Try again in a moment.",
                    {"Retry-After": "1"},
                )(scope, receive, send)
                return
        await self.app(scope, receive, send)


def check_origin(headers: Headers) -> None:
    """Refuse what only a browser misled by another site would send. Raises Refused (403)."""
    host = headers.get("host", "")
    origin = headers.get("origin")
    if origin is not None:
        if origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
            raise Refused("forbidden_origin", f"Requests from pages of {origin[:80]!r} are refused.")
    elif headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise Refused("forbidden_origin", "Requests from pages of other sites are refused.")


def require_role(caller: Caller, role: Role) -> None:
    """Refuse somebody whose role is lower. Raises Refused (401, 403)."""
    if covers(caller.role, role):
        return
    if not caller.known:
        raise Refused("unauthorized", _how_to_be_admin(), headers=CHALLENGE)
    raise Refused(
        "forbidden_role",
        f"This needs the role {role}, and {caller.actor} has the role {caller.role}.",
        headers=TOO_LOW,
    )


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


# For routes that write to the audit log: `caller.actor`. Not on those that need nobody (PROBES, PAGE).
CallerOf = Annotated[Caller, Depends(_caller)]


def _holder(key: ApiKey) -> Caller:
    actor = f"key {key.id} ({key.name})" if key.name else f"key {key.id}"
    return Caller(actor, key.role, key.scopes, f"key:{key.id}", key.name)


def _anonymous(scope: Scope) -> Caller:
    """Somebody without a key, where none is needed; counted by the address (of IPv6, the network of one customer)."""
    host = str(scope["client"][0]) if scope.get("client") else "unknown"
    counted = host
    try:
        address = ipaddress.ip_address(host)
        if address.version == 6:
            counted = str(ipaddress.ip_network((address, 64), strict=False).network_address)
    except ValueError:
        pass
    return Caller(f"no key, from {host}", "editor", (), f"address:{counted}", known=False)


def _how_to_be_admin() -> str:
    return (
        "Admin calls need the header 'Authorization: Bearer KEY' with an admin's key (mmv-search keys create --role "
        f"admin) or the token in the file admin-token of the service's home. These are the calls below {ADMIN_PREFIX} "
        "and cancelling what they began."
    )
