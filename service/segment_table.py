"""Where every segment lies: its video and its seconds, in arrays. About 30 bytes a segment."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from index.protocol import IdArray


@dataclass(frozen=True)
class SegmentTable:
    """Immutable; `with_added` and `without` give new ones. Rows are in ascending order of segment id."""

    ids: IdArray = field(default_factory=lambda: np.empty(0, np.int64))
    videos: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))  # index into video_ids, [N]
    times: np.ndarray = field(default_factory=lambda: np.empty((0, 2)))  # start and end in seconds, float64 [N, 2]
    video_ids: tuple[str, ...] = ()

    def with_added(self, ids: IdArray, video_ids: Sequence[str], times: np.ndarray) -> "SegmentTable":
        """Add segments that are not in the table yet: ids [M], the video of each, times float64 [M, 2]."""
        names = list(self.video_ids)
        number = {name: i for i, name in enumerate(names)}
        for name in dict.fromkeys(video_ids):
            if name not in number:
                number[name] = len(names)
                names.append(name)
        all_ids = np.concatenate([self.ids, ids])
        videos = np.concatenate([self.videos, np.array([number[name] for name in video_ids], np.int32)])
        order = np.argsort(all_ids, kind="stable")
        return SegmentTable(all_ids[order], videos[order], np.concatenate([self.times, times])[order], tuple(names))

    def without(self, ids: Collection[int]) -> "SegmentTable":
        """Forget these segments (those it has)."""
        keep = ~np.isin(self.ids, np.fromiter(ids, np.int64, len(ids)))
        return SegmentTable(self.ids[keep], self.videos[keep], self.times[keep], self.video_ids)

    def known(self, ids: IdArray) -> np.ndarray:
        """Which of the ids are in the table, bool [M]."""
        places = np.minimum(np.searchsorted(self.ids, ids), max(len(self.ids) - 1, 0))
        return self.ids[places] == ids if len(self.ids) else np.zeros(len(ids), bool)

    def places(self, ids: IdArray) -> np.ndarray:
        """Row numbers of known ids, [M]."""
        return np.searchsorted(self.ids, ids)

    def of_videos(self, video_ids: Collection[str]) -> IdArray:
        """The segments of some videos, ascending."""
        wanted = set(video_ids)
        chosen = np.array([name in wanted for name in self.video_ids], bool)
        return self.ids[chosen[self.videos]] if len(self.ids) else self.ids
