"""A generation is whole or not there: round trip, crashes at every step, damage, pruning, rollback."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from index import (
    FloatArray,
    Generation,
    IdArray,
    IndexFileError,
    SpaceKey,
    build_generation,
    current,
    current_name,
    generation_names,
    held_ids,
    open_generation,
    settle,
    without,
    write_generation,
)
from index.generation import STEPS, _manifest_checksum

FINE, SOUND = SpaceKey("visual", "fine"), SpaceKey("sound", "coarse")
REPOSITORY = Path(__file__).parents[2]


def rows(seed: int, count: int = 60) -> dict[SpaceKey, tuple[IdArray, FloatArray]]:
    rng = np.random.default_rng(seed)
    ids = rng.integers(0, count, count) + 1000 * seed
    return {
        FINE: (ids, rng.standard_normal((count, 8)).astype(np.float32)),
        SOUND: (ids, rng.standard_normal((count, 4)).astype(np.float32)),
    }


def write(root: Path, seed: int) -> str:
    return write_generation(root, rows(seed), bundle="b", state={"seed": seed})


def folders(root: Path) -> set[str]:
    return {path.name for path in root.iterdir() if path.is_dir()}


def test_a_written_generation_is_current_and_tells_what_it_is(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    name = write_generation(tmp_path / "new", rows(1), bundle="b1", state={"last_row": 7})
    generation = current(tmp_path / "new")
    assert generation is not None
    assert (generation.name, generation.parent, generation.bundle) == (name, None, "b1")
    assert generation.state == {"last_row": 7}
    assert generation.counts == {FINE: 60, SOUND: 60}
    assert generation.recall_at_10 == {FINE: 1.0, SOUND: 1.0}
    assert generation.index_type == {FINE: "flat_ip_fp32", SOUND: "flat_ip_fp32"}
    assert before <= generation.created_at <= datetime.now(UTC)
    assert generation.build_seconds >= 0
    assert np.array_equal(generation.ids(), np.unique(rows(1)[FINE][0]))
    assert set(generation.sha256) == {f"{key}.{end}" for key in (FINE, SOUND) for end in ("faiss", "ids.npy")}
    generation.verify()


def test_its_indexes_hold_the_rows_that_were_given(tmp_path: Path) -> None:
    write(tmp_path, 1)
    generation = current(tmp_path)
    assert generation is not None
    for key, (ids, vectors) in rows(1).items():
        order = np.argsort(ids, kind="stable")
        assert np.array_equal(generation.indexes[key].ids, ids[order])
        assert np.array_equal(generation.indexes[key].vectors, vectors[order])


def test_nothing_is_current_before_the_first_write(tmp_path: Path) -> None:
    assert current(tmp_path) is None
    assert current_name(tmp_path / "nowhere") is None


def test_an_empty_library_makes_an_empty_generation(tmp_path: Path) -> None:
    write_generation(tmp_path, {FINE: ([], np.empty((0, 8), np.float32))}, bundle="b")
    generation = current(tmp_path)
    assert generation is not None
    assert generation.counts == {}
    assert generation.ids().tolist() == []


def test_the_previous_generation_is_kept_and_older_ones_go(tmp_path: Path) -> None:
    first, second, third = (write(tmp_path, seed) for seed in (1, 2, 3))
    assert first < second < third
    assert folders(tmp_path) == {second, third}


def test_an_opened_generation_outlives_its_files(tmp_path: Path) -> None:
    write(tmp_path, 1)
    generation = current(tmp_path)
    assert generation is not None
    write(tmp_path, 2)
    write(tmp_path, 3)
    assert not generation.path.exists()
    ids, vectors = rows(1)[FINE]
    assert generation.indexes[FINE].search(vectors[:1], 1)[1].tolist() == [[int(ids[0])]]


def test_a_generation_that_is_pruned_while_it_is_opened_gives_way_to_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 1)
    names: list[str] = []

    def slowly(root: Path, name: str) -> Generation:
        names.append(name)
        if len(names) == 1:  # two rebuilds finish between the reading of CURRENT and the opening of the folder
            write(tmp_path, 2)
            write(tmp_path, 3)
        return open_generation(root, name)

    monkeypatch.setattr("index.generation.open_generation", slowly)
    generation = current(tmp_path)
    assert generation is not None
    assert generation.state == {"seed": 3}
    assert len(names) == 2


def shadow(root: Path, seed: int) -> str:
    return build_generation(
        root, ((key, *found) for key, found in rows(seed).items()), bundle="b", state={"seed": seed}
    )


def test_a_shadow_is_whole_and_nothing_points_to_it_until_it_is_settled(tmp_path: Path) -> None:
    first = write(tmp_path, 1)
    named: list[str] = []
    vectors = ((key, *found) for key, found in rows(2).items())
    second = build_generation(tmp_path, vectors, bundle="b", parent=first, on_named=named.append)
    assert named == [second]
    assert current_name(tmp_path) == first
    assert open_generation(tmp_path, second).parent == first
    assert generation_names(tmp_path) == [first, second]
    steps: list[str] = []
    assert settle(tmp_path, lambda: (second, {second, first}), on_step=steps.append) == set()
    assert steps == list(STEPS[5:])
    assert current_name(tmp_path) == second


def test_what_is_not_retained_is_removed_and_the_pointer_follows_what_is_served(tmp_path: Path) -> None:
    first, second = write(tmp_path, 1), write(tmp_path, 2)
    third = shadow(tmp_path, 3)
    assert settle(tmp_path, lambda: (first, [first, third])) == {second}
    assert (current_name(tmp_path), generation_names(tmp_path)) == (first, [first, third])
    assert settle(tmp_path, lambda: (None, [third])) == {first}
    assert current_name(tmp_path) is None
    assert settle(tmp_path, lambda: ("00000099-abcdef", [])) == {third}  # as when its folder was lost
    assert current(tmp_path) is None
    assert generation_names(tmp_path / "nowhere") == []


def test_a_shadow_that_cannot_be_noted_down_is_removed(tmp_path: Path) -> None:
    first = write(tmp_path, 1)

    def fail(name: str) -> None:
        raise OSError(name)

    with pytest.raises(OSError, match="00000002"):
        build_generation(tmp_path, iter(()), bundle="b", on_named=fail)
    assert generation_names(tmp_path) == [first]


def test_a_copy_without_some_ids_has_no_vector_of_them_and_all_others(tmp_path: Path) -> None:
    name = write(tmp_path, 1)
    original = open_generation(tmp_path, name)
    ids = original.ids()
    gone = ids[::3]
    copy = open_generation(tmp_path, without(tmp_path, name, np.r_[gone, 123456]))
    assert current_name(tmp_path) == name
    assert np.array_equal(copy.ids(), np.setdiff1d(ids, gone))
    assert np.array_equal(held_ids(tmp_path, copy.name), copy.ids())
    assert np.array_equal(held_ids(tmp_path, name), ids)
    assert (copy.bundle, copy.state, copy.parent) == (original.bundle, original.state, original.parent)
    for key, index in original.indexes.items():
        keep = ~np.isin(index.ids, gone)
        assert np.array_equal(copy.indexes[key].vectors, index.vectors[keep])
        content = (copy.path / f"{key}.faiss").read_bytes()
        assert not any(vector.tobytes() in content for vector in index.vectors[~keep])
    empty = open_generation(tmp_path, without(tmp_path, name, ids))
    assert empty.counts == {}


def test_rows_that_are_refused_change_nothing(tmp_path: Path) -> None:
    name = write(tmp_path, 1)
    with pytest.raises(ValueError, match="ids for"):
        write_generation(tmp_path, {**rows(2), SOUND: ([1], np.ones((2, 4), np.float32))}, bundle="b")
    with pytest.raises(TypeError, match="JSON"):
        write_generation(tmp_path, rows(2), bundle="b", state={"at": datetime.now(UTC)})
    assert current_name(tmp_path) == name
    assert folders(tmp_path) == {name}


CRASH = """
import os, sys
from pathlib import Path
from index import write_generation
from index.tests.test_generation import rows
step = sys.argv[2]
die = lambda done: os._exit(9) if done == step else None
write_generation(Path(sys.argv[1]), rows(2), bundle="b", state={"seed": 2}, on_step=die)
"""


@pytest.mark.parametrize("step", STEPS)
def test_a_crash_at_any_step_leaves_the_old_generation_or_the_new(tmp_path: Path, step: str) -> None:
    # This shows the order of the operations; that fsync does its part in a power cut can only be trusted.
    old = write(tmp_path, 1)
    died = subprocess.run([sys.executable, "-c", CRASH, str(tmp_path), step], cwd=REPOSITORY, timeout=60, check=False)
    assert died.returncode == 9

    generation = current(tmp_path)
    assert generation is not None
    generation.verify()
    is_new = STEPS.index(step) >= STEPS.index("pointed")
    assert (generation.name != old) == is_new
    assert generation.state == {"seed": 2 if is_new else 1}
    wanted = rows(2 if is_new else 1)
    for key, index in generation.indexes.items():
        assert np.array_equal(index.ids, np.sort(wanted[key][0]))

    newest = write(tmp_path, 3)
    assert folders(tmp_path) == {generation.name, newest}
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [".lock", "CURRENT"]


@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "flipped"])
@pytest.mark.parametrize("file", ["visual.fine.faiss", "sound.coarse.ids.npy", "generation.json"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, file: str, damage: str) -> None:
    write(tmp_path, 1)
    opened = current(tmp_path)
    assert opened is not None
    path = opened.path / file
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        path.write_bytes({"empty": b"", "truncated": content[:-3], "flipped": flipped}[damage])
    with pytest.raises(IndexFileError, match=file) as refused:
        current(tmp_path)
    assert refused.value.path == path
    with pytest.raises(IndexFileError, match=file):
        opened.verify()


def test_a_rebuild_works_whatever_became_of_the_old_generation(tmp_path: Path) -> None:
    old = write(tmp_path, 1)
    (tmp_path / old / "visual.fine.faiss").write_bytes(b"")
    new = write(tmp_path, 2)
    assert current_name(tmp_path) == new
    with pytest.raises(IndexFileError, match=r"visual\.fine\.faiss"):
        without(tmp_path, old, [1])
    assert current_name(tmp_path) == new

    (tmp_path / "CURRENT").write_text("../../etc")
    with pytest.raises(IndexFileError, match="CURRENT"):
        current(tmp_path)
    assert write(tmp_path, 3) > new
    (tmp_path / "CURRENT").unlink()
    write(tmp_path, 4)
    generation = current(tmp_path)
    assert generation is not None
    assert generation.state == {"seed": 4}


def test_a_manifest_of_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / write(tmp_path, 1) / "generation.json"
    manifest = json.loads(path.read_text()) | {"schema": 99}
    path.write_text(json.dumps(manifest | {"checksum": _manifest_checksum(manifest)}))
    with pytest.raises(IndexFileError, match="schema 99"):
        current(tmp_path)


def test_only_names_of_generations_are_opened(tmp_path: Path) -> None:
    with pytest.raises(IndexFileError, match="not the name"):
        open_generation(tmp_path, "../elsewhere")
    with pytest.raises(IndexFileError, match="missing"):
        open_generation(tmp_path, "00000001-abcdef")


def test_writers_take_turns_and_readers_always_find_a_whole_generation(tmp_path: Path) -> None:
    write(tmp_path, 1)
    failures: list[Exception] = []
    writing = threading.Event()

    def writer(seed: int) -> None:
        for _ in range(6):
            write(tmp_path, seed)

    def reader() -> None:
        while not writing.is_set():
            try:
                generation = current(tmp_path)
                assert generation is not None
                assert np.array_equal(generation.ids(), np.unique(rows(generation.state["seed"])[FINE][0]))
            except Exception as error:
                failures.append(error)
                return

    writers = [threading.Thread(target=writer, args=(seed,)) for seed in (2, 3)]
    readers = [threading.Thread(target=reader) for _ in range(2)]
    for thread in [*writers, *readers]:
        thread.start()
    for thread in writers:
        thread.join()
    writing.set()
    for thread in readers:
        thread.join()
    assert failures == []
    assert len(folders(tmp_path)) == 2
