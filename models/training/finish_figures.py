"""A bundle's figures on held-out footage, and the pictures that go with them. Needs no torch but for `deflation`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from models.bundle import Bundle
from models.runtime import Encoders
from models.training.evaluation.footage_clips import embed_clips
from models.training.evaluation.footage_pictures import write_pictures
from models.training.evaluation.footage_retrieval import evaluate
from models.training.progress import progress_bar

ITEMS = 300


def evaluated(
    bundle: Bundle, data: Path, items: int, deflation: bool, console: Console
) -> tuple[dict[str, Any], Callable[[Path], None]]:
    """The metrics on held-out clips; and what draws the pictures of its best and worst queries into a folder.

    With `deflation` also naive deflation and input inflation of stills.
    """
    encoders = Encoders(bundle)
    with progress_bar(console) as bar:
        task = bar.add_task("embedding clips")
        found = embed_clips(encoders, data, lambda n, of: bar.update(task, completed=n, total=of))
    metrics = evaluate(encoders, data, items, found=found)
    if deflation:
        from models.training.evaluation.footage_deflation import deflation as three_paths

        metrics["deflation"] = three_paths(encoders, found, items)
    return metrics, lambda folder: write_pictures(encoders, found, data, folder)
