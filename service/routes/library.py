"""The library: uploads, listing, changing, deleting, playing, pictures, and a video's timeline for a query."""

import time
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response

from service import catalogue, problems
from service.auth import CallerOf
from service.chores import queue_erasures
from service.media.upload import remove_from_library
from service.media_types import media_type
from service.multipart import form_schema
from service.problems import Refused, not_found
from service.ranges import file_response
from service.routes.uploads import declared_bytes, receive
from service.schemas.library import (
    LONGEST_TAG,
    LONGEST_TITLE,
    Uploaded,
    Video,
    VideoChange,
    VideoPage,
    VideoStatus,
)
from service.schemas.search import Match, Timeline, TimelineMoment, TookMs
from service.search import Options
from service.state import State, StateOf
from service.subtitles import webvtt_of
from service.taking_in import describe_form, require_room, take_in, uploaded

router = APIRouter(prefix="/v1", tags=["library"])

# An uploaded file is somebody's: shown, played, never run, and not for pages of other sites.
FILE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@router.post(
    "/videos",
    status_code=202,
    responses={
        **problems.openapi(
            *("bad_request", "missing_file", "request_timeout", "subtitles_unreadable", "body_too_large"),
            *("queue_unavailable", "queue_full", "storage_full", "rate_limited"),
            *problems.FILE_CODES,
        ),
        200: {"model": Uploaded, "description": "the same bytes are in the library already"},
    },
    openapi_extra=form_schema(
        "a film or a sound, in any container and codec that ffmpeg reads",
        title={"type": "string", "maxLength": LONGEST_TITLE, "description": "the file's name, if left out"},
        tags={"type": "string", "description": "separated by commas; may be given several times"},
        subtitles={"type": "string", "description": "the text of an .srt or .vtt file, or that file"},
    ),
)
async def upload_video(request: Request, response: Response, state: StateOf) -> Uploaded:
    """Add a film or a sound. It is searchable when its job is done."""
    await state.read(require_room, state, declared_bytes(request))
    limits = state.settings
    async with receive(request, state, limits.max_upload_bytes, limits.min_free_bytes) as received:
        given = received.form.small_files.get("subtitles", b"").strip()
        subtitles = await state.read(webvtt_of, given) if given else None
        said = describe_form(received.form, subtitles)
        video, job, created = await state.take_in(take_in, state, received.incoming, said)
    response.status_code = 202 if created or job.status in ("queued", "running") else 200
    response.headers["Location"] = f"/v1/videos/{video.id}"
    return uploaded(video, job, created)


@router.get("/videos", responses=problems.openapi("bad_cursor"))
async def list_videos(
    state: StateOf,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    status: VideoStatus | None = None,
    tag: Annotated[str | None, Query(max_length=LONGEST_TAG)] = None,
) -> VideoPage:
    """The library, newest first."""
    videos, following = await state.read(state.catalogue.videos, limit, cursor, status, tag)
    counts = await state.read(state.catalogue.counts)
    return VideoPage(videos=[video_schema(v) for v in videos], total=counts["videos"], next_cursor=following)


@router.get("/videos/{video_id}", responses=problems.openapi("video_not_found"))
async def get_video(state: StateOf, video_id: str) -> Video:
    """One video."""
    return video_schema(await _video(state, video_id))


@router.patch("/videos/{video_id}", responses=problems.openapi("video_not_found", "bad_request"))
async def change_video(state: StateOf, video_id: str, change: VideoChange) -> Video:
    """Change the title or the tags."""
    video = await state.read(state.catalogue.update_video, video_id, change.title, change.tags)
    if video is None:
        raise not_found("video", video_id)
    return video_schema(video)


@router.delete("/videos/{video_id}", status_code=204, responses=problems.openapi("video_not_found"))
async def delete_video(response: Response, state: StateOf, caller: CallerOf, video_id: str) -> None:
    """Remove a video with all that belongs to it; no search finds it any more.

    What takes longer, such as taking its vectors out of every index generation, is done by a job. The answer's Location
    tells how far that is, and proves that nothing is left.
    """
    gone = await state.read(remove_from_library, video_id, state.catalogue, state.store, state.thumbnails, caller.actor)
    if not gone:
        raise not_found("video", video_id)
    await state.read(queue_erasures, state.catalogue, state.queue)
    response.headers["Location"] = f"/v1/videos/{video_id}/erasure"


