"""multipart/form-data, streamed: a film of gigabytes goes straight to its sink and never lies in memory or in /tmp."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from service.bodies import Broken, gathered
from service.problems import Refused

# A title, tags: more is no such form.
MOST_FIELDS = 100
LONGEST_FIELD = 16 * 1024
MOST_FILES = 4  # of a query in parts

FILE_PART = "file"
# Parts that are files too, but small: kept in memory, of at most so many bytes.
SMALL_FILES = {"subtitles": 4 * 1024 * 1024}

Write = Callable[[bytes], Awaitable[None]]
WriteNamed = Callable[[str, bytes], Awaitable[None]]


@dataclass
class Form:
    """What came beside the file. `filename` is None when there was no file part; `small_files` are by part name."""

    filename: str | None = None
    fields: dict[str, list[str]] = field(default_factory=dict)
    small_files: dict[str, bytes] = field(default_factory=dict)


def form_schema(description: str, **fields: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI entry of a route that reads such a form."""
    file = {"type": "string", "contentMediaType": "application/octet-stream", "description": description}
    schema = {"type": "object", "properties": {FILE_PART: file, **fields}, "required": [FILE_PART]}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


async def read_form(request: Request, write: Write) -> Form:
    """Read a form, passing the bytes of its part `file` to `write` as they come.

    Raises Refused: bad_request (not such a form, or cut off), missing_file, invalid_request, request_timeout; and what
    `write` raises.
    """

    async def write_file(_name: str, data: bytes) -> None:
        await write(data)

    form = await _read(request, write_file, _Events(lambda name: name == FILE_PART, 1, SMALL_FILES))
    if form.filename is None:
        raise Refused("missing_file", 'The form has no part named "file" with a file in it.')
    return form


async def read_form_of_files(request: Request, write: WriteNamed, field: str, longest: int) -> Form:
    """As `read_form`, of up to MOST_FILES files in parts of any names but `field`, which `write` is told.

    It is called without any bytes when a file begins. `field` may have up to `longest` bytes.
    """
    return await _read(request, write, _Events(lambda name: name != field, MOST_FILES, {field: longest}))


async def _read(request: Request, write: WriteNamed, events: "_Events") -> Form:
    kind, options = parse_options_header(request.headers.get("content-type"))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise Refused("missing_file", 'Send the file as multipart/form-data in a part named "file".')
    form = Form()
    try:
        parser = MultipartParser(boundary, events.callbacks())
        async for chunk in gathered(request):
            parser.write(chunk)
            for name, is_file, data in events.take():
                if is_file:
                    form.filename = clean_filename(events.filename)
                    await write(name, data)
                elif name in SMALL_FILES and name in events.longest:
                    form.small_files[name] = data
                else:
                    form.fields.setdefault(name, []).append(_text(name, data))
        parser.finalize()
    except Broken:
        raise Refused("bad_request", "The connection ended before the file did.") from None
    except FormParserError:
        raise Refused("bad_request", "The multipart form is damaged or cut off.") from None
    if not events.ended:
        raise Refused("bad_request", "The multipart form is cut off: its last boundary is missing.")
    return form


def clean_filename(name: str) -> str:
    """What a client calls its file, without folders and control characters; at most 255 characters."""
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    name = "".join(c for c in base if c.isprintable()).strip()[:255]
    return name if name.strip(".") else "unnamed"


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Refused("invalid_request", f"The form's field {name!r} is not UTF-8 text.") from None


class _Events:
    """Collects what the parser's callbacks report: pieces of the file, and whole fields."""

    def __init__(self, may_be_file: Callable[[str], bool], most_files: int, longest: Mapping[str, int]) -> None:
        self._may_be_file, self._most_files, self.longest = may_be_file, most_files, longest
        self.filename = ""
        self.ended = False
        self._header_name, self._header_value = b"", b""
        self._part = ("", False)
        self._files = self._fields = 0
        self._value = bytearray()
        self._out: list[tuple[str, bool, bytes]] = []

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._field,
            "on_header_value": self._value_of_header,
            "on_header_end": self._header,
            "on_headers_finished": self._start,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def take(self) -> list[tuple[str, bool, bytes]]:
        """(part name, whether it is the file, bytes) since the last call."""
        out, self._out = self._out, []
        return out

    def _begin(self) -> None:
        self._part, self._value = ("", False), bytearray()

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _value_of_header(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            _, options = parse_options_header(self._header_value)
            name = options.get(b"name", b"").decode(errors="replace")
            is_file = self._may_be_file(name) and b"filename" in options
            self._part = (name, is_file)
            if is_file:
                self.filename = options[b"filename"].decode(errors="replace")
        self._header_name, self._header_value = b"", b""

    def _start(self) -> None:
        name, is_file = self._part
        self._files += is_file
        self._fields += not is_file
        if self._files > self._most_files:
            at_once = "one file" if self._most_files == 1 else f"at most {self._most_files} files"
            raise Refused("invalid_request", f"Send {at_once} at a time.")
        if self._fields > MOST_FIELDS:
            raise Refused("invalid_request", "The form has too many fields.")
        if is_file:
            self._out.append((name, True, b""))  # an empty file is a file

    def _data(self, data: bytes, start: int, end: int) -> None:
        name, is_file = self._part
        if is_file:
            if end > start:
                self._out.append((name, True, data[start:end]))
            return
        self._value += data[start:end]
        if len(self._value) > self.longest.get(name, LONGEST_FIELD):
            raise Refused("invalid_request", f"The form's field {name[:80]!r} is too long.")

    def _end(self) -> None:
        name, is_file = self._part
        if not is_file:
            self._out.append((name, False, bytes(self._value)))

    def _finish(self) -> None:
        self.ended = True
