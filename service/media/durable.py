"""Writing files so that they are there after a power cut, whole or not at all."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def durable(path: Path) -> Iterator[BinaryIO]:
    """A file to be written, which has the name `path` once all of it is on the disk; nothing after an OSError."""
    temporary = path.with_suffix(f".{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def fsync_folder(folder: Path) -> None:
    """Make sure that names put into a folder are there after a power cut."""
    fsync_file(folder)


def fsync_file(path: Path) -> None:
    """Make sure that what was written is there after a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
