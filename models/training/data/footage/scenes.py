"""What clips show: the plan of a set, the stage on which scenes are played, the facts that a scene hands on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from models.training.data.footage.sight import grounds_of
from models.training.data.footage.studio import FIELD_OF_VIEW, WIDTH, Move, Studio, Tic
from models.training.data.footage.vocabulary import (
    BRIGHT_LIGHT,
    DARK_LIGHT,
    MONSTERS,
    PICKUPS,
    PLACES,
    SKY,
    SPRITES,
    THINGS,
    WEAPONS,
)
from models.training.data.footage.wad import GameMap, Sector

CLIP_TICS = 140  # 4.0 s
LOUD = 1500  # peak of int16 samples: what one hears as an event; the engine's silence is exactly 0

# How often each kind is played in one deck. Monsters, pickups and teleporters are hard to learn: more of them.
_DECK: list[tuple[str, str]] = [
    *[("monster", name) for name in MONSTERS] * 2,
    *[("fight", name) for name in MONSTERS] * 2,
    *[("pickup", name) for name in PICKUPS] * 2,
    *[("fire", name) for name in WEAPONS] * 2,
    *[("look", name) for name in THINGS],
    *[("explore", name) for name in PLACES if name not in ("indoors", "bright")],
    *[("explore", name) for name in ("outdoors", "dark", "water", "slime")],
    *[("door", "")] * 9,
    *[("lift", "")] * 6,
    *[("switch", "")] * 8,
    *[("teleport", "")] * 14,
    *[("barrel", "")] * 8,
    *[("death", "")] * 3,
]
NO_TEXT, NO_SOUND = 0.12, 0.04  # shares; clips that turn out silent have no sound either, which makes about 0.06 in all


class SceneMissed(Exception):
    """The wanted event did not happen, or cannot be seen or heard; try again elsewhere."""


@dataclass(frozen=True)
class Plan:
    """What clip number `index` is to show: a kind of scene and its subject (an engine class, a place, or nothing)."""

    index: int
    kind: str
    subject: str
    with_text: bool
    with_sound: bool


KINDS = tuple(dict.fromkeys(kind for kind, _ in _DECK))


@cache
def _shuffled_deck(seed: int, number: int, kinds: tuple[str, ...]) -> list[tuple[str, str]]:
    deck = [card for card in _DECK if not kinds or card[0] in kinds]
    return [deck[i] for i in np.random.default_rng([seed, 1, number]).permutation(len(deck))]


def plan_clip(seed: int, index: int, kinds: tuple[str, ...] = ()) -> Plan:
    """The same for the same numbers, whatever was made before. Kinds and subjects are in balance: shuffled decks.

    `kinds` are those of KINDS that are played; none for all.
    """
    number, card = divmod(index, len(_shuffled_deck(seed, 0, kinds)))
    kind, subject = _shuffled_deck(seed, number, kinds)[card]
    text, sound = np.random.default_rng([seed, 2, index]).random(2)
    return Plan(index, kind, subject, bool(text >= NO_TEXT), bool(sound >= NO_SOUND))


@dataclass
class Facts:
    """What a scene did, in tics of the recording. `subject` names the engine class or place that it is about."""

    kind: str
    at: int
    subject: str = ""
    weapon: str = ""
    killed_at: int | None = None
    places: list[str] = field(default_factory=list)
    sees: list[str] = field(default_factory=list)  # THINGS in view for long


def has_pictures(studio: Studio, name: str) -> bool:
    """Whether the game at hand has pictures of this class."""
    prefix = SPRITES.get(name)
    return prefix is None or any(lump.startswith(prefix) for lump in studio.wad.lump_names)


def places_of(sector: Sector) -> list[str]:
    """Names from PLACES that hold in a sector, by the map's data: where to look for a place to film. Never empty."""
    names = grounds_of(sector)
    if sector.ceiling_texture.startswith(SKY):
        names.append("outdoors")
    elif sector.light <= DARK_LIGHT:
        names.append("dark")
    elif sector.light >= BRIGHT_LIGHT:
        names.append("bright")
    elif not names:
        names.append("indoors")
    return names


