"""`mmv-search index`."""

import contextlib
import time
from typing import Any

import typer

from service.commands.common import CommandFailed, HomeOption, err, out, settings_for
from service.settings import Settings

app = typer.Typer(help="The search index: what it holds, making it anew, checking it.", no_args_is_help=True)


@app.command()
def status(home: HomeOption = None) -> None:
    """Show the current index generation of a library."""
    from index import current
    from models.bundle import load_bundle
    from service.catalogue import open_catalogue

    settings = existing(settings_for(home))
    generation = current(settings.index_dir)
    bundle = load_bundle(settings.bundle_path())
    with contextlib.closing(open_catalogue(settings)) as catalogue:
        waiting = catalogue.waiting_count(bundle.fingerprint)
    if waiting:
        out.print(
            f"videos not yet taken in with the bundle {bundle.name}: {waiting} (`mmv-search serve` does it)",
            highlight=False,
        )
    if generation is None:
        out.print(
            "no generation yet: the catalogue's vectors are searched directly; `mmv-search index rebuild` makes one"
        )
        return
    out.print(f"generation {generation.name}, of {generation.created_at:%Y-%m-%d %H:%M} UTC", highlight=False)
    out.print(f"bundle {generation.bundle[:12]}, {len(generation.ids())} segments", highlight=False)
    for key, count in generation.counts.items():
        recall = generation.recall_at_10[key]
        out.print(f"  {key}: {count} vectors, {generation.index_type[key]}, recall@10 {recall:.3f}", highlight=False)


@app.command()
def rebuild(home: HomeOption = None) -> None:
    """Make a new index generation from the catalogue's vectors (of a running service, or of a library at rest)."""
    from rich.progress import Progress

    from service.commands.client import find_service

    settings = existing(settings_for(home))
    with Progress(console=err, transient=True) as progress:
        bar = progress.add_task("rebuilding", total=1.0)

        def report(done: float, stage: str) -> None:
            progress.update(bar, completed=done, description=stage)

        client = find_service(settings)
        if client is None:
            result = _rebuild_at_rest(settings, report)
        else:
            with client:
                job = client.post("/v1/admin/index/rebuild")
                job_id = job.get("job_id") or job["id"]
                while (job := client.get(f"/v1/jobs/{job_id}"))["status"] in ("queued", "running"):
                    report(job["progress"], job["stage"] or "")
                    time.sleep(0.1)
            if job["status"] != "done":
                raise CommandFailed(str((job["problem"] or {}).get("detail", f"the rebuild was {job['status']}")))
            result = job["result"]
    out.print(f"generation {result['generation']}", highlight=False)
    for key, count in result.get("rows", {}).items():
        out.print(f"  {key}: {count} vectors, recall@10 {result['recall_at_10'][key]:.3f}", highlight=False)
    out.print(f"built in {result.get('build_seconds', 0):.2f} s", highlight=False)


@app.command()
def verify(home: HomeOption = None) -> None:
    """Check every file of the current generation, and that it holds what the catalogue has (works with no service)."""
    import numpy as np

    from index import current
    from models.bundle import load_bundle
    from service.catalogue import open_catalogue

    settings = existing(settings_for(home))
    generation = current(settings.index_dir)  # checks every sha256
    catalogue = open_catalogue(settings)
    bundle = load_bundle(settings.bundle_path())
    segments = np.array(catalogue.segment_ids(bundle.fingerprint), np.int64)
    catalogue.close()
    if generation is None:
        out.print(f"no generation yet; the catalogue has {len(segments)} segments", highlight=False)
        return
    generation.verify()
    if generation.bundle != bundle.fingerprint:
        raise CommandFailed(
            f"Generation {generation.name} is intact, but of another bundle than {bundle.name}: "
            "run `mmv-search index rebuild`."
        )
    held = generation.ids()
    missing, gone = len(np.setdiff1d(segments, held)), len(np.setdiff1d(held, segments))
    out.print(f"generation {generation.name} is intact: {len(held)} segments", highlight=False)
    out.print(
        f"{missing} newer segments are searched from the catalogue, {gone} deleted ones are masked", highlight=False
    )


def existing(settings: Settings) -> Settings:
    """The settings, if there is a library. Raises CommandFailed."""
    if settings.home.is_file():
        raise CommandFailed(f"{settings.home} is a file; the home of a library is a folder.")
    if not settings.home.is_dir():
        raise CommandFailed(f"{settings.home} does not exist; `mmv-search serve` makes a library there.")
    return settings


def _rebuild_at_rest(settings: Settings, report: Any) -> dict[str, Any]:
    from models.bundle import load_bundle
    from service.catalogue import open_catalogue
    from service.rebuild import rebuild_index

    catalogue = open_catalogue(settings)
    try:
        bundle = load_bundle(settings.bundle_path()).fingerprint
        if waiting := catalogue.queue_waiting(bundle):
            err.print(f"videos queued to be taken in with this bundle: {len(waiting)}", highlight=False)
        return rebuild_index(catalogue, bundle, settings.index_dir, report)
    finally:
        catalogue.close()
