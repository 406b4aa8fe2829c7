"""Who may call: checked once, before routing, on every request.

On loopback, reader and editor calls need no key, and the browser's Host and Origin are checked instead: a page of
another site can make a visitor's browser send requests to 127.0.0.1 (cross-site posts), and can point its own name at
127.0.0.1 (DNS rebinding). On any other address every call but the probes needs the admin token; admin calls always do.
"""

import hmac
import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from service import problems
from service.problems import Refused

PROBES = ("/healthz", "/readyz")
ADMIN_PREFIX = "/v1/admin/"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="mmv-search"'}


def is_loopback(host: str) -> bool:
    """Whether a host name or address literal (IPv6 with or without brackets) means this machine only."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def authorize(method: str, path: str, headers: Headers, *, host: str, token: str) -> None:
    """Decide about one request to a service that listens on `host`. Raises Refused (401 or 403)."""
    if path in PROBES:
        return
    given = headers.get("authorization")
    if given is not None and not _is_token(given, token):
        raise Refused("unauthorized", "The Authorization header does not carry a valid key.", headers=CHALLENGE)
    admin = path.startswith(ADMIN_PREFIX)
    if given is None and (admin or not is_loopback(host)):
        where = "Admin calls need" if admin else "This service is open to the network, so every call needs"
        raise Refused(
            "unauthorized",
            f"{where} the header 'Authorization: Bearer TOKEN', as in the file admin-token of the service's home.",
            headers=CHALLENGE,
        )
    if is_loopback(host):
        check_same_site(method, headers)


def check_same_site(method: str, headers: Headers) -> None:
    """Refuse what only a browser misled by another site would send. Raises Refused (403)."""
    host = headers.get("host", "")
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        name = ""
    if not is_loopback(name):
        raise Refused(
            "forbidden_host",
            f"This service answers to localhost and 127.0.0.1 only, not to {host[:80]!r} (DNS rebinding).",
        )
    if method in SAFE_METHODS:
        return  # without CORS headers another site cannot read the answer
    origin = headers.get("origin")
    if origin is not None:
        if origin.lower() not in (f"http://{host}".lower(), f"https://{host}".lower()):
            raise Refused("forbidden_origin", f"Requests from pages of {origin[:80]!r} are refused.")
    elif headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        raise Refused("forbidden_origin", "Requests from pages of other sites are refused.")


class AccessControl:
    """ASGI middleware that applies `authorize` to everything, static files and unknown addresses included."""

    def __init__(self, app: ASGIApp, host: str, token: str):
        self.app, self.host, self.token = app, host, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                authorize(scope["method"], scope["path"], Headers(scope=scope), host=self.host, token=self.token)
            except Refused as refused:
                await problems.response(refused.code, refused.detail, refused.headers)(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _is_token(authorization: str, token: str) -> bool:
    """Constant-time comparison of a bearer header with the token."""
    scheme, _, value = authorization.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(value.strip().encode(), token.encode())
