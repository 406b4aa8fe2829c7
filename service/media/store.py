"""The media store: uploaded files, named by the sha256 of their bytes. A folder."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from service.media.durable import fsync_file, fsync_folder


class MediaStore:
    """`<root>/<first two hex digits>/<sha256>`: no name given by a user ever becomes a path."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, sha256: str) -> Path:
        """Where the file with these bytes is, or would be."""
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError(f"not a sha256: {sha256!r}")
        return self._root / sha256[:2] / sha256

    def put(self, temporary: Path, sha256: str) -> Path:
        """Moves a finished file of the same file system into the store, durably and in one step."""
        target = self.path(sha256)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fsync_file(temporary)
        temporary.replace(target)
        fsync_folder(target.parent)
        return target

    def delete(self, sha256: str) -> None:
        """Removes a file; none there is fine."""
        self.path(sha256).unlink(missing_ok=True)

    def stored(self) -> list[str]:
        """The sha256 of every file."""
        return sorted(path.name for path in self._root.glob("??/*") if len(path.name) == 64)

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Holds off other processes and threads while a file and its row in the catalogue come or go together."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self._root / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
