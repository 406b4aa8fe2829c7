"""Pictures of videos, a folder each: `<root>/<video id>/<start in ms>.jpg` of segments, and `preview.jpg`.

Kept, since making one means decoding.
"""

import contextlib
import io
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from service.media.durable import fsync_file, fsync_folder

PREVIEW = "preview.jpg"
PREVIEW_QUALITY = 70


class Thumbnails:
    """A folder of JPEGs; sound-only segments have none."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, video_id: str, start_s: float) -> Path:
        """Where the picture of the segment that starts then is, if it has one."""
        return self._folder(video_id) / f"{round(start_s * 1000)}.jpg"

    def preview_path(self, video_id: str) -> Path:
        """Where the video's preview is, if it has one: pictures from its whole length, side by side."""
        return self._folder(video_id) / PREVIEW

    def put(self, video_id: str, start_s: float, jpeg: bytes) -> None:
        """Stores one, durably."""
        writer = self.writer(video_id)
        writer.put(start_s, jpeg)
        writer.settle()

    def writer(self, video_id: str) -> "PictureWriter":
        """For several pictures of one video."""
        return PictureWriter(self._folder(video_id))

    def delete(self, video_id: str) -> None:
        """Removes those of one video; none there is fine."""
        shutil.rmtree(self._folder(video_id), ignore_errors=True)

    def _folder(self, video_id: str) -> Path:
        if not re.fullmatch(r"v_[0-9a-f]+", video_id):
            raise ValueError(f"not a video id: {video_id!r}")
        return self._root / video_id


class PictureWriter:
    """Writes pictures, each in one step, and sees to it now and then that they are on the disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._unsettled: list[Path] = []

    def put(self, start_s: float, jpeg: bytes) -> None:
        """The picture of the segment that starts then."""
        self._write(f"{round(start_s * 1000)}.jpg", jpeg)

    def put_preview(self, pictures: Sequence[np.ndarray]) -> None:
        """Pictures of one size, uint8 [h, w, 3], become the preview."""
        file = io.BytesIO()
        Image.fromarray(np.concatenate(list(pictures), axis=1)).save(file, "JPEG", quality=PREVIEW_QUALITY)
        self._write(PREVIEW, file.getvalue())

    def settle(self) -> None:
        """All that was written so far survives a power cut. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):  # the video was deleted meanwhile
            for path in self._unsettled:
                fsync_file(path)
            if self._unsettled:
                fsync_folder(self._folder)
                fsync_folder(self._folder.parent)
        self._unsettled = []

    def _write(self, name: str, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / name
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            temporary.write_bytes(data)
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        self._unsettled.append(path)
