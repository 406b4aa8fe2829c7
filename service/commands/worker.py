"""`mmv-search worker`."""

import os
import socket
from typing import Annotated

import typer

from service.commands.common import CommandFailed, HomeOption, settings_for
from service.commands.serve import BundleOption, set_up_logging, worker_log_level


def worker(
    home: HomeOption = None,
    bundle: BundleOption = None,
    name: Annotated[
        str | None,
        typer.Option(help="The worker's name: one that starts again under the same name takes up its work at once."),
    ] = None,
    parent: Annotated[int | None, typer.Option(hidden=True, help="End when this process does.")] = None,
) -> None:
    """Run one more worker beside `mmv-search serve` (which has one already), or against MMV_REDIS_URL."""
    from service.jobs.worker import run_worker
    from service.redis_server import socket_path

    set_up_logging(worker_log_level())
    settings = settings_for(home, bundle=bundle)
    if settings.redis_url is None:
        embedded = socket_path(settings.redis_dir)
        if not embedded.exists():
            raise CommandFailed(
                f"No Redis to take jobs from: start `mmv-search serve --home {settings.home}` first, "
                "or set MMV_REDIS_URL."
            )
        settings = settings.model_copy(update={"redis_url": f"unix://{embedded}"})
    run_worker(settings, name or f"{socket.gethostname()}-{os.getpid()}", parent)
