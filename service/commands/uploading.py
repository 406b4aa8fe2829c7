"""Uploading many files with one progress bar, until all of them are searchable."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from service.catalogue.videos import video_id_of
from service.commands.client import Client, ServiceError
from service.commands.common import printable
from service.commands.notes import Notes
from service.commands.sending import Item, read_if_any, send, send_subtitles

__all__ = ["Item", "Outcome", "Uploading", "upload_all"]

POLL_S = 0.25
OVER = ("done", "failed", "cancelled")
NO_SUBTITLES = "its subtitles are left out: no cue can be read in them, or they are too large."
# How much of a file's work its upload is, for the bar.
UPLOAD_SHARE = 0.1
# Answers that are the service's state, whatever the file. Not 500: that is what this one file brought forth.
NOT_THE_FILES = (401, 403, 408, 423, 429, 502, 503, 504, 507)
# Jobs that may wait at the service, so that uploading does not run far ahead of what one can watch.
PENDING = 16


@dataclass
class Outcome:
    """What became of the files. `subtitled`: films that were there already and got subtitles."""

    added: int = 0
    known: int = 0
    subtitled: int = 0
    failed: list[tuple[Path, str]] = field(default_factory=list)


class Uploading:
    """Uploads what a library does not have, and follows the jobs; `progress` shows it."""

    def __init__(self, client: Client, notes: Notes, progress: Progress, *, patient: bool = False) -> None:
        """`patient`: a service that is full, busy or closed is not the file's fault, so `add` raises its answer."""
        self.client = client
        self.outcome = Outcome()
        self._notes, self._progress, self._patient = notes, progress, patient
        self._bar = progress.add_task("adding", total=0)
        self._pending: dict[str, tuple[Item, float]] = {}
        self._waiting: set[str] = set()  # jobs of which it was told why they are tried again
        self._total = self._settled = 0

    @property
    def pending(self) -> int:
        """Jobs that are not over."""
        return len(self._pending)

    def expect(self, files: int) -> None:
        """So many more files will be added."""
        self._total += files
        self._progress.update(self._bar, total=self._total)

    def add(self, item: Item) -> None:
        """Uploads a file, unless the library has it; then it gets its subtitles if they are new. Failures are told.

        Raises httpx.TransportError when the service is gone, and ServiceError as said above.
        """
        self._progress.update(self._bar, description=escape(printable(item.path.name)[-40:]))
        try:
            sha256 = self._notes.sha256(item.path)
            video = self._video(sha256)
            ready = video is not None and video["status"] == "ready"
            job_id = None if video is None else self._active_job(video)
            if video is not None and (ready or job_id):
                self._renew_subtitles(item, video)
            if ready:
                self.outcome.known += 1
                self._settled += 1
            else:
                self._pending[job_id or self._send(item, sha256)] = (item, UPLOAD_SHARE)
        except ServiceError as error:
            if self._patient and error.status in NOT_THE_FILES:
                raise
            self._fail(item, str(error))
        except httpx.TransportError as error:
            self.client.get("/healthz")  # if the service is gone, there is no use in going on
            self._fail(item, self.client.why_not_sent(item.path, error))
        except OSError as error:
            self._fail(item, error.strerror or str(error))
        self.poll()

    def add_subtitles(self, item: Item) -> None:
        """Sends the subtitles of a film that was added before, if they are new. What fails is told.

        A film that the library does not have (it was deleted, or could not be taken in) stays out. Raises
        httpx.TransportError, and ServiceError as said above.
        """
        try:
            video = self._video(self._notes.sha256(item.path))
            if video is not None:
                self._renew_subtitles(item, video)
        except ServiceError as error:
            if self._patient and error.status in NOT_THE_FILES:
                raise
            self._say("[red]✗[/red]", item, f"its subtitles: {error}")
        except OSError as error:
            self._say("[red]✗[/red]", item, error.strerror or str(error))

    def poll(self) -> None:
        """Looks how far the jobs are. Raises httpx.TransportError, ServiceError."""
        for job_id, (item, _) in list(self._pending.items()):
            job = self._job(job_id)
            self._pending[job_id] = (item, UPLOAD_SHARE + (1 - UPLOAD_SHARE) * job["progress"])
            if job["status"] == "queued" and job["problem"] and job_id not in self._waiting:
                self._waiting.add(job_id)
                self._say("…", item, f"{job['problem'].get('detail')} It is tried again.")
            if job["status"] in OVER:
                del self._pending[job_id]
                if job["status"] == "done":
                    self.outcome.added += 1
                    self._settled += 1
                else:
                    problem = job["problem"] or {}
                    self._fail(item, str(problem.get("detail", f"the job was {job['status']}")))
        self._show(0.0)

    def wait(self, until: int = 0) -> None:
        """Until no more than so many jobs are not over. Raises httpx.TransportError, ServiceError."""
        while len(self._pending) > until:
            time.sleep(POLL_S)
            self.poll()

    def idle(self, said: str) -> None:
        """What is shown while there is nothing to upload."""
        self._progress.update(self._bar, description=said)

    def save(self) -> None:
        """What was found out about the files is kept."""
        self._notes.save()

    def _show(self, sent: float) -> None:
        """`sent`: the share of the file at hand that is there."""
        done = self._settled + sum(share for _, share in self._pending.values()) + UPLOAD_SHARE * sent
        self._progress.update(self._bar, completed=round(done, 1))

    def _job(self, job_id: str) -> dict[str, Any]:
        try:
            return dict(self.client.get(f"/v1/jobs/{job_id}"))
        except ServiceError as error:
            if error.status != 404:
                raise
            return {"status": "failed", "progress": 1.0, "problem": {"detail": "the service knows its job no more"}}

    def _fail(self, item: Item, reason: str) -> None:
        self._settled += 1
        self.outcome.failed.append((item.path, reason))
        self._say("[red]✗[/red]", item, reason)

    def _say(self, mark: str, item: Item, reason: str) -> None:
        said = escape(f"{printable(item.path)}: {reason}")
        self._progress.console.print(f"{mark} {said}", highlight=False, soft_wrap=True)

    def _video(self, sha256: str) -> dict[str, Any] | None:
        """What the library says of these very bytes; None when it does not have them."""
        try:
            return dict(self.client.get(f"/v1/videos/{video_id_of(sha256)}"))
        except ServiceError as error:
            if error.status != 404:
                raise
            return None

    def _active_job(self, video: dict[str, Any]) -> str | None:
        """The job that is taking a video in, if one is."""
        if video["status"] != "pending":
            return None
        jobs = self.client.get("/v1/jobs", video_id=video["id"], limit=1)["jobs"]
        return next((str(job["id"]) for job in jobs if job["status"] not in OVER), None)

    def _send(self, item: Item, sha256: str) -> str:
        """Uploads a file with its subtitles; the id of its job."""
        subtitles = self._subtitles_sha256(item)  # before they are read: what is written meanwhile is sent later
        answer = send(self.client, item, sha256, self._show)
        if subtitles is not None and read_if_any(item.subtitles) is None:
            self._say("…", item, NO_SUBTITLES)
        elif subtitles is not None:
            self._notes.subtitles_sent(str(answer["video_id"]), subtitles)
        return str(answer["job_id"])

    def _renew_subtitles(self, item: Item, video: dict[str, Any]) -> None:
        """Sends subtitles that a video lacks, or that are other ones than were sent from here.

        Those that were sent already are not sent again: somebody may have put better ones in their place.
        """
        subtitles = self._subtitles_sha256(item)
        if subtitles is None:
            return
        if video["subtitles_url"] is not None and self._notes.subtitles_of(video["id"]) == subtitles:
            return
        if send_subtitles(self.client, item, video["id"]):
            self._notes.subtitles_sent(video["id"], subtitles)
            self.outcome.subtitled += 1
        else:
            self._say("…", item, NO_SUBTITLES)

    def _subtitles_sha256(self, item: Item) -> str | None:
        """Of the file beside a film; None when there is none that can be read."""
        try:
            return None if item.subtitles is None else self._notes.sha256(item.subtitles)
        except OSError:
            return None


def upload_all(client: Client, items: Sequence[Item], console: Console, notes: Notes | None = None) -> Outcome:
    """Uploads what the library does not have and waits for all jobs; files that fail are told and counted."""
    with shown(console) as progress:
        uploading = Uploading(client, notes or Notes(None), progress)
        uploading.expect(len(items))
        try:
            for item in items:
                uploading.add(item)
                uploading.wait(PENDING - 1)
            uploading.idle("adding")
            uploading.wait()
        finally:
            uploading.save()
    return uploading.outcome


@contextmanager
def shown(console: Console) -> Iterator[Progress]:
    """The progress bar."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield progress
