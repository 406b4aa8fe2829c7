"""Reading the bodies of requests: as they come, within a size, and from nobody who has gone silent."""

import asyncio
from collections.abc import AsyncIterator

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.problems import Refused

# A sender that is silent for so long is gone, or holds a place for no good.
SILENCE_S = 60.0
# Pieces as the network brings them are put together before they are written.
PIECE_BYTES = 1024 * 1024


class Broken(Exception):
    """The connection ended before the body did."""


async def pieces(request: Request, silence_s: float = SILENCE_S) -> AsyncIterator[bytes]:
    """The body as it comes. Raises Broken, and Refused(request_timeout) after a silence."""
    stream = request.stream().__aiter__()
    while True:
        try:
            piece = await asyncio.wait_for(anext(stream), silence_s)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Refused(
                "request_timeout",
                f"Nothing came for {silence_s:.0f} s, so the connection is given up. Send it again.",
                headers={"Connection": "close"},
            ) from None
        except ClientDisconnect:
            raise Broken from None
        if piece:
            yield piece


async def gathered(request: Request, silence_s: float = SILENCE_S) -> AsyncIterator[bytes]:
    """As `pieces`, in larger ones; what came before the connection broke is given too, before Broken is raised."""
    held = bytearray()
    broken: BaseException | None = None
    try:
        async for piece in pieces(request, silence_s):
            held += piece
            if len(held) >= PIECE_BYTES:
                yield bytes(held)
                held.clear()
    except (Broken, Refused) as error:
        broken = error
    if held:
        yield bytes(held)
    if broken is not None:
        raise broken


async def whole(request: Request, most_bytes: int) -> bytes:
    """The body, of at most so many bytes. Raises Refused (body_too_large, request_timeout, bad_request)."""
    body = bytearray()
    try:
        async for piece in pieces(request):
            body += piece
            if len(body) > most_bytes:
                raise body_too_large(most_bytes)
    except Broken:
        raise Refused("bad_request", "The connection ended before the body did.") from None
    return bytes(body)


def body_too_large(most_bytes: int) -> Refused:
    """413 for what is no file."""
    return Refused(
        "body_too_large",
        f"The body has more than {most_bytes:,} bytes, the most that is accepted here.",
        headers={"Connection": "close"},
    )
