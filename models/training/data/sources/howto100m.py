"""HowTo100M as published: `caption.json` (or `raw_caption.json`, with stop words) and the list `HowTo100M_v1.csv`.

The captions are one object, `{video_id: {"start": [...], "end": [...], "text": [...]}}` in seconds. Videos are files
`<video_id>.<suffix>` anywhere below a folder. Trained on are stretches around captions, as in the paper.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from models.training.data.manifest import Narration
from models.training.data.sample import DataError, Item, Source, fingerprint_of
from models.training.data.sources.videos import videos_by_name
from models.training.data.stretches import Film, cut_around_words

CAPTIONS = ("caption.json", "raw_caption.json")
LIST = "HowTo100M_v1.csv"


def is_howto100m(path: Path) -> bool:
    """Whether a path is such a file, or a folder that has one."""
    return path.name in CAPTIONS or any((path / name).is_file() for name in CAPTIONS)


def open_howto100m(
    path: Path, videos: Path | None, stretch_s: float, progress: Callable[[int, int], None] | None
) -> Source:
    """Stretches around the captions of the videos that are there. The whole file of captions is held in memory.

    `path` is the file of captions, or the folder with it and perhaps the list, to which the videos are then limited;
    the videos are in `videos`, or else below that folder. Raises DataError.
    """
    captions = (
        path if path.is_file() else next((path / n for n in CAPTIONS if (path / n).is_file()), path / CAPTIONS[0])
    )
    said = _read(captions)
    there = videos_by_name(videos or captions.parent)
    wanted = _listed(captions.parent / LIST)
    skipped = Counter[str]()
    items: list[Item] = []
    for number, (name, cues) in enumerate(said.items(), 1):
        if progress and number % 1000 == 0:
            progress(number, len(said))
        if wanted is not None and name not in wanted:
            continue
        if name not in there:
            skipped["unavailable"] += 1
            continue
        try:
            told = _narrations(cues)
        except (KeyError, TypeError, ValueError):
            skipped["with malformed captions"] += 1
            continue
        if not told:
            skipped["without captions"] += 1
            continue
        end = max(n.end_s for n in told)  # the film's own end is not known before it is decoded
        items += cut_around_words(Film(name, there[name], 0.0, end, True, told), stretch_s)
    if wanted is not None and (silent := len(wanted - said.keys())):
        skipped["listed without captions"] += silent
    return Source("HowTo100M", captions.parent, items, skipped, fingerprint_of(items))


def _read(captions: Path) -> dict[str, Any]:
    try:
        with captions.open(encoding="utf-8") as file:
            said = json.load(file)
    except FileNotFoundError:
        raise DataError(f"{captions.parent} has neither {' nor '.join(CAPTIONS)}") from None
    except ValueError as error:
        raise DataError(f"{captions} is not JSON: {error}") from None
    if not isinstance(said, dict):
        raise DataError(f"{captions} must be an object of video ids, as HowTo100M publishes it")
    return said


def _listed(path: Path) -> set[str] | None:
    """The ids of the list's column `video_id`; None where there is no list."""
    if not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if "video_id" not in (rows.fieldnames or ()):
            raise DataError(f"{path} has no column video_id")
        return {row["video_id"] for row in rows}


def _narrations(cues: dict[str, list[Any]]) -> list[Narration]:
    times = zip(cues["start"], cues["end"], cues["text"], strict=True)
    return [Narration(float(s), float(e), t.strip()) for s, e, t in times if isinstance(t, str) and t.strip() and e > s]
