"""What ground and how much sky the player sees: rays through the map's geometry, a column of the picture each.

Where the player stands does not tell it: one can stand in blood and look at a wall, or see a lake from its shore.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from models.training.data.footage.studio import FIELD_OF_VIEW, HEIGHT, WIDTH
from models.training.data.footage.vocabulary import GROUNDS, SKY
from models.training.data.footage.wad import GameMap, Sector

EYE_HEIGHT = 41.0  # over the player's feet, in map units
COLUMNS = 12
_FOCAL = WIDTH / 2 / math.tan(math.radians(FIELD_OF_VIEW / 2))  # pixels


@dataclass
class Sight:
    """Shares of the picture, 0 to 1: by place of GROUNDS, and of the sky."""

    grounds: dict[str, float] = field(default_factory=dict)
    sky: float = 0.0


def grounds_of(sector: Sector) -> list[str]:
    """Names from GROUNDS for a sector's floor: one, or none for floors that have no name."""
    return [place for prefix, place in GROUNDS.items() if sector.floor_texture.startswith(prefix)][:1]


def look_around(level: GameMap, point: np.ndarray, angle: float, feet: float) -> Sight:
    """What a player at `point` [2] sees who looks level at `angle` (degrees); `feet` is the height stood at.

    Doors and lifts are as the map begins.
    """
    sight = Sight()
    for column in range(COLUMNS):
        x = (column + 0.5) / COLUMNS * WIDTH - WIDTH / 2
        _add_column(sight, level, point, angle - math.degrees(math.atan2(x, _FOCAL)), feet + EYE_HEIGHT, x)
    share = 1 / (COLUMNS * HEIGHT)
    return Sight({name: rows * share for name, rows in sight.grounds.items()}, sight.sky * share)


def _add_column(sight: Sight, level: GameMap, point: np.ndarray, angle: float, eye: float, x: float) -> None:
    """Follow one ray away from the eye; adds the rows of the picture's column at `x` that each floor and the sky fill.

    `low` and `high` are the rows, from the horizon, that nothing nearer covers yet.
    """
    low = high = HEIGHT / 2
    sector, near = level.sector_at(point), 1.0
    straight = _FOCAL / math.hypot(x, _FOCAL)  # distance along the view for a distance along the ray
    for along, beyond in level.lines_ahead(point, angle):
        far = max(along * straight, near)
        floor = _FOCAL * (eye - sector.floor) / far  # the row at which this floor ends
        if 0 < floor < low:
            for name in grounds_of(sector):
                sight.grounds[name] = sight.grounds.get(name, 0.0) + low - floor
        low = min(low, floor)
        ceiling = _FOCAL * (sector.ceiling - eye) / far
        if sector.ceiling_texture.startswith(SKY):
            # A wall under an open sky hides nothing above it, unless the next roof is the sky's too.
            top = min(ceiling, high)
            if beyond is None or not beyond.ceiling_texture.startswith(SKY):
                sight.sky += max(0.0, high - max(top, -low))
                high = top
        else:
            high = min(high, ceiling)
        if beyond is None or beyond.ceiling <= beyond.floor:
            return
        low = min(low, _FOCAL * (eye - beyond.floor) / far)  # the riser of a step up
        if not (sector.ceiling_texture.startswith(SKY) and beyond.ceiling_texture.startswith(SKY)):
            high = min(high, _FOCAL * (beyond.ceiling - eye) / far)
        if low + high <= 0:
            return
        sector, near = beyond, far
