"""Films of any length cut into stretches of some seconds, each with the words said in it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models.training.data.manifest import Narration
from models.training.data.sample import Item

FAIR_SHARE = 0.5  # of a stretch, that words must last for to be its words when their middle is in another


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
    """The whole film in stretches of `stretch_s` seconds; the last is between half and one and a half of it.

    Words belong to the stretch that has their middle, and to every other of which they last for a fair share.
    """
    count = max(1, round((film.end_s - film.start_s) / stretch_s))
    starts = [film.start_s + i * stretch_s for i in range(count)]
    ends = [*starts[1:], film.end_s]
    parts = zip(starts, ends, strict=True)
    return [_item(film, start, end, _said(film, start, end), whole=count == 1) for start, end in parts]


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
        items.append(_item(film, start, until, [n for n in film.narrations if start <= _middle(n) < until]))
    return items


def _said(film: Film, start: float, end: float) -> Iterator[Narration]:
    for told in film.narrations:
        first, last = max(start, told.start_s), min(end, told.end_s)
        if start <= _middle(told) < end and told.end_s - told.start_s <= end - start:
            yield told
        elif last - first >= FAIR_SHARE * (end - start):  # only this part of them, so that it is near its windows
            yield replace(told, start_s=first, end_s=last)


def _item(film: Film, start: float, end: float, said: Iterable[Narration], whole: bool = False) -> Item:
    return Item(
        id=film.file if whole else f"{film.file}@{start:.3f}",
        file=film.file,
        path=str(film.path),
        start_s=start,
        duration_s=end - start,
        has_audio=film.has_audio,
        narrations=tuple(replace(n, start_s=n.start_s - start, end_s=n.end_s - start) for n in said),
    )


def _middle(told: Narration) -> float:
    return (told.start_s + told.end_s) / 2
