"""Files over HTTP in parts (RFC 9110, section 14), so that a player can seek."""

import re
from collections.abc import Iterator
from pathlib import Path

from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from service.problems import Refused

CHUNK = 256 * 1024
_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one after the last, or None for the whole file.

    What is not one plain range of bytes (several, other units, nonsense) is ignored, as the RFC allows.
    Raises Refused(range_not_satisfiable) when it lies outside the file.
    """
    match = _RANGE.fullmatch((header or "").strip().lower())
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if first and last and _number(last) < _number(first):
        return None
    start = _number(first) if first else max(0, size - _number(last))
    end = min(size, _number(last) + 1) if first and last else size
    if start >= size or start >= end:
        raise Refused(
            "range_not_satisfiable",
            f"The file has {size} bytes; the range asked for lies outside.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, end


def _number(digits: str) -> int:
    """Python reads no number of thousands of digits; beyond every file is far enough."""
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) < 19 else 10**18


def file_response(request: Request, path: Path, *, etag: str, headers: dict[str, str]) -> Response:
    """A file, or the part that Range asks for. `etag` is a strong validator without its quotes. Raises Refused."""
    quoted = f'"{etag}"'
    size = path.stat().st_size
    common = {**headers, "ETag": quoted, "Accept-Ranges": "bytes"}
    if _matches(request.headers.get("if-none-match"), quoted):
        return Response(status_code=304, headers=common)
    if_range = request.headers.get("if-range")
    asked = request.headers.get("range") if if_range in (None, quoted) else None
    part = parse_range(asked, size) if request.method == "GET" else None
    start, end = part or (0, size)
    common["Content-Length"] = str(end - start)
    if part is not None:
        common["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    if request.method == "HEAD":
        return Response(status_code=200, headers=common)
    return StreamingResponse(_read(path, start, end), status_code=206 if part else 200, headers=common)


def _read(path: Path, start: int, end: int) -> Iterator[bytes]:
    """The bytes of a file from start to end; Starlette runs each step in a thread."""
    with path.open("rb") as file:
        file.seek(start)
        while start < end and (chunk := file.read(min(CHUNK, end - start))):
            start += len(chunk)
            yield chunk


def _matches(header: str | None, etag: str) -> bool:
    """Whether If-None-Match names this version."""
    if header is None:
        return False
    return header.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in header.split(",")]
