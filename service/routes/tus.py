"""Resumable uploads: the tus protocol 1.0.0 (https://tus.io), as spoken by uppy, tus-js-client, tusd's own client.

An upload is made with its length, gets its bytes in as many requests as it takes, and is asked how far it is after a
connection broke. The last byte does what `POST /v1/videos` does.
"""

import base64
import hashlib
import re
from email.utils import format_datetime
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from service import problems
from service.bodies import Broken, gathered
from service.crash_points import crash_point
from service.media.partial import Held, Partial
from service.multipart import clean_filename
from service.problems import Refused
from service.resumable import finish, finish_late, forget, require_place, uploads_of
from service.routes.uploads import declared_bytes, too_large
from service.schemas.uploads import Upload
from service.state import State, StateOf
from service.taking_in import describe, require_room

router = APIRouter(prefix="/v1", tags=["uploads"])

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,termination,checksum"
ALGORITHMS = ("sha256", "sha1", "md5")
BYTES = "application/offset+octet-stream"
LONGEST_METADATA = 16 * 1024
# What came is kept, so a silent sender is given up early: its next request, over a new connection, waits for its place.
SILENCE_S = 10.0
OFFSET_HEADERS = {
    "Upload-Offset": {"schema": {"type": "integer"}, "description": "bytes that are there"},
    "Upload-Expires": {"schema": {"type": "string"}, "description": "when it is given up if nothing more comes"},
    "Tus-Resumable": {"schema": {"type": "string", "const": VERSION}},
    "Video-Id": {"schema": {"type": "string"}, "description": "of the video, once all bytes are there"},
    "Job-Id": {"schema": {"type": "string"}, "description": "of its ingest"},
}
BODY = {"requestBody": {"content": {BYTES: {"schema": {"type": "string", "contentMediaType": BYTES}}}}}
GONE = ("upload_not_found", "upload_locked", "tus_version")
COMPLETE = ("queue_unavailable", "queue_full", "storage_full", "checksum_mismatch", *problems.FILE_CODES)

Resumable = Annotated[str | None, Header(alias="Tus-Resumable", description=f"the protocol's version, {VERSION}")]
Offset = Annotated[int | None, Header(alias="Upload-Offset", ge=0, le=2**62, description="where the bytes belong")]
Checksum = Annotated[str | None, Header(alias="Upload-Checksum", description="of these bytes: algorithm, base64")]


@router.options(
    "/uploads", status_code=204, responses={**problems.openapi(), 204: {"description": "what this server can do"}}
)
async def upload_options(state: StateOf) -> Response:
    """What this server can do."""
    headers = {
        "Tus-Resumable": VERSION,
        "Tus-Version": VERSION,
        "Tus-Extension": EXTENSIONS,
        "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
        "Tus-Max-Size": str(state.settings.max_upload_bytes),
    }
    return Response(status_code=204, headers=headers)


@router.post(
    "/uploads",
    status_code=201,
    response_class=Response,
    openapi_extra=BODY,
    responses={
        **problems.openapi("bad_request", "request_timeout", "offset_mismatch", "rate_limited", *GONE, *COMPLETE),
        201: {"description": "made; Location says where", "headers": OFFSET_HEADERS},
    },
)
async def create_upload(
    request: Request,
    state: StateOf,
    length: Annotated[int, Header(alias="Upload-Length", ge=0, le=2**62, description="bytes of the file")],
    metadata: Annotated[
        str | None,
        Header(
            alias="Upload-Metadata",
            max_length=LONGEST_METADATA,
            description="keys, each with its value in base64, separated by commas: filename, title, tags; sha256 in "
            "hexadecimal is compared at the end",
        ),
    ] = None,
    resumable: Resumable = None,
    checksum: Checksum = None,
) -> Response:
    """Announce a file of so many bytes. Its first bytes may come along in the body."""
    check_version(resumable)
    if length > state.settings.max_upload_bytes:
        raise too_large(state.settings.max_upload_bytes)
    said = metadata_of(metadata or "")
    describe(said.get("filename"), said.get("title"), [said.get("tags", "")])
    await state.read(require_room, state, length)
    uploads = uploads_of(state.settings)
    await state.read(require_place, state.settings, uploads)
    upload = await state.read(uploads.create, length, said)
    headers = {"Location": f"/v1/uploads/{upload.id}"}
    if request.headers.get("content-type") == BYTES or not length:
        received = await _receive(request, state, upload.id, 0, checksum)
        return Response(status_code=201, headers={**headers, **received})
    return Response(status_code=201, headers={**headers, **_progress(upload, 0)})


