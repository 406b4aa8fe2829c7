"""`mmv-search report`."""

from pathlib import Path
from typing import Annotated

import typer

from models.command_errors import clear_errors, console


def report(
    run: Annotated[Path, typer.Argument(help="The folder of a training run.")],
    data: Annotated[
        Path | None, typer.Option(help="Held-out folder with manifest.jsonl: its best and worst retrievals are shown.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The page to write, in place of RUN/report.html.")] = None,
) -> None:
    """Write a training run's report: one self-contained HTML page of curves, figures and pictures of retrievals."""
    with clear_errors("nothing was written"):
        from models.training.data.cache import open_cache
        from models.training.progress import progress_bar
        from models.training.report import write_report
        from models.training.run import load_run

        loaded = load_run(run)
        inputs, margin = loaded.config.inputs, loaded.config.augment.margin
        with progress_bar(console) as bar:
            task = bar.add_task("decoding clips", visible=data is not None)
            held_out = (
                open_cache(data, inputs, margin, progress=lambda n, of: bar.update(task, completed=n, total=of))
                if data
                else None
            )
        console.print(f"written: {write_report(loaded, held_out, out)}", soft_wrap=True)
