"""Every error answer is application/problem+json (RFC 9457) with a stable `code`; exceptions become HTTP here only.

`problem_codes.py` has the vocabulary. The `detail` says what would be right.
"""

import errno
import logging
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Mount

from models.preprocess.media import MediaError
from models.preprocess.text import UnknownWords
from service.catalogue.paging import BadCursor
from service.media.partial import UploadBusy, UploadGone
from service.problem_codes import CHECKSUM_MISMATCH, PROBLEMS, code_of_file, problem_document
from service.schemas.common import Problem

log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
MOST_TOLD = 20  # of the things that are wrong in one request
# What any route may answer.
EVERYWHERE = (
    "unauthorized",
    "forbidden_role",
    "forbidden_scope",
    "forbidden_host",
    "forbidden_origin",
    "invalid_request",
    "body_too_large",
    "catalogue_busy",
    "overloaded",
    "internal_error",
)

# Why a file is not taken, wherever one is sent.
FILE_CODES = (
    "empty_file",
    "not_media",
    "truncated_media",
    "no_streams",
    "media_too_long",
    "media_too_large",
    "media_too_complex",
    "upload_too_large",
    "unsupported_media",
    "decoder_crashed",
    "decoder_timeout",
)


class Refused(Exception):
    """A request that is understood and turned down. `code` is a key of PROBLEMS; `extra` goes into the answer."""

    def __init__(self, code: str, detail: str, *, headers: dict[str, str] | None = None, **extra: Any):
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.headers = headers
        self.extra = extra


def queue_unavailable() -> Refused:
    """The answer to whatever needs a job while Redis is away."""
    return Refused(
        "queue_unavailable",
        "The job queue (Redis) does not answer, so nothing was kept; searching still works. Try again in a moment.",
        headers={"Retry-After": "5"},
    )


def text_unavailable() -> Refused:
    """The answer to words when the bundle has no text encoder."""
    return Refused(
        "text_unavailable",
        "The model in use has no text encoder, so words cannot be searched for: search by a sound, an image or a clip. "
        "To get words, import the checkpoint again with its word list (mmv-search bundle import ... --vocab FILE), "
        "or use another bundle.",
    )


def not_found(kind: str, identifier: object) -> Refused:
    """The answer for an id that is not in the library; `kind` is video, segment, job or key."""
    return Refused(
        f"{kind}_not_found", f"There is no {kind} with the id {str(identifier)[:80]!r}; it may have been deleted."
    )


def document(code: str, detail: str, **extra: Any) -> dict[str, Any]:
    """The problem document of a code."""
    return {**problem_document(code, detail), **extra}


def response(code: str, detail: str, headers: dict[str, str] | None = None, **extra: Any) -> JSONResponse:
    """The HTTP answer of a problem."""
    body = document(code, detail, **extra)
    return JSONResponse(body, status_code=body["status"], headers=headers, media_type=PROBLEM_JSON)


def document_of(error: Refused | MediaError) -> dict[str, Any]:
    """The problem document of an error that is about the request or its file."""
    if isinstance(error, MediaError):
        return document(code_of_file(error.code), error.message)
    return document(error.code, error.detail, **error.extra)


