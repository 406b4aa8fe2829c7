"""Features of a data set's files, computed once: a folder that an interrupted evaluation goes on from.

`features.bin` holds float32 rows, `sizes.bin` for every task the size in bytes of the file that its rows come from: 0
where there are none yet, negative where the file could not be read. Rows are on the disk before their size is, so what
has a size is whole. A file that appears, or whose size changes, is embedded by the next run; the rest stays.
"""

import errno
import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from models.preprocess.media import MediaError
from models.training.evaluation.protocols.result import Coverage, ProtocolError

GROUP = 8  # tasks per worker between two times that what is done is made safe


@dataclass(frozen=True)
class Task:
    """One file to embed into `rows` rows. `key` names it in its data set; `path` is None where the file is missing."""

    key: str
    path: Path | None
    rows: int
    wanted: Any = None  # what of the file, as JSON holds it, where that is not the whole: such as times of segments


Embed = Callable[[Task, Path], np.ndarray]  # float32 [task.rows, D]; raises MediaError
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Features:
    """The rows of all tasks, one after the other; those of missing and unreadable files are meaningless."""

    rows: np.ndarray  # float32 [R, D], on the disk
    starts: np.ndarray  # int64 [tasks + 1]: task i has rows starts[i] to starts[i + 1]
    sizes: np.ndarray  # int64 [tasks]

    @property
    def used(self) -> np.ndarray:
        """bool [tasks]: which have features."""
        return self.sizes > 0

    def of(self, task: int) -> np.ndarray:
        """float32 [rows of the task, D]."""
        return np.asarray(self.rows[self.starts[task] : self.starts[task + 1]])

    def stacked(self, tasks: np.ndarray) -> np.ndarray:
        """Rows of many tasks, in memory: float32 [sum of rows, D]."""
        parts = [self.of(t) for t in tasks]
        return np.concatenate(parts) if parts else np.zeros((0, self.rows.shape[1]), np.float32)

    def coverage(self, part: str, tasks: np.ndarray | None = None) -> Coverage:
        """How many of some tasks (all of them, if None) were used, missing, unreadable."""
        sizes = self.sizes if tasks is None else self.sizes[tasks]
        used, unreadable = int((sizes > 0).sum()), int((sizes < 0).sum())
        return Coverage(part, len(sizes), used, len(sizes) - used - unreadable, unreadable)


def embed_tasks(
    cache: Path, tasks: list[Task], dim: int, recipe: dict[str, Any], embed: Embed, progress: Progress, workers: int
) -> Features:
    """Embed what is not in the cache yet. `recipe` is everything that the rows depend on beside the files.

    Raises ProtocolError where the disk is full. Interrupted, it keeps what is done.
    """
    identity = {**recipe, "dim": dim, "tasks": [[t.key, t.rows, t.wanted] for t in tasks]}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    folder = cache / f"{recipe['protocol']}-{recipe['part']}-{digest[:16]}"
    present = {i: (t.path, max(1, t.path.stat().st_size)) for i, t in enumerate(tasks) if t.path and t.path.is_file()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "recipe.json").write_text(json.dumps({**recipe, "dim": dim, "tasks": len(tasks)}, indent=1) + "\n")
        store = _Store(folder, [t.rows for t in tasks], dim)
        try:
            store.forget(i for i in range(len(tasks)) if i not in present)
            waiting = [i for i, (_, size) in present.items() if abs(store.sizes[i]) != size]
            done = len(present) - len(waiting)
            progress(done, len(present))

            def embedded(i: int) -> np.ndarray | None:
                try:
                    return embed(tasks[i], present[i][0])
                except MediaError:
                    return None

            pool = ThreadPoolExecutor(workers)
            try:
                for start in range(0, len(waiting), GROUP * workers):
                    group = waiting[start : start + GROUP * workers]
                    for i, rows in zip(group, pool.map(embedded, group), strict=True):
                        store.put(i, rows, present[i][1])
                        done += 1
                        progress(done, len(present))
                    store.commit()
            finally:
                pool.shutdown(cancel_futures=True)
        finally:
            store.close()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise ProtocolError(f"{cache}: the disk is full; make room or name another --cache, then run again") from None
    return store.read()


class _Store:
    """The two files of a cache folder, while they are written."""

    def __init__(self, folder: Path, rows: list[int], dim: int):
        self.starts = np.concatenate([[0], np.cumsum(rows, dtype=np.int64)]).astype(np.int64)
        self.dim = dim
        self._path = folder / "features.bin"
        # At least one row: an empty file cannot be mapped.
        self._features = _open(self._path, max(1, int(self.starts[-1])) * dim * 4)
        self._marks = _open(folder / "sizes.bin", len(rows) * 8)
        self.sizes = np.frombuffer(self._marks.read(), np.int64).copy()

    def forget(self, tasks: Any) -> None:
        self.sizes[list(tasks)] = 0

    def put(self, task: int, rows: np.ndarray | None, size: int) -> None:
        """The rows of a file of this size, None where it could not be read. Safe after the next `commit`."""
        if rows is not None:
            wanted = (int(self.starts[task + 1] - self.starts[task]), self.dim)
            if rows.shape != wanted:
                raise ValueError(f"features of shape {rows.shape} for a task that has {wanted}")
            self._features.seek(int(self.starts[task]) * self.dim * 4)
            self._features.write(np.ascontiguousarray(rows, np.float32).tobytes())
        self.sizes[task] = -size if rows is None else size

    def commit(self) -> None:
        """First the rows, then which there are."""
        self._features.flush()
        os.fsync(self._features.fileno())
        self._marks.seek(0)
        self._marks.write(self.sizes.tobytes())
        self._marks.flush()
        os.fsync(self._marks.fileno())

    def close(self) -> None:
        try:
            self.commit()
        finally:
            self._features.close()
            self._marks.close()

    def read(self) -> Features:
        rows = np.memmap(self._path, np.float32, "r", shape=(max(1, int(self.starts[-1])), self.dim))
        return Features(rows, self.starts, self.sizes)


def _open(path: Path, size: int) -> BinaryIO:
    """A file of this size, all zeros where it was not there."""
    path.touch()
    file = path.open("r+b")
    if path.stat().st_size != size:
        file.truncate(size)
    return file
