"""Jobs: listing, progress, cancelling."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from service import catalogue, problems
from service.auth import Access, CallerOf, require_role
from service.problems import not_found
from service.schemas.jobs import Job, JobPage, JobStatus
from service.state import State, StateOf

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
