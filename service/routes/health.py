"""The probes: `/healthz` says that the process lives, `/readyz` that it can answer searches."""

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from service.schemas.common import Health
from service.state import State, StateOf

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def healthz() -> Health:
    """The process is alive."""
    return Health(status="ok")


@router.get("/readyz", responses={503: {"model": Health, "description": "not able to search"}})
async def readyz(request: Request, state: StateOf, response: Response) -> Health:
    """Whether searches can be answered. Without the queue they can, so it is reported and no more."""
    checks = await state.read(_checks, state)
    ready = checks["catalogue"] == "ok"
    if request.app.state.draining.is_set():
        ready, checks["service"] = False, "stopping"
    response.status_code = 200 if ready else 503
    return Health(status="ok" if ready else "not ready", checks=checks)


def _checks(state: State) -> dict[str, str]:
    serving = state.serving()
    checks = {"catalogue": "ok", "bundle": serving.bundle.name}
    try:
        checks["index"] = serving.library.current().generation or "live"
    except SQLAlchemyError as error:
        checks["catalogue"] = type(error).__name__
    if state.servings.behind is not None:  # the old model still answers
        checks["model"] = "the one before; the log says why"
    checks["queue"] = "ok" if state.queue.ping() else "unavailable"
    return checks
