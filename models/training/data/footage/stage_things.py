"""Scenes about things: monsters, weapons, items, decorations. Each returns Facts or raises SceneMissed."""

from __future__ import annotations

import numpy as np

from models.training.data.footage.scenes import (
    CLIP_TICS,
    LOUD,
    Facts,
    SceneMissed,
    Stage,
    direction,
    live_area,
    onset,
    peak,
)
from models.training.data.footage.studio import Move
from models.training.data.footage.vocabulary import MONSTERS, WEAPONS
from models.training.data.splits import is_held_out_pair, split_of

# Half widths of the monsters that are wider than 24 map units (from the engine's own definitions).
_RADIUS = {
    "Demon": 30,
    "Spectre": 30,
    "SpiderMastermind": 128,
    "Arachnotron": 64,
    "Fatso": 48,
    "Cyberdemon": 40,
    "Cacodemon": 31,
    "PainElemental": 31,
}
_MELEE = ("Fist", "Chainsaw")


def _weapons(stage: Stage) -> list[str]:
    """Those that the game has."""
    return [w for w in WEAPONS if w != "SuperShotgun" or stage.studio.game == "freedoom2"]


def _weapon_for(stage: Stage, monster: str) -> str:
    names, monsters = list(WEAPONS), list(MONSTERS)
    training = split_of(f"{stage.studio.game}:{stage.map.name}") == "train"
    allowed = [
        w for w in _weapons(stage) if not (training and is_held_out_pair(names.index(w), monsters.index(monster)))
    ]
    return stage.pick(*allowed)


