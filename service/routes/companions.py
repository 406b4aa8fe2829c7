"""What comes beside a video: its preview and its subtitles."""

from fastapi import APIRouter, Request, Response

from service import problems
from service.bodies import whole
from service.catalogue import Video
from service.problems import Refused, not_found
from service.ranges import file_response
from service.routes.library import FILE_HEADERS
from service.state import State, StateOf
from service.subtitles import MOST_BYTES, webvtt_of

router = APIRouter(prefix="/v1", tags=["library"])

JPEG: dict[str, dict[str, str]] = {"image/jpeg": {}}
VTT = "text/vtt; charset=utf-8"


@router.get(
    "/videos/{video_id}/preview",
    response_class=Response,
    responses={
        **problems.openapi("video_not_found", "preview_not_found", "range_not_satisfiable"),
        200: {"description": "eight pictures of one size from its whole length, side by side", "content": JPEG},
        206: {"description": "the part that Range asks for", "content": JPEG},
        304: {"description": "If-None-Match names this very preview"},
    },
)
async def get_preview(request: Request, state: StateOf, video_id: str) -> Response:
    """A preview of a video: eight pictures from its whole length, side by side in one."""
    await _video(state, video_id)
    return await state.read(_preview_response, request, state, video_id)


@router.get(
    "/videos/{video_id}/subtitles",
    response_class=Response,
    responses={
        **problems.openapi("video_not_found", "subtitles_not_found"),
        200: {"description": "WebVTT", "content": {"text/vtt": {"schema": {"type": "string"}}}},
    },
)
async def get_subtitles(state: StateOf, video_id: str) -> Response:
    """The subtitles of a video."""
    await _video(state, video_id)
    vtt = await state.read(state.catalogue.subtitles, video_id)
    if vtt is None:
        raise Refused("subtitles_not_found", "This video has no subtitles. PUT the text of an .srt or .vtt file here.")
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-cache"}
    return Response(vtt, media_type=VTT, headers=headers)


@router.put(
    "/videos/{video_id}/subtitles",
    status_code=204,
    openapi_extra={
        "requestBody": {"required": True, "content": {"text/vtt": {"schema": {"type": "string"}}, "text/plain": {}}}
    },
    responses=problems.openapi("video_not_found", "subtitles_unreadable", "body_too_large", "request_timeout"),
)
async def put_subtitles(request: Request, state: StateOf, video_id: str) -> None:
    """Replace the subtitles of a video by the text of an .srt or .vtt file."""
    data = await whole(request, MOST_BYTES)
    vtt = await state.read(webvtt_of, data)
    if not await state.read(state.catalogue.set_subtitles, video_id, vtt):
        raise not_found("video", video_id)


@router.delete("/videos/{video_id}/subtitles", status_code=204, responses=problems.openapi("video_not_found"))
async def delete_subtitles(state: StateOf, video_id: str) -> None:
    """Remove the subtitles of a video; none there is fine."""
    if not await state.read(state.catalogue.set_subtitles, video_id, None):
        raise not_found("video", video_id)


def _preview_response(request: Request, state: State, video_id: str) -> Response:
    path = state.thumbnails.preview_path(video_id)
    headers = {**FILE_HEADERS, "Content-Type": "image/jpeg", "Cache-Control": "private, no-cache"}
    try:
        return file_response(request, path, etag=f"{video_id}-{path.stat().st_mtime_ns}", headers=headers)
    except FileNotFoundError:  # the video may have been deleted just now
        raise Refused(
            "preview_not_found", "This video has no preview: it is a sound, or still to be taken in."
        ) from None


async def _video(state: State, video_id: str) -> Video:
    video = await state.read(state.catalogue.video, video_id)
    if video is None:
        raise not_found("video", video_id)
    return video