def openapi(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route: each status with the codes it may carry, those of every route included."""
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys((*EVERYWHERE, *codes)):
        by_status.setdefault(PROBLEMS[code][0], []).append(code)
    return {
        status: {
            "description": f"{_phrase(status)}: {', '.join(names)}",
            "content": {PROBLEM_JSON: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}},
        }
        for status, names in sorted(by_status.items())
    }


def _phrase(status: int) -> str:
    return "Checksum Mismatch" if status == CHECKSUM_MISMATCH else HTTPStatus(status).phrase


def install(app: FastAPI, *bodies: type[BaseModel]) -> None:
    """Translate every exception that leaves a route, and describe the result in the application's OpenAPI.

    `bodies`: what routes read from requests by themselves, to be described there too.
    """
    describe = app.openapi

    def described() -> dict[str, Any]:
        schema = describe()
        components = schema.setdefault("components", {})
        components.setdefault("schemas", {})[Problem.__name__] = Problem.model_json_schema()
        read: list[tuple[type[BaseModel], JsonSchemaMode]] = [(body, "validation") for body in bodies]
        components["schemas"] |= models_json_schema(read, ref_template="#/components/schemas/{model}")[1].get(
            "$defs", {}
        )
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{}, {"key": []}]
        return schema

    app.openapi = described  # type: ignore[method-assign]  # FastAPI's own way to extend the document

    @app.exception_handler(Refused)
    async def refused(request: Request, error: Refused) -> JSONResponse:
        return response(error.code, error.detail, error.headers, **error.extra)

    @app.exception_handler(MediaError)
    async def media(request: Request, error: MediaError) -> JSONResponse:
        return response(code_of_file(error.code), error.message)

    @app.exception_handler(UnknownWords)
    async def words(request: Request, error: UnknownWords) -> JSONResponse:
        return unknown_words(error)

    @app.exception_handler(RequestValidationError)
    async def validation(request: Request, error: RequestValidationError) -> JSONResponse:
        return invalid_request(error.errors())

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        return http_problem(request, error)

    @app.exception_handler(BadCursor)
    async def cursor(request: Request, error: BadCursor) -> JSONResponse:
        return response("bad_cursor", str(error))

    @app.exception_handler(OSError)
    async def disk(request: Request, error: OSError) -> JSONResponse:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise error
        return storage_full()

    @app.exception_handler(UploadGone)
    async def upload_gone(request: Request, error: UploadGone) -> JSONResponse:
        return response("upload_not_found", "There is no such upload: it was given up, or has expired. Begin anew.")

    @app.exception_handler(UploadBusy)
    async def upload_busy(request: Request, error: UploadBusy) -> JSONResponse:
        headers = {"Retry-After": "1"}
        return response("upload_locked", "Another request is at this upload. Ask how far it is in a moment.", headers)

    @app.exception_handler(OperationalError)
    async def busy(request: Request, error: OperationalError) -> JSONResponse:
        log.error("catalogue: %s", error)
        if "disk is full" in str(error.orig):  # SQLite's words
            return storage_full()
        detail = "The library could not be read or written just now. Try again in a moment."
        return response("catalogue_busy", detail, {"Retry-After": "1"})

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        return response("internal_error", "The server failed on this request; its log says why.")


def storage_full() -> JSONResponse:
    """507: not an error of the request."""
    detail = "The disk of the service is full, so nothing was kept. Free some space there, then send it again."
    return response("storage_full", detail, {"Retry-After": "60"})


def unknown_words(error: UnknownWords) -> JSONResponse:
    """422 naming the words."""
    said = ", ".join(repr(word[:40]) for word in error.words[:10])
    detail = f"The model knows none of these words: {said}. Describe what is seen or heard in other words."
    return response("unknown_words", detail, words=error.words[:10])


def invalid_request(errors: Iterable[Any]) -> JSONResponse:
    """422 that names each wrong parameter; a body that is not JSON is 400."""
    found = list(errors)
    if any(e["type"] == "json_invalid" for e in found):
        return response("bad_request", "The body is not valid JSON.")
    fields = [{"name": _name(e["loc"]), "reason": e["msg"]} for e in found[:MOST_TOLD]]
    if any(f["name"] == "file" for f in fields):
        return response("missing_file", 'Send the file as multipart/form-data in a part named "file".', fields=fields)
    said = "; ".join(f"{f['name']}: {f['reason']}" for f in fields)
    return response("invalid_request", f"This request does not fit its description in /docs: {said}.", fields=fields)


def _name(place: tuple[int | str, ...]) -> str:
    """Of what is wrong, where it stands in the request."""
    return ".".join(str(part) for part in place[1:])[:200] or "body"


def http_problem(request: Request, error: HTTPException) -> JSONResponse:
    """Starlette's own answers: unknown address, wrong method, unreadable form."""
    headers = dict(error.headers) if error.headers else None
    if error.status_code == 404:
        return response("not_found", f"Nothing is at {request.url.path[:200]}; /docs lists what there is.", headers)
    if error.status_code == 405:
        allowed = ", ".join(_methods_here(request))
        headers = {"Allow": allowed} if allowed else headers
        detail = f"{request.method} does not work here; use {allowed or 'another method'}."
        return response("method_not_allowed", detail, headers)
    if error.status_code < 500:
        return response("bad_request", str(error.detail), headers)
    return response("internal_error", "The server failed on this request; its log says why.", headers)


def _methods_here(request: Request) -> list[str]:
    """The methods that some route takes at this address; Starlette tells those of the first one alone."""
    routes = [route for route in request.app.router.routes if not isinstance(route, Mount)]
    return [
        method
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
