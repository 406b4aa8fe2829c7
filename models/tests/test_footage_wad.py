"""Maps as the game's own data files hold them."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from models.training.data.footage.scenes import places_of
from models.training.data.footage.stage_actions import DOORS, TELEPORTERS
from models.training.data.footage.studio import wad_path
from models.training.data.footage.wad import GameMap, Sector, Wad, WadError
from models.training.data.splits import ALL_MAPS


@cache
def _wad(game: str) -> Wad:
    return Wad(wad_path(game))


@cache
def _map(name: str = "MAP01") -> GameMap:
    return _wad("freedoom2").load(name)


def test_every_map_of_the_splits_is_in_its_game() -> None:
    assert {f"{game}:{name}" for game in ("freedoom1", "freedoom2") for name in _wad(game).maps} == set(ALL_MAPS)


def test_a_file_that_is_no_wad_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.wad"
    path.write_bytes(b"not a game")
    with pytest.raises(WadError, match=r"x\.wad is not a WAD"):
        Wad(path)


def test_an_unknown_map_is_named() -> None:
    with pytest.raises(WadError, match="MAP99"):
        _wad("freedoom2").load("MAP99")


def test_a_walk_ends_at_the_wall_and_the_way_back_is_as_long() -> None:
    level = _map()
    for point in level.standing_places[:20]:
        for angle in (0, 90, 180, 270):
            ahead = level.free_distance(point, angle)
            assert ahead > 0
            if ahead < 4000:
                direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
                before_wall = point + direction * (ahead - 2)
                assert level.free_distance(before_wall, angle) == pytest.approx(2, abs=0.01)


def test_view_spots_have_a_free_view_and_come_from_the_seed() -> None:
    level = _map("MAP05")
    first = level.view_spot(np.random.default_rng(3), 320)
    second = level.view_spot(np.random.default_rng(3), 320)
    assert first is not None
    assert second is not None
    assert (first[0] == second[0]).all()
    assert first[1] == second[1]
    assert 320 < level.free_distance(*first) < 1800


def test_points_in_a_sector_lie_in_it() -> None:
    level = _map("MAP05")
    wanted = [i for i, sector in enumerate(level.sectors) if "outdoors" in places_of(sector)]
    points = level.points_in(wanted, np.random.default_rng(0))
    assert len(points) > 0
    assert all(level.sector_at(point) in [level.sectors[i] for i in wanted] for point in points)


def test_no_points_where_no_sector_is_wanted() -> None:
    assert _map().points_in([], np.random.default_rng(0)).shape == (0, 2)


def test_one_faces_a_door_from_its_front() -> None:
    doors = _map().triggers(DOORS)
    assert doors
    for door in doors:
        assert np.hypot(*door.normal) == pytest.approx(1)
        facing = np.array([np.cos(np.radians(door.angle)), np.sin(np.radians(door.angle))])
        assert facing @ door.normal == pytest.approx(-1)


def test_some_maps_have_teleporters() -> None:
    assert any(_map(f"MAP{n:02d}").triggers(TELEPORTERS) for n in range(1, 6))


@pytest.mark.parametrize(
    ("floor", "ceiling", "light", "expected"),
    [
        ("NUKAGE1", "F_SKY1", 160, ["slime", "outdoors"]),
        ("SLIME13", "FLAT1", 160, ["indoors"]),
        ("SLIME05", "FLAT1", 160, ["sludge"]),
        ("FWATER2", "FLAT1", 90, ["water", "dark"]),
        ("FLAT1", "FLAT1", 255, ["bright"]),
    ],
)
def test_places_are_named_after_floor_ceiling_and_light(
    floor: str, ceiling: str, light: int, expected: list[str]
) -> None:
    assert places_of(Sector(0, 128, floor, ceiling, light, 0)) == expected
