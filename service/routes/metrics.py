"""`/metrics`, for Prometheus."""

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from service import problems
from service.metrics import LibraryNumbers
from service.state import StateOf

router = APIRouter(tags=["health"])


@router.get("/metrics", response_class=PlainTextResponse, responses=problems.openapi())
async def metrics(state: StateOf) -> Response:
    """Requests, searches and what the library holds, as Prometheus reads it; where keys exist, by a reader's key."""
    library = LibraryNumbers(state.settings, state.catalogue, state.queue, state.servings)
    return Response(await state.read(state.metrics.page, library), media_type=CONTENT_TYPE_LATEST)