def direction(angle: float) -> np.ndarray:
    return np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])


def peak(tape: list[Tic], first: int, last: int) -> int:
    """Largest sample, as an absolute value, in the tics [first, last)."""
    return max((int(np.abs(tic.sound.astype(np.int32)).max()) for tic in tape[max(first, 0) : last]), default=0)


def onset(tape: list[Tic], first: int, last: int) -> int:
    """The first loud tic in [first, last). Raises SceneMissed when there is none."""
    for t in range(first, min(last, len(tape))):
        if peak(tape, t, t + 1) >= LOUD:
            return t
    raise SceneMissed("nothing was heard")


def live_area(tic: Tic, name: str) -> int:
    """Pixels of the bounding box of the largest thing of exactly this class."""
    return max((s.area for s in tic.seen if s.name == name), default=0)


@dataclass
class Stage:
    """A studio on one map with one random generator; scenes are functions of it."""

    studio: Studio
    map: GameMap
    rng: np.random.Generator

    def __post_init__(self) -> None:
        self.phase, self.swing = self.rng.uniform(0, 6.28), self.rng.uniform(0.2, 1.2)

    @property
    def tape(self) -> list[Tic]:
        return self.studio.tape

    @property
    def now(self) -> int:
        return len(self.studio.tape)

    def pick(self, *names: str) -> str:
        return names[int(self.rng.integers(len(names)))]

    def between(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def sway(self) -> float:
        """A hand-held camera's slow turning, degrees in this tic."""
        return self.swing * math.sin(self.now / 9.0 + self.phase)

    def act(self, move: Move) -> None:
        """One tic. Raises SceneMissed when the episode is over."""
        if not self.studio.step(move):
            raise SceneMissed("the episode ended")

    def go(self, tics: int, **keys: bool) -> None:
        for _ in range(tics):
            self.act(Move(turn=self.sway(), **keys))

    def finish(self, **keys: bool) -> None:
        """Play on to the clip's end."""
        self.go(CLIP_TICS - self.now, **keys)

    def toward(self, name: str) -> float:
        """The turn that keeps the nearest thing called `name` in the picture's middle; else a sway."""
        if self.tape:
            seen = [(s.area, s.x) for s in self.tape[-1].seen if s.name == name and s.area > 40]
            if seen:
                return float(np.clip((max(seen)[1] - WIDTH / 2) / WIDTH * FIELD_OF_VIEW * 0.35, -9, 9))
        return self.sway()

    def spot(self, nearest: float, farthest: float = 1800) -> tuple[np.ndarray, float]:
        found = self.map.view_spot(self.rng, nearest, farthest)
        if found is None:
            raise SceneMissed("no free view")
        return found

    def warp(self, point: np.ndarray, angle: float) -> None:
        if not self.studio.warp(point, angle):
            raise SceneMissed("something is in the way")

    def record(self) -> None:
        self.studio.tape, self.studio.recording = [], True

    def places_at(self, point: np.ndarray) -> list[str]:
        return places_of(self.map.sector_at(point))

    def set_out(self, name: str, distance: float, radius: float = 20) -> tuple[np.ndarray, float]:
        """Put a thing `distance` ahead of a fresh standing place, facing it; the player stands there then.

        The engine summons a thing at 16 units plus twice its radius in front of the player (measured).
        """
        point, angle = self.spot(distance + radius + 70)
        self.warp(point + direction(angle) * (distance - 16 - 2 * radius), angle)
        self.studio.command(f"summon {name} 180")
        self.studio.wait(1)
        self.warp(point, angle)
        return point, angle

    def vulnerable(self) -> None:
        """Let hits hurt (flashes, groans) but never kill."""
        self.studio.command("god")  # off: the studio starts with it on
        self.studio.command("buddha")
