"""What an administrator may ask about models and index generations, over HTTP or at the command line.

All of it is a transaction in the catalogue; what takes long is left to a job (`swap_job.py`).
"""

from dataclasses import dataclass
from typing import Literal

from models.bundle import Bundle, BundleError, load_bundle
from service.bundles import bundle_folders
from service.catalogue import Catalogue, Job
from service.catalogue.records import Candidate, Served
from service.catalogue.swaps import NoCandidate, NothingToGoBackTo, SwapBusy
from service.crash_points import crash_point
from service.jobs.queue import JobQueue
from service.model_pool import find_bundle
from service.nudges import Nudges
from service.problems import Refused, queue_unavailable
from service.settings import Settings

SHORTEST_FINGERPRINT = 8


@dataclass(frozen=True)
class SwapRequests:
    """Of one library, by `actor` (for the audit log). All methods raise Refused.

    Without a queue (a library at rest) jobs wait for the next worker.
    """

    settings: Settings
    catalogue: Catalogue
    actor: str
    queue: JobQueue | None = None
    nudges: Nudges | None = None

    def rebuild(self, *, auto: bool) -> Job:
        """Queues a rebuild of the index, or gives the one that is at it."""
        self._require_queue()
        served = self._served()
        payload = {"bundle": served.bundle, "auto": auto}
        try:
            job = self.catalogue.start_swap("rebuild", served.bundle, served.bundle_name, payload, self.actor)
        except SwapBusy as error:
            raise Refused("swap_busy", str(error)) from None
        return self._sent(job)

    def promote(self, name: str, *, auto: bool) -> Job:
        """Queues the promotion of a bundle at hand, by its name or fingerprint, or gives the one that is at it."""
        bundle = self.find(name)
        if self.settings.bundle is not None:
            raise Refused(
                "bundle_pinned",
                f"--bundle or MMV_BUNDLE names {self.settings.bundle.name}, which is served as long as it does. Start "
                "the service without it to promote another.",
            )
        served = self._served()
        if bundle.fingerprint == served.bundle:
            raise Refused("bundle_active", f"{bundle.name} is what the library is searched with already.")
        try:
            bundle.require(self.settings.precision)
        except BundleError as error:
            raise Refused("bundle_unusable", str(error)) from None
        self._require_queue()
        payload = {"bundle": bundle.fingerprint, "auto": auto}
        try:
            job = self.catalogue.start_swap("promote", bundle.fingerprint, bundle.name, payload, self.actor)
        except SwapBusy as error:
            raise Refused("swap_busy", str(error)) from None
        crash_point("promote.requested")
        return self._sent(job)

    def confirm(self) -> Job:
        """Queues the switch to the candidate."""
        self._require_queue()
        self._candidate()
        try:
            return self._sent(self.catalogue.confirm_candidate(self.actor))
        except NoCandidate as error:
            raise Refused("candidate_not_ready", str(error)) from None

    def discard(self) -> Candidate:
        """Forgets the candidate, whatever it is at; what was made for it is tidied away."""
        self._candidate()
        try:
            gone, job = self.catalogue.discard_candidate(self.actor)
        except NoCandidate as error:
            raise Refused("candidate_not_found", str(error)) from None
        if self.queue is not None:
            self.queue.enqueue(job.id, front=True)
        return gone

    def roll_back(self, what: Literal["bundle", "index"]) -> Served:
        """Serves what was served before, at once. What came in since is embedded again, as jobs."""
        served = self._served()
        if what == "bundle":
            if self.settings.bundle is not None:
                raise Refused("bundle_pinned", "--bundle or MMV_BUNDLE names the bundle that is served.")
            if served.previous_bundle is not None:
                try:
                    find_bundle(self.settings, served.previous_bundle, served.previous_name or "")
                except BundleError as error:
                    raise Refused("bundle_unusable", str(error)) from None
        try:
            go_back = self.catalogue.roll_back_bundle if what == "bundle" else self.catalogue.roll_back_index
            changed = go_back(self.actor)
        except NothingToGoBackTo as error:
            raise Refused("nothing_to_go_back_to", str(error)) from None
        crash_point("promote.rolled_back")
        if self.nudges is not None:
            self.nudges.send()
        for job in self.catalogue.queue_waiting(changed.bundle):
            if self.queue is not None:
                self.queue.enqueue(job.id)
        return changed

    def candidate(self) -> Candidate:
        """What is to be served next."""
        return self._candidate()

    def find(self, name: str) -> Bundle:
        """The one bundle at hand with this name or fingerprint (or how that begins). Never a path."""
        found: dict[str, Bundle] = {}
        for folder in bundle_folders(self.settings):
            try:
                bundle = load_bundle(folder)
            except BundleError:
                continue  # `mmv-search bundle verify` says why
            is_fingerprint = len(name) >= SHORTEST_FINGERPRINT and bundle.fingerprint.startswith(name)
            if is_fingerprint or name in (bundle.name, folder.name):
                found[bundle.fingerprint] = bundle
        if not found:
            raise Refused(
                "bundle_not_found",
                f"There is no bundle {name[:80]!r} at hand; GET /v1/admin/bundles lists them. One that lies elsewhere "
                "is brought in by the command line: mmv-search bundle promote DIR",
            )
        if len(found) > 1:
            known = ", ".join(fingerprint[:12] for fingerprint in sorted(found))
            raise Refused(
                "bundle_ambiguous", f"Several bundles are named {name[:80]!r}; give the fingerprint: {known}."
            )
        return next(iter(found.values()))

    def _served(self) -> Served:
        served = self.catalogue.served()
        assert served is not None, "`ensure_serving` comes first"
        return served

    def _candidate(self) -> Candidate:
        candidate = self.catalogue.candidate()
        if candidate is None:
            raise Refused("candidate_not_found", "Nothing is being prepared and nothing waits to be confirmed.")
        return candidate

    def _require_queue(self) -> None:
        if self.queue is not None and not self.queue.ping():
            raise queue_unavailable()

    def _sent(self, job: Job) -> Job:
        if self.queue is not None and job.status == "queued":
            self.queue.enqueue(job.id, front=True)
        return job
