"""What the commands share: the consoles, options, and how expected failures are told."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from service.settings import Settings

# Results go to standard output, everything else beside it.
out = Console()
err = Console(stderr=True)

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help="The library's folder [default: ~/.local/share/mmv-search, or MMV_HOME].", metavar="DIR"
    ),
]

# Exceptions that mean "the input or the environment is wrong", by name, so that none has to be imported for --help.
EXPECTED = {
    "BackupError",
    "BundleError",
    "CannotServe",
    "CatalogueError",
    "CommandFailed",
    "IndexFileError",
    "MediaError",
    "RedisError",
    "RedisUnavailable",
    "TransportError",  # httpx: the service went away
    "ValidationError",  # pydantic: a wrong MMV_ variable
}

# SQLAlchemy's errors of the database itself; its others are ours.
DATABASE_DOWN = {"DatabaseError", "OperationalError"}


class CommandFailed(Exception):
    """A command cannot do what was asked; the message says why and what to do."""


def printable(name: object) -> str:
    """A path or a file's name as text that can be sent and shown, whatever bytes it is made of."""
    return os.fsencode(str(name)).decode(errors="replace")


def settings_for(home: Path | None, **changes: Any) -> Settings:
    """Settings of a command: options that were given, then MMV_ variables, then defaults."""
    given = {name: value for name, value in {"home": home, **changes}.items() if value is not None}
    return Settings(**given)


def told(error: BaseException) -> str | None:
    """One line for an expected failure; None for a bug, which deserves its traceback."""
    if any(kind.__name__ in EXPECTED for kind in type(error).__mro__):
        if hasattr(error, "errors") and callable(error.errors):  # pydantic
            return "; ".join(f"MMV_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        return " ".join(str(error).split()) or type(error).__name__
    if type(error).__module__.startswith("sqlalchemy.") and type(error).__name__ in DATABASE_DOWN:
        return f"The catalogue cannot be used: {getattr(error, 'orig', error)}"
    if isinstance(error, OSError) and error.errno is not None:  # a file in the way, a full or read-only disk
        return f"{error.filename}: {error.strerror}" if error.filename is not None else str(error.strerror)
    return None
