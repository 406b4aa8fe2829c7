"""The one sample format: a stretch of a video, before and after decoding, whatever data set it comes from."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from models.training.data.manifest import Narration


class DataError(ValueError):
    """Data that cannot be trained on; the message says what is wrong and what would be right."""


@dataclass(frozen=True, slots=True)
class Item:
    """A stretch of a video of at most some seconds, not decoded.

    `path` holds the video: whole, or `size` bytes of it from `offset` on (a member of a shard). Narrations are timed
    from the stretch's beginning. `has_audio` is what the source says of it, true where it says nothing: a stretch
    found silent when it is decoded counts as silent. Every item has a picture, to which sound and words are compared.
    """

    id: str
    file: str  # as its source names it
    path: str
    start_s: float
    duration_s: float
    has_audio: bool = True
    narrations: tuple[Narration, ...] = ()
    offset: int = 0
    size: int = 0  # 0: the whole file


@dataclass(frozen=True)
class Window:
    """Decoded picture and sound: frames uint8 [T, H, W, 3]; sound int16 [S], None where there is none."""

    frames: np.ndarray
    sound: np.ndarray | None


@dataclass(frozen=True)
class Source:
    """The items of one data set, and what of it cannot be used.

    `fingerprint` tells this data from other data; `keeps_caches`: decoded frames may be kept in `folder` itself, as
    in a set that was made to be trained on; in other people's folders nothing is written.
    """

    kind: str
    folder: Path
    items: list[Item]
    skipped: Counter[str] = field(default_factory=Counter)
    fingerprint: str = ""
    keeps_caches: bool = False

    def about(self) -> dict[str, Any]:
        """What a bundle's records say of this data."""
        told = sum(bool(item.narrations) for item in self.items)
        return {
            "kind": self.kind,
            "clips": len(self.items),
            "clips_with_text": told,
            "skipped": dict(self.skipped),
            "fingerprint": self.fingerprint,
        }

    def describe(self) -> str:
        """One line for people: how many stretches, how many with words, what was skipped and why."""
        told = sum(bool(item.narrations) for item in self.items)
        line = f"{self.folder}: {len(self.items):,} clips ({self.kind}), {told:,} of them with text"
        if self.skipped:
            line += "; skipped: " + ", ".join(f"{n:,} {why}" for why, n in self.skipped.most_common())
        return line


class _Named(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def file(self) -> str: ...


def fingerprint_of(items: Iterable[_Named]) -> str:
    """Which items these are: 16 hex digits."""
    return hashlib.sha256("\n".join(i.id + i.file for i in items).encode()).hexdigest()[:16]


def fingerprint_of_parts(items: Iterable[Item]) -> str:
    """Which parts of which files these are: other times of a clip, or another file of its name, are other data."""
    said = [(i.id, i.file, i.path, f"{i.start_s:.3f} {i.duration_s:.3f}") for i in items]
    sizes = {path: _size(Path(path)) for path in {path for _, _, path, _ in said}}
    lines = [json.dumps([name, file, times, sizes[path]]) for name, file, path, times in said]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # gone since it was listed: decoding says so
        return 0


def joined_fingerprint(fingerprints: list[str]) -> str:
    """One source's own; of several, one that tells them all."""
    if len(fingerprints) == 1:
        return fingerprints[0]
    return hashlib.sha256(" ".join(fingerprints).encode()).hexdigest()[:16]
