"""`mmv-search bundle` (`verify` comes from `models/training/cli.py`, since it compares with PyTorch)."""

from pathlib import Path
from typing import Annotated

import typer

from service.commands.common import CommandFailed, out, settings_for

app = typer.Typer(help="Model bundles: what the service searches with.", no_args_is_help=True)


@app.command("list")
def list_bundles() -> None:
    """List the bundles at hand; the one in use has a star."""
    from models.bundle import BundleError, load_bundle, shipped_bundle_path

    active = settings_for(None).bundle_path().resolve()
    folders = {path.resolve() for path in shipped_bundle_path().parent.glob("*") if (path / "bundle.json").is_file()}
    for path in sorted(folders | {active}):
        star = "*" if path == active else " "
        try:
            bundle = load_bundle(path)
        except BundleError as error:
            out.print(f"{star} {path.name}: damaged: {error}", highlight=False, soft_wrap=True)
        else:
            modalities = ", ".join(bundle.modalities)
            out.print(f"{star} {bundle.name}  {bundle.fingerprint[:12]}  {modalities}", highlight=False)


@app.command()
def show(
    bundle: Annotated[
        str | None, typer.Argument(help="A shipped bundle's name or a folder [default: the one in use].")
    ] = None,
) -> None:
    """Show what a bundle is: its network, inputs, licence, provenance and figures."""
    from rich.pretty import Pretty

    from models.bundle import load_bundle, shipped_bundle_path

    path = settings_for(None).bundle_path()
    if bundle is not None:
        shipped = shipped_bundle_path().parent / Path(bundle).name
        path = Path(bundle) if Path(bundle).is_dir() else shipped
        if not path.is_dir():
            raise CommandFailed(
                f"There is no bundle {bundle!r}: neither a folder nor one that `mmv-search bundle list` shows."
            )
    loaded = load_bundle(path)
    fields = ("name", "fingerprint", "graph", "backbones", "dims", "inputs", "licence", "provenance", "metrics")
    for name in fields:
        out.print(f"[bold]{name}[/bold]", Pretty(getattr(loaded, name)), soft_wrap=True)
