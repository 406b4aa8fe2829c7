"""Taking a file into the library, and out of it again: bytes and rows come and go together."""

import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from models.preprocess.media import MediaError
from service.catalogue import Catalogue, Job, Video
from service.crash_points import crash_point
from service.media import confined
from service.media.confined import MediaLimits
from service.media.store import MediaStore
from service.media.thumbnails import Thumbnails


class Incoming:
    """A file on its way in: written to a temporary file while it is hashed, and gone at the end unless it was kept.

    with Incoming(settings.upload_dir, settings.max_upload_bytes) as incoming:
        for chunk in chunks:
            incoming.write(chunk)
        incoming.close()
        ...
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = folder / f"{secrets.token_hex(16)}.part"
        self.size = 0
        self._max_bytes = max_bytes
        self._hash = hashlib.sha256()
        self._file = self.path.open("xb")

    def write(self, chunk: bytes) -> None:
        """Adds bytes. Raises MediaError (upload_too_large), or OSError when the disk is full."""
        self.size += len(chunk)
        if self.size > self._max_bytes:
            limit = self._max_bytes / 1024**2
            raise MediaError("upload_too_large", f"The file has more than {limit:,.0f} MiB, the most that is accepted.")
        self._hash.update(chunk)
        self._file.write(chunk)

    def close(self) -> None:
        """The file is complete; `path` can be read from now on. Raises MediaError (empty_file)."""
        self._file.close()
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
        self._file.close()
        self.path.unlink(missing_ok=True)


def add_to_library(
    incoming: Incoming,
    filename: str,
    title: str,
    tags: Sequence[str],
    limits: MediaLimits,
    catalogue: Catalogue,
    store: MediaStore,
) -> tuple[Video, Job, bool]:
    """Checks a complete file, keeps it, and records its video and ingest job: (video, job, whether it is new).

    The caller then sends the job's id to the queue. Raises MediaError, after which nothing of the file is left.
    """
    info = confined.probe(incoming.path, limits)
    if info.is_image:
        raise MediaError(
            "unsupported_media",
            "The library takes films and sounds, not still images. To find where a picture is from, search by image.",
        )
    with store.exclusive():
        store.put(incoming.path, incoming.sha256)
        return catalogue.add_video(incoming.sha256, filename, title, tags, incoming.size, info)


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