@router.head(
    "/uploads/{upload_id}",
    response_class=Response,
    responses={**problems.openapi(*GONE, *COMPLETE), 200: {"description": "how far it is", "headers": OFFSET_HEADERS}},
)
async def upload_offset(state: StateOf, upload_id: str, resumable: Resumable = None) -> Response:
    """How many bytes are there."""
    check_version(resumable)
    upload, offset = await _look(state, upload_id)
    headers = {**_progress(upload, offset), "Upload-Length": str(upload.length), "Cache-Control": "no-store"}
    if upload.metadata:
        headers["Upload-Metadata"] = metadata_header(upload.metadata)
    return Response(status_code=200, headers=headers)


@router.get("/uploads/{upload_id}", responses=problems.openapi("upload_not_found", *COMPLETE))
async def get_upload(state: StateOf, upload_id: str) -> Upload:
    """How far an upload is, and what became of it."""
    upload, offset = await _look(state, upload_id)
    answer = upload.answer or {}
    return Upload(
        id=upload.id,
        status="done" if upload.answer else "receiving",
        offset=offset,
        length=upload.length,
        expires_at=upload.expires_at,
        video_id=answer.get("video_id"),
        job_id=answer.get("job_id"),
        created=answer.get("created"),
    )


@router.patch(
    "/uploads/{upload_id}",
    status_code=204,
    response_class=Response,
    openapi_extra=BODY,
    responses={
        **problems.openapi("bad_request", "request_timeout", "offset_mismatch", "unsupported_body", *GONE, *COMPLETE),
        204: {"description": "the bytes are kept", "headers": OFFSET_HEADERS},
    },
)
async def append_to_upload(
    request: Request,
    state: StateOf,
    upload_id: str,
    offset: Offset = None,
    resumable: Resumable = None,
    checksum: Checksum = None,
) -> Response:
    """Add bytes at the offset where it is. What came before the connection broke is kept."""
    check_version(resumable)
    if request.headers.get("content-type") != BYTES:
        raise Refused("unsupported_body", f"Send the bytes with Content-Type: {BYTES}.")
    if offset is None:
        raise Refused("bad_request", "The header Upload-Offset is missing: where do these bytes belong?")
    return Response(status_code=204, headers=await _receive(request, state, upload_id, offset, checksum))


@router.delete(
    "/uploads/{upload_id}",
    status_code=204,
    response_class=Response,
    responses={**problems.openapi(*GONE), 204: {"description": "given up, with all that came"}},
)
async def end_upload(state: StateOf, upload_id: str, resumable: Resumable = None) -> Response:
    """Give an upload up. A video that it became stays."""
    check_version(resumable)
    await state.read(forget, uploads_of(state.settings), upload_id)
    return Response(status_code=204, headers={"Tus-Resumable": VERSION})


@router.post(
    "/uploads/{upload_id}",
    status_code=204,
    response_class=Response,
    include_in_schema=False,
)
async def overridden(
    request: Request,
    state: StateOf,
    upload_id: str,
    method: Annotated[str | None, Header(alias="X-HTTP-Method-Override")] = None,
    offset: Offset = None,
    resumable: Resumable = None,
    checksum: Checksum = None,
) -> Response:
    """For clients whose network lets only GET and POST through."""
    if method == "PATCH":
        return await append_to_upload(request, state, upload_id, offset, resumable, checksum)
    if method == "DELETE":
        return await end_upload(state, upload_id, resumable)
    allowed = {"Allow": "DELETE, GET, HEAD, PATCH"}
    raise Refused("method_not_allowed", f"POST does not work here; use {allowed['Allow']}.", headers=allowed)


def check_version(said: str | None) -> None:
    """Raises Refused(tus_version) for another version of the protocol; plain HTTP clients may leave it out."""
    if said not in (None, VERSION):
        raise Refused("tus_version", f"This server speaks version {VERSION}.", headers={"Tus-Version": VERSION})


def metadata_of(header: str) -> dict[str, str]:
    """Keys and values of an Upload-Metadata header. Raises Refused(bad_request)."""
    said: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        key, _, value = pair.partition(" ")
        try:
            said[key] = base64.b64decode(value.strip(), validate=True).decode()
        except ValueError:  # not base64, or not of UTF-8
            raise Refused("bad_request", f"Upload-Metadata: the value of {key[:80]!r} is not base64 of text.") from None
    if "sha256" in said and not re.fullmatch(r"[0-9a-fA-F]{64}", said["sha256"]):
        raise Refused("bad_request", "Upload-Metadata: sha256 is not a SHA-256 in hexadecimal (64 digits).")
    if "filename" in said:
        said["filename"] = clean_filename(said["filename"])
    return said


