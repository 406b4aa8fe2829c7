"""The four query kinds: words, a sound, a still, a clip."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from service import problems
from service.examples import embed_example
from service.media.confined import MediaLimits
from service.multipart import form_schema
from service.plans import Kind
from service.routes.uploads import receive
from service.schemas.search import Hit, SearchParameters, SearchResponse, TextParameters, TextQuery, TookMs
from service.search import Asked, Moment, Page, options_of
from service.serving import Serving
from service.state import State, StateOf

router = APIRouter(tags=["search"])

Parameters = Annotated[SearchParameters, Query()]

TEXT_PROBLEMS = problems.openapi(
    "empty_query", "unknown_words", "text_unavailable", "bad_cursor", "bad_request", "rate_limited"
)


def _file_problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    common = ("bad_cursor", "bad_request", "missing_file", "query_too_long", "rate_limited", "request_timeout")
    return problems.openapi(*common, "storage_full", *problems.FILE_CODES, *codes)


@router.get("/v1/search", responses=TEXT_PROBLEMS)
async def search(state: StateOf, parameters: Annotated[TextParameters, Query()]) -> SearchResponse:
    """Find moments by words."""
    return await _by_words(state, parameters.q, parameters)


@router.post("/v1/search/text", responses=TEXT_PROBLEMS)
async def search_text(state: StateOf, query: TextQuery, parameters: Parameters) -> SearchResponse:
    """Find moments by words."""
    return await _by_words(state, query.query, parameters)


@router.post(
    "/v1/search/audio",
    responses=_file_problems("no_sound"),
    openapi_extra=form_schema("a sound, or a film whose sound is meant"),
)
async def search_audio(request: Request, state: StateOf, parameters: Parameters) -> SearchResponse:
    """Find moments by a sound."""
    return await _by_example(request, state, "audio", parameters)


@router.post(
    "/v1/search/image",
    responses=_file_problems("no_picture", "not_an_image"),
    openapi_extra=form_schema("a still image: JPEG, PNG, WebP, GIF, BMP or TIFF"),
)
async def search_image(request: Request, state: StateOf, parameters: Parameters) -> SearchResponse:
    """Find moments by a still image."""
    return await _by_example(request, state, "image", parameters)


@router.post(
    "/v1/search/video",
    responses=_file_problems("no_picture"),
    openapi_extra=form_schema("a film, with or without sound"),
)
async def search_video(request: Request, state: StateOf, parameters: Parameters) -> SearchResponse:
    """Find moments by a clip."""
    return await _by_example(request, state, "video", parameters)


async def _by_words(state: State, words: str, parameters: SearchParameters) -> SearchResponse:
    started = time.perf_counter()
    options = options_of(parameters.model_dump(exclude={"q"}))
    serving = state.serving()
    page = await state.search(serving.searcher.text, words, options)
    return search_response(state, serving, page, started)


async def _by_example(request: Request, state: State, kind: Kind, parameters: SearchParameters) -> SearchResponse:
    started = time.perf_counter()
    options = options_of(parameters.model_dump())
    limits = MediaLimits(state.settings.max_query_s, state.settings.max_pixels)
    serving = state.serving()
    async with receive(request, state, state.settings.max_query_bytes) as received:
        received_ms = milliseconds_since(started)
        file = received.incoming
        vectors, decode_ms, embed_ms = await state.compute(embed_example, kind, file.path, serving.encoders, limits)
        asked = Asked(kind, file.sha256, vectors)
    page = await state.search(serving.searcher.example, asked, options)
    return search_response(state, serving, page, started, decode_ms=received_ms + decode_ms, embed_ms=embed_ms)


def search_response(
    state: State, serving: Serving, page: Page, started: float, *, decode_ms: float = 0.0, embed_ms: float = 0.0
) -> SearchResponse:
    """A page of results as it is answered, and counted; `started` by `time.perf_counter`."""
    took = TookMs(
        decode=round(decode_ms, 2),
        embed=round(embed_ms + page.embed_ms, 2),
        search=round(page.search_ms, 2),
        total=round(milliseconds_since(started), 2),
    )
    state.metrics.searched(took.model_dump())
    return SearchResponse(
        results=[_hit(moment) for moment in page.moments],
        next_cursor=page.next_cursor,
        generation=page.generation,
        generation_number=serving.number,
        bundle=serving.bundle.name,
        bundle_fingerprint=serving.bundle.fingerprint,
        took_ms=took,
    )


def _hit(moment: Moment) -> Hit:
    found, video = moment.found, moment.video
    return Hit(
        video_id=video.id,
        segment_id=found.segment_id,
        title=video.title,
        has_video=video.has_video,
        has_audio=video.has_audio,
        start_s=moment.start_s,
        end_s=moment.end_s,
        score=found.score,
        confidence=found.confidence,
        evidence=found.evidence,
        thumbnail_url=f"/v1/segments/{found.segment_id}/thumbnail" if video.has_video else None,
        media_url=f"/v1/videos/{video.id}/media",
    )


def milliseconds_since(started: float) -> float:
    """By `time.perf_counter`."""
    return (time.perf_counter() - started) * 1000
