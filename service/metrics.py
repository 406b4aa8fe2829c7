"""What Prometheus is told: requests, searches and their parts, and what the library holds.

Requests are counted around everything, so also those that the access control or the backpressure turned away. They are
told apart by the route's pattern and never by the address itself: ids would make a series each; those that came to no
route by the kind of request that the backpressure counts. The library's numbers are read when they are asked for.
"""

import shutil
import time
from collections.abc import Iterator

from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.backpressure import kind_of
from service.catalogue import Catalogue
from service.jobs.queue import JobQueue
from service.serving import Servings
from service.settings import Settings

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._requests = Counter(
            "mmv_http_requests", "Requests that were answered.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "mmv_http_request_seconds",
            "Seconds until an answer began.",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._inside = Gauge("mmv_http_requests_in_progress", "Requests under way.", registry=self.registry)
        self._searches = Histogram(
            "mmv_search_seconds",
            "Seconds that searches took, by part: decode, embed, search, total.",
            ("part",),
            buckets=SECONDS,
            registry=self.registry,
        )

    def searched(self, took_ms: dict[str, float]) -> None:
        """Counts a search; milliseconds by part."""
        for part, milliseconds in took_ms.items():
            self._searches.labels(part).observe(milliseconds / 1000)

    def page(self, library: "LibraryNumbers") -> bytes:
        """All of it, in Prometheus' text format."""
        read = CollectorRegistry()
        read.register(library)
        return generate_latest(self.registry) + generate_latest(read)

    def install(self, app: FastAPI) -> None:
        """Count the requests of a whole application."""
        build = app.build_middleware_stack
        app.build_middleware_stack = lambda: self._around(build())  # type: ignore[method-assign]

    def _around(self, app: ASGIApp) -> ASGIApp:
        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            started, status = time.perf_counter(), 0
            method = scope["method"] if scope["method"] in METHODS else "other"

            async def told(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                    self._seconds.labels(method, _route(scope)).observe(time.perf_counter() - started)
                await send(message)

            self._inside.inc()
            try:
                await app(scope, receive, told)
            finally:
                self._inside.dec()
                if status:  # else nobody was there to be answered
                    self._requests.labels(method, _route(scope), str(status)).inc()

        return counted


def _route(scope: Scope) -> str:
    """The pattern that an address fits, such as /v1/videos/{video_id}; else the kind of request: search, upload, ..."""
    return getattr(scope.get("route"), "path", None) or kind_of(scope["method"], scope["path"])


class LibraryNumbers:
    """Reads the library when it is collected; what cannot be read just now is left out."""

    def __init__(self, settings: Settings, catalogue: Catalogue, queue: JobQueue, servings: Servings) -> None:
        self._settings, self._catalogue, self._queue, self._servings = settings, catalogue, queue, servings

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """For a registry."""
        serving = self._servings.current()
        yield _one("mmv_redis_up", "Whether Redis answers.", float(self._queue.ping()))
        yield _one("mmv_disk_free_bytes", "Free on the disk of the home.", shutil.disk_usage(self._settings.home).free)
        yield _one("mmv_serving_number", "Grows by one whenever another model or index is searched.", serving.number)
        model = GaugeMetricFamily("mmv_bundle_info", "The model that answers searches.", labels=("name", "fingerprint"))
        model.add_metric((serving.bundle.name, serving.bundle.fingerprint), 1)
        yield model
        try:
            counts, view = self._catalogue.counts(), serving.library.current()
        except SQLAlchemyError:
            yield _one("mmv_catalogue_up", "Whether the catalogue can be read.", 0)
            return
        yield _one("mmv_catalogue_up", "Whether the catalogue can be read.", 1)
        videos = GaugeMetricFamily("mmv_videos", "Videos of the library.", labels=("status",))
        for status in ("pending", "ready", "failed"):
            videos.add_metric((status,), counts[status])
        yield videos
        yield _one("mmv_segments", "Segments of the library, of all models that are kept.", counts["segments"])
        yield _one("mmv_jobs_active", "Jobs that wait or run.", counts["active_jobs"])
        yield _one("mmv_index_segments", "Segments that are searched.", len(view.segments.ids))
        yield _one("mmv_index_delta_rows", "Vectors added since the index generation was built.", view.index.delta_rows)


def _one(name: str, documentation: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, value=value)
