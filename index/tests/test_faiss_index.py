"""What is particular to the FAISS index: its files, and its threads."""

from __future__ import annotations

import threading
from pathlib import Path

import faiss
import numpy as np
import pytest

from index import FlatIndex, IndexFileError


def saved(folder: Path) -> FlatIndex:
    index = FlatIndex([5, 3, 3, 8], np.eye(4, dtype=np.float32))
    index.save(folder, "visual.fine")
    return index


def test_a_loaded_index_equals_the_saved_one(tmp_path: Path) -> None:
    index = saved(tmp_path)
    again = FlatIndex.load(tmp_path, "visual.fine")
    assert np.array_equal(again.ids, [3, 3, 5, 8])
    assert np.array_equal(again.vectors, index.vectors)
    assert not again.vectors.flags.writeable


@pytest.mark.parametrize("file", ["visual.fine.faiss", "visual.fine.ids.npy"])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "garbage"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, file: str, damage: str) -> None:
    saved(tmp_path)
    path = tmp_path / file
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes({"empty": b"", "truncated": content[:-5], "garbage": bytes(len(content))}[damage])
    with pytest.raises(IndexFileError, match=file):
        FlatIndex.load(tmp_path, "visual.fine")


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    for ids in (np.arange(3), np.array([3, 1, 5, 8]), np.array([-1, 3, 5, 8]), np.arange(4.0)):
        np.save(tmp_path / "visual.fine.ids.npy", ids)
        with pytest.raises(IndexFileError, match=r"ids\.npy"):
            FlatIndex.load(tmp_path, "visual.fine")


def test_another_kind_of_faiss_index_is_refused(tmp_path: Path) -> None:
    saved(tmp_path)
    faiss.write_index(faiss.IndexFlatL2(4), str(tmp_path / "visual.fine.faiss"))
    with pytest.raises(IndexFileError, match="IndexFlatL2"):
        FlatIndex.load(tmp_path, "visual.fine")


def test_a_search_keeps_faiss_to_one_thread_in_whatever_thread_it_runs() -> None:
    index = FlatIndex(np.arange(200), np.random.default_rng(0).standard_normal((200, 8)).astype(np.float32))
    seen: list[int] = []

    def search() -> None:
        index.search(index.vectors[:1], 3)
        seen.append(faiss.omp_get_max_threads())

    thread = threading.Thread(target=search)
    thread.start()
    thread.join()
    assert seen == [1]


def test_the_rounding_margin_covers_what_faiss_computes() -> None:
    rng = np.random.default_rng(5)
    index = FlatIndex(np.arange(400), (rng.standard_normal((400, 512)) * 100).astype(np.float32))
    queries = rng.standard_normal((30, 512)).astype(np.float32)
    computed, rows = index._faiss.search(queries, 400)
    for query, scores, numbers in zip(queries, computed, rows, strict=True):
        apart = np.abs(np.vecdot(index.vectors[numbers], query) - scores).max()
        assert apart <= index._rounding * np.linalg.norm(query)


def test_vectors_outlive_the_index_that_they_were_taken_from(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    wanted = rng.standard_normal((5000, 16)).astype(np.float32)
    FlatIndex(np.arange(5000), wanted).save(tmp_path, "x")
    vectors, some = FlatIndex.load(tmp_path, "x").vectors, FlatIndex.load(tmp_path, "x").vectors[10:20]
    assert np.array_equal(vectors, wanted)
    assert np.array_equal(some, wanted[10:20])
    assert not vectors.flags.writeable
