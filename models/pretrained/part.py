"""The beginning of a file that is being downloaded: bytes in `NAME.part`, what they belong to in `NAME.part.json`."""

import contextlib
import fcntl
import io
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


class PartInUse(Exception):
    """Another process downloads to the same place."""


@dataclass(frozen=True)
class Record:
    """Which version of which file a part is the beginning of."""

    url: str
    validator: str  # its ETag, or when it was last changed
    total: int | None  # bytes


class Part:
    """A part that only this process writes; made by `open_part`."""

    def __init__(self, path: Path, file: io.FileIO):
        self.path = path
        self._file = file
        self._record_path = record_path(path)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return os.fstat(self._file.fileno()).st_size

    def append(self, data: bytes) -> None:
        """Write at the end. Raises OSError, for example when the disk is full."""
        rest = memoryview(data)
        while rest:  # a disk that is nearly full takes less than it is given
            rest = rest[self._file.write(rest) :]

    def record(self, url: str) -> Record | None:
        """What the bytes belong to; None when that is another address, unknown or damaged."""
        try:
            record = Record(**json.loads(self._record_path.read_bytes()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return record if record.url == url and isinstance(record.validator, str) else None

    def start_anew(self, record: Record | None = None) -> None:
        """Drop all bytes; those to come belong to `record`, or cannot be resumed."""
        # In this order: bytes of one version must never lie beside the record of another.
        if self.size:
            self._file.truncate(0)
        self._record_path.unlink(missing_ok=True)
        if record is not None:
            self._record_path.write_text(json.dumps(asdict(record)), encoding="utf-8")

    def finish(self, destination: Path) -> None:
        """Give the complete file its name."""
        os.fsync(self._file.fileno())
        os.replace(self.path, destination)
        self._record_path.unlink(missing_ok=True)


@contextlib.contextmanager
def open_part(path: Path) -> Iterator[Part]:
    """The part at `path`, made if there is none; removed at the end if it is empty. Raises PartInUse and OSError."""
    with path.open("ab", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PartInUse from None
        except OSError:
            pass  # a file system without locks
        # The other process may have finished in between: then this is no longer a part but its complete file.
        if not path.exists() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
            raise PartInUse
        part = Part(path, file)
        try:
            yield part
        finally:
            if path.exists() and part.size == 0:
                part.start_anew()
                path.unlink()


def record_path(part: Path) -> Path:
    """Where the record of a part lies."""
    return part.with_name(part.name + ".json")
