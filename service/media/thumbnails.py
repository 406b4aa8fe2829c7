"""Pictures of segments: `<root>/<video id>/<start in milliseconds>.jpg`. Kept, since making one means decoding."""

import os
import re
import shutil
from pathlib import Path


class Thumbnails:
    """A folder of JPEGs; sound-only segments have none."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, video_id: str, start_s: float) -> Path:
        """Where the picture of the segment that starts then is, if it has one."""
        return self._folder(video_id) / f"{round(start_s * 1000)}.jpg"

    def put(self, video_id: str, start_s: float, jpeg: bytes) -> None:
        """Stores one, atomically."""
        path = self.path(video_id, start_s)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_bytes(jpeg)
        temporary.replace(path)

    def delete(self, video_id: str) -> None:
        """Removes those of one video; none there is fine."""
        shutil.rmtree(self._folder(video_id), ignore_errors=True)

    def _folder(self, video_id: str) -> Path:
        if not re.fullmatch(r"v_[0-9a-f]+", video_id):
            raise ValueError(f"not a video id: {video_id!r}")
        return self._root / video_id
