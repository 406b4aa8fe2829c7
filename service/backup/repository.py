"""Where backups are kept: files by the sha256 of their bytes, and manifests that name them.

    backup.json                    what this folder is
    objects/3f/3f9a...             a file, named by its sha256; never changed
    snapshots/20261123T061500-9f3a1c.json
                                   one backup: what belongs in a home, and the objects that it is made of
    .lock                          held while somebody writes
    .tmp-*                         a write in progress, or the remains of one

An object gets its name when it is complete and flushed to the disk, a manifest after all its objects: what has a
manifest is whole. Several backups share what did not change. A crash leaves objects that nothing names yet: the next
backup finds them there, and removes those that it does not need.
"""

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from service.media.durable import fsync_file, fsync_folder

log = logging.getLogger(__name__)

FORMAT, VERSION = "mmv-search backup", 1
MARKER, OBJECTS, SNAPSHOTS = "backup.json", "objects", "snapshots"
CHUNK = 1024 * 1024
_TMP = ".tmp-"
_NAME = re.compile(r"\d{8}T\d{6}-[0-9a-f]{6}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BackupError(Exception):
    """A backup cannot be made, read or restored; the message says why and what to do."""


@dataclass(frozen=True)
class Entry:
    """One file of a home, or a folder packed as a tar (`packed`). `stamp` tells cheaply whether it changed since."""

    path: str
    sha256: str
    size: int
    packed: bool = False
    stamp: str = ""


@dataclass(frozen=True)
class Manifest:
    """One backup."""

    name: str
    created_at: datetime
    catalogue: Entry  # an SQLite file, whatever database the library has
    files: tuple[Entry, ...]
    counts: dict[str, int]
    # Media that the library itself had lost or damaged, by sha256: known when the backup was made.
    missing: tuple[str, ...] = ()
    made_with: dict[str, str] = field(default_factory=dict)

    @property
    def entries(self) -> tuple[Entry, ...]:
        return (self.catalogue, *self.files)

    @property
    def size(self) -> int:
        """Bytes of all that it names, each file once."""
        return sum({entry.sha256: entry.size for entry in self.entries}.values())


class Repository:
    """A folder of backups."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self) -> None:
        """Makes the folder one for backups, unless it is. Raises BackupError when it has other things in it."""
        if (self.folder / MARKER).is_file():
            self.check()
            return
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise BackupError(f"{self.folder} is not a backup and not empty; name a new folder, or one of backups.")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(self.folder / MARKER, json.dumps({"format": FORMAT, "version": VERSION}).encode())

    def check(self) -> None:
        """Raises BackupError when this is not a folder of backups that this version can read."""
        try:
            said = json.loads((self.folder / MARKER).read_bytes())
            if not isinstance(said, dict) or said.get("format") != FORMAT:
                raise ValueError("another format")
        except (OSError, ValueError) as error:
            raise BackupError(
                f"{self.folder} is not a backup: `mmv-search backup {self.folder}` would have made {MARKER} in it."
            ) from error
        if said.get("version") != VERSION:
            raise BackupError(
                f"{self.folder} was made by a newer version of mmv-search: its format is {said.get('version')}, and "
                f"this version reads {VERSION}."
            )

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Held while a backup is made: one at a time. Clears away what a crash left. Raises BackupError."""
        handle = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise BackupError(f"Another backup to {self.folder} is under way; wait for it.") from None
            for folder in (OBJECTS, SNAPSHOTS):
                (self.folder / folder).mkdir(exist_ok=True, mode=0o700)
            for leftover in self.folder.glob(f"{_TMP}*"):
                leftover.unlink(missing_ok=True)
            yield
        finally:
            os.close(handle)

    def temporary(self) -> Path:
        """A fresh name for a file in the making."""
        return self.folder / f"{_TMP}{secrets.token_hex(8)}"

    def path(self, sha256: str) -> Path:
        """Where the object is, or would be."""
        if not _SHA256.fullmatch(sha256):
            raise BackupError(f"{sha256[:80]!r} is not a sha256")
        return self.folder / OBJECTS / sha256[:2] / sha256

    def has(self, sha256: str, size: int) -> bool:
        """Whether the object is there, by its name and its size."""
        try:
            return self.path(sha256).stat().st_size == size
        except FileNotFoundError:
            return False

    def put(self, temporary: Path, sha256: str) -> None:
        """Gives a complete file of this folder its place."""
        target = self.path(sha256)
        target.parent.mkdir(exist_ok=True, mode=0o700)
        fsync_file(temporary)
        temporary.replace(target)
        fsync_folder(target.parent)

    def names(self) -> list[str]:
        """The backups, oldest first."""
        folder = self.folder / SNAPSHOTS
        return sorted(path.stem for path in folder.glob("*.json") if _NAME.fullmatch(path.stem))

    def read(self, name: str | None = None) -> Manifest:
        """One backup, the newest if none is named. Raises BackupError when there is none, or it is damaged."""
        self.check()
        names = self.names()
        if not names:
            raise BackupError(f"{self.folder} holds no complete backup: the first one was not finished.")
        if name is not None and name not in names:
            raise BackupError(f"{self.folder} has no backup {name}; it has {', '.join(names)}.")
        path = self.folder / SNAPSHOTS / f"{name or names[-1]}.json"
        try:
            said = json.loads(path.read_bytes())
            if said.pop("checksum") != _checksum(said) or said["name"] != path.stem:
                raise ValueError("checksum")
            return Manifest(
                name=said["name"],
                created_at=datetime.fromisoformat(said["created_at"]),
                catalogue=Entry(**said["catalogue"]),
                files=tuple(Entry(**entry) for entry in said["files"]),
                counts=said["counts"],
                missing=tuple(said["missing"]),
                made_with=said["made_with"],
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BackupError(f"{path} is damaged: it does not match its own checksum. Use another backup.") from error

    def write(self, manifest: Manifest) -> None:
        """Makes a backup of objects that are all there: the last step."""
        said: dict[str, Any] = {**asdict(manifest), "created_at": manifest.created_at.isoformat()}
        said = json.loads(json.dumps(said))  # tuples as lists, as they are read
        said["checksum"] = _checksum(said)
        write_durably(self.folder / SNAPSHOTS / f"{manifest.name}.json", json.dumps(said, indent=1).encode())

    def new_name(self) -> str:
        """For a backup that begins now; sorts after all that are there."""
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        newest = max([now, *(name[:15] for name in self.names())])
        name = f"{newest}-{secrets.randbelow(1 << 20):06x}"  # leaves room above for those of the same second
        last = self.names()[-1] if self.names() else ""
        return name if name > last else f"{newest}-{int(last[16:], 16) + 1:06x}"

    def remove_older(self, keep: int) -> list[str]:
        """Removes all backups but the newest `keep`; their names."""
        gone = self.names()[:-keep]
        for name in gone:
            (self.folder / SNAPSHOTS / f"{name}.json").unlink()
        if gone:
            fsync_folder(self.folder / SNAPSHOTS)
        return gone

    def collect(self) -> int:
        """Removes objects that no backup names; how many. None, when a manifest cannot be read: it names some too."""
        try:
            named = {entry.sha256 for name in self.names() for entry in self.read(name).entries}
        except BackupError as error:
            log.warning("what no backup needs is not removed: %s", error)
            return 0
        gone = 0
        for path in (self.folder / OBJECTS).glob("??/*"):
            if path.name not in named:
                path.unlink()
                gone += 1
        return gone

    def verify(self, manifest: Manifest, report: Callable[[float, str], None]) -> list[str]:
        """Reads every byte of a backup; a sentence for each file that is missing or damaged."""
        wanted = {entry.sha256: entry for entry in manifest.entries}
        total, done, wrong = max(manifest.size, 1), 0, []
        for entry in wanted.values():
            report(done / total, "verifying")
            path = self.path(entry.sha256)
            try:
                if sha256_of(path) != entry.sha256:
                    wrong.append(f"{path} is damaged: it is not the {entry.path} that was backed up.")
            except OSError as error:
                wrong.append(f"{path} ({entry.path}) cannot be read: {error.strerror or error}.")
            done += entry.size
        report(1.0, "verifying")
        return wrong


def sha256_of(path: Path) -> str:
    """In hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_hashed(source: Path, target: Path, ticks: Callable[[], None] = lambda: None) -> tuple[str, int]:
    """Copies a file and flushes it to the disk; its sha256 and size. `ticks` is called for every megabyte."""
    digest, size = hashlib.sha256(), 0
    with source.open("rb") as original, open(target, "xb", opener=_private) as copy:
        while chunk := original.read(CHUNK):
            digest.update(chunk)
            copy.write(chunk)
            size += len(chunk)
            ticks()
        copy.flush()
        os.fsync(copy.fileno())
    return digest.hexdigest(), size


def write_durably(path: Path, content: bytes) -> None:
    """Replaces a file in one step."""
    temporary = path.with_name(f"{_TMP}{path.name}")
    temporary.unlink(missing_ok=True)
    with open(temporary, "xb", opener=_private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    fsync_folder(path.parent)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _checksum(said: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
