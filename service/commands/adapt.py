"""`mmv-search adapt`."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.common import CommandFailed, HomeOption, err, out, settings_for

if TYPE_CHECKING:
    from models.bundle import Bundle
    from models.training.adapt import Options
    from models.training.adapt_report import Adaptation
    from service.settings import Settings

NOT_BETTER = 3


def adapt(
    library: Annotated[bool, typer.Option("--library", help="Adapt to the films of the library.")] = False,
    data: Annotated[
        Path | None, typer.Option(help="Instead: adapt to a folder of films, with .srt and .vtt beside them.")
    ] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="The bundle to adapt [default: the library's active one].")
    ] = None,
    work: Annotated[
        Path | None, typer.Option("--out", help="Folder for the work and the new bundle [--library: in the home].")
    ] = None,
    subtitles: Annotated[
        Path | None, typer.Option(help="--library: folder of subtitles, named as the films were when they were added.")
    ] = None,
    promote: Annotated[bool, typer.Option("--promote", help="If it is better, make it the library's own.")] = False,
    steps: Annotated[int, typer.Option(min=0, help="Steps of training; 0: as the films' length asks for.")] = 0,
    batch: Annotated[int, typer.Option(min=8, help="Clips a step.")] = 64,
    learning_rate: Annotated[float, typer.Option(min=0.0, help="Adam's learning rate at its highest.")] = 2e-4,
    max_hours: Annotated[float, typer.Option(help="Refuse a training that takes longer.")] = 6.0,
    home: HomeOption = None,
) -> None:
    """Fine-tune the model on your own films, without labels: by what is seen and heard together, and subtitles.

    Films that are held out judge it. Exit status 0: a better bundle is made and proposed; 3: it is not better, and only
    the report is kept. Interrupted, the same command goes on.
    """
    from models.command_errors import clear_errors

    settings = settings_for(home)
    if library == (data is not None):
        raise CommandFailed("Name what to adapt to: --library, or --data FOLDER.")
    if data is not None and work is None:
        raise CommandFailed("Name a folder for the work and the new bundle: --out DIR.")
    with clear_errors("run the same command again to go on"):
        from models.bundle import load_bundle
        from models.training.adapt import Options

        old = load_bundle(bundle or settings.bundle_path())
        options = Options(steps=steps, batch=batch, learning_rate=learning_rate, max_hours=max_hours)
        if data is not None and work is not None:
            found = _to_folder(old, data, work, options)
        else:
            found = _to_library(old, settings, work, subtitles, options)
    _tell(found)
    if found.bundle is None:
        raise typer.Exit(NOT_BETTER)
    if promote:
        from service.commands.bundle import promote_into

        promote_into(Path(found.bundle), home)
    else:
        out.print(
            f"Use it with: mmv-search bundle promote {found.bundle}", highlight=False, soft_wrap=True, markup=False
        )


def _to_folder(bundle: "Bundle", data: Path, work: Path, options: "Options") -> "Adaptation":
    from models.training.adapt import adapt as run
    from models.training.adapt_folder import films_in
    from models.training.adapt_windows import read_here

    with err.status(f"reading {data}"):
        films = list(films_in(data))
    return run(bundle, films, read_here, work, options, err)


def _to_library(
    bundle: "Bundle", settings: "Settings", work: Path | None, subtitles: Path | None, options: "Options"
) -> "Adaptation":
    from models.training.adapt import adapt as run
    from service.adaptation import adaptation_folder, library_films, read_confined
    from service.audit import COMMAND_LINE, record
    from service.catalogue import open_catalogue
    from service.commands.index import existing
    from service.media import confined
    from service.media.store import MediaStore

    existing(settings)
    with contextlib.closing(open_catalogue(settings)) as catalogue:
        films = library_films(catalogue, MediaStore(settings.media_dir), subtitles)
        record(catalogue, COMMAND_LINE, "bundle.adapt_started", bundle.name, {"steps": options.steps})
    confined.start()
    return run(
        bundle, films, read_confined, work or adaptation_folder(settings, bundle, films, options.steps), options, err
    )


def _tell(found: "Adaptation") -> None:
    from models.training.adapt_report import lines

    for line in lines(found):
        out.print(line, highlight=False, soft_wrap=True, markup=False)
