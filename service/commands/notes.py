"""What this machine knows of files it has hashed before, so that ten thousand are not read again at each start.

A JSON file in the user's cache folder, one for each library. Losing it costs time alone.
"""

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path

from service.settings import Settings

HASH_PIECE = 1024 * 1024
SAVE_EVERY_S = 5.0


class Notes:
    """SHA-256 by path, size and time of change; and which subtitles were sent to which video."""

    def __init__(self, path: Path | None) -> None:
        """Without a path they are forgotten at the end."""
        self._path = path
        self._known: dict[str, list[object]] = {}
        self._saved, self._changed = time.monotonic(), False
        if path is None:
            return
        with contextlib.suppress(OSError, ValueError):
            read = json.loads(path.read_text(encoding="utf-8"))
            if isinstance(read, dict):
                self._known = read

    def sha256(self, file: Path) -> str:
        """Hexadecimal; the file is read unless it is as it was when it was read last. Raises OSError."""
        stat = file.stat()
        name, stamp = str(file.absolute()), [stat.st_size, stat.st_mtime_ns]
        known = self._known.get(name)
        if isinstance(known, list) and known[:2] == stamp and len(known) == 3:
            return str(known[2])
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        self._known[name] = [*stamp, digest]
        self._changed = True
        if time.monotonic() - self._saved > SAVE_EVERY_S:
            self.save()
        return digest

    def subtitles_of(self, video_id: str) -> str | None:
        """SHA-256 of the subtitles that were last sent from here to a video; None when none were."""
        known = self._known.get(_subtitles(video_id))
        return str(known[0]) if isinstance(known, list) and len(known) == 1 else None

    def subtitles_sent(self, video_id: str, sha256: str) -> None:
        """A video has these subtitles from here."""
        self._known[_subtitles(video_id)] = [sha256]
        self._changed = True

    def save(self) -> None:
        """Writes them, in one step. A cache that cannot be written is none."""
        if not self._changed or self._path is None:
            return
        self._saved, self._changed = time.monotonic(), False
        temporary = self._path.with_suffix(f".{os.getpid()}.tmp")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            temporary.write_text(json.dumps(self._known), encoding="utf-8")
            temporary.replace(self._path)


def _subtitles(video_id: str) -> str:
    return f"subtitles of {video_id}"  # no absolute path


def notes_of(settings: Settings) -> Notes:
    """The notes for one library."""
    cache = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(cache) if cache else Path.home() / ".cache") / "mmv-search"
    library = hashlib.sha256(str(settings.home).encode()).hexdigest()[:16]
    return Notes(folder / f"ingest-{library}.json")
