"""What the routes work with: made once by the application factory, handed to every route."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ParamSpec, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import Depends, Request

from models.runtime import Encoders
from service.catalogue import Catalogue
from service.jobs.queue import JobQueue
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails
from service.metrics import Metrics
from service.nudges import Nudges
from service.result_cache import ResultCache
from service.serving import Serving, Servings
from service.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class State:
    """The open parts of one running service."""

    settings: Settings
    catalogue: Catalogue
    store: MediaStore
    thumbnails: Thumbnails
    queue: JobQueue
    servings: Servings
    cache: ResultCache
    nudges: Nudges
    metrics: Metrics
    # Kinds of blocking work, so that heavy queries cannot hold up the light reads of the page.
    heavy: CapacityLimiter
    light: CapacityLimiter
    # Ranking is arithmetic under Python's lock: more threads than this keep the event loop from its turn, and a few
    # unlucky requests wait for seconds (measured by docs/benchmarks/soak.py).
    searches: CapacityLimiter
    # Probing an upload may mean reading all of a long film: it takes no place from queries.
    uploads: CapacityLimiter

    def close(self) -> None:
        """Let go of connections and files."""
        self.servings.close()
        self.nudges.close()
        self.queue.close()
        self.cache.close()
        self.catalogue.close()

    def serving(self) -> Serving:
        """What answers searches now: take it once for all of a request."""
        return self.servings.current()

    @property
    def encoders(self) -> Encoders:
        """Those of what answers searches now, for whoever needs nothing else of it."""
        return self.serving().encoders

    async def read(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run quick blocking work (the catalogue) off the event loop."""
        return await anyio.to_thread.run_sync(lambda: work(*args, **kwargs), limiter=self.light)

    async def search(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a search by words, or the ranking of one by example, off the event loop."""
        return await anyio.to_thread.run_sync(lambda: work(*args, **kwargs), limiter=self.searches)

    async def compute(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run decoding and embedding off the event loop, as many at once as there are sessions for."""
        return await anyio.to_thread.run_sync(lambda: work(*args, **kwargs), limiter=self.heavy)

    async def take_in(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Check and keep an upload off the event loop, a few at once."""
        return await anyio.to_thread.run_sync(lambda: work(*args, **kwargs), limiter=self.uploads)


def _state(request: Request) -> State:
    state: State = request.app.state.parts
    return state


StateOf = Annotated[State, Depends(_state)]
