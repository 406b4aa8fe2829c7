"""`mmv-search serve`."""

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from service.commands.common import CommandFailed, HomeOption, err, settings_for

HostOption = Annotated[str | None, typer.Option(help="Address to listen on [default: 127.0.0.1, this machine only].")]
PortOption = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one [default: 8600].")]
BundleOption = Annotated[
    Path | None,
    typer.Option("--bundle", help="Model bundle [default: the promoted or the shipped one].", metavar="DIR"),
]


def serve(
    home: HomeOption = None, host: HostOption = None, port: PortOption = None, bundle: BundleOption = None
) -> None:
    """Serve a library: the page, the HTTP interface, and a worker that takes in what is uploaded.

    Without further settings everything runs on this machine, in the library's folder. MMV_REDIS_URL and
    MMV_DATABASE_URL put real servers in the place of the embedded ones.
    """
    from service.supervisor import serve as run

    set_up_logging(logging.INFO)
    worker_log_level()  # said now, and not by a worker that starts over and over
    settings = settings_for(home, host=host, port=port, bundle=bundle)
    run(settings, on_ready=lambda address: err.print(f"mmv-search serves {settings.home} at [bold]{address}[/bold]"))


def worker_log_level() -> int:
    """What MMV_WORKER_LOG says, INFO if nothing. Raises CommandFailed."""
    said = os.environ.get("MMV_WORKER_LOG", "INFO")
    level = logging.getLevelNamesMapping().get(said.strip().upper())
    if level is None:
        raise CommandFailed(f"MMV_WORKER_LOG is {said!r}; it can be DEBUG, INFO, WARNING, ERROR or CRITICAL.")
    return level


def set_up_logging(level: int) -> None:
    """One line per event, on standard error."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%H:%M:%S")
    for chatty in ("httpx", "alembic", "faiss.loader", "rq.worker", "rq.job"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
