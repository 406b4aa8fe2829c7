"""What is searched with one bundle and one index generation, kept in step with the catalogue (the truth).

The worker, another process, writes it. Before every search the catalogue's revision is read (a fraction of a
millisecond) and what changed since is applied. Another generation, or bundle, is another view (`serving.py`).
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from index.faiss_index import IndexFileError
from index.generation import Generation, open_generation
from index.live import LiveIndex, Snapshot
from index.protocol import IdArray
from index.spaces import SpaceKey
from service.catalogue import Catalogue, Change
from service.catalogue.lookups import all_segments
from service.catalogue.segments import ChangesPruned
from service.segment_table import SegmentTable

log = logging.getLogger(__name__)

# Usual segments that scores are standardised against: the mean of 512 is known to a twentieth of their spread.
SAMPLE = 512


@dataclass(frozen=True)
class View:
    """One consistent state of the library: take it once for all that makes up an answer."""

    revision: int
    index: Snapshot
    segments: SegmentTable
    sample: IdArray

    @property
    def generation(self) -> str | None:
        """Name of the index generation, None before the first."""
        return self.index.generation.name if self.index.generation else None


class LibraryView:
    """`current()` may be called from any thread."""

    def __init__(
        self,
        catalogue: Catalogue,
        bundle: str,
        index_dir: Path,
        generation: str | None = None,
        *,
        like: "LibraryView | None" = None,
    ):
        """Reads what is to be searched; one that cannot be opened leaves the catalogue's vectors, searched as they are.

        bundle: the fingerprint that the vectors are stored with.
        generation: name of the index generation, None for none.
        like: a view of the same bundle, to begin from what it has read already.
        """
        self._catalogue, self._bundle = catalogue, bundle
        self._lock = threading.Lock()
        self._live = LiveIndex(bundle, _opened(index_dir, generation, bundle))
        if like is None or like._bundle != bundle:
            self._view = self._loaded()
        else:
            now = like.current()
            self._reconcile(now.segments)
            self._view = self._seen(now.revision, now.segments)

    @property
    def generation(self) -> str | None:
        """Name of the index generation, which stays the same; None for none."""
        return self._view.generation

    def current(self) -> View:
        """The library as it is now."""
        if self._catalogue.revision() != self._view.revision:
            with self._lock:
                try:
                    self._apply(self._catalogue.changes_since(self._view.revision))
                except ChangesPruned:  # away for so long that the log begins later
                    self._view = self._loaded()
        return self._view

    def _loaded(self) -> View:
        """Everything, read anew."""
        revision = self._catalogue.revision()  # before the segments: what comes in between is seen twice, not never
        ids, video_ids, times = all_segments(self._catalogue, self._bundle)
        table = SegmentTable().with_added(ids, video_ids, times)
        self._reconcile(table)
        return self._seen(revision, table)

    def _apply(self, changes: Sequence[Change]) -> None:
        table = self._view.segments
        ours = [change for change in changes if change.bundle == self._bundle]
        gone = [i for change in ours if change.kind == "remove" for i in change.segment_ids]
        added = {i for change in ours if change.kind == "add" for i in change.segment_ids} - set(gone)
        if gone:
            self._live.remove(np.array(gone, np.int64))
            table = table.without(gone)
        # Ids are never used again, so those that came and went in one step need not be looked at; and one that is known
        # already was read while the view was opened.
        new = np.array(sorted(added), np.int64)
        new = new[~table.known(new)]
        if len(new):
            found = self._catalogue.segments(new.tolist())  # one may have been deleted a moment ago
            new = np.array(sorted(found), np.int64)
            segments = [found[i] for i in new.tolist()]
            self._add_vectors(sorted({segment.video_id for segment in segments}), new)
            times = np.array([(s.start_s, s.end_s) for s in segments], np.float64).reshape(-1, 2)
            table = table.with_added(new, [segment.video_id for segment in segments], times)
        self._view = self._seen(changes[-1].revision if changes else self._view.revision, table)

    def _reconcile(self, table: SegmentTable) -> None:
        """Make the live index hold the table's segments, whichever of them the generation has."""
        held = self._live.snapshot().ids()
        gone, missing = np.setdiff1d(held, table.ids), np.setdiff1d(table.ids, held)
        if len(gone):
            self._live.remove(gone)
        if len(missing):
            names = {table.video_ids[video] for video in table.videos[table.places(missing)]}
            self._add_vectors(None if len(missing) == len(table.ids) else sorted(names), missing)

    def _add_vectors(self, video_ids: list[str] | None, wanted: IdArray) -> None:
        """Load the vectors of these segments (of these videos; None: of all) into the live index."""
        ids: dict[SpaceKey, list[np.ndarray]] = {}
        rows: dict[SpaceKey, list[np.ndarray]] = {}
        take = set(wanted.tolist())
        for channel, space, segment_id, vectors in self._catalogue.vectors(self._bundle, video_ids):
            if segment_id in take:
                key = SpaceKey(channel, space)
                ids.setdefault(key, []).append(np.full(len(vectors), segment_id, np.int64))
                rows.setdefault(key, []).append(vectors)
        self._live.add_all({key: (np.concatenate(ids[key]), np.concatenate(rows[key])) for key in ids})

    def _seen(self, revision: int, table: SegmentTable) -> View:
        count = len(table.ids)
        if count <= SAMPLE:
            sample = table.ids
        else:  # seeded by what is there, so that the same library gives the same scores
            chosen = np.random.default_rng(count).choice(count, SAMPLE, replace=False)
            sample = table.ids[np.sort(chosen)]
        return View(revision, self._live.snapshot(), table, sample)


def _opened(index_dir: Path, name: str | None, bundle: str) -> Generation | None:
    """A generation of the bundle; None, with a line in the log, when it cannot be used."""
    if name is None:
        return None
    try:
        generation = open_generation(index_dir, name)
    except (IndexFileError, OSError) as error:
        log.warning("the index generation cannot be used, the catalogue's vectors are searched instead: %s", error)
        return None
    if generation.bundle != bundle:
        log.error("the index generation %s is of another bundle, the catalogue's vectors are searched instead", name)
        return None
    return generation


def generation_details(generation: Generation | None) -> dict[str, object] | None:
    """What `generation.json` says, without the checksums of its files."""
    if generation is None:
        return None
    return {key: value for key, value in generation.manifest.items() if key not in ("sha256", "checksum")}
