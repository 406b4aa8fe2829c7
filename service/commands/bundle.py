"""`mmv-search bundle` (`verify` comes from `models/training/cli.py`, since it compares with PyTorch)."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands.common import CommandFailed, HomeOption, err, out, settings_for

if TYPE_CHECKING:
    from models.bundle import Bundle
    from service.settings import Settings

app = typer.Typer(help="Model bundles: what the service searches with.", no_args_is_help=True)


@app.command("list")
def list_bundles(home: HomeOption = None) -> None:
    """List the bundles at hand, shipped and promoted; the one in use has a star."""
    from models.bundle import BundleError, load_bundle
    from service.bundles import bundle_folders

    settings = settings_for(home)
    gone: BundleError | None = None
    active: Path | None = None
    try:
        active = settings.bundle_path().resolve()
    except BundleError as error:
        gone = error
    for path in bundle_folders(settings):
        star = "*" if path.resolve() == active else " "
        try:
            bundle = load_bundle(path)
        except BundleError as error:
            out.print(f"{star} {path.name}: damaged: {error}", highlight=False, soft_wrap=True, markup=False)
        else:
            modalities = ", ".join(bundle.modalities)
            kind = "  promoted" if path.parent == settings.bundles_dir else ""
            out.print(
                f"{star} {bundle.name}  {bundle.fingerprint[:12]}  {modalities}{kind}",
                highlight=False,
                soft_wrap=True,
                markup=False,
            )
    if gone is not None:
        raise gone


@app.command()
def show(
    bundle: Annotated[
        str | None,
        typer.Argument(help="A folder, or the name of a bundle that `list` shows [default: the one in use]."),
    ] = None,
    home: HomeOption = None,
) -> None:
    """Show what a bundle is: its network, inputs, licence, provenance and figures."""
    from rich.pretty import Pretty

    from models.bundle import load_bundle

    settings = settings_for(home)
    loaded = load_bundle(settings.bundle_path()) if bundle is None else _named(bundle, settings)
    fields = ("name", "fingerprint", "graph", "backbones", "dims", "inputs", "licence", "provenance", "metrics")
    for name in fields:
        out.print(f"[bold]{name}[/bold]", Pretty(getattr(loaded, name)), soft_wrap=True)


@app.command()
def promote(
    folder: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="The bundle's folder.")] = None,
    shipped: Annotated[bool, typer.Option("--shipped", help="Go back to the bundle that is shipped.")] = False,
    home: HomeOption = None,
) -> None:
    """Make a bundle the one that a library is served with.

    It is checked and copied into the library's folder, so DIR may go. The next `mmv-search serve` embeds the library
    with it; until then nothing changes. --bundle and MMV_BUNDLE win over it.
    """
    from service.bundles import back_to_shipped
    from service.bundles import promote as promote_folder

    settings = settings_for(home)
    if (folder is None) == (not shipped):
        raise CommandFailed("Name a bundle's folder, or --shipped.")
    _tell_promoted(promote_folder(folder, settings) if folder is not None else back_to_shipped(settings), settings)


def promote_into(folder: Path, home: Path | None) -> None:
    """Make a bundle the one that the library in `home` is served with, and say so: for training commands, when asked.

    Raises BundleError and OSError.
    """
    from service.bundles import promote as promote_folder

    settings = settings_for(home)
    _tell_promoted(promote_folder(folder, settings), settings)


def _tell_promoted(bundle: "Bundle", settings: "Settings") -> None:
    out.print(
        f"{bundle.name} ({bundle.fingerprint[:12]}) is now the bundle of {settings.home}",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )
    for line in _consequences(bundle, settings):
        err.print(line, highlight=False, soft_wrap=True, markup=False)


def _named(name: str, settings: "Settings") -> "Bundle":
    """A bundle by its folder, its own name or its folder's name. Raises CommandFailed and BundleError."""
    from models.bundle import BundleError, load_bundle
    from service.bundles import bundle_folders

    if Path(name).is_dir():
        return load_bundle(Path(name))
    for folder in bundle_folders(settings):
        try:
            bundle = load_bundle(folder)
        except BundleError:
            if folder.name == name:
                raise
        else:
            if name in (folder.name, bundle.name):
                return bundle
    raise CommandFailed(f"There is no bundle {name!r}: neither a folder nor one that `mmv-search bundle list` shows.")


def _consequences(bundle: "Bundle", settings: "Settings") -> list[str]:
    """What a promoted bundle means for the library: when it takes effect, and how much is to be embedded."""
    import contextlib

    from service.catalogue import open_catalogue
    from service.commands.client import find_service

    lines = []
    if settings.bundle is not None:
        lines.append(f"MMV_BUNDLE names {settings.bundle}, which is used as long as it does.")
    if settings.home.is_dir() and (client := find_service(settings)) is not None:
        client.close()
        lines.append(f"It takes effect when the service at {client.address} is started again.")
    if settings.database_url or (settings.home / "catalogue.sqlite3").is_file():
        with contextlib.closing(open_catalogue(settings)) as catalogue:
            waiting = catalogue.waiting_count(bundle.fingerprint)
        if waiting:
            videos = "1 video is" if waiting == 1 else f"{waiting} videos are"
            lines.append(f"{videos} then embedded anew; each can be found as soon as that is done.")
    if "text" not in bundle.modalities:
        lines.append(
            "It knows no words, so only sounds, images and clips can be searched by: import the checkpoint again "
            "with --vocab FILE to get them."
        )
    return lines
