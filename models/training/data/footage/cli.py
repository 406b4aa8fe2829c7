"""`mmv-search footage`: make a set of training or demo clips."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from models.training.data.footage.film import NothingToFilm
from models.training.data.footage.generate import FootageError, generate_footage
from models.training.data.footage.studio import EngineMissing
from models.training.data.manifest import ManifestError
from models.training.data.splits import UnknownMap, expand_maps


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} clips/s" if speed else "")


def footage(
    out: Annotated[Path, typer.Option(help="Folder for clips/*.mp4 and manifest.jsonl; run again to go on.")],
    clips: Annotated[int, typer.Option(min=0, help="How many clips of this seed the folder is to have.")],
    seed: Annotated[
        int,
        typer.Option(
            min=0, help="The same seed and maps give the same clips; another seed adds its own to the folder."
        ),
    ] = 1,
    maps: Annotated[
        str, typer.Option(help="train, validation, test, cross, or maps such as freedoom2:MAP23,freedoom1:E1M1.")
    ] = "train",
    kinds: Annotated[
        str, typer.Option(help="Only these kinds of scenes, such as look,explore; all of them if empty.")
    ] = "",
    tracks: Annotated[
        int,
        typer.Option(min=1, help="How many times each clip is narrated; training hears one of them at a time."),
    ] = 1,
    processes: Annotated[int, typer.Option(min=0, help="Processes; 0 for one a core.")] = 0,
    crf: Annotated[int, typer.Option(min=0, max=51, help="Picture quality: lower is better and larger.")] = 26,
    audio_kbps: Annotated[int, typer.Option(min=16, max=320, help="Sound's bit rate, kbit/s.")] = 64,
) -> None:
    """Make short clips of the free game Freedoom, with sound, narrations and event labels, for training or a demo."""
    console = Console(stderr=True)
    columns = (TextColumn("footage"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    try:
        wanted = expand_maps(maps)
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("footage", total=clips)
            known = False

            def progress(done: int, total: int) -> None:
                nonlocal known
                if not known and done:  # what was there already must not count for the speed
                    bar.reset(task, total=total, completed=done)
                known = True
                bar.update(task, completed=done)

            rows = generate_footage(
                out,
                clips,
                seed,
                wanted,
                processes or os.cpu_count() or 1,
                progress,
                crf=crf,
                audio_bit_rate=audio_kbps * 1000,
                kinds=tuple(dict.fromkeys(k.strip() for k in kinds.split(",") if k.strip())),
                tracks=tracks,
            )
    except (UnknownMap, EngineMissing, FootageError, NothingToFilm, ManifestError, OSError) as error:
        console.print(f"mmv-search footage: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        console.print("stopped; run the same command again to go on")
        raise typer.Exit(130) from None
    console.print(f"{len(rows)} clips in {out}")


if __name__ == "__main__":
    typer.run(footage)
