"""Splits, manifests, and sets that were narrated in older words."""

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from models.training.data.footage import generate
from models.training.data.footage.film import FilmSettings
from models.training.data.footage.generate import FootageError, generate_footage, prepare
from models.training.data.footage.narrate import WORDING, narrate_clip
from models.training.data.footage.scenes import plan_clip
from models.training.data.footage.vocabulary import MONSTERS, WEAPONS
from models.training.data.manifest import (
    Clip,
    Event,
    ManifestError,
    Narration,
    append,
    read_manifest,
    write_manifest,
)
from models.training.data.splits import ALL_MAPS, SPLITS, UnknownMap, expand_maps, is_held_out_pair, split_of


def _clip(number: int) -> Clip:
    return Clip(
        id=f"s1-{number:06d}",
        file=f"clips/s1-{number:06d}.mp4",
        duration_s=4.0,
        fps=17.5,
        has_video=True,
        has_audio=False,
        map="freedoom2:MAP23",
        seed=1,
        game="freedoom2",
        narrations=[Narration(0.5, 2.0, "a spider robot")],
        events=[Event("monster", 1.2, ["monster:technospider"], "technospider")],
        concepts=["monster:technospider"],
    )


def test_no_map_is_in_two_splits() -> None:
    assert len(ALL_MAPS) == len(set(ALL_MAPS)) == 68
    assert {name: len(maps) for name, maps in SPLITS.items()} == {"train": 47, "validation": 2, "test": 10, "cross": 9}
    assert split_of("freedoom1:E4M9") == "cross"


def test_split_names_and_map_names_can_be_mixed() -> None:
    assert expand_maps("validation, freedoom1:E1M1,freedoom2:MAP22") == [
        "freedoom2:MAP21",
        "freedoom2:MAP22",
        "freedoom1:E1M1",
    ]


@pytest.mark.parametrize("name", ["freedoom2:MAP99", "MAP01", "", "training"])
def test_an_unknown_map_is_named(name: str) -> None:
    with pytest.raises(UnknownMap, match=f"unknown map '{name}'"):
        expand_maps(f"test,{name}")


def test_every_monster_is_held_out_with_one_weapon() -> None:
    for monster in range(len(MONSTERS)):
        assert sum(is_held_out_pair(weapon, monster) for weapon in range(len(WEAPONS))) == 1


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    for number in (2, 0, 1):
        append(path, _clip(number))
    assert read_manifest(path) == [_clip(2), _clip(0), _clip(1)]
    write_manifest(path, read_manifest(path))
    assert read_manifest(path) == [_clip(0), _clip(1), _clip(2)]
    assert list(tmp_path.iterdir()) == [path]


def test_a_line_cut_off_by_a_crash_is_passed_over_only_when_asked_and_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "manifest.jsonl"
    append(path, _clip(0))
    whole = path.read_text()
    path.write_text(whole + whole[:50])
    assert read_manifest(path, ignore_cut_line=True) == [_clip(0)]
    with pytest.raises(ManifestError, match="line 2"):
        read_manifest(path)
    path.write_text(whole[:50] + "\n" + whole)
    with pytest.raises(ManifestError, match="line 1"):
        read_manifest(path, ignore_cut_line=True)


SETTINGS = FilmSettings(1, ("freedoom2:MAP23",))


def _older_set(folder: Path) -> list[Clip]:
    """Rows of a set of before folders held several series, and before wordings were told; the second has no text."""
    concepts = ["monster:technospider", "action:monster attack", "place:indoors"]
    rows = [replace(_clip(i), events=[Event("monster", 1.2, concepts)], concepts=concepts) for i in range(3)]
    rows[1] = replace(rows[1], narrations=[])
    (folder / "clips").mkdir()
    for row in rows:
        (folder / row.file).write_bytes(b"video of " + row.id.encode())
    write_manifest(folder / "manifest.jsonl", rows)
    settings = {k: v for k, v in asdict(SETTINGS).items() if k not in ("kinds", "tracks")}
    (folder / "footage.json").write_text(json.dumps({**settings, "maps": list(SETTINGS.maps)}))
    return rows


