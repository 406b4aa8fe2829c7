"""Receiving a file over HTTP: streamed to a temporary file within limits, gone when the request is over."""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import NamedTuple

from fastapi import Request

from service.media.upload import Incoming
from service.multipart import MOST_FILES, SMALL_FILES, Form, read_form, read_form_of_files
from service.problems import Refused
from service.state import State

# A form is a little longer than its files.
FORM_OVERHEAD = 64 * 1024 + sum(SMALL_FILES.values())


class Received(NamedTuple):
    """A complete file and what came with it."""

    incoming: Incoming
    form: Form


@asynccontextmanager
async def receive(request: Request, state: State, max_bytes: int, reserve_bytes: int = 0) -> AsyncIterator[Received]:
    """The file of a form, of at most `max_bytes`, with `reserve_bytes` left free on the disk.

    Raises Refused (missing_file, upload_too_large, ...), MediaError (empty_file) and OSError.
    """
    if declared_bytes(request) > max_bytes + FORM_OVERHEAD:
        raise too_large(max_bytes)
    incoming = await state.read(Incoming, state.settings.upload_dir, max_bytes, reserve_bytes)
    with incoming:

        async def write(chunk: bytes) -> None:
            await state.read(incoming.write, chunk)

        form = await read_form(request, write)
        await state.read(incoming.close)
        yield Received(incoming, form)


@asynccontextmanager
async def receive_several(
    request: Request, state: State, max_bytes: int, field: str, longest: int
) -> AsyncIterator[tuple[dict[str, Incoming], str | None]]:
    """The files of a form by the names of its parts, each of at most `max_bytes`; and the text of its part `field`.

    That has at most `longest` bytes. Raises as `receive`, but that a form need not have files, and invalid_request for
    two of one name.
    """
    if declared_bytes(request) > MOST_FILES * max_bytes + FORM_OVERHEAD:
        raise too_large(max_bytes)
    files: dict[str, Incoming] = {}
    with ExitStack() as at_end:

        async def write(name: str, chunk: bytes) -> None:
            if chunk:
                await state.read(files[name].write, chunk)
            elif name in files:
                raise Refused("invalid_request", f"The form has two files named {name[:80]!r}.")
            else:
                files[name] = at_end.enter_context(await state.read(Incoming, state.settings.upload_dir, max_bytes))

        form = await read_form_of_files(request, write, field, longest)
        for incoming in files.values():
            await state.read(incoming.close)
        yield files, next(iter(form.fields.get(field, [])), None)


def declared_bytes(request: Request) -> int:
    """How long the body is said to be; 0 when nothing is said."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdecimal() and len(declared) < 20 else 0


def too_large(max_bytes: int) -> Refused:
    """413, said before the body is read."""
    limit = f"{max_bytes / 1024**2:,.0f} MiB"
    return Refused(
        "upload_too_large",
        f"At most {limit} are accepted here. Send a shorter or smaller file.",
        headers={"Connection": "close"},
    )
