"""`mmv-search train --rebuild`, behind the options of `train`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from models.command_errors import clear_errors

# Makes a bundle's folder the active bundle of the library in a home (None: the default one). The service's, which
# this package knows nothing of: `service/cli.py` hands it to the command line as its context object.
Promote = Callable[[Path, Path | None], None]

RESUME = "run the same command again to go on"


@dataclass(frozen=True)
class Promotion:
    """That the bundle is to be promoted, and how."""

    promote: Promote
    home: Path | None


def promotion(asked: bool, promote: object, home: Path | None) -> Promotion | None:
    """What was asked for. Raises ValueError where this program has no library to promote into."""
    if not asked:
        return None
    if not callable(promote):
        raise ValueError("this program cannot promote; use: mmv-search bundle promote DIR")
    return Promotion(promote, home)


def rebuild(
    config: Path,
    out: Path,
    console: Console,
    *,
    clips: int,
    held_out_clips: int,
    validation_clips: int,
    seed: int,
    data: Path | None,
    validation: Path | None,
    held_out: Path | None,
    processes: int,
    device: str,
    promotion: Promotion | None,
) -> None:
    """Run the rebuild, or go on with it; say what came out, and promote it when that was asked for."""
    with clear_errors(RESUME):
        from models.training.config import load_config
        from models.training.rebuild import Footage, Sets
        from models.training.rebuild import rebuild as run_rebuild

        if data is None and (validation or held_out):
            raise ValueError("--validation and --held-out belong to clips of your own: name --data too")
        footage = Footage(clips, validation_clips, held_out_clips, seed)
        material = footage if data is None else Sets(data, validation, held_out)
        bundle = run_rebuild(load_config(config), material, out, console, processes=processes, device=device)
        console.print(f"bundle: {bundle.path} ({bundle.fingerprint[:12]})", highlight=False, soft_wrap=True)
        if promotion is None:
            told = f"Use it with: mmv-search bundle promote {bundle.path}"
            console.print(told, highlight=False, soft_wrap=True, markup=False)
        else:
            promotion.promote(bundle.path, promotion.home)
