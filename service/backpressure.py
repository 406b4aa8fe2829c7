"""No more at once than the service can hold: what is too much is sent away at once, before anything of it is kept.

Requests of each kind are counted while they are in the service, those that wait for a thread included. Beyond the bound
the answer is 503 with Retry-After: a client that comes back a second later is served sooner than one of a thousand that
wait. Bodies that are no files are bounded too, and nobody may be silent in the middle of one.
"""

import asyncio
import re
from dataclasses import dataclass

from starlette.requests import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service import problems
from service.bodies import SILENCE_S, body_too_large
from service.problems import Refused

# What is no file: a query, a change of a title, a list of golden queries.
MOST_BODY_BYTES = 1024 * 1024
AGAIN_S = {"search": 1, "upload": 5, "stream": 10, "other": 1}
PROBES = ("/healthz", "/readyz")
# These read their bodies themselves, with bounds of their own.
_FILES = re.compile(r"/v1/(search(/(audio|image|video))?|videos|uploads(/.*)?|videos/[^/]+/subtitles)/?")
_SEARCH = re.compile(r"/v1/(search(/.*)?|videos/[^/]+/timeline)")
_UPLOAD = re.compile(r"/v1/(videos|uploads(/.*)?)/?")
_STREAM = re.compile(r"/v1/(jobs/[^/]+/events|videos/[^/]+/media)")


@dataclass(frozen=True)
class Bounds:
    """How many requests of a kind may be in the service at once."""

    search: int
    upload: int
    stream: int = 256
    other: int = 512


def kind_of(method: str, path: str) -> str:
    """search, upload, stream (an answer that takes as long as its reader likes), or other."""
    if _SEARCH.fullmatch(path):
        return "search"
    if _UPLOAD.fullmatch(path) and method in ("POST", "PATCH"):
        return "upload"
    return "stream" if _STREAM.fullmatch(path) else "other"


class Backpressure:
    """ASGI middleware; see the module."""

    def __init__(self, app: ASGIApp, bounds: Bounds):
        self.app, self._bounds = app, bounds
        self._inside = {"search": 0, "upload": 0, "stream": 0, "other": 0}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self.app(scope, receive, send)
            return
        kind = kind_of(scope["method"], scope["path"])
        if self._inside[kind] >= getattr(self._bounds, kind):
            await _answer(_overloaded(kind), scope, receive, send)
            return
        self._inside[kind] += 1
        try:
            if _FILES.fullmatch(scope["path"]):
                await self.app(scope, receive, send)
            else:
                await self._with_small_body(scope, receive, send)
        finally:
            self._inside[kind] -= 1

    async def _with_small_body(self, scope: Scope, receive: Receive, send: Send) -> None:
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and (len(declared) > 15 or int(declared) > MOST_BODY_BYTES):
            await _answer(body_too_large(MOST_BODY_BYTES), scope, receive, send)
            return
        body = _SmallBody(receive, send)
        await self.app(scope, body.receive, body.send)
        if body.refused is not None and not body.answered:
            await _answer(body.refused, scope, receive, send)


class _SmallBody:
    """Counts a body as it is read. Once it is too much, the reader is told that the sender is gone, and not heard."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._size, self._complete = 0, False
        self.refused: Refused | None = None
        self.answered = False

    async def receive(self) -> Message:
        if self._complete:  # what comes now is that the client goes, whenever that is
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), SILENCE_S)
        except TimeoutError:
            self.refused = Refused(
                "request_timeout", f"Nothing came for {SILENCE_S:.0f} s.", headers={"Connection": "close"}
            )
            return {"type": "http.disconnect"}
        self._size += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._size > MOST_BODY_BYTES:
            self.refused = body_too_large(MOST_BODY_BYTES)
            return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        if self.refused is None or self.answered:
            self.answered = True
            await self._send(message)


def _overloaded(kind: str) -> Refused:
    return Refused(
        "overloaded",
        "More requests of this kind are here than can be served at once. Try again in a moment.",
        headers={"Retry-After": str(AGAIN_S[kind]), "Connection": "close"},
    )


async def _answer(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    await problems.response(refused.code, refused.detail, refused.headers)(scope, receive, send)