@router.api_route(
    "/videos/{video_id}/media",
    methods=["GET", "HEAD"],
    response_class=Response,
    responses={
        **problems.openapi("video_not_found", "range_not_satisfiable"),
        200: {"description": "the file as it was uploaded", "content": {"video/*": {}, "audio/*": {}}},
        206: {"description": "the part that Range asks for", "content": {"video/*": {}, "audio/*": {}}},
        304: {"description": "If-None-Match names this very file"},
    },
)
async def get_media(request: Request, state: StateOf, video_id: str) -> Response:
    """The file itself, to play; ranges let a player seek."""
    video = await _video(state, video_id)
    return await state.read(_media_response, request, state, video)


@router.get(
    "/segments/{segment_id}/thumbnail",
    response_class=Response,
    responses={
        **problems.openapi("segment_not_found", "thumbnail_not_found"),
        200: {"description": "a still of the moment", "content": {"image/jpeg": {}}},
    },
)
async def get_thumbnail(request: Request, state: StateOf, segment_id: Annotated[int, "int64"]) -> Response:
    """A picture of a moment."""
    return await state.read(_thumbnail_response, request, state, segment_id)


@router.get(
    "/videos/{video_id}/timeline",
    responses=problems.openapi("video_not_found", "empty_query", "unknown_words", "text_unavailable", "rate_limited"),
)
async def get_timeline(
    state: StateOf,
    video_id: str,
    q: Annotated[str, Query(max_length=1000, description="words that describe what is seen or heard")],
    match: Match = "both",
) -> Timeline:
    """How well each moment of one video suits some words, in order of time."""
    started = time.perf_counter()
    serving = state.serving()
    video, moments, embed_ms, search_ms = await state.search(
        serving.searcher.timeline, video_id, q, Options(match=match)
    )
    total_ms = (time.perf_counter() - started) * 1000
    return Timeline(
        video_id=video.id,
        duration_s=video.duration_s,
        moments=[
            TimelineMoment(
                segment_id=moment.found.segment_id,
                start_s=moment.start_s,
                end_s=moment.end_s,
                score=moment.found.score,
                confidence=moment.found.confidence,
            )
            for moment in moments
        ],
        generation=serving.library.generation,
        generation_number=serving.number,
        bundle=serving.bundle.name,
        bundle_fingerprint=serving.bundle.fingerprint,
        took_ms=TookMs(decode=0, embed=round(embed_ms, 2), search=round(search_ms, 2), total=round(total_ms, 2)),
    )


def video_schema(video: catalogue.Video) -> Video:
    """What is shown of a video."""
    return Video(
        id=video.id,
        title=video.title,
        filename=video.filename,
        tags=video.tags,
        status=video.status,
        problem=video.problem,
        duration_s=video.duration_s,
        width=video.width,
        height=video.height,
        has_video=video.has_video,
        has_audio=video.has_audio,
        size_bytes=video.size_bytes,
        sha256=video.sha256,
        created_at=video.created_at,
        media_url=f"/v1/videos/{video.id}/media",
        preview_url=f"/v1/videos/{video.id}/preview" if video.has_video and video.status == "ready" else None,
        subtitles_url=f"/v1/videos/{video.id}/subtitles" if video.has_subtitles else None,
    )


async def _video(state: State, video_id: str) -> catalogue.Video:
    video = await state.read(state.catalogue.video, video_id)
    if video is None:
        raise not_found("video", video_id)
    return video


def _media_response(request: Request, state: State, video: catalogue.Video) -> Response:
    path = state.store.path(video.sha256)
    headers = {
        **FILE_HEADERS,
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(video.filename, safe='')}",
        "Cache-Control": "private, no-cache",  # kept, but asked about: the video may be deleted
    }
    try:
        headers["Content-Type"] = media_type(path, has_video=video.has_video)
        return file_response(request, path, etag=video.sha256, headers=headers)
    except FileNotFoundError:
        if state.catalogue.video(video.id) is None:  # deleted just now
            raise not_found("video", video.id) from None
        raise Refused(
            "media_missing", "The file is no longer in the media store. Delete the video, upload it again."
        ) from None


def _thumbnail_response(request: Request, state: State, segment_id: int) -> Response:
    segment = state.catalogue.segment(segment_id) if 0 < segment_id < 2**63 else None
    if segment is None:
        raise not_found("segment", segment_id)
    path = state.thumbnails.path(segment.video_id, segment.start_s)
    if not path.is_file():
        raise Refused("thumbnail_not_found", "This moment has no picture: the file is a sound.")
    # The pictures of a segment never change, and its id is never used again.
    headers = {**FILE_HEADERS, "Content-Type": "image/jpeg", "Cache-Control": "private, max-age=86400, immutable"}
    return file_response(request, path, etag=f"segment-{segment_id}", headers=headers)
