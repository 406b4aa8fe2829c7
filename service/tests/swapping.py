"""A library with small films and two small models, and the jobs of swapping done in the test's own process."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from models.bundle import Bundle
from models.runtime import Encoders
from models.tests import media_samples
from service.bundles import keep
from service.catalogue import Catalogue, Job, Video
from service.catalogue.records import Candidate, Served
from service.ingest import ingest_video
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails
from service.model_pool import ModelPool
from service.serving import Servings
from service.settings import Settings
from service.swap_job import Swapper
from service.swap_requests import SwapRequests
from service.tests.test_upload import upload

WORKER = "w"


def no_report(progress: float, stage: str) -> None:
    assert 0.0 <= progress <= 1.0
    assert 0 < len(stage) <= 32


@dataclass
class Swapping:
    """A library that is served with `old`, while `new` is at hand."""

    settings: Settings
    catalogue: Catalogue
    old: Bundle
    new: Bundle
    folder: Path
    pool: ModelPool = field(init=False)

    def __post_init__(self) -> None:
        self.old, self.new = keep(self.old.path, self.settings), keep(self.new.path, self.settings)
        self.catalogue.begin_serving(self.old.fingerprint, self.old.name, None, None)
        self.pool = ModelPool(self.settings)

    @property
    def requests(self) -> SwapRequests:
        return SwapRequests(self.settings, self.catalogue, "me")

    @property
    def served(self) -> Served:
        served = self.catalogue.served()
        assert served is not None
        return served

    @property
    def candidate(self) -> Candidate:
        candidate = self.catalogue.candidate()
        assert candidate is not None
        return candidate

    def add(self, seed: int, bundle: Bundle | None = None, seconds: float = 2.4, *, silent: bool = False) -> Video:
        """A film that is taken in with a bundle, the old one by default."""
        make = media_samples.silent_film if silent else media_samples.film
        video, job, _ = upload(make(self.folder / f"{seed}.mp4", seed, seconds), self.settings, self.catalogue)
        self.catalogue.cancel_job(job.id)
        self.take_in(video, self.pool.get((bundle or self.old).fingerprint))
        return video

    def take_in(self, video: Video, encoders: Encoders, **options: Any) -> None:
        store, thumbnails = MediaStore(self.settings.media_dir), Thumbnails(self.settings.thumbnails_dir)
        ingest_video(self.catalogue, store, thumbnails, encoders, video, no_report, **options)

    def claim(self, job: Job) -> Job:
        claimed = self.catalogue.claim_job(job.id, WORKER)
        assert claimed is not None
        return claimed

    def work(self, job: Job, report: Callable[[float, str], None] = no_report) -> dict[str, Any]:
        """Does a job as a worker does; its result."""
        result = Swapper(self.settings, self.catalogue, self.pool).work(self.claim(job), report)
        assert self.catalogue.finish_job(job.id, WORKER, result)
        return result

    def tidy(self) -> dict[str, Any]:
        """Does the tidying that waits; the last one's result."""
        waiting = [job for job in self.catalogue.jobs()[0] if job.kind == "tidy" and job.status == "queued"]
        assert waiting
        return [self.work(job) for job in waiting][-1]

    def servings(self) -> Servings:
        return Servings(self.settings, self.catalogue, self.pool)

    def words(self) -> list[tuple[str, float]]:
        """What a search by words gives now: (video, start)."""
        page = self.servings().current().searcher.text("red square", _options())
        return [(moment.video.id, moment.start_s) for moment in page.moments]


def _options() -> Any:
    from service.search import Options

    return Options(limit=100)
