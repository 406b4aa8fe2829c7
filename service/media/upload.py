"""Taking a file into the library, and out of it again: bytes and rows come and go together."""

import contextlib
import fcntl
import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol

from models.preprocess.media import MediaError
from service.catalogue import Catalogue, Job, Video
from service.crash_points import crash_point
from service.media import confined
from service.media.confined import MediaLimits
from service.media.durable import fsync_file
from service.media.space import require_space
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails


class CompleteFile(Protocol):
    """A file that has come in whole."""

    @property
    def path(self) -> Path: ...
    @property
    def sha256(self) -> str: ...
    @property
    def size(self) -> int: ...


class Incoming:
    """A file on its way in: written to a temporary file while it is hashed, and gone at the end unless it was kept.

    with Incoming(settings.upload_dir, settings.max_upload_bytes) as incoming:
        for chunk in chunks:
            incoming.write(chunk)
        incoming.close()
        ...
    """

    def __init__(self, folder: Path, max_bytes: int, reserve_bytes: int = 0) -> None:
        """`reserve_bytes`: what stays free on the disk, however many others are on their way in."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / f"{secrets.token_hex(16)}.part"
        self.size = 0
        self._max_bytes, self._reserve_bytes = max_bytes, reserve_bytes
        self._hash = hashlib.sha256()
        self._file = self.path.open("xb")
        fcntl.flock(self._file, fcntl.LOCK_SH)  # tells that somebody is at it (`remove_leftovers`)

    def write(self, chunk: bytes) -> None:
        """Adds bytes. Raises MediaError (upload_too_large), or OSError when the disk is full."""
        self.size += len(chunk)
        if self.size > self._max_bytes:
            limit = self._max_bytes / 1024**2
            raise MediaError("upload_too_large", f"The file has more than {limit:,.0f} MiB, the most that is accepted.")
        require_space(self.path.parent, len(chunk), self._reserve_bytes)
        self._hash.update(chunk)
        self._file.write(chunk)

    def close(self) -> None:
        """The file is complete; `path` can be read from now on. Raises MediaError (empty_file), OSError."""
        self._file.flush()  # and not closed: it is still somebody's
        if not self.size:
            raise MediaError("empty_file", "The file is empty (0 bytes). Send the media file itself.")

    @property
    def sha256(self) -> str:
        """Hex digest of what was written."""
        return self._hash.hexdigest()

    def __enter__(self) -> "Incoming":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError:  # the disk is full: what could not be written is not wanted any more
            pass
        finally:
            self.path.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> int:
    """Removes incoming files that nobody is at any more, as a crash leaves them; how many.

    Other processes of the library may be receiving at the same time.
    """
    gone = 0
    for path in folder.glob("*.part"):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
            gone += 1
    return gone


def add_to_library(
    file: CompleteFile,
    filename: str,
    title: str,
    tags: Sequence[str],
    limits: MediaLimits,
    catalogue: Catalogue,
    store: MediaStore,
    subtitles: str | None = None,
) -> tuple[Video, Job, bool]:
    """Checks a complete file, keeps it, and records its video and ingest job: (video, job, whether it is new).

    The file is moved away. The caller then sends the job's id to the queue. Raises MediaError and OSError, after which
    nothing of the file is left but itself.
    """
    crash_point("upload.received")
    info = confined.probe(file.path, limits)
    if info.is_image:
        raise MediaError(
            "unsupported_media",
            "The library takes films and sounds, not still images. To find where a picture is from, search by image.",
        )
    crash_point("upload.probed")
    fsync_file(file.path)  # of gigabytes, perhaps: not while others wait for the store
    with store.exclusive():
        store.put(file.path, file.sha256)
        crash_point("upload.stored")
        try:
            added = catalogue.add_video(file.sha256, filename, title, tags, file.size, info, subtitles)
        except BaseException:
            if not catalogue.has_media(file.sha256):  # raises by itself when the catalogue is away: the sweep finds it
                store.delete(file.sha256)
            raise
        crash_point("upload.recorded")
        return added


def remove_from_library(
    video_id: str, catalogue: Catalogue, store: MediaStore, thumbnails: Thumbnails, actor: str | None = None
) -> bool:
    """Deletes a video with all that belongs to it; `actor` is for the audit log. False when there is no such video."""
    with store.exclusive():
        video = catalogue.video(video_id)
        if video is None or not catalogue.delete_video(video_id, actor):
            return False
        crash_point("delete.recorded")
        store.delete(video.sha256)
    crash_point("delete.media_removed")
    thumbnails.delete(video_id)
    return True
