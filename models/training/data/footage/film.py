"""Makes one clip: plays its scene until it works out, writes the file, and returns its manifest row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from models.training.data.footage import stage_actions, stage_things
from models.training.data.footage.encode import FRAMES_PER_SECOND, write_clip
from models.training.data.footage.narrate import tell
from models.training.data.footage.scenes import (
    CLIP_TICS,
    Facts,
    Plan,
    SceneMissed,
    Stage,
    has_pictures,
    live_area,
    peak,
    plan_clip,
)
from models.training.data.footage.sight import look_around
from models.training.data.footage.studio import TICS_PER_SECOND, EngineStopped, Studio, Tic
from models.training.data.footage.vocabulary import ACTIONS, GROUNDS, MONSTERS, PICKUPS, PLACES, THINGS, WEAPONS
from models.training.data.footage.wad import GameMap
from models.training.data.manifest import Clip, Event

SCENES: dict[str, Callable[[Stage, str], Facts]] = {
    "monster": stage_things.monster,
    "fight": stage_things.fight,
    "fire": stage_things.fire,
    "pickup": stage_things.pickup,
    "look": stage_things.look,
    "door": stage_actions.door,
    "lift": stage_actions.lift,
    "switch": stage_actions.switch,
    "teleport": stage_actions.teleport,
    "barrel": stage_actions.barrel,
    "death": stage_actions.death,
    "explore": stage_actions.explore,
}
# After so many misses another kind is played: a list of maps may have no lift at all.
PATIENCE, GIVE_UP = 60, 120
_FALLBACK = ("Pistol", "Shotgun", "Chaingun", "PlasmaRifle")
SILENCE = 200  # peak of int16 samples under which a clip counts as having no sound
DARKEST = 32  # mean of the brightest picture: under it, one sees too little
_DARKEST_WALK = 12
# What makes a place: how much of the picture its ground or the sky fills, in the mean of the clip; how light it is.
_LOOKS_EVERY = 20  # tics
_GROUND, _SKY = 0.10, 0.04
_DARK, _BRIGHT = 27.0, 58.0  # mean of a picture's values; a twelfth of the clips each


class NothingToFilm(Exception):
    """No scene worked out on these maps."""


@dataclass
class Studios:
    """The engines of one process, opened as needed."""

    opened: dict[str, Studio] = field(default_factory=dict)

    def get(self, game: str) -> Studio:
        if game not in self.opened:
            self.opened[game] = Studio(game)
        return self.opened[game]

    def drop(self, game: str) -> None:
        if game in self.opened:
            self.opened.pop(game).close()

    def close(self) -> None:
        for game in list(self.opened):
            self.drop(game)


@dataclass(frozen=True)
class FilmSettings:
    """What, beside the clip's number, decides its bytes."""

    seed: int
    maps: tuple[str, ...]
    crf: int = 26
    audio_bit_rate: int = 64_000
    kinds: tuple[str, ...] = ()  # of scenes.KINDS; none for all
    tracks: int = 1  # how many times each clip is narrated, each time in other words


def concepts_of(facts: Facts) -> list[str]:
    """Concept names of a clip, without repeats, the subject first."""
    names = []
    for table, key in (
        (MONSTERS if facts.kind in ("monster", "fight") else {}, facts.subject),
        (PICKUPS if facts.kind == "pickup" else {}, facts.subject),
        (WEAPONS, facts.weapon),
        (ACTIONS, "explore" if facts.kind == "look" else facts.kind),
        (ACTIONS, "kill" if facts.killed_at is not None else ""),
        *((THINGS, name) for name in facts.sees),
        *((PLACES, name) for name in facts.places),
    ):
        if key in table:
            names.append(table[key].concept)
    return list(dict.fromkeys(names))


def _things_seen(tape: list[Tic]) -> list[str]:
    """Decorations in good view for at least a second."""
    return [name for name in THINGS if sum(live_area(tic, name) >= 1500 for tic in tape) >= TICS_PER_SECOND]


def _places_seen(level: GameMap, tape: list[Tic]) -> list[str]:
    """Names from PLACES that one sees throughout a clip, the most of the picture first; never empty."""
    looks = [look_around(level, tic.position, tic.angle, tic.height) for tic in tape[::_LOOKS_EVERY]]
    grounds = {name: sum(look.grounds.get(name, 0.0) for look in looks) / len(looks) for name in set(GROUNDS.values())}
    names = sorted((name for name, share in grounds.items() if share >= _GROUND), key=lambda name: -grounds[name])
    sky = sum(look.sky for look in looks) / len(looks)
    names.append("outdoors" if sky >= _SKY else "indoors")
    light = float(np.median([tic.picture.mean() for tic in tape[::_LOOKS_EVERY]]))
    if light <= _DARK:
        names.append("dark")
    elif light >= _BRIGHT:
        names.append("bright")
    return names


