"""Finding a data set's files: its lists at the places where people unpack them, its media anywhere below its folder."""

import os
from pathlib import Path

from models.training.evaluation.protocols.result import ProtocolError

VIDEOS = (".avi", ".mp4", ".mkv", ".webm", ".mov", ".m4v")
SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aac", *VIDEOS)

SHOWN = 6  # places that a message names


def first_of(data: Path, candidates: list[str], what: str) -> Path:
    """The first of some paths below `data` that is there. Raises ProtocolError, which names the likeliest."""
    for candidate in candidates:
        if (data / candidate).exists():
            return data / candidate
    others = f" and {len(candidates) - SHOWN} other places" if len(candidates) > SHOWN else ""
    raise ProtocolError(f"{data} has no {what}; looked for {', '.join(candidates[:SHOWN])}{others}")


def by_stem(data: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Files below a folder by name without suffix; of two with one name the first in the order of their paths."""
    found: dict[str, Path] = {}
    for folder, folders, names in os.walk(data, followlinks=True):
        folders.sort()
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in suffixes:
                found.setdefault(stem, Path(folder, name))
    return found


class Folder:
    """A data set's media by their path below a folder, whatever the case of the letters.

    UCF101's lists name v_HandStandPushups_g01_c01.avi, its archive holds v_HandstandPushups_g01_c01.avi.
    """

    def __init__(self, root: Path):
        self.root = root
        self._names: dict[Path, dict[str, str]] = {}

    def find(self, relative: str) -> Path | None:
        """None when no such file is there."""
        path = self.root / relative
        folder = path.parent
        if folder not in self._names:
            there = os.listdir(folder) if folder.is_dir() else []
            self._names[folder] = {name.lower(): name for name in there}
        name = self._names[folder].get(path.name.lower())
        return folder / name if name else None


def lines(path: Path) -> list[str]:
    """A list's lines that are not empty, without the ends that several systems put there."""
    return [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
