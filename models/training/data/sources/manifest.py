"""A JSONL manifest: one line a clip.

Only `file` (relative to the manifest) is required, as in `{"file": "a.mp4"}`. A line may have `id`; `start_s` and
`end_s`, where the clip is only a part of the file; `has_audio`; and `narrations`, a list of
`{"text": ..., "start_s": ..., "end_s": ...}` timed from the clip's beginning, or without times for the whole clip. The
manifests of `mmv-search footage` are such.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from models.preprocess.media import MediaError, probe
from models.training.data.manifest import ManifestError, Narration
from models.training.data.sample import Item, Source, fingerprint_of, fingerprint_of_parts
from models.training.data.stretches import Film, cut

MANIFEST = "manifest.jsonl"
OF_FOOTAGE = {"map", "seed", "game"}  # keys that every line of a manifest of footage has


def open_manifest(
    path: Path, videos: Path | None, stretch_s: float, progress: Callable[[int, int], None] | None
) -> Source:
    """The clips of a manifest, or of the folder it lies in; long ones are cut. Raises ManifestError."""
    file = path / MANIFEST if path.is_dir() else path
    items: list[Item] = []
    skipped = Counter[str]()
    footage = True
    lines = file.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, 1):
        if progress:
            progress(number, len(lines))
        if line.strip():
            try:
                row = json.loads(line)
                footage = footage and row.keys() >= OF_FOOTAGE
                items += _items(row, videos or file.parent, stretch_s)
            except _Skipped as reason:
                skipped[str(reason)] += 1
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                said = f"the key {error} is missing" if isinstance(error, KeyError) else error
                raise ManifestError(f"{file}, line {number}: {said}") from error
    # A clip of footage never changes under its id, and bundles record the fingerprint of ids; others' lines are mended.
    fingerprint = fingerprint_of(items) if footage else fingerprint_of_parts(items)
    return Source("clips of a manifest", file.parent, items, skipped, fingerprint, keeps_caches=True)


class _Skipped(Exception):
    """A line that cannot be used, and why."""


def _items(row: dict[str, Any], folder: Path, stretch_s: float) -> list[Item]:
    file = str(row["file"])
    path = folder / file
    if not path.is_file():
        raise _Skipped("missing")
    start = float(row.get("start_s", 0.0))
    end = row["end_s"] if "end_s" in row else start + row["duration_s"] if "duration_s" in row else None
    picture, sound = row.get("has_video", True), row.get("has_audio", True)
    if end is None:
        try:
            info = probe(path)
        except MediaError:
            raise _Skipped("unreadable") from None
        end, picture, sound = info.duration_s, info.has_video and not info.is_image, sound and info.has_audio
    if not picture:
        raise _Skipped("without a moving picture")
    if not end > start >= 0:
        raise ValueError(f"end_s {end} is not after start_s {start}")
    identity = str(row.get("id") or (f"{file}@{start:.3f}" if start else file))
    told = [_narration(n, end - start) for n in row.get("narrations", [])]
    in_film = tuple(replace(n, start_s=n.start_s + start, end_s=n.end_s + start) for n in told)
    items = cut(Film(file, path, start, end, bool(sound), in_film), stretch_s)
    if len(items) == 1:
        return [replace(items[0], id=identity, narrations=tuple(told))]
    return [replace(item, id=f"{identity}@{item.start_s:.3f}") for item in items]


def _narration(row: dict[str, Any], duration_s: float) -> Narration:
    times = float(row.get("start_s", 0.0)), float(row.get("end_s", duration_s))
    return Narration(*times, str(row["text"]), int(row.get("track", 0)))
