"""Which maps train, validate and test. Whole maps are held out, so that no wall of a test clip was seen in training."""

from __future__ import annotations

_EPISODES = [f"freedoom1:E{e}M{m}" for e in (1, 2, 3) for m in range(1, 10)]


def _levels(first: int, last: int) -> list[str]:
    return [f"freedoom2:MAP{n:02d}" for n in range(first, last + 1)]


SPLITS: dict[str, list[str]] = {
    "train": _levels(1, 20) + _EPISODES,
    "validation": _levels(21, 22),
    "test": _levels(23, 32),
    "cross": [f"freedoom1:E4M{m}" for m in range(1, 10)],  # another game's last episode
}
ALL_MAPS = [name for names in SPLITS.values() for name in names]

# Every so many-th (weapon, monster) pair is never played on a training map, so that it is new on the others.
HELD_OUT_EVERY = 9


class UnknownMap(Exception):
    """A map or split name that does not exist; the message names it and what there is."""


def expand_maps(names: str) -> list[str]:
    """Split names and map names, separated by commas -> maps without repeats, in order. Raises UnknownMap."""
    maps: list[str] = []
    for name in (part.strip() for part in names.split(",")):
        if name in SPLITS:
            maps += SPLITS[name]
        elif name in ALL_MAPS:
            maps.append(name)
        else:
            known = ", ".join(SPLITS)
            raise UnknownMap(f"unknown map {name!r}: give {known}, or maps such as freedoom2:MAP23,freedoom1:E1M1")
    return list(dict.fromkeys(maps))


def split_of(map_name: str) -> str:
    """The split that a map belongs to. Raises UnknownMap."""
    for split, names in SPLITS.items():
        if map_name in names:
            return split
    raise UnknownMap(f"unknown map {map_name!r}")


def is_held_out_pair(weapon: int, monster: int) -> bool:
    """Whether the pair of these numbers (places in the vocabulary's tables) is kept out of training."""
    return (4 * weapon + monster) % HELD_OUT_EVERY == 0
