"""Queries about segments, their vectors, and the log of changes that readers of the index follow."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Integer, Select, Update, delete, func, insert, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import Session

from service.catalogue.engine import Database
from service.catalogue.jobs import JobLost
from service.catalogue.records import Change, ChangeKind, Job, NewSegment, Segment
from service.catalogue.tables import ChangeRow, JobRow, RevisionRow, SegmentRow, VectorRow, VideoRow

# SQLite allows some thousands of parameters a statement.
IDS_PER_QUERY = 500
ROWS_PER_READ = 1000
VECTOR_DTYPE = np.dtype("<f2")
# How many vectors a row of the table holds.
_ROWS = func.length(VectorRow.data, type_=Integer) // (VECTOR_DTYPE.itemsize * VectorRow.dim)


class VideoGone(Exception):
    """The video was deleted in the meantime."""


class ChangesPruned(Exception):
    """The log of changes begins after what the reader has seen: it has to read everything again."""


def append_change(session: Session, kind: ChangeKind, video_id: str, bundle: str, segment_ids: Sequence[int]) -> int:
    """Adds to the log within the caller's transaction; the new revision.

    The update locks the one row of `revision` until the transaction ends: revisions become visible in order and without
    gaps, so a reader that has seen n misses nothing by asking for what is larger than n.
    """
    counted = update(RevisionRow).values(value=RevisionRow.value + 1).returning(RevisionRow.value)
    revision = session.execute(counted, execution_options={"synchronize_session": False}).scalar_one()
    row = {"revision": revision, "kind": kind, "video_id": video_id, "bundle": bundle, "segment_ids": list(segment_ids)}
    session.execute(insert(ChangeRow), [row])
    return revision


def _segment(row: SegmentRow) -> Segment:
    return Segment(row.id, row.video_id, row.bundle, row.start_s, row.end_s)


class SegmentQueries:
    """The part of the catalogue that is about segments; every method is one transaction."""

    _database: Database

    def store_segments(
        self,
        video_id: str,
        bundle: str,
        segments: Sequence[NewSegment],
        job: Job | None = None,
        *,
        also: Mapping[str, Sequence[NewSegment]] | None = None,
        result: dict[str, Any] | None = None,
    ) -> list[int]:
        """Replaces a video's segments of one bundle and marks the video ready, all or nothing. The new ids, in order.

        Doing it twice leaves one set of segments. `also` are those of other bundles, stored in the same transaction.
        With `job`, as it was claimed, nothing is stored (JobLost) unless it still runs for its worker; with `result`
        too, the job is done by it. Raises VideoGone when the video was deleted, ValueError for vectors that are not
        [rows >= 1, dim].
        """
        with self._database.write() as session:
            # Statements and no objects: this is done for every film, and objects cost several times as much.
            ready = update(VideoRow).where(VideoRow.id == video_id).values(status="ready", problem=None)
            if not _changed_one(session, ready):
                raise VideoGone(video_id)
            if job is not None:
                own = (JobRow.id == job.id, JobRow.status == "running", JobRow.worker == job.worker)
                done = {"status": "done", "progress": 1.0, "stage": "done", "finished_at": datetime.now(UTC)}
                values = {"worker": job.worker} if result is None else {**done, "result": result}
                if not _changed_one(session, update(JobRow).where(*own).values(values)):
                    raise JobLost(job.id)
            ids = _replace_segments(session, video_id, bundle, segments)
            for other, theirs in (also or {}).items():
                _replace_segments(session, video_id, other, theirs)
            return ids

    def segment(self, segment_id: int) -> Segment | None:
        """One segment, or None."""
        with self._database.read() as session:
            row = session.get(SegmentRow, segment_id)
            return None if row is None else _segment(row)

    def segments(self, segment_ids: Sequence[int]) -> dict[int, Segment]:
        """Those of the given segments that exist."""
        ids = [int(segment_id) for segment_id in segment_ids]
        found: dict[int, Segment] = {}
        with self._database.read() as session:
            for first in range(0, len(ids), IDS_PER_QUERY):
                rows = session.scalars(select(SegmentRow).where(SegmentRow.id.in_(ids[first : first + IDS_PER_QUERY])))
                found.update((row.id, _segment(row)) for row in rows)
        return found

    def segment_ids(self, bundle: str) -> list[int]:
        """Every segment of one bundle, ascending."""
        with self._database.read() as session:
            return list(
                session.scalars(select(SegmentRow.id).where(SegmentRow.bundle == bundle).order_by(SegmentRow.id))
            )

    def segment_count(self, bundle: str) -> int:
        """How many segments one bundle has."""
        with self._database.read() as session:
            return session.scalar(select(func.count()).select_from(SegmentRow).where(SegmentRow.bundle == bundle)) or 0

    def revision(self) -> int:
        """The newest revision of the library; 0 when nothing was ever added."""
        with self._database.read() as session:
            return session.execute(select(RevisionRow.value)).scalar_one()

    def changes_since(self, revision: int) -> list[Change]:
        """What happened after `revision`, in order. Raises ChangesPruned when the log does not reach so far back."""
        with self._database.read() as session:
            rows = session.scalars(
                select(ChangeRow).where(ChangeRow.revision > revision).order_by(ChangeRow.revision)
            ).all()
            # Without gaps: the first one that is there is the next one, or some were forgotten.
            following = rows[0].revision if rows else session.execute(select(RevisionRow.value)).scalar_one() + 1
            if following > revision + 1:
                raise ChangesPruned(revision)
            return [
                Change(row.revision, row.kind, row.video_id, row.bundle, row.segment_ids)  # type: ignore[arg-type]
                for row in rows
            ]

    def vector_counts(self, bundle: str) -> dict[tuple[str, str], tuple[int, int]]:
        """By (channel, space): how many vectors a bundle has, and their dimension."""
        query = (
            select(VectorRow.channel, VectorRow.space, func.sum(_ROWS), func.max(VectorRow.dim))
            .join(SegmentRow, SegmentRow.id == VectorRow.segment_id)
            .where(SegmentRow.bundle == bundle)
            .group_by(VectorRow.channel, VectorRow.space)
        )
        with self._database.read() as session:
            return {(channel, space): (int(rows), dim) for channel, space, rows, dim in session.execute(query)}

    def rows_per_segment(self, bundle: str, channel: str, space: str) -> tuple[np.ndarray, np.ndarray]:
        """Ids of the segments that have vectors there, int64 [N] ascending, and how many each has, int64 [N]."""
        query = (
            select(VectorRow.segment_id, _ROWS)
            .join(SegmentRow, SegmentRow.id == VectorRow.segment_id)
            .where(SegmentRow.bundle == bundle, VectorRow.channel == channel, VectorRow.space == space)
            .order_by(VectorRow.segment_id)
        )
        with self._database.read() as session:
            found = np.array([tuple(row) for row in session.execute(query)], np.int64).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def vectors(
        self,
        bundle: str,
        video_ids: Sequence[str] | None = None,
        *,
        key: tuple[str, str] | None = None,
        up_to: int | None = None,
    ) -> Iterator[tuple[str, str, int, npt.NDArray[np.float16]]]:
        """(channel, space, segment id, float16 [rows, dim]) of all segments of a bundle, or of some videos' alone.

        With `key`, of this channel and space alone; with `up_to`, of segments up to this id.

        In the order of (segment, channel, space), read in short transactions: segments that come or go meanwhile may or
        may not be seen, those that stay are seen once.
        """
        base = (
            select(VectorRow)
            .join(SegmentRow, SegmentRow.id == VectorRow.segment_id)
            .where(SegmentRow.bundle == bundle)
            .order_by(VectorRow.segment_id, VectorRow.channel, VectorRow.space)
        )
        if key is not None:
            base = base.where(VectorRow.channel == key[0], VectorRow.space == key[1])
        if up_to is not None:
            base = base.where(VectorRow.segment_id <= up_to)
        if video_ids is None:
            yield from self._vectors(base)
        else:
            for first in range(0, len(video_ids), IDS_PER_QUERY):
                yield from self._vectors(base.where(SegmentRow.video_id.in_(video_ids[first : first + IDS_PER_QUERY])))

    def segment_vectors(self, bundle: str, segment_id: int) -> dict[tuple[str, str], npt.NDArray[np.float16]]:
        """float16 [rows, dim] of one segment, by (channel, space); nothing for one of another bundle or none."""
        query = (
            select(VectorRow)
            .join(SegmentRow, SegmentRow.id == VectorRow.segment_id)
            .where(SegmentRow.bundle == bundle, VectorRow.segment_id == segment_id)
        )
        return {(channel, space): vectors for channel, space, _, vectors in self._vectors(query)}

    def _vectors(self, query: Select[VectorRow]) -> Iterator[tuple[str, str, int, npt.NDArray[np.float16]]]:
        after = -1
        while True:
            with self._database.read() as session:
                # Whole segments: the ids of the next few, then all their rows.
                ids = list(
                    session.scalars(
                        query.with_only_columns(VectorRow.segment_id)
                        .where(VectorRow.segment_id > after)
                        .distinct()
                        .order_by(None)
                        .order_by(VectorRow.segment_id)
                        .limit(ROWS_PER_READ)
                    )
                )
                if not ids:
                    return
                rows = session.execute(
                    query.with_only_columns(
                        VectorRow.channel, VectorRow.space, VectorRow.segment_id, VectorRow.dim, VectorRow.data
                    ).where(VectorRow.segment_id > after, VectorRow.segment_id <= ids[-1])
                ).all()
            for channel, space, segment_id, dim, data in rows:
                yield channel, space, segment_id, np.frombuffer(data, dtype=VECTOR_DTYPE).reshape(-1, dim)
            after = ids[-1]


def _changed_one(session: Session, statement: Update) -> bool:
    result = session.execute(statement, execution_options={"synchronize_session": False})
    assert isinstance(result, CursorResult)
    return result.rowcount == 1


def _replace_segments(session: Session, video_id: str, bundle: str, segments: Sequence[NewSegment]) -> list[int]:
    """Within the caller's transaction: these segments, and no others, are the video's of that bundle; their ids."""
    old = list(
        session.scalars(
            select(SegmentRow.id)
            .where(SegmentRow.video_id == video_id, SegmentRow.bundle == bundle)
            .order_by(SegmentRow.id)
        )
    )
    if old:
        session.execute(delete(SegmentRow).where(SegmentRow.video_id == video_id, SegmentRow.bundle == bundle))
        append_change(session, "remove", video_id, bundle, old)
    if not segments:
        return []
    rows = [
        {
            "video_id": video_id,
            "bundle": bundle,
            "ordinal": ordinal,
            "start_s": segment.start_s,
            "end_s": segment.end_s,
        }
        for ordinal, segment in enumerate(segments)
    ]
    ids = list(session.scalars(insert(SegmentRow).returning(SegmentRow.id, sort_by_parameter_order=True), rows))
    vectors = [
        {"segment_id": segment_id, "channel": channel, "space": space, **_packed(vectors)}
        for segment_id, segment in zip(ids, segments, strict=True)
        for (channel, space), vectors in segment.vectors.items()
    ]
    if vectors:
        session.execute(insert(VectorRow), vectors)
    append_change(session, "add", video_id, bundle, ids)
    return ids


def _packed(vectors: npt.NDArray[np.float16]) -> dict[str, int | bytes]:
    """Columns of a vector row from float16 [rows, dim]."""
    if vectors.ndim != 2 or not vectors.size:
        raise ValueError(f"Vectors of a segment must be [rows, dim], not {vectors.shape}")
    return {"dim": vectors.shape[1], "data": np.ascontiguousarray(vectors, dtype=VECTOR_DTYPE).tobytes()}
