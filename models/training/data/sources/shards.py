"""WebDataset shards: tar files in which the members of one sample follow each other and share a name, `key.mp4` and
`key.json`. Those that `mmv-search shards build` writes have an index besides, so that any video in them is read at
once; of others the headers are walked through first.

`key.json` of ours holds the sample's `items`. Of others it may hold `duration_s` (or `duration`) and `narrations`,
`text` or `caption`; a caption may also be in `key.txt`.
"""

import json
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from models.preprocess.media import MediaError, probe
from models.training.data.byte_range import byte_range
from models.training.data.manifest import Narration
from models.training.data.sample import DataError, Item, Source, fingerprint_of
from models.training.data.sources.videos import SUFFIXES
from models.training.data.stretches import Film, cut

SET = "shards.json"  # what the set is: kind, fingerprint, shards; written last
UNFINISHED = "building.json"


@dataclass(frozen=True)
class Sample:
    """A video in a shard and what is written beside it."""

    name: str
    offset: int
    size: int
    said: dict[str, Any]


def is_shards(path: Path) -> bool:
    """Whether a path is a shard, or a folder of some."""
    return path.suffix == ".tar" or (path.is_dir() and any(path.glob("*.tar")))


def open_shards(
    path: Path, videos: Path | None, stretch_s: float, progress: Callable[[int, int], None] | None
) -> Source:
    """The items of a shard or of a folder's shards. Raises DataError."""
    folder = path.parent if path.is_file() else path
    if (folder / UNFINISHED).exists():
        raise DataError(f"{folder} is not finished; run the same `mmv-search shards build` again to go on with it")
    files = [path] if path.is_file() else sorted(path.glob("*.tar"))
    if not files:
        raise DataError(f"{path} has no .tar files")
    skipped = Counter[str]()
    rows: list[tuple[int, Item]] = []
    for number, file in enumerate(files, 1):
        for sample in indexed(file):
            rows += _items(file, sample, stretch_s, skipped)
        if progress:
            progress(number, len(files))
    items = [item for _, item in sorted(rows, key=lambda row: row[0])]
    known = json.loads((folder / SET).read_text()) if (folder / SET).is_file() and path.is_dir() else {}
    if known and len(files) != known["shards"]:
        raise DataError(f"{folder} has {len(files)} shards, but was built of {known['shards']}")
    fingerprint = known.get("fingerprint") or fingerprint_of(items)
    return Source(known.get("kind", "WebDataset shards"), folder, items, skipped, fingerprint)


def index_of(shard: Path) -> Path:
    """Where the index of a shard lies."""
    return shard.with_suffix(".jsonl")


def indexed(shard: Path) -> list[Sample]:
    """The samples of a shard, from its index where it has one. Raises DataError."""
    if not index_of(shard).is_file():
        return list(scan(shard))
    lines = index_of(shard).read_text(encoding="utf-8").splitlines()
    samples = [Sample(**json.loads(line)) for line in lines]
    if samples and samples[-1].offset + samples[-1].size > shard.stat().st_size:
        raise DataError(f"{shard} is cut off; copy it again")
    return samples


def scan(shard: Path) -> Iterator[Sample]:
    """The samples of a shard, from its members' headers. Raises DataError where it is cut off or no tar file."""
    name, at, said = "", (0, 0), dict[str, Any]()
    before = None
    try:
        with tarfile.open(shard) as tar:
            for member in tar:
                key, _, extension = member.name.rpartition("/")[2].partition(".")
                key = member.name.rpartition("/")[0] + "/" + key
                if key != before and name:
                    yield Sample(name, *at, said)
                if key != before:
                    name, said, before = "", {}, key
                if member.isfile() and "." + extension.lower() in SUFFIXES:
                    name, at = member.name, (member.offset_data, member.size)
                elif member.isfile() and extension in ("json", "txt"):
                    content = tar.extractfile(member).read()  # type: ignore[union-attr]
                    said |= json.loads(content) if extension == "json" else {"text": content.decode(errors="replace")}
    except (tarfile.TarError, EOFError, OSError, ValueError, TypeError) as error:
        raise DataError(f"{shard} is damaged or cut off: {error}") from None
    if name:
        yield Sample(name, *at, said)


def _items(shard: Path, sample: Sample, stretch_s: float, skipped: Counter[str]) -> list[tuple[int, Item]]:
    place = {"path": str(shard), "offset": sample.offset, "size": sample.size}
    if "items" in sample.said:
        return [(row.pop("row"), _item(row | place)) for row in map(dict, sample.said["items"])]
    duration = sample.said.get("duration_s", sample.said.get("duration"))
    sound = True
    if not isinstance(duration, int | float):
        try:
            info = probe(byte_range(shard, sample.offset, sample.size))
        except MediaError:
            skipped["unreadable"] += 1
            return []
        duration, sound = info.duration_s, info.has_audio
    text = sample.said.get("text", sample.said.get("caption"))
    told = [Narration(**n) for n in sample.said.get("narrations", [])]
    if isinstance(text, str) and text.strip() and not told:
        told = [Narration(0.0, float(duration), text.strip())]
    name = f"{shard.name}/{PurePosixPath(sample.name)}"
    items = cut(Film(name, shard, 0.0, float(duration), sound, told), stretch_s)
    return [(0, replace(item, offset=sample.offset, size=sample.size)) for item in items]


def _item(row: dict[str, Any]) -> Item:
    return Item(**{**row, "narrations": tuple(Narration(**n) for n in row["narrations"])})
