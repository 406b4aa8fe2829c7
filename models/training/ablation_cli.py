"""`mmv-search ablate`: several ways to train, compared in one table."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from models.command_errors import clear_errors, console


def ablate(
    config: Annotated[
        Path, typer.Argument(help="Arms and their configuration: models/training/configs/ablation*.yaml.")
    ],
    data: Annotated[
        Path, typer.Option(help="Folder with manifest.jsonl to train on, as `mmv-search footage` makes it.")
    ],
    held_out: Annotated[Path, typer.Option(help="Folder with manifest.jsonl to evaluate on.")],
    out: Annotated[Path, typer.Option(help="Folder for all runs, results.json and ablation.md; run again to go on.")],
    seeds: Annotated[int, typer.Option(help="Runs of each arm, each with a seed of its own.")] = 3,
) -> None:
    """Train a network in several ways, with several seeds, and write one table with confidence intervals."""
    with clear_errors("run the same command again to go on"):
        from models.training.ablation import run_ablation
        from models.training.ablation_config import load_ablation

        loaded = load_ablation(config)
        for folder in (data, held_out):
            if not (folder / "manifest.jsonl").is_file():
                raise FileNotFoundError(
                    f"{folder} has no manifest.jsonl; make clips with: mmv-search footage --out {folder}"
                )
        page = run_ablation(loaded, data, held_out, out, seeds, console)
        Console().print(page, markup=False, highlight=False, soft_wrap=True)
