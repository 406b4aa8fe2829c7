"""`mmv-search ingest`."""

from pathlib import Path
from typing import Annotated

import typer

from service.commands.common import CommandFailed, HomeOption, err, settings_for

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
    home: HomeOption = None,
) -> None:
    """Add films and sounds to the library of a running service, and wait until they can be searched."""
    from service.commands.client import require_service
    from service.commands.uploading import Item, upload_all

    files = find_files(paths)
    with require_service(settings_for(home)) as client:
        outcome = upload_all(client, [Item(path, tags=tuple(tag or ())) for path in files], err)
    known = f", {outcome.known} were there already" if outcome.known else ""
    err.print(f"{outcome.added} added{known}, {len(outcome.failed)} failed", highlight=False)
    if outcome.failed:
        raise typer.Exit(1)


def find_files(paths: list[Path]) -> list[Path]:
    """The files meant: folders are searched for media, hidden ones left out. Raises CommandFailed."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(
                file
                for file in path.rglob("*")
                if file.suffix.lower() in SUFFIXES
                and file.is_file()
                and not any(part.startswith(".") for part in file.relative_to(path).parts)
            )
            if not found:
                raise CommandFailed(f"{path} has no films or sounds in it.")
            files += found
        elif path.exists():
            files.append(path)
        else:
            raise CommandFailed(f"{path} does not exist.")
    return list(dict.fromkeys(files))
