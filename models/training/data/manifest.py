"""The manifest of a clip set: one JSON object a line, one line a clip."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


class ManifestError(Exception):
    """A manifest that cannot be read; the message names the file and the line."""


@dataclass(frozen=True)
class Narration:
    """Words spoken from `start_s` to `end_s` of the clip.

    `track` tells apart several commentaries of one clip, such as its captions by several people: training hears one
    of them at a time.
    """

    start_s: float
    end_s: float
    text: str
    track: int = 0


@dataclass(frozen=True)
class Event:
    """What happened at `at_s`, for evaluation only; `subject` names the thing it is about, where there is one."""

    kind: str
    at_s: float
    concepts: list[str]
    subject: str = ""


@dataclass(frozen=True)
class Clip:
    """One clip of a set. `file` is relative to the manifest. `narrations` is empty for a clip without text."""

    id: str
    file: str
    duration_s: float
    fps: float
    has_video: bool
    has_audio: bool
    map: str
    seed: int
    game: str
    narrations: list[Narration] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    concepts: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Clip:
        """Raises KeyError or TypeError for a row of another shape."""
        narrations = [Narration(**n) for n in row["narrations"]]
        events = [Event(**e) for e in row["events"]]
        return cls(**{**row, "narrations": narrations, "events": events})


def read_manifest(path: Path, *, ignore_cut_line: bool = False) -> list[Clip]:
    """The clips in the file's order. Raises ManifestError.

    `ignore_cut_line`: pass over a last line that a crash cut off.
    """
    lines = path.read_text(encoding="utf-8").split("\n")
    clips = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            clips.append(Clip.from_dict(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            if ignore_cut_line and number == len(lines):
                break
            raise ManifestError(f"{path}, line {number}: {error}") from error
    return clips


def append(path: Path, clip: Clip) -> None:
    """Add one row. One write of one line to a file opened for appending: a crash cuts at most the last line."""
    with path.open("a", encoding="utf-8") as file:
        file.write(clip.to_json() + "\n")


def write_manifest(path: Path, clips: list[Clip]) -> None:
    """Replace the whole file, sorted by id; a crash leaves the old one or the new one."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(clip.to_json() + "\n" for clip in sorted(clips, key=lambda c: c.id))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