def _meet(stage: Stage, monster: str, weapon: str, attack_from: int, attack_until: int) -> list[int]:
    """Record a clip with the monster in view; returns its area in every tic. Raises SceneMissed if it is not."""
    radius = _RADIUS.get(monster, 20)
    stage.studio.take_weapon(weapon)
    near = 75 if weapon in _MELEE and attack_from < CLIP_TICS else 110
    _, angle = stage.set_out(monster, near + 1.3 * radius + stage.between(0, 50), radius)
    away = 0.0
    if stage.rng.random() < 0.35:  # look elsewhere first, then find it
        away = float(stage.pick("-1", "1")) * stage.between(60, 95)
    stage.studio.face(angle + away + stage.between(-9, 9))
    stage.vulnerable()
    stage.studio.show_flashes(False)
    stage.record()
    hold = stage.between(6, 16)
    strafe = stage.between(24, 40)
    while stage.now < CLIP_TICS:
        t = stage.now
        if t % 20 == 0:
            stage.studio.command("give health")
        area = live_area(stage.tape[-1], monster) if stage.tape else 0
        turn = stage.toward(monster)
        if away and area < 40:  # the engine's turns are clockwise
            turn = stage.sway() if t < hold else float(np.clip(away, -9, 9))
        attack = attack_from <= t < attack_until
        close_in = weapon in _MELEE and attack_from - 12 <= t and area < 14000
        stage.act(
            Move(
                attack=attack,
                forward=close_in or 0 < area < 1000,
                backward=area > 14000 and not close_in,
                left=not attack and (t // strafe) % 2 == 1,
                right=not attack and (t // strafe) % 2 == 0,
                turn=turn,
            )
        )
    areas = [max(live_area(tic, monster), live_area(tic, "Dead" + monster)) for tic in stage.tape]
    enough = 700 if monster == "LostSoul" else 1300
    seen = [t for t, area in enumerate(areas) if area >= enough]
    if len(seen) < 60 or seen[0] > 45:
        raise SceneMissed("the monster was not in view")
    return areas


def monster(stage: Stage, subject: str) -> Facts:
    weapon = stage.pick("Pistol", "Fist", "Shotgun")
    areas = _meet(stage, subject, weapon, CLIP_TICS, CLIP_TICS)
    if peak(stage.tape, 10, CLIP_TICS - 10) < LOUD:
        raise SceneMissed("the monster made no sound")
    first = next(t for t, area in enumerate(areas) if area > 600)
    return Facts("monster", max(first, onset(stage.tape, 0, CLIP_TICS)), subject)


def fight(stage: Stage, subject: str) -> Facts:
    weapon = _weapon_for(stage, subject)
    start = stage.between(28, 52)
    _meet(stage, subject, weapon, start, stage.between(112, 132))
    at = onset(stage.tape, start, start + 45)
    if live_area(stage.tape[at], subject) < 400:
        raise SceneMissed("it was shot at out of view")
    dead = [t for t, tic in enumerate(stage.tape) if any(s.name == "Dead" + subject for s in tic.seen)]
    return Facts("fight", at, subject, weapon, killed_at=dead[0] if dead else None)


def fire(stage: Stage, subject: str) -> Facts:
    stage.studio.take_weapon(subject)
    point, angle = stage.spot(320)
    if subject == "Fist" or (subject == "Chainsaw" and stage.rng.random() < 0.5):  # at arm's length from a wall
        point = point + direction(angle) * max(0.0, stage.map.free_distance(point, angle) - 44)
    stage.warp(point, angle + stage.between(-5, 5))
    stage.record()
    stage.go(stage.between(18, 45))
    start, ammo = stage.now, stage.studio.ammo
    until = stage.between(90, 125)
    step = stage.pick("", "", "left", "right", "backward")
    stage.go(until - start, attack=True, **({step: True} if step and subject != "Fist" else {}))
    spent = stage.studio.ammo < ammo
    stage.finish()
    if subject not in ("Fist", "Chainsaw") and not spent:
        raise SceneMissed("no shot was fired")
    # Fists make a sound on flesh alone.
    at = start + 8 if subject == "Fist" else onset(stage.tape, start, start + 45)
    return Facts("fire", at, subject, subject)


def pickup(stage: Stage, subject: str) -> Facts:
    stage.studio.take_weapon(stage.pick("Pistol", "Pistol", "Fist"), ammo=False)  # full pockets take no more
    distance = stage.between(64, 105)
    point, angle = stage.set_out(subject, distance)
    item = point + direction(angle) * distance
    side = float(stage.pick("-1", "1")) * stage.between(6, 14)  # beside the weapon, which would hide it
    stage.studio.face(angle + side)
    stage.studio.step(Move(look=stage.between(6, 12)))
    stage.studio.command("take health 40")
    stage.studio.wait(2)
    stage.record()
    stage.go(stage.between(38, 66))
    stage.studio.face(angle)
    for _ in range(45):
        stage.act(Move(forward=True, turn=stage.toward(subject)))
        if stage.tape[-1].message:
            break
    at = stage.now - 1
    near = float(np.hypot(*(stage.tape[-1].position - item))) < 48  # else it was another item's message
    if not stage.tape[-1].message or not near or live_area(stage.tape[-1], subject):
        raise SceneMissed("it was not picked up")
    if sum(live_area(tic, subject) >= 200 for tic in stage.tape) < 30:
        raise SceneMissed("it was not seen well")
    if sum(live_area(tic, subject) >= 150 for tic in stage.tape[:8]) < 8:
        raise SceneMissed("it was hidden at the start")
    for _ in range(10):
        stage.act(Move(forward=True, look=-1, turn=stage.sway()))
    stage.finish()
    if peak(stage.tape, at, at + 12) < LOUD:
        raise SceneMissed("the pickup was not heard")
    return Facts("pickup", at, subject)


def look(stage: Stage, subject: str) -> Facts:
    stage.studio.take_weapon(stage.pick("Pistol", "Fist", "Shotgun"))
    _, angle = stage.set_out(subject, stage.between(95, 150))
    stage.studio.face(angle + stage.between(-12, 12))
    stage.record()
    strafe, approach = stage.between(24, 45), stage.between(20, 60)
    while stage.now < CLIP_TICS:
        t = stage.now
        area = live_area(stage.tape[-1], subject) if stage.tape else 0
        stage.act(
            Move(
                left=(t // strafe) % 2 == 1,
                right=(t // strafe) % 2 == 0,
                forward=approach < t and area < 9000 and t % 3 == 0,
                turn=stage.toward(subject),
            )
        )
    if sum(live_area(tic, subject) >= 1200 for tic in stage.tape) < 80:
        raise SceneMissed("it was not in view")
    return Facts("look", CLIP_TICS // 2, subject)
