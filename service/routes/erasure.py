"""What is left of a deleted video."""

from datetime import UTC, datetime

from fastapi import APIRouter

from service import erasure, problems
from service.chores import queue_erasures
from service.problems import Refused
from service.schemas.erasure import Erasure, Place
from service.state import State, StateOf

router = APIRouter(prefix="/v1", tags=["library"])


@router.get("/videos/{video_id}/erasure", responses=problems.openapi("erasure_not_found"))
async def get_erasure(state: StateOf, video_id: str) -> Erasure:
    """Look for what is left of a deleted video: rows, files, vectors in every index generation, cached answers."""
    return await state.read(_look, state, video_id)


def _look(state: State, video_id: str) -> Erasure:
    known = state.catalogue.erasure(video_id)
    if known is None or state.catalogue.video(video_id) is not None:
        detail = (
            f"No video {video_id[:40]!r} was ever deleted here."
            if known is None
            else f"The video {video_id} was deleted and is in the library again."
        )
        raise Refused("erasure_not_found", detail)
    looks = erasure.look(state.settings, state.catalogue, state.queue.redis, known)
    completed_at = known.completed_at
    if completed_at is not None and any(each.found for each in looks):
        state.catalogue.reopen_erasure(known)  # whatever brought it back: it is removed again
        queue_erasures(state.catalogue, state.queue)
        completed_at = None
    return Erasure(
        video_id=video_id,
        status="complete" if completed_at is not None and erasure.is_clean(looks) else "pending",
        requested_at=known.requested_at,
        completed_at=completed_at,
        checked_at=datetime.now(UTC),
        places=[Place(place=e.place, looked_at=e.looked_at, how=e.how, found=e.found) for e in looks],
    )
