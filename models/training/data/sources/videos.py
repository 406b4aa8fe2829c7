"""Videos that were downloaded for a published list: found by their names, and counted where they are missing."""

import os
from pathlib import Path

SUFFIXES = {".mp4", ".mkv", ".webm", ".avi", ".mov", ".flv", ".3gp", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv", ".ogv"}


def videos_by_name(folder: Path) -> dict[str, Path]:
    """Every video below a folder by its name without the suffix; empty files and links to nothing are not."""
    found: dict[str, Path] = {}
    for where, folders, files in os.walk(folder, followlinks=True):
        folders.sort()
        for name in sorted(files):
            stem, suffix = os.path.splitext(name)
            path = Path(where, name)
            if suffix.lower() in SUFFIXES and path.is_file() and path.stat().st_size:
                found.setdefault(stem, path)
    return found
