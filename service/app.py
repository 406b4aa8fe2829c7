"""The HTTP application: opens the parts of the service, mounts the routes."""

import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from service import problems, security_headers
from service.auth import Access, AccessControl
from service.backpressure import Backpressure, Bounds
from service.bundles import ensure_serving
from service.catalogue import open_catalogue
from service.jobs.queue import JobQueue
from service.media import confined
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails
from service.metrics import Metrics
from service.model_pool import ModelPool
from service.nudges import Nudges
from service.result_cache import ResultCache
from service.resumable import finish_all
from service.routes import (
    admin,
    companions,
    composed,
    erasure,
    health,
    jobs,
    keys,
    library,
    metrics,
    search,
    session,
    swaps,
    tus,
)
from service.schemas.search import ComposedQuery
from service.serving import Servings
from service.settings import Settings
from service.state import State
from service.ui.routes import mount_ui

DESCRIPTION = "Search a library of films and sounds by words, a sound, a still or a clip, or several of these."
# Light work is mostly waiting for the disk.
LIGHT_THREADS = 16
UPLOADS_AT_ONCE = 2


def create_app(settings: Settings) -> FastAPI:
    """The application. Its parts open when it starts: raises CatalogueError and BundleError then."""
    settings.prepare_home()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.parts = parts = await anyio.to_thread.run_sync(open_parts, settings, counted)
        access.open(parts.catalogue)
        finishing = threading.Thread(target=finish_all, args=(parts,), name="finish-uploads", daemon=True)
        finishing.start()
        yield
        await access.close()
        parts.close()

    # FastAPI's own /docs loads its script from another host: blank offline, and a visit told to a stranger.
    app = FastAPIOffline(title="mmv-search", version="1", description=DESCRIPTION, lifespan=lifespan)
    app.state.access = access = Access(settings, settings.admin_token())
    app.state.draining = threading.Event()
    app.add_middleware(AccessControl, access=access)
    app.add_middleware(Backpressure, bounds=Bounds(settings.max_searches, settings.max_uploads))
    security_headers.install(app)
    counted = Metrics()
    counted.install(app)
    problems.install(app, ComposedQuery)
    searching, managing = (search, composed), (library, companions, tus, erasure, jobs, admin, swaps, keys, session)
    for module in (*searching, *managing, health, metrics):
        app.include_router(module.router)
    mount_ui(app)
    return app


def open_parts(settings: Settings, counted: Metrics) -> State:
    """Everything that the routes work with."""
    if settings.redis_url is None:
        raise ValueError("the application needs the address of a Redis")
    catalogue = open_catalogue(settings)
    ensure_serving(settings, catalogue)
    library_id = catalogue.library_id()
    cache, nudges = ResultCache(settings.redis_url), Nudges(settings.redis_url, library_id)
    servings = Servings(settings, catalogue, ModelPool(settings), cache, nudges)
    confined.start()
    servings.start()
    return State(
        settings=settings,
        catalogue=catalogue,
        store=MediaStore(settings.media_dir),
        thumbnails=Thumbnails(settings.thumbnails_dir),
        queue=JobQueue(settings.redis_url, library_id),
        servings=servings,
        cache=cache,
        nudges=nudges,
        metrics=counted,
        heavy=CapacityLimiter(max(2, os.cpu_count() or 2)),
        light=CapacityLimiter(LIGHT_THREADS),
        searches=CapacityLimiter(max(4, os.cpu_count() or 4)),
        uploads=CapacityLimiter(UPLOADS_AT_ONCE),
    )
