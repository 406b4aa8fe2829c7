"""The generator with the real engine."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from models.training.data.footage.encode import write_clip
from models.training.data.footage.film import FilmSettings, Studios, film_clip
from models.training.data.footage.generate import FootageError, generate_footage
from models.training.data.footage.scenes import CLIP_TICS, Stage
from models.training.data.footage.studio import SAMPLE_RATE, EngineMissing, Move, Studio
from models.training.data.manifest import Clip, Narration, read_manifest, write_manifest
from models.training.data.splits import expand_maps

pytestmark = pytest.mark.footage

MAPS = expand_maps("freedoom2:MAP01,freedoom2:MAP05,freedoom1:E1M1")
SEED, CLIPS = 3, 3
REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small set made by two processes."""
    folder = tmp_path_factory.mktemp("footage")
    seen: list[tuple[int, int]] = []
    generate_footage(folder, CLIPS, SEED, MAPS, 2, lambda done, total: seen.append((done, total)))
    assert seen == [(n, CLIPS) for n in range(CLIPS + 1)]
    return folder


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def _decode(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 [T,H,W,3] and mono samples float32 [S] (empty without sound)."""
    with av.open(str(path)) as file:
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)])
    with av.open(str(path)) as file:
        chunks = [frame.to_ndarray()[0] for frame in file.decode(audio=0)] if file.streams.audio else []
    return pictures, np.concatenate(chunks) if chunks else np.zeros(0, np.float32)


def test_rows_are_sorted_and_describe_files_that_decode(footage: Path) -> None:
    rows = read_manifest(footage / "manifest.jsonl")
    assert [row.id for row in rows] == [f"s{SEED}-{i:06d}" for i in range(CLIPS)]
    assert sorted(p.name for p in (footage / "clips").iterdir()) == [f"{row.id}.mp4" for row in rows]
    for row in rows:
        pictures, sound = _decode(footage / row.file)
        assert pictures.shape == (70, 192, 256, 3)
        assert pictures.std() > 5
        assert row.has_audio == bool(len(sound))
        if row.has_audio:
            assert len(sound) / SAMPLE_RATE == pytest.approx(row.duration_s, abs=0.05)
            assert np.abs(sound).max() > 0.01
        assert row.map in MAPS
        assert row.concepts


def test_a_clip_made_alone_in_another_order_is_the_same(footage: Path, tmp_path: Path) -> None:
    rows: dict[int, Clip] = {}
    (tmp_path / "clips").mkdir()
    studios = Studios()
    try:
        for index in (2, 0):
            rows[index] = film_clip(studios, FilmSettings(SEED, tuple(MAPS)), index, tmp_path)
    finally:
        studios.close()
    made = read_manifest(footage / "manifest.jsonl")
    for index, row in rows.items():
        assert row == made[index]
        assert (tmp_path / row.file).read_bytes() == (footage / row.file).read_bytes()


def test_an_interrupted_run_goes_on_to_the_same_set(footage: Path) -> None:
    before = _digests(footage)
    kept = footage / "clips" / f"s{SEED}-000000.mp4"
    touched = kept.stat().st_mtime_ns
    # As a crash leaves it: a missing clip, a half-written one, a cut line.
    (footage / "clips" / f"s{SEED}-000001.mp4").unlink()
    (footage / "clips" / f"s{SEED}-000001.part").write_bytes(b"half")
    manifest = footage / "manifest.jsonl"
    manifest.write_text(manifest.read_text()[:-40])
    generate_footage(footage, CLIPS, SEED, MAPS, 1)
    assert _digests(footage) == before
    assert kept.stat().st_mtime_ns == touched


def test_a_set_told_in_older_words_is_brought_to_what_a_fresh_one_is(footage: Path) -> None:
    before = _digests(footage)
    manifest, settings = footage / "manifest.jsonl", footage / f"footage-s{SEED}.json"
    old = [
        replace(r, narrations=[Narration(0.0, 1.0, "old words")] if r.narrations else [])
        for r in read_manifest(manifest)
    ]
    write_manifest(manifest, old)
    settings.write_text(json.dumps({k: v for k, v in json.loads(settings.read_text()).items() if k != "narration"}))
    assert _digests(footage) != before
    generate_footage(footage, CLIPS, SEED, MAPS, 1)
    assert read_manifest(manifest) != old
    # The older file lists its keys in the same order, the version last.
    assert _digests(footage) == before


def test_a_folder_with_another_set_is_refused(footage: Path) -> None:
    with pytest.raises(FootageError, match="another crf"):
        generate_footage(footage, CLIPS, SEED, MAPS, 1, crf=30)


def test_sound_and_picture_of_a_shot_begin_together(tmp_path: Path) -> None:
    with Studio("freedoom2") as studio:
        studio.begin("MAP01", 1)
        stage = Stage(studio, studio.map("MAP01"), np.random.default_rng(1))
        studio.take_weapon("Shotgun")
        stage.warp(*stage.spot(320))
        stage.record()
        while stage.now < CLIP_TICS:
            stage.act(Move(attack=stage.now >= 60))
        write_clip(tmp_path / "x.mp4", studio.tape, with_sound=True, crf=26, audio_bit_rate=64_000)
    pictures, sound = _decode(tmp_path / "x.mp4")
    # The flash: the first picture that differs much from the still one before. The bang: the first loud sample.
    change = np.abs(np.diff(pictures.astype(np.int16), axis=0)).mean(axis=(1, 2, 3))
    flash = (int(np.argmax(change > 2)) + 1) / 17.5
    bang = int(np.argmax(np.abs(sound) > 0.1)) / SAMPLE_RATE
    assert 60 / 35 - 0.06 < flash < 60 / 35 + 0.3
    assert abs(flash - bang) < 0.12  # two pictures


def test_a_summoned_monster_stands_where_it_is_set() -> None:
    with Studio("freedoom2") as studio:
        studio.begin("MAP05", 1)
        stage = Stage(studio, studio.map("MAP05"), np.random.default_rng(5))
        point, _ = stage.set_out("BaronOfHell", 150, radius=24)
        stage.record()
        stage.go(1)
        (seen,) = [s for s in stage.tape[0].seen if s.name == "BaronOfHell"]
        assert abs(seen.x - 128) < 12
        assert seen.area > 2000
        assert np.hypot(*(studio.position - point)) < 24


def _family(parent: int) -> dict[int, str]:
    """Process ids and names of all that descend from `parent`, by Linux's /proc."""
    parents: dict[int, tuple[int, str]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            number, _, rest = stat.read_text().partition(" (")
            name, _, fields = rest.rpartition(") ")
            if fields[0] != "Z":
                parents[int(number)] = (int(fields.split()[1]), name)
    found: dict[int, str] = {}
    generation = {parent}
    while generation:
        generation = {pid for pid, (above, _) in parents.items() if above in generation}
        found |= {pid: parents[pid][1] for pid in generation}
    return found


def _alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    return False


def _wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def test_killing_the_command_ends_its_workers_and_engines(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "models.training.data.footage.cli", "--out", str(tmp_path)]
    options = ["--clips", "500", "--maps", "freedoom2:MAP01", "--processes", "2"]
    parent = subprocess.Popen([*command, *options], cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    family: dict[int, str] = {}
    try:
        assert _wait_until(lambda: any((tmp_path / "clips").glob("*.mp4")), 30), "no clip was made"
        family = _family(parent.pid)
        assert "vizdoom" in family.values()
        parent.kill()
        parent.wait()
        assert _wait_until(lambda: not any(map(_alive, family)), 5), "something outlived the command"
    finally:
        for pid in [parent.pid, *family]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "models.training.data.footage.cli", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_names_an_unknown_map_in_one_line(tmp_path: Path) -> None:
    result = _run("--out", str(tmp_path), "--clips", "1", "--maps", "freedoom2:MAP77")
    assert result.returncode == 1
    assert "unknown map 'freedoom2:MAP77'" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_missing_engine_or_sound_library_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "vizdoom", None)
        with pytest.raises(EngineMissing, match="pip install 'vizdoom"):
            generate_footage(tmp_path, 1, 1, MAPS, 1)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    with pytest.raises(EngineMissing, match="apt-get install libopenal1"):
        generate_footage(tmp_path, 1, 1, MAPS, 1)
