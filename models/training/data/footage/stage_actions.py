"""Scenes about actions and places: doors, lifts, switches, teleporters, barrels, deaths, walks."""

from __future__ import annotations

import numpy as np

from models.training.data.footage.scenes import (
    CLIP_TICS,
    LOUD,
    Facts,
    SceneMissed,
    Stage,
    live_area,
    onset,
    peak,
    places_of,
)
from models.training.data.footage.studio import Move
from models.training.data.footage.wad import Trigger

# Line actions (the map format's numbers). Exits (11, 51) are not among the switches: they would end the episode.
DOORS = frozenset({1, 26, 27, 28, 31, 32, 33, 34, 117, 118})
LIFTS = frozenset({62, 21, 122, 123})
SWITCHES = frozenset(
    {7, 9, 14, 15, 18, 20, 21, 23, 29, 41, 49, 50, 55, 61, 63, 64, 70, 71, 99, 101, 102, 103, 111, 112, 114, 115}
    | {122, 123, 127, 133, 134, 135, 136, 137}
)
TELEPORTERS = frozenset({39, 97})
HURTING = ("slime", "lava", "hot rocks")
REACH = 50  # a "use" works from at most 64 units


def _approach(stage: Stage, triggers: list[Trigger], distance: float) -> Trigger:
    """Stand before a random trigger, facing it, with a free way to it."""
    if not triggers:
        raise SceneMissed("the map has none")
    trigger = triggers[int(stage.rng.integers(len(triggers)))]
    point = trigger.middle + trigger.normal * distance
    if stage.map.free_distance(point, trigger.angle) < distance - 24:
        raise SceneMissed("the way is blocked")
    stage.studio.take_weapon(stage.pick("Pistol", "Shotgun", "Fist"))
    stage.warp(point, trigger.angle)
    return trigger


def _use(stage: Stage, trigger: Trigger) -> int:
    """Record: look, walk up, press "use". Returns the tic in which the sound began; raises SceneMissed without one."""
    stage.record()
    stage.go(stage.between(16, 36))
    stage.studio.face(trigger.angle)
    for _ in range(20):
        if (stage.studio.position - trigger.middle) @ trigger.normal <= REACH:
            break
        stage.act(Move(forward=True))
    pressed = stage.now
    stage.act(Move(use=True))
    stage.go(14)
    if peak(stage.tape, pressed - 6, pressed) >= LOUD:
        raise SceneMissed("something else was heard before")
    return onset(stage.tape, pressed, pressed + 10)


def door(stage: Stage, _subject: str) -> Facts:
    trigger = _approach(stage, stage.map.triggers(DOORS), 96)
    at = _use(stage, trigger)
    stage.go(stage.between(20, 34))
    stage.finish(forward=True)
    if (stage.studio.position - trigger.middle) @ trigger.normal > -8:
        raise SceneMissed("the door did not let us through")
    return Facts("door", at)


def lift(stage: Stage, _subject: str) -> Facts:
    trigger = _approach(stage, stage.map.triggers(LIFTS, lift=True), 110)
    at = _use(stage, trigger)
    stage.go(stage.between(20, 34))
    stage.go(22, forward=True)
    stage.finish()
    if peak(stage.tape, at + 4, CLIP_TICS) < LOUD:
        raise SceneMissed("the lift did not move")
    return Facts("lift", at)


def switch(stage: Stage, _subject: str) -> Facts:
    trigger = _approach(stage, stage.map.triggers(SWITCHES, front_texture="SW"), 96)
    at = _use(stage, trigger)
    stage.go(stage.between(8, 20))
    stage.finish(backward=stage.rng.random() < 0.6)
    return Facts("switch", at)


def teleport(stage: Stage, _subject: str) -> Facts:
    trigger = _approach(stage, stage.map.triggers(TELEPORTERS), stage.between(100, 150))
    stage.record()
    stage.go(stage.between(22, 42))
    stage.studio.face(trigger.angle)
    before = stage.studio.position
    for _ in range(40):
        stage.act(Move(forward=True))
        after = stage.studio.position
        if float(np.hypot(*(after - before))) > 100:
            break
        before = after
    else:
        raise SceneMissed("no teleport")
    at = stage.now - 1
    if peak(stage.tape, at, at + 8) < LOUD:
        raise SceneMissed("the teleport was not heard")
    stage.go(stage.between(12, 30))
    stage.finish(forward=stage.rng.random() < 0.6)
    return Facts("teleport", at)


