"""Reads game maps (WAD files, the classic binary map format) and answers where a camera can stand and what is there."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

NO_SIDE = 0xFFFF
# Editor numbers of monsters: where the map's author put one, a person can stand.
MONSTER_NUMBERS = (1, 2, 3, 4, 9, 11, 16, 58, 64, 65, 66, 67, 68, 69, 71, 84, 3001, 3002, 3003, 3004, 3005, 3006)
# A walker passes openings at least this high and steps at most this high (map units).
WALKER_HEIGHT, WALKER_STEP = 56, 24


class WadError(Exception):
    """The file is no WAD, or a map in it cannot be read."""


@dataclass(frozen=True)
class Sector:
    """A floor area of one height, texture and light."""

    floor: int
    ceiling: int
    floor_texture: str
    ceiling_texture: str
    light: int
    tag: int


@dataclass(frozen=True)
class Trigger:
    """A wall line that does something: its middle [2], the unit normal on its front [2], the angle that faces it."""

    middle: np.ndarray
    normal: np.ndarray
    angle: float


def _name(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("latin1").upper()


class Wad:
    """The lumps of a WAD file; `maps` lists the maps, `lump_names` every lump."""

    def __init__(self, path: Path) -> None:
        """Raises WadError when the file is not a WAD."""
        data = path.read_bytes()
        if len(data) < 12 or data[:4] not in (b"IWAD", b"PWAD"):
            raise WadError(f"{path.name} is not a WAD file")
        _, count, start = struct.unpack("<4sii", data[:12])
        lumps = [struct.unpack_from("<ii8s", data, start + 16 * i) for i in range(count)]
        self.lump_names = [_name(lump[2]) for lump in lumps]
        self._maps: dict[str, dict[str, bytes]] = {}
        for i, name in enumerate(self.lump_names[:-1]):
            if self.lump_names[i + 1] == "THINGS":
                parts = range(i + 1, min(i + 11, count))
                self._maps[name] = {self.lump_names[j]: data[lumps[j][0] : lumps[j][0] + lumps[j][1]] for j in parts}

    @property
    def maps(self) -> list[str]:
        return sorted(self._maps)

    def load(self, name: str) -> GameMap:
        """Raises WadError for a map that is not there."""
        if name not in self._maps:
            raise WadError(f"no map called {name}")
        return GameMap(name, self._maps[name])


class GameMap:
    """Geometry of one map. Points are float64 [2] in map units, angles degrees, counter-clockwise from east."""

    def __init__(self, name: str, lumps: dict[str, bytes]) -> None:
        self.name = name
        self.things = np.frombuffer(lumps["THINGS"], "<i2").reshape(-1, 5)
        vertices = np.frombuffer(lumps["VERTEXES"], "<i2").reshape(-1, 2).astype(np.float64)
        lines = np.frombuffer(lumps["LINEDEFS"], "<u2").reshape(-1, 7)
        sides = [struct.unpack_from("<hh8s8s8sH", lumps["SIDEDEFS"], i) for i in range(0, len(lumps["SIDEDEFS"]), 30)]
        self.sectors = [
            Sector(s[0], s[1], _name(s[2]), _name(s[3]), s[4], s[6])
            for s in (
                struct.unpack_from("<hh8s8shhH", lumps["SECTORS"], i) for i in range(0, len(lumps["SECTORS"]), 26)
            )
        ]
        self.start, self.end = vertices[lines[:, 0]], vertices[lines[:, 1]]
        self.special, self.tag = lines[:, 3], lines[:, 4]
        self.front = np.array([sides[i][5] for i in lines[:, 5]])
        self.back = np.array([sides[i][5] if i != NO_SIDE else -1 for i in lines[:, 6]])
        self.front_textures = [tuple(_name(t) for t in sides[i][2:5]) for i in lines[:, 5]]
        floors = np.array([s.floor for s in self.sectors])
        ceilings = np.array([s.ceiling for s in self.sectors])
        one_sided = self.back < 0
        behind = np.where(one_sided, 0, self.back)
        gap = np.minimum(ceilings[self.front], ceilings[behind]) - np.maximum(floors[self.front], floors[behind])
        step = np.abs(floors[self.front] - floors[behind])
        self.blocking = one_sided | ((lines[:, 2] & 1) > 0) | (gap < WALKER_HEIGHT) | (step > WALKER_STEP)

    @cached_property
    def standing_places(self) -> np.ndarray:
        """Points [N,2] where the map's author put a monster (or, on maps with few of them, any thing)."""
        monsters = np.isin(self.things[:, 3], MONSTER_NUMBERS)
        return self.things[monsters if monsters.sum() > 3 else slice(None)][:, :2].astype(np.float64)

    def _crossings(self, point: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
        """Distance [L] along a ray to each line, and whether the ray [L] crosses it."""
        direction = np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
        edge, offset = self.end - self.start, self.start - point
        determinant = direction[0] * edge[:, 1] - direction[1] * edge[:, 0]
        with np.errstate(divide="ignore", invalid="ignore"):
            along = (offset[:, 0] * edge[:, 1] - offset[:, 1] * edge[:, 0]) / determinant
            across = (offset[:, 0] * direction[1] - offset[:, 1] * direction[0]) / determinant
        return along, (np.abs(determinant) > 1e-6) & (along > 0) & (across >= 0) & (across <= 1)

    def free_distance(self, point: np.ndarray, angle: float) -> float:
        """How far one can walk from `point` before a wall, a high step or a low opening; 4000 when nothing is met."""
        along, crossed = self._crossings(point, angle)
        hit = crossed & self.blocking & (along > 1)
        return float(along[hit].min()) if hit.any() else 4000.0

    def lines_ahead(self, point: np.ndarray, angle: float) -> list[tuple[float, Sector | None]]:
        """The lines that a ray crosses, nearest first: how far along it, and the sector behind; None for a wall."""
        along, crossed = self._crossings(point, angle)
        found = np.flatnonzero(crossed)
        heading = np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
        out: list[tuple[float, Sector | None]] = []
        for i in found[np.argsort(along[found])]:
            edge = self.end[i] - self.start[i]
            onto_back = heading[0] * edge[1] - heading[1] * edge[0] < 0  # the front is on the line's right
            number = int(self.back[i] if onto_back else self.front[i])
            out.append((float(along[i]), self.sectors[number] if self.back[i] >= 0 else None))
        return out

    def view_spot(
        self, rng: np.random.Generator, nearest: float = 320, farthest: float = 1800, places: np.ndarray | None = None
    ) -> tuple[np.ndarray, float] | None:
        """A standing place and an angle with a free view of `nearest` to `farthest` units; None if none is found."""
        candidates = self.standing_places if places is None else places
        for _ in range(20 if len(candidates) else 0):
            point = candidates[rng.integers(len(candidates))]
            first = int(rng.integers(12)) * 30
            for angle in range(first, first + 360, 30):
                if nearest < min(self.free_distance(point, angle + d) for d in (-8, 0, 8)) < farthest:
                    return point, float(angle % 360)
        return None

    def sector_at(self, point: np.ndarray) -> Sector:
        """The sector `point` lies in: on the side, facing the point, of the first line that a ray meets."""
        along, crossed = self._crossings(point, 35.54)
        if not crossed.any():
            return self.sectors[int(self.front[0])]
        i = int(np.argmin(np.where(crossed, along, np.inf)))
        edge, offset = self.end[i] - self.start[i], point - self.start[i]
        on_front = edge[0] * offset[1] - edge[1] * offset[0] < 0 or self.back[i] < 0
        return self.sectors[int(self.front[i] if on_front else self.back[i])]

    def points_in(self, wanted: list[int], rng: np.random.Generator, count: int = 8) -> np.ndarray:
        """Up to `count` random points [N,2] inside the sectors with these numbers, at least 40 units from any wall."""
        found: list[np.ndarray] = []
        for _ in range(6 * count if wanted else 0):
            number = wanted[int(rng.integers(len(wanted)))]
            border = (self.front == number) != (self.back == number)
            if not border.any():
                continue
            corners = np.concatenate([self.start[border], self.end[border]])
            point = np.round(rng.uniform(corners.min(0), corners.max(0)))
            _, crossed = self._crossings(point, 35.54)
            if (crossed & border).sum() % 2 == 0:  # even: outside of the sector
                continue
            if min(self.free_distance(point, a) for a in range(0, 360, 45)) > 40:
                found.append(point)
                if len(found) == count:
                    break
        return np.array(found).reshape(-1, 2)

    def triggers(
        self, specials: frozenset[int], *, front_texture: str | None = None, lift: bool = False
    ) -> list[Trigger]:
        """Lines with one of these actions, at least 32 long.

        `front_texture`: only those that show a texture with this prefix (switches). `lift`: only those whose back is
        the platform that they move, so that one faces it, and not the far-off switch of a lift.
        """
        found = []
        for i in np.flatnonzero(np.isin(self.special, list(specials))):
            textures = self.front_textures[i]
            if front_texture and not any(t.startswith(front_texture) for t in textures):
                continue
            if lift and (
                self.back[i] < 0
                or self.sectors[self.back[i]].tag != self.tag[i]
                or any(t.startswith("SW") for t in textures)
            ):
                continue
            start, end = self.start[i], self.end[i]
            length = float(np.hypot(*(end - start)))
            if length < 32:
                continue
            normal = np.array([(end - start)[1], -(end - start)[0]]) / length  # the right-hand side is the front
            angle = math.degrees(math.atan2(-normal[1], -normal[0])) % 360
            found.append(Trigger((start + end) / 2, normal, angle))
        return found
