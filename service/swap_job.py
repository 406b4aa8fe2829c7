"""The jobs that bring another model or another index generation into service, beside live traffic.

    promote   every video is embedded with the new model, then as rebuild
    rebuild   a shadow generation is built, checked, compared with what is served, and switched to in one transaction
    tidy      what is not kept any more is removed

All of it can be interrupted anywhere and goes on where it was: videos that are embedded stay so, a generation that was
named in the catalogue is used, and a switch that was made is not made again.
"""

import contextlib
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import Any

from index import Generation, IndexFileError, open_generation, settle
from models.bundle import BundleError
from models.preprocess.media import MediaError
from models.runtime import Encoders
from service import golden
from service.bundles import point_to
from service.catalogue import Catalogue, Job, JobKind
from service.catalogue.records import Candidate, Served
from service.catalogue.segments import VideoGone
from service.catalogue.swaps import SwapOutdated
from service.crash_points import crash_point
from service.erasure import forget_pictures
from service.ingest import embed_video
from service.library_view import LibraryView
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails
from service.model_pool import ModelPool, find_bundle
from service.nudges import Nudges
from service.rebuild import build_shadow, check_generation, describe, is_outgrown
from service.search import Searcher
from service.settings import Settings

log = logging.getLogger(__name__)

KINDS: tuple[JobKind, ...] = ("promote", "rebuild", "tidy")
# Searching and taking in videos come first.
NICER = 10
CLOSING_POLL_S = 0.05
Report = Callable[[float, str], None]


class SwapRefused(Exception):
    """The new generation must not be searched; the message says what is wrong with it."""