def metadata_header(metadata: dict[str, str]) -> str:
    """The header of keys and values."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}".strip() for key, value in metadata.items())


async def _receive(request: Request, state: State, upload_id: str, offset: int, checksum: str | None) -> dict[str, str]:
    """Adds the body to an upload, and takes it into the library when it is complete; the headers of the answer."""
    uploads = uploads_of(state.settings)
    check = _Check(checksum) if checksum is not None else None
    upload, there = await _look(state, upload_id)
    if upload.is_over:
        return _progress(upload, there)
    holding = uploads.hold(upload_id)
    held = await state.read(holding.__enter__)
    try:
        if offset != held.offset:
            raise Refused(
                "offset_mismatch",
                f"The upload is at {held.offset}, not at {offset}. Go on from there.",
                headers={"Upload-Offset": str(held.offset), "Tus-Resumable": VERSION},
            )
        if declared_bytes(request) > held.info.length - offset:
            raise _too_much(held)
        await state.read(require_room, state, declared_bytes(request))
        await _write(request, state, held, check)
        if not held.is_complete:
            return _progress(await state.read(uploads.prolong, held.info), held.offset)
        await state.take_in(finish, state, uploads, held)
    finally:
        holding.__exit__(None, None, None)
    return _progress(*await state.read(uploads.look, upload_id))


async def _write(request: Request, state: State, held: Held, check: "_Check | None") -> None:
    """Adds the body, durably. Raises Refused, with what came kept, unless it cannot be compared with its checksum."""
    began = held.offset
    try:
        async for piece in gathered(request, SILENCE_S):
            if held.offset + len(piece) > held.info.length:
                raise _too_much(held)
            await state.read(held.write, piece)
            if check is not None:
                check.digest.update(piece)
        if check is not None and not check.fits():
            raise Refused("checksum_mismatch", "These bytes have another checksum, so they were not kept. Send again.")
    except Exception as error:
        if check is not None:
            await state.read(held.cut, began)
        await state.read(held.settle)
        if isinstance(error, Broken):
            raise Refused("bad_request", "The connection ended before the bytes did.") from None
        raise
    await state.read(held.settle)
    crash_point("upload.appended")


async def _look(state: State, upload_id: str) -> tuple[Partial, int]:
    """An upload and its offset. One that is complete, but was not taken in before a crash, is taken in now.

    Raises UploadGone, and Refused for one that came to nothing.
    """
    uploads = uploads_of(state.settings)
    upload, offset = await state.read(uploads.look, upload_id)
    if not upload.is_over and offset == upload.length > 0:
        upload, offset = await state.take_in(finish_late, state, uploads, upload_id)
    if upload.problem is not None:
        raise Refused(upload.problem["code"], upload.problem["detail"])
    return upload, offset


def _progress(upload: Partial, offset: int) -> dict[str, str]:
    headers = {
        "Tus-Resumable": VERSION,
        "Upload-Offset": str(offset),
        "Upload-Expires": format_datetime(upload.expires_at, usegmt=True),
    }
    names = {"Video-Id": "video_id", "Job-Id": "job_id"}
    known = {header: str(value) for header, name in names.items() if (value := (upload.answer or {}).get(name))}
    return {**headers, **known}


def _too_much(held: Held) -> Refused:
    return Refused(
        "upload_too_large",
        f"The upload was announced with {held.info.length} bytes; these are more.",
        headers={"Connection": "close"},
    )


class _Check:
    """A checksum of the bytes of one request."""

    def __init__(self, header: str) -> None:
        """Raises Refused(bad_request) unless it is an algorithm and a digest in base64."""
        algorithm, _, encoded = header.partition(" ")
        try:
            self._wanted = base64.b64decode(encoded.strip(), validate=True)
        except ValueError:
            raise Refused("bad_request", "Upload-Checksum: the digest is not base64.") from None
        if algorithm not in ALGORITHMS:
            raise Refused("bad_request", f"Upload-Checksum: known algorithms are {', '.join(ALGORITHMS)}.")
        self.digest = hashlib.new(algorithm, usedforsecurity=False)

    def fits(self) -> bool:
        """Whether the bytes so far are those that were meant."""
        return self.digest.digest() == self._wanted
