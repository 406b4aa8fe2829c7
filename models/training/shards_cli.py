"""`mmv-search shards build`: a data set as WebDataset shards, for clusters and object stores."""

from pathlib import Path
from typing import Annotated

import typer

from models.command_errors import clear_errors, console, fail

shards = typer.Typer(help="Training data as WebDataset shards.", no_args_is_help=True)


@shards.callback()
def _group() -> None:
    """Training data as WebDataset shards."""


@shards.command()
def build(
    data: Annotated[
        Path,
        typer.Argument(
            help="A folder of films, one with a manifest.jsonl, HowTo100M's captions, AudioSet's lists, shards."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the shards; run again to go on.")],
    kind: Annotated[str, typer.Option(help="What the data is, where looking does not tell.")] = "",
    videos: Annotated[Path | None, typer.Option(help="The videos, where they lie elsewhere.")] = None,
    stretch_s: Annotated[float, typer.Option(min=1, help="Films are cut into stretches of so many seconds.")] = 10.0,
    megabytes: Annotated[int, typer.Option(min=1, help="About the size of a shard.")] = 256,
) -> None:
    """Write the videos of a data set, as they are, to tar files with an index; unavailable videos are counted."""
    with clear_errors("run the same command again to go on"):
        from models.preprocess.media import MediaError
        from models.training.data.build_shards import build_shards
        from models.training.data.sources import open_source
        from models.training.progress import progress_bar

        with progress_bar(console) as bar:
            task = bar.add_task("reading the data")
            source = open_source(
                data,
                kind,
                videos=videos,
                stretch_s=stretch_s,
                progress=lambda n, of: bar.update(task, completed=n, total=of),
            )
            console.print(source.describe(), markup=False, highlight=False, soft_wrap=True)
            task = bar.add_task("writing shards")
            try:
                written = build_shards(
                    source, out, megabytes * 2**20, lambda n, of: bar.update(task, completed=n, total=of)
                )
            except MediaError as error:
                raise typer.Exit(fail(error.message)) from None
        size = sum(shard.stat().st_size for shard in written)
        console.print(f"{out}: {len(written)} shards, {size / 2**20:,.0f} MB. Train with: --data {out}", soft_wrap=True)
