"""`mmv-search ingest`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.common import CommandFailed, HomeOption, err, settings_for

if TYPE_CHECKING:  # imported late: it takes a while
    from service.commands.beside import Beside
    from service.commands.sending import Item

# What is taken from a folder; a file that is named is tried whatever it is called.
SUFFIXES = frozenset(
    f".{name}"
    for names in (
        "mp4 m4v mov mkv webm avi mpg mpeg ts mts m2ts 3gp flv wmv ogv mxf gif",
        "mp3 wav flac ogg oga opus m4a aac wma aiff aif",
    )
    for name in names.split()
)


def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Films and sounds, or folders of them.", metavar="PATH...")],
    tag: Annotated[list[str] | None, typer.Option(help="A tag for all of them; may be repeated.")] = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Go on until ctrl-C: take in what comes into the folders, once it is complete."),
    ] = False,
    home: HomeOption = None,
) -> None:
    """Add films and sounds to the library of a running service, and wait until they can be searched.

    Subtitles (.srt or .vtt) beside a video are taken along. What the library has already is not sent again; subtitles
    that came or changed since are.
    """
    from service.commands.beside import Beside
    from service.commands.client import find_service, require_service
    from service.commands.notes import notes_of
    from service.commands.uploading import upload_all
    from service.commands.watching import watch as watch_folders

    settings = settings_for(home)
    tags, beside = tuple(tag or ()), Beside()
    if watch:
        for path in paths:
            if not path.is_dir():
                raise CommandFailed(f"{path} is no folder; --watch is for folders.")
        outcome = watch_folders(
            lambda: find_service(settings),
            lambda: media_files(paths),
            lambda path: item_of(path, tags, beside),
            notes_of(settings),
            err,
        )
    else:
        items = [item_of(path, tags, beside) for path in find_files(paths)]
        with require_service(settings) as client:
            outcome = upload_all(client, items, err, notes_of(settings))
    known = f", {outcome.known} were there already" if outcome.known else ""
    subtitled = f", new subtitles for {outcome.subtitled}" if outcome.subtitled else ""
    err.print(f"{outcome.added} added{known}{subtitled}, {len(outcome.failed)} failed", highlight=False)
    if outcome.failed and not watch:
        raise typer.Exit(1)


def item_of(path: Path, tags: tuple[str, ...], beside: "Beside") -> "Item":
    """A file with the subtitles beside it."""
    from service.commands.sending import Item

    return Item(path, tags=tags, subtitles=beside.subtitles_of(path))


def media_files(folders: list[Path]) -> list[Path]:
    """Films and sounds in folders, hidden ones left out."""
    return [
        file
        for folder in folders
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        and _is_file(file)
    ]


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder that may be listed and no more
        return False


def find_files(paths: list[Path]) -> list[Path]:
    """The files meant: folders are searched for media. Raises CommandFailed."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = media_files([path])
            if not found:
                raise CommandFailed(f"{path} has no films or sounds in it.")
            files += found
        elif path.exists():
            files.append(path)
        else:
            raise CommandFailed(f"{path} does not exist.")
    return list(dict.fromkeys(files))
