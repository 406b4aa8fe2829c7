"""AudioSet as published: lists of segments, `# YTID, start_seconds, end_seconds, positive_labels`, after two comments.

Videos are `<YTID>.<suffix>`, whole, or a segment each, `<YTID>_<start>.<suffix>` with the start in seconds or
milliseconds and perhaps the end after it, as downloaders name them; they may put `Y` before an id. One that is named as
a whole video, but cut, is found out when it is decoded. Trained on without its labels, and without text.
"""

import csv
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from models.training.data.sample import DataError, Item, Source, fingerprint_of
from models.training.data.sources.videos import videos_by_name
from models.training.data.stretches import Film, cut

# The evaluation segments are tested on: they are only used where that very file is given.
LISTS = ("balanced_train_segments.csv", "unbalanced_train_segments.csv")


def is_audioset(path: Path) -> bool:
    """Whether a path is a list of segments, or a folder that has a training list."""
    return path.name.endswith("_segments.csv") or any((path / name).is_file() for name in LISTS)


def open_audioset(
    path: Path, videos: Path | None, stretch_s: float, progress: Callable[[int, int], None] | None
) -> Source:
    """The segments of a list, or of a folder's training lists, whose videos are there, in `videos` or below it.

    Raises DataError.
    """
    lists = [path] if path.is_file() else [path / name for name in LISTS if (path / name).is_file()]
    if not lists:
        raise DataError(f"{path} has neither {' nor '.join(LISTS)}")
    folder = path.parent if path.is_file() else path
    there = videos_by_name(videos or folder)
    skipped = Counter[str]()
    items: list[Item] = []
    for file in lists:
        for name, start, end in _segments(file):
            film = _film(name, start, end, there)
            if film is None:
                skipped["unavailable"] += 1
            else:
                parts = cut(film, stretch_s)
                whole = f"{name}_{start:g}"  # as a segment is one item mostly, and a video may have several
                ids = [whole] if len(parts) == 1 else [f"{whole}@{part.start_s:.3f}" for part in parts]
                items += [replace(part, id=i) for part, i in zip(parts, ids, strict=True)]
    return Source("AudioSet", folder, items, skipped, fingerprint_of(items))


def _segments(file: Path) -> list[tuple[str, float, float]]:
    with file.open(encoding="utf-8", newline="") as lines:
        rows = csv.reader((line for line in lines if not line.startswith("#")), skipinitialspace=True)
        try:
            return [(row[0], float(row[1]), float(row[2])) for row in rows if row]
        except (IndexError, ValueError) as error:
            raise DataError(f"{file}: a line is not an id, two times and labels ({error})") from None


def _film(name: str, start: float, end: float, there: dict[str, Path]) -> Film | None:
    """The segment in a file of its own, which begins at 0, or else in the whole video."""
    times = list(zip(_spellings(start), _spellings(end), strict=True))
    for prefix in ("", "Y"):
        for begin, last in times:
            for own in (f"{prefix}{name}_{begin}", f"{prefix}{name}_{begin}_{last}"):
                if own in there:
                    return Film(there[own].name, there[own], 0.0, end - start)
        if prefix + name in there:
            path = there[prefix + name]
            return Film(path.name, path, start, end)
    return None


def _spellings(seconds: float) -> list[str]:
    return [f"{seconds:g}", f"{seconds:.3f}", f"{1000 * seconds:.0f}", f"{seconds:.1f}", f"{seconds:06.0f}"]
