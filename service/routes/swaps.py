"""Bringing another model or index generation into service, and going back. Every call needs an admin's key."""

from collections.abc import Iterator
from typing import Any, Literal

from fastapi import APIRouter

from service import problems
from service.auth import Caller, CallerOf
from service.catalogue.records import Candidate, Served
from service.golden import SHIPPED_QUERIES
from service.routes.jobs import job_schema
from service.schemas.jobs import Job
from service.schemas.library import plain
from service.schemas.swaps import BundleName, CandidateInfo, GoldenQueries, GoldenQueryList, ServedInfo, SwapRequest
from service.state import State, StateOf
from service.swap_requests import SwapRequests

router = APIRouter(prefix="/v1/admin", tags=["admin"])


@router.post(
    "/index/rebuild", status_code=202, responses=problems.openapi("queue_unavailable", "swap_busy", "bad_request")
)
async def rebuild_index(state: StateOf, caller: CallerOf, wanted: SwapRequest | None = None) -> Job:
    """Build a new index generation beside the one that is searched, check it and switch to it, as a job.

    Its result says what changed. One that is under way already is not doubled.
    """
    auto = wanted is None or wanted.auto
    return job_schema(await state.read(_requests(state, caller).rebuild, auto=auto))


@router.get("/index/candidate", responses=problems.openapi("candidate_not_found"))
async def get_candidate(state: StateOf, caller: CallerOf) -> CandidateInfo:
    """What is to be served next, and how its answers differ from what is served."""
    return await state.read(_candidate_schema, state, _requests(state, caller).candidate)


@router.post(
    "/index/candidate/confirm",
    status_code=202,
    responses=problems.openapi("queue_unavailable", "candidate_not_found", "candidate_not_ready"),
)
async def confirm_candidate(state: StateOf, caller: CallerOf) -> Job:
    """Switch to what waits to be confirmed, as a job: first what came in meanwhile is embedded."""
    return job_schema(await state.read(_requests(state, caller).confirm))


@router.delete("/index/candidate", responses=problems.openapi("candidate_not_found"))
async def discard_candidate(state: StateOf, caller: CallerOf) -> CandidateInfo:
    """Discard what is to be served next, whatever its state; the answer is what it was."""
    return await state.read(_candidate_schema, state, _requests(state, caller).discard)


@router.post("/index/rollback", responses=problems.openapi("nothing_to_go_back_to"))
async def roll_back_index(state: StateOf, caller: CallerOf) -> ServedInfo:
    """Search the index generation before the last rebuild again, at once."""
    return await state.compute(_roll_back, state, caller, "index")


@router.post(
    "/bundles/rollback",
    responses=problems.openapi("nothing_to_go_back_to", "bundle_pinned", "bundle_unusable"),
)
async def roll_back_bundle(state: StateOf, caller: CallerOf) -> ServedInfo:
    """Search with the model before the last promotion again, at once, with its index.

    Videos that were added since are embedded with it again, as jobs.
    """
    return await state.compute(_roll_back, state, caller, "bundle")


@router.post(
    "/bundles/{name}/promote",
    status_code=202,
    responses=problems.openapi(
        "queue_unavailable",
        "swap_busy",
        "bundle_not_found",
        "bundle_ambiguous",
        "bundle_active",
        "bundle_pinned",
        "bundle_unusable",
        "bad_request",
    ),
)
async def promote_bundle(state: StateOf, caller: CallerOf, name: str, wanted: SwapRequest | None = None) -> Job:
    """Search with another model, as a job: all videos are embedded with it beside live traffic, then it is switched to.

    `name` is a name or a fingerprint of `GET /v1/admin/bundles`.
    """
    auto = wanted is None or wanted.auto
    return job_schema(await state.read(_requests(state, caller).promote, name, auto=auto))


@router.get("/golden-queries", responses=problems.openapi())
async def get_golden_queries(state: StateOf) -> GoldenQueries:
    """Queries that are asked of old and new before a switch."""
    return GoldenQueries(queries=await state.read(state.catalogue.golden_queries), shipped=list(SHIPPED_QUERIES))


@router.put("/golden-queries", responses=problems.openapi("bad_request"))
async def put_golden_queries(state: StateOf, caller: CallerOf, wanted: GoldenQueryList) -> GoldenQueries:
    """Set the queries that are asked beside the shipped ones."""
    queries = list(dict.fromkeys(text for query in wanted.queries if (text := plain(query))))
    await state.read(state.catalogue.set_golden_queries, queries, caller.actor)
    return GoldenQueries(queries=queries, shipped=list(SHIPPED_QUERIES))


def served_schema(served: Served) -> ServedInfo:
    """What is shown of what is served."""
    previous = None
    if served.previous_bundle is not None:
        previous = BundleName(name=served.previous_name or "", fingerprint=served.previous_bundle)
    return ServedInfo(
        number=served.number,
        bundle=BundleName(name=served.bundle_name, fingerprint=served.bundle),
        generation=served.generation,
        parent_generation=served.parent_generation,
        previous_bundle=previous,
        previous_generation=served.previous_generation,
        reason=served.reason,
        switched_at=served.switched_at,
    )


def _requests(state: State, caller: Caller) -> SwapRequests:
    return SwapRequests(state.settings, state.catalogue, caller.actor, state.queue, state.nudges)


def _roll_back(state: State, caller: Caller, what: Literal["bundle", "index"]) -> ServedInfo:
    served = _requests(state, caller).roll_back(what)
    state.servings.look()  # this process at least answers with it when the caller hears of it
    return served_schema(served)


def _candidate_schema(state: State, find: Any) -> CandidateInfo:
    candidate: Candidate = find()
    videos = state.catalogue.videos_by_id(list(dict.fromkeys(_videos_of(candidate.report or {}))))
    return CandidateInfo(
        kind=candidate.kind,
        bundle=BundleName(name=candidate.bundle_name, fingerprint=candidate.bundle),
        generation=candidate.generation,
        state=candidate.state,
        job_id=candidate.job_id,
        created_at=candidate.created_at,
        report=candidate.report,
        titles={video.id: video.title for video in videos.values()},
    )


def _videos_of(report: dict[str, Any]) -> Iterator[str]:
    """Ids of the videos that a report names."""
    yield from report.get("not_embedded", {})
    for entry in report.get("golden", {}).get("queries", []):
        if "video_id" in entry:
            yield entry["video_id"]
        for moment in (*entry.get("left", ()), *entry.get("came", ())):
            yield moment["video_id"]
