"""The one style of progress bar that training commands use."""

from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def progress_bar(console: Console) -> Progress:
    """Description, bar, count and time left."""
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    )


Step = Callable[[str], None]  # told what is being done now


def silent(_: str) -> None:
    """A Step that nobody watches."""
