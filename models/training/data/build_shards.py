"""Any source as WebDataset shards: every video as it is, beside it a JSON file of its stretches and their words."""

import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any

from models.training.data.decode import opened
from models.training.data.sample import DataError, Item, Source
from models.training.data.sources.shards import SET, UNFINISHED, index_of, scan

Rows = list[tuple[int, Item]]  # the items of one video, with their places in the source


def build_shards(
    source: Source, out: Path, shard_bytes: int, progress: Callable[[int, int], None] | None = None
) -> list[Path]:
    """Write a source's videos to shards of about `shard_bytes`; goes on where it was interrupted.

    A shard appears when it is whole. Raises DataError where `out` has shards of something else.
    """
    videos = _videos(source)
    plan = _plan(videos, shard_bytes)
    made_of = {"kind": source.kind, "fingerprint": source.fingerprint, "shards": len(plan), "shard_bytes": shard_bytes}
    out.mkdir(parents=True, exist_ok=True)
    _claim(out, made_of)
    shards = []
    for number, chosen in enumerate(plan):
        shard = out / f"{number:06d}.tar"
        if not shard.exists():
            _write(shard, chosen)
        if not index_of(shard).exists():
            lines = "".join(json.dumps(asdict(sample)) + "\n" for sample in scan(shard))
            _replace(index_of(shard), lines.encode())
        shards.append(shard)
        if progress:
            progress(number + 1, len(plan))
    (out / UNFINISHED).rename(out / SET)
    return shards


def _claim(out: Path, made_of: dict[str, Any]) -> None:
    for name in (SET, UNFINISHED):
        if (out / name).is_file() and json.loads((out / name).read_text()) != made_of:
            raise DataError(f"{out} has shards of other data, or of another size; choose another folder")
    if not (out / SET).is_file() and not (out / UNFINISHED).is_file() and any(out.glob("*.tar")):
        raise DataError(f"{out} has shards that are not of this command; choose another folder")
    _replace(out / UNFINISHED, json.dumps(made_of, indent=1).encode())


def _videos(source: Source) -> list[Rows]:
    """The items of each video, in the source's order."""
    videos: dict[tuple[str, int], Rows] = {}
    for row, item in enumerate(source.items):
        videos.setdefault((item.path, item.offset), []).append((row, item))
    return list(videos.values())


def _plan(videos: list[Rows], shard_bytes: int) -> list[list[tuple[str, Rows]]]:
    """Which videos are in which shard, each with its key: depends on their sizes alone."""
    plan: list[list[tuple[str, Rows]]] = []
    room = 0
    for number, rows in enumerate(videos):
        item = rows[0][1]
        size = item.size or os.stat(item.path).st_size
        if not plan or size > room:
            plan.append([])
            room = shard_bytes
        plan[-1].append((f"{number:08d}", rows))
        room -= size
    return plan


def _write(shard: Path, chosen: list[tuple[str, Rows]]) -> None:
    temporary = shard.with_suffix(".tmp")
    with tarfile.open(temporary, "w") as tar:
        for key, rows in chosen:
            suffix = Path(rows[0][1].file).suffix.lower() or Path(rows[0][1].path).suffix.lower()
            with opened(rows[0][1]) as video:
                size = video.seek(0, os.SEEK_END)
                video.seek(0)
                tar.addfile(_member(f"{key}{suffix}", size), video)
            said = json.dumps({"items": [_said(row, item) for row, item in rows]}).encode()
            tar.addfile(_member(f"{key}.json", len(said)), BytesIO(said))
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(shard)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)  # of no time and nobody: the same videos make the same shard
    member.size = size
    return member


def _said(row: int, item: Item) -> dict[str, Any]:
    """An item without its place on this machine."""
    return {"row": row} | {k: v for k, v in asdict(item).items() if k not in ("path", "offset", "size")}


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(data)
    temporary.replace(path)
