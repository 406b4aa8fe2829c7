"""Generations: complete, checked, immutable snapshots of all indexes in one folder, replaced atomically.

Layout under a root folder:

    CURRENT                            text: the name of the generation to serve
    00000007-9f3a1c/                   a generation, never changed once it has this name
        visual.fine.faiss              vectors of one key, mapped by readers
        visual.fine.ids.npy            their ids
        generation.json                what it is, and the sha256 of the other files
    .tmp-00000008-5b2e77/              a write in progress, or the remains of one
    .lock                              held by the writer, so that there is one at a time

Protocol of a write: everything goes to a `.tmp-` folder; every file and the folder are fsynced; the folder gets its
name by one rename; CURRENT is replaced by one rename of a fsynced file. A crash before the last rename leaves the old
generation current, after it the new one, and never a mixture, as readers look only where CURRENT points. What a crash
leaves behind is removed by the next write. Readers that still map a removed generation keep their mapping until they
let go of it.

A generation can also be built as a shadow (`build_generation`): complete and named, but pointed to by nothing until
whoever keeps the truth about what is served has chosen it; `settle` then makes the folder say the same, and removes
what is not retained any more. `without` copies a generation without some ids, so that no vector of them is left.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from index.exact import ExactIndex
from index.faiss_index import INDEX_TYPE, FlatIndex, IndexFileError
from index.protocol import PAD_ID, IdArray
from index.rows import contains
from index.spaces import SpaceKey

SCHEMA = 1
CURRENT = "CURRENT"
MANIFEST = "generation.json"
# What has just been finished when on_step is called, in this order: by build_generation the first five, by settle the
# others, by write_generation all.
STEPS = ("cleaned", "indexes", "manifest", "synced", "renamed", "pointer", "pointed", "pruned")

_NAME = re.compile(r"\d{8}-[0-9a-f]{6}")
_TMP = ".tmp-"
_RECALL_QUERIES = 32  # rows sampled per key; exact search over a million rows costs about 0.1 s for each
_RECALL_AT = 10

RowsOfKey = tuple[npt.ArrayLike, npt.ArrayLike]


@dataclass(frozen=True)
class Generation:
    """An opened generation. Immutable, safe to search from any number of threads."""

    path: Path
    manifest: Mapping[str, Any] = field(repr=False)
    indexes: Mapping[SpaceKey, FlatIndex] = field(repr=False)

    @property
    def name(self) -> str:
        return str(self.manifest["name"])

    @property
    def parent(self) -> str | None:
        """The generation that was current when this one was written."""
        parent: str | None = self.manifest["parent"]
        return parent

    @property
    def bundle(self) -> str:
        """Which model bundle made the vectors."""
        return str(self.manifest["bundle"])

    @property
    def created_at(self) -> datetime:
        """When writing began, UTC."""
        return datetime.fromisoformat(self.manifest["created_at"])

    @property
    def build_seconds(self) -> float:
        return float(self.manifest["build_seconds"])

    @property
    def state(self) -> dict[str, Any]:
        """What the writer stored: its own note of what the generation contains."""
        return dict(self.manifest["state"])

    @property
    def counts(self) -> dict[SpaceKey, int]:
        """Rows of each key."""
        return {key: len(index) for key, index in self.indexes.items()}

    @property
    def recall_at_10(self) -> dict[SpaceKey, float]:
        """Measured at the build: the share of the exact 10 best ids that the index finds, for sampled own vectors."""
        return {SpaceKey.parse(key): float(entry["recall_at_10"]) for key, entry in self.manifest["indexes"].items()}

    @property
    def index_type(self) -> dict[SpaceKey, str]:
        return {SpaceKey.parse(key): str(entry["type"]) for key, entry in self.manifest["indexes"].items()}

    @property
    def sha256(self) -> dict[str, str]:
        """File name -> sha256 in hex, for all files but the manifest."""
        return dict(self.manifest["sha256"])

    def ids(self) -> IdArray:
        """Every id that has a vector in some key, int64, ascending, distinct."""
        return np.unique(np.concatenate([np.empty(0, np.int64), *(index.ids for index in self.indexes.values())]))

    def verify(self) -> None:
        """Reads all files again. Raises IndexFileError naming the first that is not what was written."""
        if _read_manifest(self.path) != self.manifest:
            raise IndexFileError(self.path / MANIFEST, "was changed after it was opened")
        _check_files(self.path, self.manifest)


def write_generation(
    root: Path,
    vectors: Mapping[SpaceKey, RowsOfKey],
    *,
    bundle: str,
    state: Mapping[str, Any] | None = None,
    on_step: Callable[[str], None] | None = None,
) -> str:
    """Builds, saves and makes current a new generation; see the module for what a crash leaves.

    Writers wait for each other. Keys without rows are left out. The generation that it replaces is kept, older ones go.

    Args:
        root: folder of the generations, created if need be.
        vectors: per key (ids int [N], vectors float16 or float32 [N, D]); ids may repeat.
        bundle: identifies the model that made the vectors.
        state: any JSON object (TypeError if it is not), given back by `Generation.state`.
        on_step: called with each of STEPS once it is done, to show progress.

    Returns:
        The name of the generation.

    Raises:
        ValueError: vectors or ids are not as said (nothing is changed).
        IndexFileError: what was written could not be read back (the old generation stays current).
    """
    done = on_step or (lambda step: None)
    with _writer_lock(root):
        parent = _replaceable(root)
        rows = ((key, *vectors[key]) for key in sorted(vectors))
        name = _build(root, rows, parent=parent, bundle=bundle, state=state or {}, done=done)
        _settle(root, name, {name, *([parent] if parent else [])}, done)
    return name


def build_generation(
    root: Path,
    rows: Iterable[tuple[SpaceKey, npt.ArrayLike, npt.ArrayLike]],
    *,
    bundle: str,
    parent: str | None = None,
    state: Mapping[str, Any] | None = None,
    on_step: Callable[[str], None] | None = None,
    on_named: Callable[[str], object] | None = None,
) -> str:
    """Builds and saves a shadow generation, which nothing points to yet; its name. See the module.

    Args:
        rows: (key, ids int [N], vectors float [N, D]), each key once; taken one by one, so that one is in memory.
        parent: the generation that it is to replace, for its manifest.
        on_named: called with the name while other writers still wait: what it notes down, no `settle` will miss.
            What it raises removes the generation again.

    Raises as `write_generation`.
    """
    done = on_step or (lambda step: None)
    with _writer_lock(root):
        name = _build(root, rows, parent=parent, bundle=bundle, state=state or {}, done=done)
        _note(root, name, on_named)
    return name


def without(root: Path, name: str, ids: npt.ArrayLike, *, on_named: Callable[[str], object] | None = None) -> str:
    """Copies a generation without the rows of these ids; the copy's name. The generation itself stays as it is.

    `on_named` as of `build_generation`. Raises IndexFileError when the generation is missing or damaged.
    """
    gone = np.unique(np.asarray(ids, np.int64))
    with _writer_lock(root):
        source = open_generation(root, name)

        def rows() -> Iterator[tuple[SpaceKey, IdArray, npt.ArrayLike]]:
            for key, index in sorted(source.indexes.items()):
                keep = ~contains(gone, index.ids)
                yield key, index.ids[keep], index.vectors[keep]

        copy = _build(
            root, rows(), parent=source.parent, bundle=source.bundle, state=source.state, done=lambda step: None
        )
        _note(root, copy, on_named)
    return copy


def settle(
    root: Path,
    retained: Callable[[], tuple[str | None, Collection[str]]],
    *,
    on_step: Callable[[str], None] | None = None,
) -> set[str]:
    """Makes CURRENT name what is served, and removes every generation that is not retained; the names removed.

    `retained` gives the name that is served (None: nothing) and all names to keep; it is asked while writers wait.
    """
    done = on_step or (lambda step: None)
    with _writer_lock(root):
        name, kept = retained()
        before = _names(root)
        _settle(root, name, kept, done)
        return before - _names(root)


def generation_names(root: Path) -> list[str]:
    """The generations that are in the folder, oldest first."""
    return sorted(_names(root)) if root.is_dir() else []


def held_ids(root: Path, name: str) -> IdArray:
    """Every id that has a vector in a generation, int64, ascending, distinct; only its ids are read, unchecked.

    Raises IndexFileError when it is missing or cannot be read.
    """
    if not _NAME.fullmatch(name):
        raise IndexFileError(root / name, "is not the name of a generation")
    found = [np.empty(0, np.int64)]
    for key in _read_manifest(root / name)["indexes"]:
        path = root / name / f"{key}.ids.npy"
        try:
            found.append(np.unique(np.load(path, allow_pickle=False)))
        except (OSError, ValueError, EOFError) as error:
            raise IndexFileError(path, "is missing, or not a readable array of ids") from error
    return np.unique(np.concatenate(found))


def _build(
    root: Path,
    rows: Iterable[tuple[SpaceKey, npt.ArrayLike, npt.ArrayLike]],
    *,
    parent: str | None,
    bundle: str,
    state: Mapping[str, Any],
    done: Callable[[str], None],
) -> str:
    """Writes and names a generation; the caller holds the writers' lock."""
    started, created_at = time.monotonic(), datetime.now(UTC)
    _remove_all_but(root, _names(root))  # leftovers of writes that died
    done("cleaned")

    name = _new_name(root, parent)
    tmp = root / f"{_TMP}{name}"
    tmp.mkdir()
    try:
        entries: dict[str, Any] = {}
        files: list[Path] = []
        for key, ids, matrix in rows:
            if len(np.asarray(ids)):
                entries[str(key)], written = _write_index(tmp, str(key), ids, matrix)
                files += written
        done("indexes")

        manifest: dict[str, Any] = {
            "schema": SCHEMA,
            "name": name,
            "parent": parent,
            "bundle": bundle,
            "created_at": created_at.isoformat(),
            "build_seconds": round(time.monotonic() - started, 3),
            "indexes": entries,
            "sha256": {path.name: _sha256(path) for path in files},
            "state": dict(state),
        }
        manifest["checksum"] = _manifest_checksum(manifest)
        (tmp / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        done("manifest")

        for path in [*files, tmp / MANIFEST, tmp]:
            _fsync(path)
        done("synced")

        tmp.rename(root / name)
        _fsync(root)
        done("renamed")
    except BaseException:
        shutil.rmtree(tmp, ignore_errors=True)
        raise
    return name


def _note(root: Path, name: str, on_named: Callable[[str], object] | None) -> None:
    try:
        if on_named is not None:
            on_named(name)
    except BaseException:
        shutil.rmtree(root / name, ignore_errors=True)
        raise


def _settle(root: Path, name: str | None, kept: Collection[str], done: Callable[[str], None]) -> None:
    """Points to a generation and removes those that are not kept; the caller holds the writers' lock."""
    if name is None or not (root / name).is_dir():  # nothing is served, or what is was lost
        (root / CURRENT).unlink(missing_ok=True)
        _fsync(root)
    elif _replaceable(root) != name:
        _point_to(root, name, lambda: done("pointer"))
    done("pointed")
    _remove_all_but(root, kept)
    done("pruned")


def current_name(root: Path) -> str | None:
    """The name that CURRENT holds, None if there is none yet: cheap enough to poll. Raises IndexFileError."""
    try:
        name = (root / CURRENT).read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
    if not _NAME.fullmatch(name):
        raise IndexFileError(root / CURRENT, "does not hold the name of a generation")
    return name


def current(root: Path) -> Generation | None:
    """Opens the current generation; None if none was ever written. Raises IndexFileError naming a damaged file."""
    name = current_name(root)
    while name is not None:
        try:
            return open_generation(root, name)
        except IndexFileError:
            newest = current_name(root)
            if newest == name:
                raise
            name = newest  # it was replaced, and pruned, while it was being opened
    return None


def open_generation(root: Path, name: str) -> Generation:
    """Checks every sha256, then maps the indexes. Raises IndexFileError naming a file that is missing or damaged."""
    if not _NAME.fullmatch(name):
        raise IndexFileError(root / name, "is not the name of a generation")
    path = root / name
    manifest = _read_manifest(path)
    _check_files(path, manifest)  # before FAISS sees the bytes
    indexes = {}
    for key, entry in manifest["indexes"].items():
        index = FlatIndex.load(path, key)
        if (len(index), index.dim) != (entry["rows"], entry["dim"]):
            raise IndexFileError(path / f"{key}.faiss", f"holds {len(index)} x {index.dim}, not what {MANIFEST} says")
        indexes[SpaceKey.parse(key)] = index
    return Generation(path, manifest, indexes)


def _write_index(
    folder: Path, key: str, ids: npt.ArrayLike, vectors: npt.ArrayLike
) -> tuple[dict[str, Any], list[Path]]:
    """Writes one index, reads it back and measures it: its entry in the manifest, and its files."""
    files = FlatIndex(ids, vectors).save(folder, key)
    index = FlatIndex.load(folder, key)
    entry = {
        "type": INDEX_TYPE,
        "parameters": {},
        "rows": len(index),
        "ids": len(np.unique(index.ids)),
        "dim": index.dim,
        "recall_at_10": _recall(index, ExactIndex(ids, vectors)),
    }
    return entry, files


def _recall(index: FlatIndex, oracle: ExactIndex) -> float:
    """Mean share of the oracle's best ids that the index finds, over evenly spaced rows as queries."""
    rows = np.unique(np.linspace(0, len(oracle) - 1, min(_RECALL_QUERIES, len(oracle)), dtype=np.intp))
    queries = oracle.vectors[rows]
    found, wanted = index.search(queries, _RECALL_AT)[1], oracle.search(queries, _RECALL_AT)[1]
    shares = [np.isin(want[want != PAD_ID], find).mean() for find, want in zip(found, wanted, strict=True)]
    return round(float(np.mean(shares)), 4)


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise IndexFileError(path, "is missing") from None
    except ValueError as error:
        raise IndexFileError(path, "is not JSON (damaged or truncated)") from error
    if not isinstance(manifest, dict) or manifest.get("checksum") != _manifest_checksum(manifest):
        raise IndexFileError(path, "does not match its checksum")
    if manifest["schema"] != SCHEMA:
        raise IndexFileError(path, f"has schema {manifest['schema']}, this version reads {SCHEMA}")
    if manifest["name"] != folder.name:
        raise IndexFileError(path, f"describes {manifest['name']}")
    return manifest


def _check_files(folder: Path, manifest: Mapping[str, Any]) -> None:
    for file, wanted in manifest["sha256"].items():
        path = folder / file
        if not path.is_file():
            raise IndexFileError(path, "is missing")
        if _sha256(path) != wanted:
            raise IndexFileError(path, f"does not match its sha256 in {MANIFEST} (damaged or truncated)")


def _manifest_checksum(manifest: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != "checksum"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _point_to(root: Path, name: str, written: Callable[[], None]) -> None:
    tmp = root / f"{_TMP}{CURRENT}"
    tmp.write_text(name + "\n", encoding="utf-8")
    _fsync(tmp)
    written()
    tmp.replace(root / CURRENT)
    _fsync(root)


def _replaceable(root: Path) -> str | None:
    """What CURRENT points to, if it exists: a rebuild must work whatever has become of the old generation."""
    try:
        name = current_name(root)
    except IndexFileError:
        return None
    return name if name and (root / name).is_dir() else None


def _names(root: Path) -> set[str]:
    return {path.name for path in root.iterdir() if _NAME.fullmatch(path.name)}


def _new_name(root: Path, parent: str | None) -> str:
    last = max((int(name[:8]) for name in {*_names(root), parent} if name), default=0)
    return f"{last + 1:08d}-{secrets.token_hex(3)}"


def _remove_all_but(root: Path, keep: Collection[str]) -> None:
    """Removes generations that are not in `keep`, and all temporary files."""
    for path in root.iterdir():
        if path.name.startswith(_TMP) or (_NAME.fullmatch(path.name) and path.name not in keep):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextlib.contextmanager
def _writer_lock(root: Path) -> Iterator[None]:
    """One writer at a time, across processes; the kernel lets go of it when the holder dies. Makes the folder."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fsync(path: Path) -> None:
    """Flushes a file or a folder (its list of names) to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
