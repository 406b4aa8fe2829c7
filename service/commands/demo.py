"""`mmv-search demo`."""

import json
import logging
import os
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from service.commands.common import CommandFailed, err, settings_for
from service.commands.serve import BundleOption, set_up_logging
from service.settings import Settings, default_home

LIBRARY = Path(__file__).parent.parent / "demo" / "library"


def demo(
    home: Annotated[
        Path | None,
        typer.Option(
            "--home", help="Folder of the demo library [default: ~/.local/share/mmv-search/demo].", metavar="DIR"
        ),
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port of the page [default: 8600, or a free one].")] = None,
    bundle: BundleOption = None,
    clips: Annotated[Path, typer.Option(help="Folder of clips to take in.", hidden=True)] = LIBRARY,
) -> None:
    """Make the demo library (the first time: a minute or two), serve it, and print the page's address."""
    from service.commands.client import find_service
    from service.supervisor import CannotServe, listen, serve

    items = demo_items(clips)
    set_up_logging(logging.WARNING)
    os.environ["MMV_WORKER_LOG"] = "WARNING"  # the progress bar is the news
    settings = settings_for(home or default_home() / "demo", port=port, bundle=bundle)
    settings.prepare_home()
    running = find_service(settings)
    if running is not None:
        with running:
            err.print(f"The demo is running already: [bold]{running.address}[/bold]")
        return
    if settings.bundle is None:
        keep_up(settings)
    if port is None:
        try:
            listen(settings.host, settings.port).close()
        except CannotServe:
            settings = settings.model_copy(update={"port": 0})
    serve(settings, on_ready=lambda address: fill(settings, address, items), quiet=True)


def keep_up(settings: Settings) -> None:
    """Where an update has replaced the model that the demo library was made with, the new one takes its place."""
    from models.bundle import BundleError
    from service.catalogue import open_catalogue
    from service.commands.bundle import promote
    from service.model_pool import served_at_start

    try:
        with closing(open_catalogue(settings)) as catalogue:
            served_at_start(settings, catalogue)
    except BundleError:
        promote(None, shipped=True, hold=False, at_once=True, wait=False, home=settings.home)


def fill(settings: Settings, address: str, items: "list[object]") -> None:
    """Takes the clips into the library that is served at `address`, and tells where to look."""
    from service.commands.client import Client, find_service
    from service.commands.common import told
    from service.commands.uploading import upload_all

    try:
        with Client(address, settings) as client:
            outcome = upload_all(client, items, err)  # type: ignore[arg-type]  # imported late
    except Exception as error:  # in a thread of the server: tell it, and go on serving
        if find_service(settings) is None:
            return  # ctrl-C: there is nothing to say any more
        err.print(f"[red]error:[/red] the demo clips could not be added: {told(error) or repr(error)}", soft_wrap=True)
    else:
        if outcome.failed:
            err.print(f"{len(outcome.failed)} clips could not be added", highlight=False)
    err.print(f"\nThe demo library is at [bold]{address}[/bold]   (ctrl-C ends it)\n")


def demo_items(folder: Path) -> "list[object]":
    """The clips to take in, with titles and tags from `manifest.jsonl` where it has them. Raises CommandFailed."""
    from service.commands.uploading import Item

    manifest = folder / "manifest.jsonl"
    told: dict[str, dict[str, object]] = {}
    if manifest.is_file():
        for line in manifest.read_text(encoding="utf-8").splitlines():
            entry = json.loads(line)
            told[Path(str(entry["file"])).name] = entry
    items: list[object] = []
    for path in sorted(folder.glob("*.mp4")) or sorted(folder.glob("clips/*.mp4")):
        entry = told.get(path.name, {})
        title, tags = entry.get("title"), entry.get("tags")
        items.append(Item(path, str(title) if title else None, tuple(map(str, tags)) if isinstance(tags, list) else ()))
    if not items:
        raise CommandFailed(f"The demo clips are missing: {folder} has none.")
    return items
