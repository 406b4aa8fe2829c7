"""A query of several parts: words, files and moments of the library, each with a weight that may be negative."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from service import problems
from service.bodies import whole
from service.examples import embed_example, kind_of_file
from service.media.confined import MediaLimits
from service.media.upload import Incoming
from service.plans import Kind
from service.problems import Refused
from service.queries import Vectors
from service.routes.search import milliseconds_since, search_response
from service.routes.uploads import receive_several
from service.schemas.search import ComposedQuery, FilePart, SearchParameters, SearchResponse, TextPart
from service.search import Asked, options_of
from service.serving import Serving
from service.state import State, StateOf

router = APIRouter(tags=["search"])

FIELD = "query"  # of a form: the parts, as JSON
MOST_BYTES = 64 * 1024  # of that: eight texts of a thousand characters, written as \u0000 each
_SCHEMA = {"$ref": f"#/components/schemas/{ComposedQuery.__name__}"}
_FORM = {
    "type": "object",
    "properties": {FIELD: {"type": "string", "contentMediaType": "application/json", "contentSchema": _SCHEMA}},
    "required": [FIELD],
    "additionalProperties": {"type": "string", "contentMediaType": "application/octet-stream"},
}


@router.post(
    "/v1/search",
    responses=problems.openapi(
        *("bad_cursor", "bad_request", "body_too_large", "empty_query", "missing_file", "no_picture", "no_sound"),
        *("request_timeout", "storage_full"),
        *("not_an_image", "query_too_long", "rate_limited", "segment_not_found", "text_unavailable", "unknown_words"),
        *problems.FILE_CODES,
    ),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _SCHEMA}, "multipart/form-data": {"schema": _FORM}},
        }
    },
)
async def search_composed(
    request: Request, state: StateOf, parameters: Annotated[SearchParameters, Query()]
) -> SearchResponse:
    """Find moments by several things at once; with a negative weight, by what they are not to be like.

    As JSON, or, with files, as a form: its part `query` has the JSON, and each file is in a part of its own, which
    `file` names.
    """
    started = time.perf_counter()
    options = options_of(parameters.model_dump())
    serving = state.serving()
    async with _received(request, state) as (query, files):
        received_ms = milliseconds_since(started)
        asked, decode_ms, embed_ms = await _asked(state, serving, query, files)
    page = await state.search(serving.searcher.composed, asked, options)
    return search_response(state, serving, page, started, decode_ms=received_ms + decode_ms, embed_ms=embed_ms)


@asynccontextmanager
async def _received(request: Request, state: State) -> AsyncIterator[tuple[ComposedQuery, Mapping[str, Incoming]]]:
    """The query and its files, however it was sent."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        query = _parsed(await whole(request, MOST_BYTES))
        _require_files(query, {})
        yield query, {}
        return
    async with receive_several(request, state, state.settings.max_query_bytes, FIELD, MOST_BYTES) as (files, said):
        if said is None:
            raise Refused("invalid_request", f'The form has no part "{FIELD}" with the parts of the query as JSON.')
        query = _parsed(said.encode())
        _require_files(query, files)
        yield query, files


def _parsed(body: bytes) -> ComposedQuery:
    try:
        return ComposedQuery.model_validate_json(body)
    except ValidationError as error:
        errors: list[Any] = [{**each, "loc": ("body", *each["loc"])} for each in error.errors(include_context=False)]
        raise RequestValidationError(errors) from None


def _require_files(query: ComposedQuery, files: Mapping[str, Incoming]) -> None:
    named = {part.file for part in query.parts if isinstance(part, FilePart)}
    if missing := sorted(named - files.keys()):
        raise Refused(
            "missing_file",
            f"No file was sent as {missing[0]!r}. Send a multipart/form-data form with a part of that name.",
        )
    if unused := sorted(files.keys() - named):
        raise Refused("invalid_request", f"No part of the query names the file {unused[0][:80]!r}.")


async def _asked(
    state: State, serving: Serving, query: ComposedQuery, files: Mapping[str, Incoming]
) -> tuple[list[Asked], float, float]:
    """The parts embedded; milliseconds of decoding and of embedding."""
    asked: list[Asked] = []
    embedded: dict[tuple[str, str | None], tuple[Kind, Vectors]] = {}  # a file may stand for several parts
    decode_ms = embed_ms = 0.0
    limits = MediaLimits(state.settings.max_query_s, state.settings.max_pixels)
    for part in query.parts:
        before = time.perf_counter()
        if isinstance(part, TextPart):
            asked.append(await state.search(serving.searcher.words, part.text, part.weight))
            embed_ms += milliseconds_since(before)
        elif isinstance(part, FilePart):
            file, which = files[part.file], (part.file, part.kind)
            if which not in embedded:
                kind: Kind = await state.compute(kind_of_file, file.path, limits) if part.kind is None else part.kind
                vectors, decoded_ms, embedded_ms = await state.compute(
                    embed_example, kind, file.path, serving.encoders, limits
                )
                embedded[which] = kind, vectors
                decode_ms, embed_ms = decode_ms + decoded_ms, embed_ms + embedded_ms
            kind, vectors = embedded[which]
            asked.append(Asked(kind, f"{kind} {file.sha256}", vectors, part.weight))
        else:
            asked.append(await state.search(serving.searcher.moment, part.segment_id, part.weight))
    return asked, decode_ms, embed_ms
