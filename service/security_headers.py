"""The headers that tell a browser how little an answer of this service may do. CORS is off: it has no header here.

They go around everything, the answers of the access control and of unforeseen errors included. What a route sets itself
(the page's policy, the caching of pictures) is left as it is.
"""

import base64
import hashlib
import re

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
}
NOTHING = "default-src 'none'; frame-ancestors 'none'"
# Swagger UI and ReDoc style themselves from scripts, and bring pictures along as data.
DOCUMENTATION = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
DOCUMENTATION_PAGES = ("/docs", "/redoc", "/docs/oauth2-redirect")
_INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)


def install(app: FastAPI) -> None:
    """Puts the headers around the whole application, its handler of unforeseen errors included."""
    build = app.build_middleware_stack
    app.build_middleware_stack = lambda: SecurityHeaders(build())  # type: ignore[method-assign]


class SecurityHeaders:
    """ASGI middleware; see the module."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        held: Message | None = None
        documentation = scope["path"] in DOCUMENTATION_PAGES

        async def guarded(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if scope["path"].startswith("/v1/"):
                    headers.setdefault("Cache-Control", "no-store")
                if documentation and message["status"] == 200:
                    held = message  # until the scripts in it are known
                    return
                headers.setdefault("Content-Security-Policy", NOTHING)
            elif held is not None:
                policy = DOCUMENTATION.format(scripts=" ".join(_hashes(message.get("body", b""))))
                MutableHeaders(scope=held).setdefault("Content-Security-Policy", policy)
                start, held = held, None
                await send(start)
            await send(message)

        await self.app(scope, receive, guarded)


def _hashes(page: bytes) -> list[str]:
    """CSP sources that allow the inline scripts of a page, and no other ones."""
    return [
        f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
        for script in _INLINE_SCRIPT.findall(page)
    ]
