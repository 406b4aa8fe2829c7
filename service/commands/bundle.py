"""`mmv-search bundle` (`verify` comes from `models/training/cli.py`, since it compares with PyTorch)."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    hold: Annotated[
        bool, typer.Option("--hold", help="Do not switch to it yet: see what changes first, then `index confirm`.")
    ] = False,
    at_once: Annotated[
        bool,
        typer.Option(
            "--at-once", help="Of a library at rest: search with it from the next start on, and embed the videos then."
        ),
    ] = False,
    wait: Annotated[bool, typer.Option(help="Wait until it is done; it goes on anyway.")] = True,
    home: HomeOption = None,
) -> None:
    """Search a library with another bundle.

    It is checked and copied into the library's folder, so DIR may go. Every video is embedded with it while searches go
    on with the old one, what changes is measured, and then all searches are switched over at once. A running service
    begins now, a library at rest with the next `mmv-search serve`. `bundle rollback` goes back.
    """
    from models.bundle import load_bundle, shipped_bundle_path
    from service.bundles import keep
    from service.commands import swaps
    from service.commands.client import find_service

    settings = settings_for(home)
    if (folder is None) == (not shipped):
        raise CommandFailed("Name a bundle's folder, or --shipped.")
    bundle = keep(folder, settings) if folder is not None else load_bundle(shipped_bundle_path())
    client = find_service(settings) if settings.home.is_dir() else None
    if client is None:
        _promote_at_rest(bundle, settings, auto=not hold, at_once=at_once)
        return
    with client:
        if at_once:
            raise CommandFailed(
                "A service is running: it switches by itself when all is embedded. Leave out --at-once."
            )
        job = client.post(f"/v1/admin/bundles/{bundle.fingerprint}/promote", json={"auto": not hold})
        _warn_of(bundle)
        if wait:
            result = swaps.wait_for(client, job)
            _say(f"{bundle.name} ({bundle.fingerprint[:12]}) is now the bundle of {settings.home}", result)
            swaps.tell(result)
        else:
            _print(f"{bundle.name} ({bundle.fingerprint[:12]}) is being brought into service: job {job['id']}")


@app.command()
def rollback(home: HomeOption = None) -> None:
    """Search with the bundle before the last promotion again, at once, with the index that it had."""
    from service.commands import swaps
    from service.commands.index import existing

    _print(swaps.roll_back(existing(settings_for(home)), "bundle"))


def promote_into(folder: Path, home: Path | None) -> None:
    """Have a bundle brought into service for the library in `home`: for training commands, when asked.

    Where that cannot begin now, it is said and nothing else. Raises BundleError and OSError.
    """
    try:
        promote(folder, home=home, wait=False, shipped=False, hold=False, at_once=False)
    except CommandFailed as error:
        err.print(f"{error} Later: mmv-search bundle promote {folder}", highlight=False, soft_wrap=True, markup=False)


def _promote_at_rest(bundle: "Bundle", settings: "Settings", *, auto: bool, at_once: bool) -> None:
    """Queues the promotion for the next start; switches now where nothing is to be embedded, or nothing else works."""
    import contextlib

    from models.bundle import BundleError
    from service.audit import COMMAND_LINE
    from service.catalogue import open_catalogue
    from service.model_pool import served_at_start
    from service.problems import Refused
    from service.swap_job import tidy_home
    from service.swap_requests import SwapRequests

    with contextlib.closing(open_catalogue(settings)) as catalogue:
        if settings.bundle is not None:
            raise CommandFailed(f"MMV_BUNDLE names {settings.bundle}, which is used as long as it does.")
        name = f"{bundle.name} ({bundle.fingerprint[:12]})"
        try:
            served = served_at_start(settings, catalogue)
        except BundleError:  # what was served is gone: there is nothing to go on with meanwhile
            at_once = True
            served = catalogue.begin_serving(bundle.fingerprint, bundle.name, None, None)
        if served.bundle == bundle.fingerprint and catalogue.candidate() is None:
            tidy_home(settings, catalogue)
            _print(f"{name} is the bundle of {settings.home}")
            return
        if at_once or not catalogue.counts()["videos"]:
            catalogue.switch_at_once(bundle.fingerprint, bundle.name, "promote", actor=COMMAND_LINE)
            tidy_home(settings, catalogue)
            _print(f"{name} is now the bundle of {settings.home}")
            if waiting := catalogue.waiting_count(bundle.fingerprint):
                videos = "1 video is" if waiting == 1 else f"{waiting} videos are"
                _warn(f"{videos} embedded with it at the next start; each can be found as soon as that is done.")
        else:
            try:
                SwapRequests(settings, catalogue, COMMAND_LINE).promote(bundle.fingerprint, auto=auto)
            except Refused as refused:
                raise CommandFailed(refused.detail) from None
            _print(f"{name} will be brought into service by the next `mmv-search serve`")
            _warn("Until all videos are embedded with it, they are searched with the old one.")
    _warn_of(bundle)


def _say(done: str, result: dict[str, Any]) -> None:
    _print(done if result.get("state") == "switched" else "Everything is ready to be switched to.")


def _warn_of(bundle: "Bundle") -> None:
    """What one should know of a bundle before it is used."""
    if "text" not in bundle.modalities:
        _warn(
            "It knows no words, so only sounds, images and clips can be searched by: import the checkpoint again "
            "with --vocab FILE to get them."
        )


def _print(line: str) -> None:
    out.print(line, highlight=False, soft_wrap=True, markup=False)


def _warn(line: str) -> None:
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