def _play(studio: Studio, map_name: str, plan: Plan, rng: np.random.Generator) -> Facts:
    """One try. Leaves the recording on the studio's tape. Raises SceneMissed or EngineStopped."""
    if plan.subject and plan.kind != "explore" and not has_pictures(studio, plan.subject):
        raise SceneMissed("this game has no such thing")
    studio.begin(map_name, int(rng.integers(1 << 30)), keys=plan.kind != "pickup")
    stage = Stage(studio, studio.map(map_name), rng)
    facts = SCENES[plan.kind](stage, plan.subject)
    if len(studio.tape) < CLIP_TICS:
        raise SceneMissed("cut short")
    del studio.tape[CLIP_TICS:]
    if facts.at > CLIP_TICS - 20:
        raise SceneMissed("the event is too close to the end")
    darkest = _DARKEST_WALK if plan.kind == "explore" else DARKEST
    light = [float(tic.picture.mean()) for tic in studio.tape[::20]]
    if max(light) < darkest or max(light[:3]) < darkest / 2:
        raise SceneMissed("too dark to see")
    facts.places, facts.sees = _places_seen(stage.map, studio.tape), _things_seen(studio.tape)
    if plan.kind == "explore":
        if plan.subject not in facts.places:
            raise SceneMissed("one does not see where it is")
        facts.places.sort(key=lambda name: name != plan.subject)
    if plan.kind == "look" and plan.subject not in facts.sees:
        facts.sees.insert(0, plan.subject)
    return facts


def _attempt(studios: Studios, settings: FilmSettings, plan: Plan, attempt: int) -> tuple[Facts, list[Tic], str]:
    rng = np.random.default_rng([settings.seed, 3, plan.index, attempt])
    map_id = settings.maps[int(rng.integers(len(settings.maps)))]
    game, map_name = map_id.split(":")
    if plan.kind == "death":
        with Studio(game, network=True) as studio:
            facts = _play(studio, map_name, plan, rng)
            return facts, studio.tape, map_id
    studio = studios.get(game)
    facts = _play(studio, map_name, plan, rng)
    return facts, studio.tape, map_id


def film_clip(studios: Studios, settings: FilmSettings, index: int, folder: Path) -> Clip:
    """Make clip number `index` in `folder`/clips. Depends on `settings` and `index` alone. Raises NothingToFilm."""
    plan = plan_clip(settings.seed, index, settings.kinds)
    for attempt in range(GIVE_UP):
        if attempt == PATIENCE:
            plan = Plan(index, "fire", _FALLBACK[index % len(_FALLBACK)], plan.with_text, plan.with_sound)
        try:
            facts, tape, map_id = _attempt(studios, settings, plan, attempt)
            break
        except SceneMissed:
            continue
        except EngineStopped:
            studios.close()  # a fresh engine for the next try
    else:
        raise NothingToFilm(f"clip {index}: no scene worked out on {', '.join(settings.maps[:4])}")
    clip_id = f"s{settings.seed}-{index:06d}"
    has_audio = plan.with_sound and peak(tape, 0, CLIP_TICS) >= SILENCE
    file = f"clips/{clip_id}.mp4"
    write_clip(folder / file, tape, with_sound=has_audio, crf=settings.crf, audio_bit_rate=settings.audio_bit_rate)
    concepts = concepts_of(facts)
    subject = next((c for c in concepts if not c.startswith(("place:", "action:"))), "").partition(":")[2]
    event = Event(facts.kind, round(facts.at / TICS_PER_SECOND, 3), concepts, subject)
    return Clip(
        id=clip_id,
        file=file,
        duration_s=CLIP_TICS / TICS_PER_SECOND,
        fps=FRAMES_PER_SECOND,
        has_video=True,
        has_audio=has_audio,
        map=map_id,
        seed=settings.seed,
        game=map_id.split(":")[0],
        narrations=tell(event, settings.seed, index, settings.tracks) if plan.with_text else [],
        events=[event],
        concepts=concepts,
    )
