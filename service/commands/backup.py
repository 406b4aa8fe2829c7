"""`mmv-search backup` and `mmv-search restore`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from service.commands.common import CommandFailed, HomeOption, err, out, settings_for

Report = Callable[[float, str], None]

FolderArgument = Annotated[Path, typer.Argument(help="The folder of backups.", metavar="FOLDER")]
NameOption = Annotated[
    str | None, typer.Option("--name", help="Which backup, as `backup list` names it [default: the newest].")
]


class _MakesByDefault(TyperGroup):
    """`backup FOLDER` is `backup make FOLDER`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["make", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_MakesByDefault,
    help="Back a library up into a folder: mmv-search backup FOLDER. It may be served and written to meanwhile.",
    no_args_is_help=True,
)


@app.command()
def make(
    folder: Annotated[Path, typer.Argument(help="A new folder, or one with earlier backups.", metavar="FOLDER")],
    home: HomeOption = None,
    copy: Annotated[
        bool,
        typer.Option("--copy", help="Copy films; otherwise, on the same disk, they get a second name (hard link)."),
    ] = False,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Afterwards keep only so many backups, the newest [default: all].")
    ] = None,
) -> None:
    """Make a backup (what `mmv-search backup FOLDER` does); run again, it adds what is new.

    It holds the catalogue with all vectors, the films, their pictures, the promoted models and which is in use. Keys
    are in it as digests; the admin token and the search index are not: the one is made at the first start, the other
    from the vectors.
    """
    from service.backup import back_up
    from service.commands.index import existing

    settings = existing(settings_for(home))
    with _progress("backing up") as report:
        done = back_up(settings, folder, report, copy=copy, keep=keep)
    out.print(
        f"{folder}: backup {done.name} of {done.videos} videos, {_bytes(done.total_bytes)}, "
        f"{_bytes(done.new_bytes)} of it new",
        highlight=False,
    )
    if done.deleted_meanwhile:
        out.print(f"left out, since they were deleted meanwhile: {done.deleted_meanwhile}", highlight=False)
    if done.removed:
        out.print(f"removed older backups: {', '.join(done.removed)}", highlight=False)
    if done.missing:
        raise CommandFailed(
            f"The backup is whole, but the library itself lacks the films of {len(done.missing)} videos, or they are "
            f"damaged; the first is {done.missing[0]}. Upload them again."
        )


@app.command(name="list")
def list_backups(folder: FolderArgument) -> None:
    """List the backups in a folder."""
    from service.backup import Repository

    repository = Repository(folder)
    repository.check()
    for name in repository.names():
        manifest = repository.read(name)
        out.print(
            f"{name}  {manifest.created_at:%Y-%m-%d %H:%M} UTC  {manifest.counts.get('videos', 0)} videos  "
            f"{_bytes(manifest.size)}",
            highlight=False,
        )


@app.command()
def verify(folder: FolderArgument, name: NameOption = None) -> None:
    """Read a backup and check every byte of it."""
    from service.backup import Repository

    repository = Repository(folder)
    manifest = repository.read(name)
    with _progress("verifying") as report:
        wrong = repository.verify(manifest, report)
    for sentence in wrong:
        err.print(sentence, highlight=False, soft_wrap=True)
    if wrong:
        raise CommandFailed(f"The backup {manifest.name} is damaged: {len(wrong)} of its files are missing or changed.")
    out.print(
        f"backup {manifest.name} is whole: {len(manifest.entries)} files, {_bytes(manifest.size)}", highlight=False
    )


def restore(
    folder: FolderArgument,
    home: HomeOption = None,
    name: NameOption = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Also where there is a library: it is removed once the backup is in its place."),
    ] = False,
    link: Annotated[
        bool, typer.Option("--link", help="On the same disk give films a second name (hard link), do not copy them.")
    ] = False,
) -> None:
    """Bring a library back from a backup, into an empty home and database, and make its search index.

    A backup fits both databases: one made with SQLite can be restored into PostgreSQL (MMV_DATABASE_URL), and the other
    way round. The restored library is one of its own: the original may go on being served elsewhere.
    """
    from service.backup import restore as bring_back
    from service.commands.index import _rebuild_at_rest

    settings = settings_for(home)
    with _progress("restoring") as report:
        manifest = bring_back(settings, folder, report, name=name, replace=replace, link=link)
    out.print(
        f"{settings.home}: restored {manifest.counts.get('videos', 0)} videos from the backup {manifest.name}",
        highlight=False,
    )
    if manifest.missing:
        err.print(
            f"The library lacked the films of {len(manifest.missing)} videos already when it was backed up.",
            highlight=False,
        )
    try:
        with _progress("making the index") as report:
            _rebuild_at_rest(settings, report)
    except Exception as error:
        err.print(
            f"The library is restored; only its search index could not be made ({error}). Everything is found without "
            "it; `mmv-search index rebuild` makes it.",
            highlight=False,
            soft_wrap=True,
        )


@contextmanager
def _progress(what: str) -> Iterator[Report]:
    from rich.progress import Progress

    with Progress(console=err, transient=True) as progress:
        bar = progress.add_task(what, total=1.0)

        def report(done: float, stage: str) -> None:
            progress.update(bar, completed=done, description=f"{what}: {stage}")

        yield report


def _bytes(count: int) -> str:
    amount, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.0f} {units[0]}" if units[0] == "B" else f"{amount:.1f} {units[0]}"
