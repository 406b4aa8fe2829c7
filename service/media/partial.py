"""Uploads that may be interrupted and gone on with: two files each in the folder of uploads, which survive a restart.

`<id>.data` holds the bytes that have come, so its size is the offset to go on from. `<id>.json` says what the upload is
and, at its end, what became of it. It is written in one step. Whoever changes an upload holds the lock of its data.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from service.crash_points import crash_point
from service.media.durable import durable, fsync_file
from service.media.space import require_space

HASH_PIECE = 1024 * 1024
# A finished upload can still be asked for what became of it.
REMEMBERED_S = 24 * 3600.0


class UploadGone(Exception):
    """There is no such upload: it never was, was ended, or has expired."""


class UploadBusy(Exception):
    """Somebody else is at this upload."""


@dataclass(frozen=True)
class Partial:
    """What is known of an upload.

    `length` in bytes; `metadata` as its sender gave it. `answer` or `problem` come at the end: what the library said of
    the file, or why it was not taken.
    """

    id: str
    length: int
    expires_at: datetime
    metadata: dict[str, str] = field(default_factory=dict)
    answer: dict[str, Any] | None = None
    problem: dict[str, Any] | None = None

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to come."""
        return self.answer is not None or self.problem is not None


@dataclass
class Held:
    """An upload whose lock is held: bytes are added at its end."""

    info: Partial
    path: Path
    offset: int
    reserve_bytes: int = 0  # what stays free on the disk, however many others are on their way in

    @property
    def is_complete(self) -> bool:
        return self.offset == self.info.length

    def digest(self) -> str:
        """SHA-256 of all bytes so far, hexadecimal: they are read for it."""
        digest = hashlib.sha256()
        with self.path.open("rb") as file:
            while piece := file.read(HASH_PIECE):
                digest.update(piece)
        return digest.hexdigest()

    def write(self, piece: bytes) -> None:
        """Adds bytes. Raises OSError, with what did not fit left out; ValueError for more than the upload's length."""
        if self.offset + len(piece) > self.info.length:
            raise ValueError("more than was announced")
        require_space(self.path.parent, len(piece), self.reserve_bytes)
        # Not a file object: one that could not write all of it tries again when it is closed, behind what was cut off.
        handle = os.open(self.path, os.O_WRONLY)
        try:
            left = memoryview(piece)
            while left:
                left = left[os.pwrite(handle, left, self.offset + len(piece) - len(left)) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.truncate(self.path, self.offset)
            raise
        finally:
            os.close(handle)
        self.offset += len(piece)

    def settle(self) -> None:
        """What came survives a power cut. Raises OSError."""
        fsync_file(self.path)

    @contextlib.contextmanager
    def to_be_moved(self) -> Iterator[Path]:
        """The complete file under another name, which may be moved away. So it is here until the end is noted, and a
        crash in between only means that it is taken in twice, which is the same as once. Raises OSError."""
        other = self.path.with_suffix(".part")
        other.unlink(missing_ok=True)
        try:
            os.link(self.path, other)
        except OSError:  # a file system without links
            shutil.copyfile(self.path, other)
        try:
            yield other
        finally:
            other.unlink(missing_ok=True)

    def cut(self, offset: int) -> None:
        """Forgets what came after `offset`."""
        os.truncate(self.path, offset)
        self.offset = offset


class PartialUploads:
    """The uploads of one library."""

    def __init__(self, folder: Path, expires_after_s: float, reserve_bytes: int = 0) -> None:
        self._folder, self._expires_after = folder, timedelta(seconds=expires_after_s)
        self._reserve_bytes = reserve_bytes

    def create(self, length: int, metadata: dict[str, str]) -> Partial:
        """A new one, of so many bytes. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        upload = Partial(secrets.token_hex(16), length, datetime.now(UTC) + self._expires_after, metadata)
        self._write(upload)
        crash_point("upload.announced")
        try:
            os.close(os.open(self._data(upload.id), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except OSError:
            self.forget(upload.id)
            raise
        crash_point("upload.created")
        return upload

    def look(self, upload_id: str) -> tuple[Partial, int]:
        """An upload, and how many of its bytes are there. Raises UploadGone."""
        upload = self._read(upload_id)
        try:
            return upload, self._data(upload_id).stat().st_size
        except FileNotFoundError:
            if upload.is_over:
                return upload, upload.length
            raise UploadGone(upload_id) from None

    @contextlib.contextmanager
    def hold(self, upload_id: str, *, expired_too: bool = False) -> Iterator[Held]:
        """An upload to be changed by the caller alone. Raises UploadGone, UploadBusy."""
        self._read(upload_id, expired_too=expired_too)
        try:
            handle = os.open(self._data(upload_id), os.O_RDWR)
        except FileNotFoundError:
            raise UploadGone(upload_id) from None
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UploadBusy(upload_id) from None
            path = self._data(upload_id)
            if not path.exists():  # it ended before the lock was there
                raise UploadGone(upload_id)
            info = self._read(upload_id, expired_too=expired_too)
            yield Held(info, path, os.fstat(handle).st_size, self._reserve_bytes)
        finally:
            os.close(handle)

    def prolong(self, upload: Partial) -> Partial:
        """It expires later, since something came. Raises OSError."""
        later = replace(upload, expires_at=datetime.now(UTC) + self._expires_after)
        self._write(later)
        return later

    def end(
        self, upload: Partial, *, answer: dict[str, Any] | None = None, problem: dict[str, Any] | None = None
    ) -> None:
        """Notes what became of it; its bytes are in the library or not wanted. Raises OSError."""
        remembered = datetime.now(UTC) + timedelta(seconds=REMEMBERED_S)
        self._write(replace(upload, answer=answer, problem=problem, expires_at=remembered))
        crash_point("upload.ended")
        self._data(upload.id).unlink(missing_ok=True)

    def forget(self, upload_id: str) -> None:
        """Removes it; none there is fine."""
        self._data(upload_id).unlink(missing_ok=True)
        self._info(upload_id).unlink(missing_ok=True)

    def open(self) -> int:
        """How many are begun and not over."""
        return sum(1 for _ in self._folder.glob("*.data"))

    def ids(self) -> list[str]:
        """All uploads, those that are over too."""
        return sorted(path.stem for path in self._folder.glob("*.json") if _is_id(path.stem))

    def sweep(self) -> int:
        """Removes what has expired; how many uploads went. Those that somebody is at stay."""
        gone = 0
        for upload_id in self.ids():
            with contextlib.suppress(UploadBusy):
                try:
                    with self.hold(upload_id, expired_too=True) as held:
                        expired = held.info.expires_at < datetime.now(UTC)
                        if expired:
                            self.forget(upload_id)
                        elif held.info.is_over:  # a crash came before its bytes went
                            held.path.unlink(missing_ok=True)
                except UploadGone:  # without data: it is over, or a crash came between
                    expired = self._has_expired(upload_id)
                    if expired:
                        self.forget(upload_id)
                gone += expired
        return gone

    def _has_expired(self, upload_id: str) -> bool:
        try:
            return self._read(upload_id, expired_too=True).expires_at < datetime.now(UTC)
        except UploadGone:
            return True

    def _data(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}.data"

    def _info(self, upload_id: str) -> Path:
        return self._folder / f"{upload_id}.json"

    def _read(self, upload_id: str, *, expired_too: bool = False) -> Partial:
        if not _is_id(upload_id):
            raise UploadGone(upload_id)
        try:
            told = json.loads(self._info(upload_id).read_text(encoding="utf-8"))
            upload = Partial(**{**told, "expires_at": datetime.fromisoformat(told["expires_at"])})
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            raise UploadGone(upload_id) from None
        if upload.expires_at < datetime.now(UTC) and not expired_too:
            raise UploadGone(upload_id)
        return upload

    def _write(self, upload: Partial) -> None:
        told = {**asdict(upload), "expires_at": upload.expires_at.isoformat()}
        with durable(self._info(upload.id)) as file:
            file.write(json.dumps(told).encode())


def _is_id(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{32}", text) is not None
