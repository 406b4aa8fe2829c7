"""Films of any length cut into stretches of some seconds, each with the words said in it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.training.data.manifest import Narration
from models.training.data.sample import Item


@dataclass(frozen=True)
class Film:
    """One video of a source: `file` as the source names it, the time of it that counts, and its words."""

    file: str
    path: Path
    start_s: float
    end_s: float
    has_audio: bool = True
    narrations: Sequence[Narration] = ()  # timed from the film's beginning


def cut(film: Film, stretch_s: float) -> list[Item]:
    """The whole film in stretches of `stretch_s` seconds; the last is between half and one and a half of it."""
    count = max(1, round((film.end_s - film.start_s) / stretch_s))
    starts = [film.start_s + i * stretch_s for i in range(count)]
    ends = [*starts[1:], film.end_s]
    return [_item(film, start, end, count == 1) for start, end in zip(starts, ends, strict=True)]


def cut_around_words(film: Film, stretch_s: float) -> list[Item]:
    """Only where something is said: each stretch begins with the first words that no stretch before it has."""
    items: list[Item] = []
    until = -1.0
    for told in sorted(film.narrations, key=lambda n: n.start_s):
        if _middle(told) < until:
            continue
        # Words longer than a stretch are in its middle; others at its beginning.
        start = max(film.start_s, min(told.start_s, film.end_s - stretch_s, _middle(told)))
        if told.end_s - told.start_s > stretch_s:
            start = max(film.start_s, _middle(told) - stretch_s / 2)
        until = min(start + stretch_s, film.end_s)
        items.append(_item(film, start, until, False))
    return items


def _item(film: Film, start: float, end: float, whole: bool) -> Item:
    said = tuple(
        replace(n, start_s=n.start_s - start, end_s=n.end_s - start)
        for n in film.narrations
        if start <= _middle(n) < end
    )
    return Item(
        id=film.file if whole else f"{film.file}@{start:.3f}",
        file=film.file,
        path=str(film.path),
        start_s=start,
        duration_s=end - start,
        has_audio=film.has_audio,
        narrations=said,
    )


def _middle(told: Narration) -> float:
    return (told.start_s + told.end_s) / 2