def test_a_set_in_older_words_is_told_anew_and_its_videos_stay(tmp_path: Path) -> None:
    rows = _older_set(tmp_path)
    prepare(tmp_path, SETTINGS)
    told = read_manifest(tmp_path / "manifest.jsonl")
    assert told == [narrate_clip(row) for row in rows]
    assert told[0].narrations != rows[0].narrations
    assert told[0].narrations != told[2].narrations  # each by its number
    assert told[1] == rows[1]
    assert [replace(row, narrations=[]) for row in told] == [replace(row, narrations=[]) for row in rows]
    assert json.loads((tmp_path / "footage-s1.json").read_text())["narration"] == WORDING
    assert all((tmp_path / row.file).read_bytes() == b"video of " + row.id.encode() for row in rows)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["clips", "footage-s1.json", "manifest.jsonl"]


def test_a_set_is_told_on_more_tracks_and_its_videos_stay(tmp_path: Path) -> None:
    rows = _older_set(tmp_path)
    prepare(tmp_path, SETTINGS)
    once = read_manifest(tmp_path / "manifest.jsonl")
    prepare(tmp_path, replace(SETTINGS, tracks=3))
    told = read_manifest(tmp_path / "manifest.jsonl")
    assert [n for n in told[0].narrations if n.track == 0] == once[0].narrations
    tracks = [sorted(n.text for n in told[0].narrations if n.track == track) for track in range(3)]
    assert all(tracks)
    assert tracks[0] != tracks[1] != tracks[2]
    assert {n.track for n in told[0].narrations} == {0, 1, 2}
    assert told[1].narrations == []
    assert all((tmp_path / row.file).read_bytes() == b"video of " + row.id.encode() for row in rows)
    prepare(tmp_path, SETTINGS)
    assert read_manifest(tmp_path / "manifest.jsonl") == once


def test_a_set_in_todays_words_stays_as_it_is(tmp_path: Path) -> None:
    _older_set(tmp_path)
    prepare(tmp_path, SETTINGS)
    manifest = tmp_path / "manifest.jsonl"
    own = [replace(row, narrations=[Narration(0.0, 1.0, "kept")]) for row in read_manifest(manifest)]
    write_manifest(manifest, own)
    assert prepare(tmp_path, SETTINGS) == own


def test_a_crash_while_telling_anew_leaves_a_set_that_the_next_run_finishes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = _older_set(tmp_path)

    def crash(folder: Path, settings: dict[str, object]) -> None:
        raise OSError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(generate, "_write_settings", crash)
        with pytest.raises(OSError, match="power cut"):
            prepare(tmp_path, SETTINGS)
    assert prepare(tmp_path, SETTINGS) == [narrate_clip(row) for row in rows]
    assert json.loads((tmp_path / "footage-s1.json").read_text())["narration"] == WORDING


def test_a_folder_holds_series_of_several_seeds_and_each_is_told_apart(tmp_path: Path) -> None:
    _older_set(tmp_path)
    first = prepare(tmp_path, SETTINGS)
    second = replace(SETTINGS, seed=2, kinds=("look",))
    assert prepare(tmp_path, second) == []
    assert {p.name for p in tmp_path.glob("footage*")} == {"footage-s1.json", "footage-s2.json"}
    assert prepare(tmp_path, SETTINGS) == first
    assert read_manifest(tmp_path / "manifest.jsonl") == first
    with pytest.raises(FootageError, match="another kinds"):
        prepare(tmp_path, replace(second, kinds=("door",)))


def test_kinds_of_scenes_can_be_chosen_and_others_are_refused(tmp_path: Path) -> None:
    plans = [plan_clip(5, i, ("look", "explore")) for i in range(200)]
    assert {p.kind for p in plans} == {"look", "explore"}
    assert max(Counter(p.subject for p in plans).values()) <= 20  # in balance
    with pytest.raises(FootageError, match="unknown kind 'dance': give some of monster, fight"):
        generate_footage(tmp_path, 1, 1, ["freedoom2:MAP23"], kinds=("dance",))
