"""A new index generation from the catalogue's vectors (the index is derived: this restores it from nothing)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from index import IndexFileError, SpaceKey, current, write_generation
from service.catalogue import Catalogue

# When a generation is outgrown: live additions are searched by a plain scan, fine for some hundreds.
OUTGROWN_SEGMENTS = 200
OUTGROWN_SHARE = 0.25


def rebuild_index(
    catalogue: Catalogue, bundle: str, index_dir: Path, report: Callable[[float, str], None]
) -> dict[str, Any]:
    """Writes a generation with all vectors of a bundle and makes it current; what it holds, and how it measures."""
    report(0.0, "reading vectors")
    revision = catalogue.revision()  # before the vectors: what comes in between is then in the next generation too
    total = max(catalogue.segment_count(bundle), 1)
    ids: dict[SpaceKey, list[int]] = {}
    rows: dict[SpaceKey, list[np.ndarray]] = {}
    seen, last = 0, -1
    for channel, space, segment_id, vectors in catalogue.vectors(bundle):
        key = SpaceKey(channel, space)
        ids.setdefault(key, []).extend([segment_id] * len(vectors))
        rows.setdefault(key, []).append(vectors)
        if segment_id != last:
            seen, last = seen + 1, segment_id
            if seen % 500 == 0:
                report(0.4 * min(seen / total, 1.0), "reading vectors")
    gathered = {key: (np.array(ids[key], np.int64), np.concatenate(rows[key])) for key in ids}
    steps = {"cleaned": 0.45, "indexes": 0.8, "manifest": 0.85, "synced": 0.9, "renamed": 0.95}
    report(0.45, "building")
    name = write_generation(
        index_dir,
        gathered,
        bundle=bundle,
        state={"revision": revision},
        # A job that is cancelled while it writes leaves the old generation: write_generation cleans up behind it. Once
        # the new one has its name there is no way back, so nothing is asked any more.
        on_step=lambda step: report(steps[step], "building") if step in steps and step != "renamed" else None,
    )
    generation = current(index_dir)
    if generation is None or generation.name != name:  # another rebuild came right behind
        return {"generation": name}
    return {
        "generation": name,
        "parent": generation.parent,
        "segments": len(generation.ids()),
        "rows": {str(key): count for key, count in generation.counts.items()},
        "index_type": {str(key): kind for key, kind in generation.index_type.items()},
        "recall_at_10": {str(key): recall for key, recall in generation.recall_at_10.items()},
        "bytes": sum(file.stat().st_size for file in generation.path.iterdir()),
        "build_seconds": generation.build_seconds,
    }


def is_outgrown(catalogue: Catalogue, bundle: str, index_dir: Path) -> bool:
    """Whether so many segments are not in the current generation that a new one pays."""
    try:
        generation = current(index_dir)
    except IndexFileError:
        return True
    held = generation.ids() if generation is not None and generation.bundle == bundle else np.empty(0, np.int64)
    segments = np.array(catalogue.segment_ids(bundle), np.int64)
    missing = len(np.setdiff1d(segments, held))
    return missing > OUTGROWN_SEGMENTS and missing > OUTGROWN_SHARE * len(segments)
