"""`mmv-search serve`."""

import contextlib
import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from service.commands.common import CommandFailed, HomeOption, err, settings_for
from service.settings import Settings

HostOption = Annotated[str | None, typer.Option(help="Address to listen on [default: 127.0.0.1, this machine only].")]
PortOption = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one [default: 8600].")]
BundleOption = Annotated[
    Path | None,
    typer.Option("--bundle", help="Model bundle [default: the promoted or the shipped one].", metavar="DIR"),
]


def serve(
    home: HomeOption = None,
    host: HostOption = None,
    port: PortOption = None,
    bundle: BundleOption = None,
    insecure: Annotated[
        bool,
        typer.Option("--insecure", help="Serve other machines without API keys: whoever calls may search and change."),
    ] = False,
    replica: Annotated[
        bool,
        typer.Option(
            "--replica", help="One more process that answers requests, beside another `serve` of the same home."
        ),
    ] = False,
) -> None:
    """Serve a library: the page, the HTTP interface, and a worker that takes in what is uploaded.

    Without further settings everything runs on this machine, in the library's folder. MMV_REDIS_URL and
    MMV_DATABASE_URL put real servers in the place of the embedded ones.

    On this machine's own addresses no API key is needed until one is made (mmv-search keys create); on any other the
    service starts only when there is one. The first start prints a link that signs a browser in as admin, once.
    """
    from service.supervisor import serve as run

    set_up_logging(logging.INFO)
    worker_log_level()  # said now, and not by a worker that starts over and over
    given = {"host": host, "port": port, "bundle": bundle, "insecure": insecure or None, "replica": replica or None}
    settings = settings_for(home, **given)

    def ready(address: str) -> None:
        err.print(f"mmv-search serves {settings.home} at [bold]{address}[/bold]")
        _tell_first_link(settings, address)

    run(settings, on_ready=ready)


def _tell_first_link(settings: Settings, address: str) -> None:
    from service.audit import COMMAND_LINE
    from service.catalogue import open_catalogue
    from service.first_start import LINK_LIFE, first_link

    with contextlib.closing(open_catalogue(settings)) as catalogue:
        link = first_link(settings, catalogue, address, COMMAND_LINE)
    if link is not None:
        minutes = LINK_LIFE.total_seconds() / 60
        err.print(f"To be its admin in a browser, open this link (once, within {minutes:.0f} minutes):")
        err.print(f"  [bold]{link}[/bold]", highlight=False, soft_wrap=True)


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
