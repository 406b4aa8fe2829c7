"""Jobs: listing, progress, cancelling, trying again."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from service import catalogue, problems
from service.auth import Access, CallerOf, require_role
from service.catalogue.jobs import GIVEN_UP
from service.problems import Refused, not_found
from service.schemas.jobs import Job, JobPage, JobStatus
from service.state import State, StateOf
from service.taking_in import require_room

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

POLL_S = 0.25
KEEP_ALIVE_S = 15.0


@router.get("", responses=problems.openapi("bad_cursor"))
async def list_jobs(
    state: StateOf,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    status: JobStatus | None = None,
    video_id: Annotated[str | None, Query(max_length=200, description="the jobs of this video alone")] = None,
) -> JobPage:
    """Jobs, newest first."""
    jobs, following = await state.read(state.catalogue.jobs, limit, cursor, status, video_id)
    return JobPage(jobs=[job_schema(job) for job in jobs], next_cursor=following)


@router.get("/{job_id}", responses=problems.openapi("job_not_found"))
async def get_job(state: StateOf, job_id: str) -> Job:
    """One job."""
    return job_schema(await _job(state, job_id))


@router.delete("/{job_id}", responses=problems.openapi("job_not_found"))
async def cancel_job(state: StateOf, caller: CallerOf, job_id: str) -> Job:
    """Cancel a job; one that is over already stays as it is. The answer is the job as it now is.

    Other jobs than those that take videos in are an admin's, and only an admin cancels them.
    """
    if (await _job(state, job_id)).kind != "ingest":
        require_role(caller, "admin")
    job = await state.read(state.catalogue.cancel_job, job_id, caller.actor)
    if job is None:
        raise not_found("job", job_id)
    return job_schema(job)


@router.post(
    "/{job_id}/retry",
    status_code=202,
    responses=problems.openapi(
        *("job_not_found", "job_not_failed", "media_gone", "queue_unavailable", "queue_full", "storage_full")
    ),
)
async def retry_job(response: Response, state: StateOf, job_id: str) -> Job:
    """Take a video in again whose job failed or was cancelled, from the file that is kept; nothing is uploaded.

    The answer is the new job (or the one that is at the video already); its limits are those of now.
    """
    job = await state.read(_retry, state, job_id)
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return job_schema(job)


@router.get(
    "/{job_id}/events",
    response_class=StreamingResponse,
    responses={
        **problems.openapi("job_not_found"),
        200: {"description": "server-sent events: the job, each time it changes", "content": {"text/event-stream": {}}},
    },
)
async def job_events(request: Request, state: StateOf, job_id: str) -> StreamingResponse:
    """The job as a stream of events, until it is over, or the service is to stop, or the caller's key is not valid."""
    first = await _job(state, job_id)
    access: Access = request.app.state.access
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(
        _events(state, first, request.app.state.draining, lambda: access.still_valid(request.scope)),
        media_type="text/event-stream",
        headers=headers,
    )


def job_schema(job: catalogue.Job) -> Job:
    """What is shown of a job."""
    return Job(
        id=job.id,
        kind=job.kind,
        video_id=job.video_id,
        status=job.status,
        progress=job.progress,
        stage=job.stage,
        problem=job.problem,
        result=job.result,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
    )


async def _job(state: State, job_id: str) -> catalogue.Job:
    job = await state.read(state.catalogue.job, job_id)
    if job is None:
        raise not_found("job", job_id)
    return job


def _retry(state: State, job_id: str) -> catalogue.Job:
    given_up = state.catalogue.job(job_id)
    if given_up is None:
        raise not_found("job", job_id)
    if given_up.kind != "ingest":
        raise Refused(
            "job_not_failed",
            f"Only jobs that take videos in are tried again here. This one is of the kind {given_up.kind}: start that "
            "anew by its own call, and it goes on where it was.",
        )
    if given_up.status not in GIVEN_UP:
        raise Refused(
            "job_not_failed", f"Only failed and cancelled jobs are tried again; this one is {given_up.status}."
        )
    video = state.catalogue.video(given_up.video_id or "")
    if video is None:
        raise Refused("media_gone", "The video was deleted, with its file. Upload it again.")
    if not state.store.path(video.sha256).is_file():
        raise Refused("media_gone", "The file is no longer in the media store. Delete the video, upload it again.")
    require_room(state)
    job = state.catalogue.ingest_again(job_id)
    if job is None:
        raise Refused("job_not_failed", f"A later job has taken the video {video.id} in; there is nothing to do again.")
    if job.status == "queued":
        state.queue.enqueue(job.id)
    return job


async def _events(
    state: State, first: catalogue.Job, draining: threading.Event, still_valid: Callable[[], Awaitable[bool]]
) -> AsyncIterator[str]:
    """The catalogue is polled: it is the truth about jobs, and a read costs less than a missed message."""
    job: catalogue.Job | None = first
    said, quiet_s = "", 0.0
    while job is not None:
        data = job_schema(job).model_dump_json()
        if data != said:
            yield f"event: job\ndata: {data}\n\n"
            said, quiet_s = data, 0.0
        elif quiet_s >= KEEP_ALIVE_S:
            yield ": still there\n\n"
            quiet_s = 0.0
        if job.status not in ("queued", "running") or draining.is_set():
            return
        await asyncio.sleep(POLL_S)
        quiet_s += POLL_S
        if not await still_valid():
            return
        job = await state.read(state.catalogue.job, job.id)
