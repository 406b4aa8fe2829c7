"""Uploading many files with one progress bar, until all of them are searchable."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from service.catalogue.videos import video_id_of
from service.commands.client import Client, ServiceError

POLL_S = 0.25
OVER = ("done", "failed", "cancelled")
# How much of a file's work its upload is, for the bar.
UPLOAD_SHARE = 0.1
# Jobs that may wait at the service, so that uploading does not run far ahead of what one can watch.
PENDING = 16


@dataclass(frozen=True)
class Item:
    """A file to upload."""

    path: Path
    title: str | None = None
    tags: tuple[str, ...] = ()


@dataclass
class Outcome:
    """What became of the files."""

    added: int = 0
    known: int = 0
    failed: list[tuple[Path, str]] = field(default_factory=list)


def upload_all(client: Client, items: Sequence[Item], console: Console) -> Outcome:
    """Uploads what the library does not have and waits for all jobs; files that fail are told and counted."""
    outcome = Outcome()
    pending: dict[str, tuple[Path, float]] = {}
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("adding", total=len(items))
        settled = 0

        def fail(path: Path, reason: str) -> None:
            outcome.failed.append((path, reason))
            progress.console.print(f"[red]✗[/red] {path}: {reason}", highlight=False, soft_wrap=True)

        def poll() -> None:
            nonlocal settled
            for job_id, (path, _) in list(pending.items()):
                job = client.get(f"/v1/jobs/{job_id}")
                pending[job_id] = (path, UPLOAD_SHARE + (1 - UPLOAD_SHARE) * job["progress"])
                if job["status"] in OVER:
                    del pending[job_id]
                    settled += 1
                    if job["status"] == "done":
                        outcome.added += 1
                    else:
                        problem = job["problem"] or {}
                        fail(path, str(problem.get("detail", f"the job was {job['status']}")))
            progress.update(bar, completed=round(settled + sum(share for _, share in pending.values()), 1))

        for item in items:
            progress.update(bar, description=item.path.name[-40:])
            if _is_known(client, item.path):
                outcome.known += 1
                settled += 1
            else:
                fields = {"title": item.title} if item.title else {}
                if item.tags:
                    fields["tags"] = ",".join(item.tags)
                try:
                    answer = client.send_file("/v1/videos", item.path, fields)
                    pending[answer["job_id"]] = (item.path, UPLOAD_SHARE)
                except ServiceError as error:
                    settled += 1
                    fail(item.path, str(error))
                except httpx.TransportError as error:
                    settled += 1
                    fail(item.path, client.why_not_sent(item.path, error))
                    client.get("/healthz")  # the service is gone: there is no use in going on
                except OSError as error:
                    settled += 1
                    fail(item.path, error.strerror or str(error))
            poll()
            while len(pending) >= PENDING:
                time.sleep(POLL_S)
                poll()
        progress.update(bar, description="adding")
        while pending:
            time.sleep(POLL_S)
            poll()
    return outcome


def _is_known(client: Client, path: Path) -> bool:
    """Whether the library has these very bytes, searchable."""
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        video = client.get(f"/v1/videos/{video_id_of(sha256)}")
    except (OSError, ServiceError):
        return False
    return bool(video["status"] == "ready")
