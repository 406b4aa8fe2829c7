"""`mmv-search jobs`: what a running service is at, and trying again what it set aside."""

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.common import CommandFailed, HomeOption, err, out, settings_for

if TYPE_CHECKING:  # imported late: it takes a while
    from service.commands.client import Client

app = typer.Typer(help="Jobs of a running service: list, cancel, try again.", no_args_is_help=True)

PAGE = 100


class StatusName(StrEnum):
    """How far a job is."""

    queued = "queued"
    running = "running"
    done = "done"
    failed = "failed"
    cancelled = "cancelled"


@app.command("list")
def list_jobs(
    status: Annotated[StatusName | None, typer.Option(help="Only these [default: all].")] = None,
    number: Annotated[int, typer.Option("-n", "--number", min=1, max=10_000, help="How many.")] = 20,
    home: HomeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, a job a line.")] = False,
) -> None:
    """List jobs, newest first; of failed ones the reason."""
    from service.commands.client import require_service

    wanted = {} if status is None else {"status": status.value}
    with require_service(settings_for(home)) as client:
        for job, _ in zip(_listed(client, "jobs", **wanted), range(number), strict=False):
            if as_json:
                typer.echo(json.dumps(job))
                continue
            how = f"{job['progress']:.0%}" if job["status"] == "running" else ""
            line = f"{job['id']}  {job['kind']} {job['video_id'] or ''}  {job['status']} {how}  {_reason(job)}"
            out.print(line.rstrip(), highlight=False, soft_wrap=True, markup=False)


@app.command()
def retry(
    ids: Annotated[
        list[str] | None, typer.Argument(help="Jobs or videos (j_..., v_...) that failed.", metavar="[ID]...")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All videos that failed; those that somebody cancelled stay as they are.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Take videos in again that failed, after a limit was raised or a fault was mended. No file is sent again."""
    from service.commands.client import ServiceError, require_service

    if bool(ids) == every:
        raise CommandFailed("Name jobs or videos to try again, or say --all.")
    failed = 0
    with require_service(settings_for(home)) as client:
        for identifier in _set_aside(client) if every else ids or ():
            try:
                job = client.post(f"/v1/jobs/{_job_id(client, identifier)}/retry")
            except CommandFailed as error:
                if isinstance(error, ServiceError) and error.status >= 500:
                    raise  # the others would fare no better
                failed += 1
                err.print(f"✗ {identifier}: {error}", highlight=False, soft_wrap=True, markup=False)
            else:
                out.print(f"{job['id']}  {job['video_id']}  {job['status']}", highlight=False, markup=False)
    if failed:
        raise typer.Exit(1)


@app.command()
def cancel(
    job_ids: Annotated[list[str], typer.Argument(help="Jobs (j_...).", metavar="ID...")], home: HomeOption = None
) -> None:
    """Cancel jobs; one that is over stays as it is."""
    from service.commands.client import require_service

    with require_service(settings_for(home)) as client:
        for job_id in job_ids:
            job = client.delete(f"/v1/jobs/{_quoted(job_id)}")
            out.print(f"{job['id']}  {job['status']}", highlight=False, markup=False)


def _listed(client: "Client", what: str, **wanted: str) -> Iterator[dict[str, Any]]:
    """All `jobs` or `videos`, newest first, page by page. Raises ServiceError."""
    cursor: dict[str, str] = {}
    while True:
        page = client.get(f"/v1/{what}", limit=PAGE, **wanted, **cursor)
        yield from page[what]
        if page["next_cursor"] is None:
            return
        cursor = {"cursor": page["next_cursor"]}


def _set_aside(client: "Client") -> list[str]:
    """Ids of the videos that failed by themselves, all of them before any is tried again."""
    videos = list(_listed(client, "videos", status="failed"))
    return [video["id"] for video in videos if (video["problem"] or {}).get("code") != "ingest_cancelled"]


def _job_id(client: "Client", identifier: str) -> str:
    """The job that is meant: a video's last one. Raises CommandFailed, ServiceError."""
    if not identifier.startswith("v_"):
        return _quoted(identifier)
    jobs = client.get("/v1/jobs", video_id=identifier, limit=1)["jobs"]
    if not jobs:
        raise CommandFailed(f"There is no job of a video {identifier!r}; `mmv-search jobs list` shows what there is.")
    return str(jobs[0]["id"])


def _quoted(job_id: str) -> str:
    from urllib.parse import quote

    return quote(job_id, safe="")


def _reason(job: dict[str, Any]) -> str:
    return str((job["problem"] or {}).get("detail", ""))
