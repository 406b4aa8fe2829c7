"""How the commands of this package end on bad input: one line and exit status 1, no traceback."""

import typer
from rich.console import Console
from rich.markup import escape

console = Console(stderr=True)

# By name, so that nothing has to be imported for --help.
EXPECTED = {
    "BundleError",
    "CheckpointError",
    "ConfigError",
    "DownloadError",
    "EngineMissing",
    "EngineStopped",
    "FileNotFoundError",
    "FootageError",
    "IsADirectoryError",
    "LicenceNotAccepted",
    "ManifestError",
    "MediaError",
    "NothingToFilm",
    "PermissionError",
    "StagesError",
    "TrainingError",
    "ValueError",
    "VariantError",
    "VocabularyError",
}


class clear_errors:
    """A context that tells expected errors in one line, and that an interrupted command can be run again."""

    def __init__(self, resume: str = "run the same command with --resume to go on"):
        self.resume = resume

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, ImportError):
            raise typer.Exit(fail(f"{error.name} is not installed; this needs: pip install 'mmv-search[train]'"))
        if isinstance(error, KeyboardInterrupt):
            fail(f"interrupted; {self.resume}")
            raise typer.Exit(130)  # as a shell tells it
        if error is not None and any(base.__name__ in EXPECTED for base in type(error).__mro__):
            raise typer.Exit(fail(str(error)))


def fail(message: str) -> int:
    """Print an error to standard error; the exit status."""
    console.print(f"[red]error:[/red] {escape(message)}", highlight=False, soft_wrap=True)
    return 1
