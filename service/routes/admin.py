"""The index and the models. Every call here needs the admin token (service/auth.py)."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter

from models.bundle import Bundle, BundleError, load_bundle
from service import catalogue, problems
from service.auth import CallerOf
from service.bundles import bundle_folders
from service.jobs import training
from service.library_view import generation_details
from service.routes.jobs import job_schema
from service.routes.swaps import served_schema
from service.schemas.admin import AdaptRequest, BundleInfo, BundleList, IndexStatus, Place, RebuildRequest
from service.schemas.jobs import Job
from service.state import State, StateOf

router = APIRouter(prefix="/v1/admin", tags=["admin"])


@router.post(
    "/bundles/adapt",
    status_code=202,
    responses=problems.openapi("bad_request", "queue_unavailable", "training_unavailable", "training_busy"),
)
async def adapt_bundle(state: StateOf, caller: CallerOf, wanted: AdaptRequest) -> Job:
    """Adapt the active model to the library's own films, as a job; its result says whether it is better, and where.

    One training at a time; the same again goes on where it was interrupted, or gives the job that is at it.
    """
    asked = (caller.actor, "bundle.adapt_started")
    return job_schema(await state.read(_queue_training, state, "adapt", wanted.model_dump(), asked))


@router.post(
    "/bundles/rebuild",
    status_code=202,
    responses=problems.openapi("bad_request", "queue_unavailable", "training_unavailable", "training_busy"),
)
async def rebuild_bundle(state: StateOf, caller: CallerOf, wanted: RebuildRequest) -> Job:
    """Make a model from nothing, as a job of hours: footage, training, figures; its result says where the bundle is.

    One training at a time; the same again goes on where it was interrupted, or gives the job that is at it.
    """
    asked = (caller.actor, "bundle.rebuild_started")
    return job_schema(await state.read(_queue_training, state, "train", wanted.model_dump(), asked))


@router.get("/index", responses=problems.openapi())
async def index_status(state: StateOf) -> IndexStatus:
    """What is searched: the generation and the changes since."""
    return await state.read(_index_status, state)


@router.get("/bundles", responses=problems.openapi())
async def list_bundles(state: StateOf) -> BundleList:
    """The models at hand, the active one marked."""
    return await state.read(_bundles, state)


def _queue_training(
    state: State, kind: catalogue.JobKind, payload: dict[str, Any], asked: tuple[str, str]
) -> catalogue.Job:
    if absent := training.missing(kind):
        raise problems.Refused(
            "training_unavailable",
            f"The service has no {', '.join(absent)}: install mmv-search[train] beside it and start it again.",
        )
    if "config" in payload and payload["config"] not in training.configurations():
        known = ", ".join(training.configurations())
        raise problems.Refused(
            "invalid_request", f"There is no configuration {payload['config']!r}; known are {known}."
        )
    if not state.queue.ping():
        raise problems.queue_unavailable()
    job = state.catalogue.create_only_job(training.KINDS, kind, payload, asked)
    if job is None:
        raise problems.Refused(
            "training_busy", "Another training is queued or running. Wait for its job, or cancel it, and try again."
        )
    if job.status == "queued":
        state.queue.enqueue(job.id, front=True)
    return job


def _index_status(state: State) -> IndexStatus:
    serving = state.serving()
    view = serving.library.current()
    served = state.catalogue.served()
    assert served is not None, "`ensure_serving` comes first"
    return IndexStatus(
        generation=view.generation,
        generation_number=serving.number,
        bundle=serving.bundle.name,
        bundle_fingerprint=serving.bundle.fingerprint,
        segments=len(view.segments.ids),
        vectors={str(key): rows for key, rows in view.index.counts.items()},
        live_additions=view.index.delta_rows,
        live_deletions=len(view.index.hidden),
        waiting_videos=state.catalogue.waiting_count(serving.bundle.fingerprint),
        details=generation_details(view.index.generation),
        served=served_schema(served),
    )


def _bundles(state: State) -> BundleList:
    active = state.serving().bundle
    served, candidate = state.catalogue.served(), state.catalogue.candidate()
    places: dict[str, Place] = {active.fingerprint: "active"}
    if served is not None and served.previous_bundle is not None:
        places.setdefault(served.previous_bundle, "previous")
    if candidate is not None and candidate.kind == "promote":
        places.setdefault(candidate.bundle, "candidate")
    found = [bundle for bundle in map(_readable, bundle_folders(state.settings)) if bundle]
    known = {bundle.fingerprint: bundle for bundle in (*found, active)}  # a promoted one may be shipped too
    return BundleList(bundles=[_info(bundle, places.get(bundle.fingerprint)) for bundle in known.values()])


def _readable(path: Path) -> Bundle | None:
    try:
        return load_bundle(path)
    except BundleError:
        return None  # `mmv-search bundle verify` says why


def _info(bundle: Bundle, place: Place | None) -> BundleInfo:
    return BundleInfo(
        name=bundle.name,
        fingerprint=bundle.fingerprint,
        active=place == "active",
        place=place,
        graph=bundle.graph,
        modalities=list(bundle.modalities),
        licence=bundle.licence,
        metrics=bundle.metrics,
    )