def barrel(stage: Stage, _subject: str) -> Facts:
    weapon = stage.pick("Pistol", "Shotgun", "Chaingun", "PlasmaRifle")
    stage.studio.take_weapon(weapon)
    _, angle = stage.set_out("ExplosiveBarrel", stage.between(115, 165), radius=10)
    stage.studio.face(angle + float(stage.pick("-1", "1")) * stage.between(6, 12))  # beside the weapon, which hides it
    stage.record()
    stage.go(stage.between(22, 40))
    stage.studio.face(angle)
    if min(live_area(tic, "ExplosiveBarrel") for tic in stage.tape) < 300:
        raise SceneMissed("the barrel was not in view")
    while stage.now < 112 and live_area(stage.tape[-1], "ExplosiveBarrel"):
        stage.act(Move(attack=True, turn=stage.toward("ExplosiveBarrel")))
    burst = stage.now
    if burst >= 112:
        raise SceneMissed("the barrel did not explode")
    stage.finish()
    if any(live_area(tic, "ExplosiveBarrel") for tic in stage.tape[burst:]):
        raise SceneMissed("the barrel did not explode")
    # The explosion's sound follows the last hit by some tics: take the loudest one.
    after = [peak(stage.tape, t, t + 1) for t in range(burst, burst + 20)]
    if max(after) < 2 * LOUD:
        raise SceneMissed("the explosion was not heard")
    at = burst + next(i for i, level in enumerate(after) if level >= 0.6 * max(after))
    return Facts("barrel", at, weapon=weapon)


def death(stage: Stage, _subject: str) -> Facts:
    """Needs a studio opened with `network`: otherwise the episode ends, and the recording with it."""
    stage.studio.take_weapon(stage.pick("Pistol", "Shotgun", "Chaingun"))
    point, angle = stage.spot(320)
    stage.warp(point, angle)
    stage.studio.show_flashes(False)
    stage.record()
    stage.go(stage.between(25, 60), forward=stage.rng.random() < 0.5)
    pressed = stage.now
    stage.studio.command("kill")
    stage.finish()
    if not stage.studio.dead:
        raise SceneMissed("still alive")
    return Facts("death", onset(stage.tape, pressed, pressed + 12))


def explore(stage: Stage, subject: str) -> Facts:
    """A walk through a place: in a liquid, outdoors, in the dark."""
    wanted = [i for i, sector in enumerate(stage.map.sectors) if subject in places_of(sector)]
    points = stage.map.points_in(wanted, stage.rng)
    found = stage.map.view_spot(stage.rng, 200, 2500, points)
    if found is None:
        raise SceneMissed("the map has no such place")
    stage.studio.take_weapon(stage.pick("Pistol", "Fist", "Shotgun", "Chaingun", "RocketLauncher"))
    stage.warp(*found)
    if subject in HURTING:
        stage.vulnerable()
    stage.record()
    steer = 0.0
    pause = stage.between(0, 30)
    inside = 0
    for t in range(CLIP_TICS):
        if t % 10 == 0:
            place, angle = stage.studio.position, stage.studio.angle
            inside += subject in stage.places_at(place)
            ahead = stage.map.free_distance(place, angle)
            left, right = (stage.map.free_distance(place, angle + d) for d in (50, -50))
            steer = 0.0 if ahead > 170 else (-4.0 if left > right else 4.0)
            if subject in HURTING:
                stage.studio.command("give health")
        stage.act(Move(forward=t >= pause, turn=steer + stage.sway()))
    walked = sum(float(np.hypot(*(b.position - a.position))) for a, b in zip(stage.tape, stage.tape[1:], strict=False))
    if inside < 8 or walked < 200:
        raise SceneMissed("the walk left the place, or got stuck")
    return Facts("explore", CLIP_TICS // 2, subject)
