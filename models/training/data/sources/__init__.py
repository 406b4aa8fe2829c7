"""Data sets of every kind, as lists of items."""

from collections.abc import Callable
from pathlib import Path

from models.training.data.sample import DataError, Source
from models.training.data.sources.audioset import is_audioset, open_audioset
from models.training.data.sources.folder import open_folder
from models.training.data.sources.howto100m import is_howto100m, open_howto100m
from models.training.data.sources.manifest import MANIFEST, open_manifest
from models.training.data.sources.shards import is_shards, open_shards

Progress = Callable[[int, int], None]
Opener = Callable[[Path, Path | None, float, Progress | None], Source]
STRETCH_S = 10.0

# Each is given a path, a folder of videos where that is another, the seconds of a stretch, and who watches.
KINDS: dict[str, Opener] = {
    "manifest": open_manifest,
    "shards": open_shards,
    "howto100m": open_howto100m,
    "audioset": open_audioset,
    "folder": open_folder,
}


def open_source(
    path: Path,
    kind: str = "",
    *,
    videos: Path | None = None,
    stretch_s: float = STRETCH_S,
    progress: Progress | None = None,
) -> Source:
    """The items of a data set; without a `kind` it is found by looking. Raises DataError, also for an empty one."""
    if not path.exists():
        raise DataError(f"there is no {path}")
    kind = kind or kind_of(path)
    if kind not in KINDS:
        raise DataError(f"unknown kind of data {kind!r}; known are {', '.join(KINDS)}")
    source = KINDS[kind](path, videos, stretch_s, progress)
    if not source.items:
        raise DataError(f"nothing to train on in {source.describe()}")
    return source


def kind_of(path: Path) -> str:
    """What a path holds, by what lies in it."""
    if (path.is_file() and path.suffix == ".jsonl") or (path / MANIFEST).is_file():
        return "manifest"
    if is_shards(path):
        return "shards"
    if is_howto100m(path):
        return "howto100m"
    if is_audioset(path):
        return "audioset"
    return "folder"
