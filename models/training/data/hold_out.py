"""A part of a source kept out of training, to judge by."""

import hashlib
from dataclasses import replace

from models.training.data.sample import DataError, Item, Source, fingerprint_of

WHOLE_FILMS = 10  # of so many films some are held out whole; of fewer, the end of each


def hold_out(source: Source, share: float) -> tuple[Source, Source]:
    """The source without about `share` of its clips, and those: whole films, or the ends of films where there are few.

    The same source is always parted alike. Raises DataError where nothing is left to train on or to judge by.
    """
    films: dict[str, list[Item]] = {}
    for item in source.items:
        films.setdefault(item.file, []).append(item)
    held: set[str] = set()
    if len(films) >= WHOLE_FILMS:
        for file in sorted(films, key=lambda name: hashlib.sha256(name.encode()).digest()):
            if len(held) + len(films[file]) / 2 > share * len(source.items):
                continue  # a smaller film may still fit
            held.update(item.id for item in films[file])
    else:
        for items in films.values():
            count = round(share * len(items))
            held.update(item.id for item in items[len(items) - count :])
    parts = [item for item in source.items if item.id not in held], [item for item in source.items if item.id in held]
    if not all(parts):
        raise DataError(f"{source.describe()}: too few to hold out {share:.0%} of them")
    kept, judge = (replace(source, items=p, fingerprint=_of(source, p)) for p in parts)
    return kept, judge


def _of(source: Source, items: list[Item]) -> str:
    return hashlib.sha256(f"{source.fingerprint} {fingerprint_of(items)}".encode()).hexdigest()[:16]
