"""`mmv-search index`."""

import contextlib
from collections.abc import Callable
from typing import Annotated, Any

import typer

from service.commands.common import CommandFailed, HomeOption, out, settings_for
from service.settings import Settings

app = typer.Typer(help="The search index: what it holds, making it anew, checking it.", no_args_is_help=True)


@app.command()
def status(home: HomeOption = None) -> None:
    """Show the current index generation of a library."""
    from index import open_generation
    from service.bundles import ensure_serving
    from service.catalogue import open_catalogue

    settings = existing(settings_for(home))
    with contextlib.closing(open_catalogue(settings)) as catalogue:
        served, coming = ensure_serving(settings, catalogue), catalogue.candidate()
        waiting = catalogue.waiting_count(served.bundle)
    generation = open_generation(settings.index_dir, served.generation) if served.generation else None
    if waiting:
        out.print(
            f"videos not yet taken in with the bundle {served.bundle_name}: {waiting} (`mmv-search serve` does it)",
            highlight=False,
        )
    if coming is not None:
        out.print(
            f"{coming.kind} of {coming.bundle_name}: {coming.state} (`mmv-search index candidate`)", highlight=False
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
def rebuild(
    home: HomeOption = None,
    hold: Annotated[
        bool, typer.Option("--hold", help="Do not switch to it yet: see what changes first, then `index confirm`.")
    ] = False,
) -> None:
    """Make a new index generation from the catalogue's vectors (of a running service, or of a library at rest).

    It is built beside the one that is searched, checked against the catalogue and compared with it by golden queries.
    """
    from service.commands import swaps

    swaps.tell(swaps.rebuild(existing(settings_for(home)), auto=not hold))


@app.command()
def candidate(home: HomeOption = None) -> None:
    """Show what is to be searched next, a model or an index generation, and what would change."""
    from service.commands import swaps

    swaps.tell_candidate(swaps.candidate(existing(settings_for(home))))


@app.command()
def confirm(home: HomeOption = None) -> None:
    """Switch to the candidate that waits for it."""
    from service.commands import swaps

    swaps.tell(swaps.confirm(existing(settings_for(home))))


@app.command()
def discard(home: HomeOption = None) -> None:
    """Forget the candidate, whatever it is at."""
    from service.commands import swaps

    swaps.discard(existing(settings_for(home)))


@app.command()
def rollback(home: HomeOption = None) -> None:
    """Search the index generation before the last rebuild again, at once."""
    from service.commands import swaps

    line = swaps.roll_back(existing(settings_for(home)), "index")
    out.print(line, highlight=False, soft_wrap=True, markup=False)


@app.command()
def verify(home: HomeOption = None) -> None:
    """Check every file of the current generation, and that it holds what the catalogue has (works with no service)."""
    import numpy as np

    from index import open_generation
    from service.bundles import ensure_serving
    from service.catalogue import open_catalogue

    settings = existing(settings_for(home))
    with contextlib.closing(open_catalogue(settings)) as catalogue:
        served = ensure_serving(settings, catalogue)
        segments = np.array(catalogue.segment_ids(served.bundle), np.int64)
    if served.generation is None:
        out.print(f"no generation yet; the catalogue has {len(segments)} segments", highlight=False)
        return
    generation = open_generation(settings.index_dir, served.generation)  # checks every sha256
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


def _rebuild_at_rest(settings: Settings, report: Callable[[float, str], None]) -> dict[str, Any]:
    """For a library that was just restored."""
    from service.commands import swaps

    return swaps.rebuild_at_rest(settings, report)
