"""Bulk reads for searching: the whole table of segments, and which videos pass a filter."""

from dataclasses import dataclass, fields
from datetime import datetime

import numpy as np
from sqlalchemy import select

from service.catalogue.catalogue import Catalogue
from service.catalogue.tables import SegmentRow, TagRow, VideoRow


@dataclass(frozen=True)
class VideoFilter:
    """What a video must be to be found; None (or nothing) means anything."""

    tags: tuple[str, ...] = ()  # all of them
    video_ids: tuple[str, ...] = ()  # one of them
    has_sound: bool | None = None
    min_duration_s: float | None = None
    max_duration_s: float | None = None
    added_after: datetime | None = None
    added_before: datetime | None = None

    @property
    def passes_all(self) -> bool:
        """Whether it lets every video through."""
        return all(getattr(self, f.name) in (None, ()) for f in fields(self))


def matching_videos(catalogue: Catalogue, wanted: VideoFilter) -> list[str]:
    """Ids of the videos that pass the filter."""
    query = select(VideoRow.id)
    for tag in wanted.tags:
        query = query.where(VideoRow.id.in_(select(TagRow.video_id).where(TagRow.tag == tag)))
    if wanted.video_ids:
        query = query.where(VideoRow.id.in_(wanted.video_ids))
    if wanted.has_sound is not None:
        query = query.where(VideoRow.has_audio == wanted.has_sound)
    if wanted.min_duration_s is not None:
        query = query.where(VideoRow.duration_s >= wanted.min_duration_s)
    if wanted.max_duration_s is not None:
        query = query.where(VideoRow.duration_s <= wanted.max_duration_s)
    if wanted.added_after is not None:
        query = query.where(VideoRow.created_at >= wanted.added_after)
    if wanted.added_before is not None:
        query = query.where(VideoRow.created_at < wanted.added_before)
    with catalogue._database.read() as session:
        return list(session.scalars(query))


def all_segments(catalogue: Catalogue, bundle: str) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Every segment of one bundle: ids int64 [N] ascending, their video ids, (start, end) in seconds float64 [N, 2]."""
    query = (
        select(SegmentRow.id, SegmentRow.video_id, SegmentRow.start_s, SegmentRow.end_s)
        .where(SegmentRow.bundle == bundle)
        .order_by(SegmentRow.id)
    )
    with catalogue._database.read() as session:
        rows = session.execute(query).all()
    ids = np.array([row.id for row in rows], np.int64)
    times = np.array([(row.start_s, row.end_s) for row in rows], np.float64).reshape(-1, 2)
    return ids, [row.video_id for row in rows], times
