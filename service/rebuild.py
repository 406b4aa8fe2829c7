"""A new index generation from the catalogue's vectors (the index is derived: this restores it from nothing).

It is built as a shadow, which nothing searches yet, and checked against the catalogue before anybody may.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from index import Generation, IdArray, IndexFileError, SpaceKey, build_generation, held_ids
from service.catalogue import Catalogue
from service.crash_points import crash_point

# When a generation is outgrown: live additions are searched by a plain scan, fine for some hundreds. While more comes
# in it is better to wait, but not for ever.
OUTGROWN_SEGMENTS, OUTGROWN_WHILE_BUSY = 200, 5000
OUTGROWN_SHARE = 0.25


@dataclass(frozen=True)
class Check:
    """Something that a generation must have to be searched; `detail` says what was found."""

    name: str
    passed: bool
    detail: str


def build_shadow(
    catalogue: Catalogue,
    bundle: str,
    index_dir: Path,
    report: Callable[[float, str], None],
    *,
    parent: str | None = None,
    on_named: Callable[[str], None] | None = None,
) -> str:
    """Writes a generation with all vectors of a bundle; its name, which `on_named` is told before anybody could tidy.

    What `report` raises ends it with nothing written.
    """
    report(0.0, "reading vectors")
    revision = catalogue.revision()
    # Ids only grow: what comes in later is in none of the indexes, rather than in some.
    newest = max(catalogue.segment_ids(bundle), default=0)
    counts = catalogue.vector_counts(bundle)
    total = sum(rows * dim for rows, dim in counts.values())

    def vectors() -> Iterator[tuple[SpaceKey, IdArray, np.ndarray]]:
        read = 0
        for (channel, space), (rows, dim) in sorted(counts.items()):
            # As many as there were; those that went meanwhile leave room at the end.
            ids, matrix, row = np.empty(rows, np.int64), np.empty((rows, dim), np.float16), 0
            stored = catalogue.vectors(bundle, key=(channel, space), up_to=newest)
            for number, (_, _, segment_id, some) in enumerate(stored):
                ids[row : row + len(some)], matrix[row : row + len(some)] = segment_id, some
                row += len(some)
                if number % 500 == 0:
                    report(0.9 * (read + row * dim) / max(total, 1), "building the index")
            read += rows * dim
            report(0.9 * read / max(total, 1), "building the index")
            yield SpaceKey(channel, space), ids[:row], matrix[:row]

    def step(done: str) -> None:
        crash_point(f"snapshot.{done}")
        if done in ("manifest", "synced"):
            report(0.95, "building the index")

    return build_generation(
        index_dir,
        vectors(),
        bundle=bundle,
        parent=parent,
        state={"revision": revision, "newest": newest},
        on_step=step,
        on_named=on_named,
    )


def check_generation(catalogue: Catalogue, generation: Generation, min_recall: float) -> list[Check]:
    """Whether a generation is intact, complete, and finds what exact search finds; all that was checked."""
    return [_checksums(generation), _counts(catalogue, generation), _recall(generation, min_recall)]


def describe(generation: Generation) -> dict[str, Any]:
    """What a generation is: sizes, index type, measured recall, build time."""
    return {
        "generation": generation.name,
        "parent": generation.parent,
        "segments": len(generation.ids()),
        "rows": {str(key): count for key, count in generation.counts.items()},
        "index_type": {str(key): kind for key, kind in generation.index_type.items()},
        "recall_at_10": {str(key): recall for key, recall in generation.recall_at_10.items()},
        "bytes": sum(file.stat().st_size for file in generation.path.iterdir()),
        "build_seconds": generation.build_seconds,
    }


def is_outgrown(
    catalogue: Catalogue, bundle: str, index_dir: Path, generation: str | None, *, busy: bool = False
) -> bool:
    """Whether so many segments are not in a generation (None: in none) that a new one pays; `busy` with others."""
    try:
        held = _held(index_dir, generation) if generation is not None else np.empty(0, np.int64)
    except IndexFileError:
        return True
    segments = np.array(catalogue.segment_ids(bundle), np.int64)
    missing = len(np.setdiff1d(segments, held))
    return missing > (OUTGROWN_WHILE_BUSY if busy else OUTGROWN_SEGMENTS) and missing > OUTGROWN_SHARE * len(segments)


@lru_cache(maxsize=2)
def _held(index_dir: Path, name: str) -> IdArray:
    """Generations never change."""
    return held_ids(index_dir, name)


def _checksums(generation: Generation) -> Check:
    try:
        generation.verify()
    except IndexFileError as error:
        return Check("checksums", False, f"{error.path.name} {error.reason}")
    return Check("checksums", True, f"{len(generation.sha256)} files have the sha256 that was recorded")


def _counts(catalogue: Catalogue, generation: Generation) -> Check:
    """Every segment of the catalogue has as many rows under each key; what came or went since is left out."""
    newest = int(generation.state["newest"])
    stored = catalogue.vector_counts(generation.bundle)
    keys = {SpaceKey(channel, space) for channel, space in stored} | set(generation.indexes)
    seen = 0
    for key in sorted(keys):
        ids, counts = catalogue.rows_per_segment(generation.bundle, key.channel, key.space)
        index = generation.indexes.get(key)
        held, rows = np.unique(index.ids if index else np.empty(0, np.int64), return_counts=True)
        lost = np.setdiff1d(ids[ids <= newest], held)
        if len(lost):
            return Check("counts", False, f"{key} lacks {len(lost)} segments that the catalogue has")
        extra = np.setdiff1d(held, ids)
        if len(extra) and catalogue.segments(extra.tolist()):
            return Check("counts", False, f"{key} has vectors of segments that have none in the catalogue")
        _, here, there = np.intersect1d(held, ids, assume_unique=True, return_indices=True)
        wrong = np.count_nonzero(rows[here] != counts[there])
        if wrong:
            return Check("counts", False, f"{key} has too many or too few vectors of {wrong} segments")
        seen += int(rows[here].sum())
    return Check("counts", True, f"{seen} vectors of {len(keys)} kinds, as in the catalogue")


def _recall(generation: Generation, min_recall: float) -> Check:
    measured = generation.recall_at_10
    if not measured:
        return Check("recall", True, "nothing to find")
    worst = min(measured, key=lambda key: measured[key])
    said = f"recall@10 against exact search is {measured[worst]:.3f} in {worst}, and {min_recall:.3f} is required"
    return Check("recall", measured[worst] >= min_recall, said)