@dataclass(frozen=True)
class Swapper:
    """What these jobs work with."""

    settings: Settings
    catalogue: Catalogue
    pool: ModelPool
    nudges: Nudges | None = None
    embed_threads: int = 1

    def work(self, job: Job, report: Report) -> dict[str, Any]:
        """Does a job that was claimed, or goes on with it; its result.

        What `report` raises ends it. Raises JobLost, SwapOutdated, SwapBusy, SwapRefused, BundleError.
        """
        if job.kind == "tidy":
            return self._tidy(job, report)
        if self.catalogue.served_by_job(job.id) is None:
            result = self._prepare(job, report)
            if result is not None:
                return result  # it waits for a word
            crash_point(f"{job.kind}.switched")
        if self.nudges is not None:
            self.nudges.send()
        tidy_home(self.settings, self.catalogue)
        crash_point(f"{job.kind}.settled")
        done = self.catalogue.job(job.id)
        return dict(done.result or {}) if done is not None else {}  # the switch wrote it

    def _prepare(self, job: Job, report: Report) -> dict[str, Any] | None:
        """All up to the switch, and that too; the result when it is not to be switched yet, else None."""
        served = self._served()
        if job.kind == "promote" and self.settings.bundle is not None:
            raise SwapOutdated(
                f"--bundle or MMV_BUNDLE names {self.settings.bundle.name}, which is served as long as it does. Start "
                "the service without it and promote again: what is embedded already is kept."
            )
        candidate = self.catalogue.adopt_swap(job, served.bundle, served.bundle_name)
        crash_point(f"{job.kind}.started")
        encoders = self.pool.get(candidate.bundle, candidate.bundle_name)
        failed: dict[str, str] = {}
        confirmed, accepted = bool(job.payload.get("confirmed")), set(job.payload.get("accept", ()))
        share = 0.0  # of the progress that embedding takes
        if job.kind == "promote":
            share = 0.85
            self._embed_waiting(job, encoders, failed, lambda done, stage: report(share * done, stage))
            crash_point("promote.embedded")
            served = self._served()  # hours may have passed

        def rest(done: float, stage: str) -> None:
            report(share + (1 - share) * done, stage)

        generation = self._shadow(job, candidate, served, rest)
        details = (candidate.report or {}) if confirmed else {}
        details = {**details, "not_embedded": failed, **describe(generation)}
        self.catalogue.advance_candidate(job, "comparing", generation=generation.name)
        checks = check_generation(self.catalogue, generation, self.settings.min_recall)
        details = {**details, "checks": [asdict(check) for check in checks]}
        crash_point(f"{job.kind}.checked")
        if not all(check.passed for check in checks):
            self.catalogue.advance_candidate(job, "refused", report=details)
            raise SwapRefused("; ".join(f"{check.name}: {check.detail}" for check in checks if not check.passed))
        if not confirmed:
            compared = self._compare(served, candidate, generation, encoders, rest)
            details = {**details, "before": _told(served), "bundle": _bundle_told(candidate), "golden": compared}
            self.catalogue.advance_candidate(job, "comparing", report=details)
            crash_point(f"{job.kind}.compared")
        if self._still_there(failed.keys() - accepted) or not job.payload.get("auto", True):
            return self._held(job, details)
        del generation
        return self._close(job, encoders, failed, details, accepted, rest)

    def _served(self) -> Served:
        served = self.catalogue.served()
        assert served is not None, "`ensure_serving` comes first"
        return served

    def _embed_waiting(self, job: Job, encoders: Encoders, failed: dict[str, str], report: Report) -> None:
        """Embeds every video that has nothing of the model yet. Those that cannot be are put into `failed`."""
        fingerprint = encoders.bundle.fingerprint
        store, thumbnails = MediaStore(self.settings.media_dir), Thumbnails(self.settings.thumbnails_dir)
        done, left = 0, self.catalogue.waiting_count(fingerprint)
        while videos := self.catalogue.waiting_videos(fingerprint, passed=failed):
            left = max(left, done + len(videos))
            for video in videos:

                def of_one(progress: float, stage: str, before: int = done, total: int = left) -> None:
                    report((before + progress) / total, f"video {before + 1} of {total}")

                try:
                    segments = embed_video(store, thumbnails, encoders, video, of_one, embed_threads=self.embed_threads)
                    self.catalogue.store_segments(video.id, fingerprint, segments, job)
                    crash_point("promote.stored")
                except VideoGone:
                    forget_pictures(video.id, self.catalogue, store, thumbnails)  # those made after it was deleted
                    continue
                except (MediaError, FileNotFoundError) as error:
                    if self.catalogue.video(video.id) is None:  # deleted meanwhile, and its file with it
                        forget_pictures(video.id, self.catalogue, store, thumbnails)
                        continue
                    code = error.code if isinstance(error, MediaError) else "media_missing"
                    log.warning("%s cannot be embedded with %s: %s", video.id, encoders.bundle.name, code)
                    failed[video.id] = code
                done += 1

    def _shadow(self, job: Job, candidate: Candidate, served: Served, report: Report) -> Generation:
        """The candidate's generation, as it was built before or anew."""
        root = self.settings.index_dir
        name = candidate.generation
        if name is not None and not is_outgrown(self.catalogue, candidate.bundle, root, name):
            with contextlib.suppress(IndexFileError):
                generation = open_generation(root, name)
                if "newest" in generation.state:
                    return generation
        self.catalogue.advance_candidate(job, "building")
        parent = served.generation if served.bundle == candidate.bundle else None

        def named(name: str) -> None:
            self.catalogue.advance_candidate(job, "building", generation=name)

        name = build_shadow(
            self.catalogue,
            candidate.bundle,
            root,
            lambda done, stage: report(0.5 * done, stage),
            parent=parent,
            on_named=named,
        )
        crash_point(f"{job.kind}.built")
        return open_generation(root, name)

    def _compare(
        self, served: Served, candidate: Candidate, generation: Generation, encoders: Encoders, report: Report
    ) -> dict[str, Any]:
        """Golden queries of what is served and of the candidate."""
        root = self.settings.index_dir
        before = self.pool.get(served.bundle, served.bundle_name)
        old = LibraryView(self.catalogue, served.bundle, root, served.generation)
        new = LibraryView(self.catalogue, candidate.bundle, root, generation.name, like=old)
        return golden.compare(
            Searcher(self.catalogue, old, before),
            Searcher(self.catalogue, new, encoders),
            self.catalogue,
            MediaStore(self.settings.media_dir),
            lambda done: report(0.5 + 0.45 * done, "comparing"),
        )

    def _still_there(self, videos: Collection[str]) -> bool:
        """Whether any of these videos is still in the library."""
        return bool(self.catalogue.videos_by_id(list(videos)))

    def _held(self, job: Job, details: dict[str, Any]) -> dict[str, Any]:
        result = {**details, "state": "ready"}
        self.catalogue.advance_candidate(job, "ready", report=details)
        crash_point(f"{job.kind}.held")
        return result

    def _close(
        self,
        job: Job,
        encoders: Encoders,
        failed: dict[str, str],
        details: dict[str, Any],
        accepted: Collection[str],
        report: Report,
    ) -> dict[str, Any] | None:
        """Catches up with what came in, and switches. None; the result when there is something to be confirmed."""
        self.catalogue.advance_candidate(job, "closing", report=details)
        crash_point(f"{job.kind}.closing")
        report(0.95, "switching")
        while self.catalogue.switch(job, accept=accepted) is None:
            self._embed_waiting(job, encoders, failed, lambda done, stage: report(0.95 + 0.04 * done, stage))
            if self._still_there(failed.keys() - accepted):
                return self._held(job, {**details, "not_embedded": failed})
            report(0.99, "switching")
            time.sleep(CLOSING_POLL_S)
        return None

    def _tidy(self, job: Job, report: Report) -> dict[str, Any]:
        """Removes generations that are not kept, and segments of bundles that are not; how many."""
        removed = tidy_home(self.settings, self.catalogue)
        segments = 0
        while job.payload.get("vectors") and (gone := self.catalogue.collect_garbage()):
            segments += gone
            report(0.5, "tidying")
            crash_point("promote.collected")
        return {"generations": sorted(removed), "segments": segments}


def tidy_home(settings: Settings, catalogue: Catalogue) -> set[str]:
    """Makes what lies in the home say what the catalogue says; the index generations that were removed.

    Safe at any time, in any process: it waits for a generation that is being written.
    """
    served = catalogue.served()
    if served is None:
        return set()
    if not served.pinned:  # a bundle that the settings name is not the home's own
        try:
            point_to(find_bundle(settings, served.bundle, served.bundle_name), settings)
        except BundleError as error:
            log.warning("%s", error)
    return settle(
        settings.index_dir, catalogue.retained_generations, on_step=lambda step: crash_point(f"snapshot.{step}")
    )


def politely(work: Callable[[], None]) -> Callable[[], None]:
    """The same, in a thread that lets others go first, where threads have a priority of their own (Linux)."""

    def run() -> None:
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICER)
        work()

    return run


def _told(served: Served) -> dict[str, Any]:
    return {
        "number": served.number,
        "bundle": {"name": served.bundle_name, "fingerprint": served.bundle},
        "generation": served.generation,
    }


def _bundle_told(candidate: Candidate) -> dict[str, Any]:
    return {"name": candidate.bundle_name, "fingerprint": candidate.bundle}
