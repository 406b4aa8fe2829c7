"""H.264 pictures that nobody is going to see, and that no other picture is made from, are not decoded."""

import math
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

# Packets that are looked at before one is decoded: a picture is at most 16 places away from where it is shown.
AHEAD = 17
# Time stamps that are kept to find the next picture in; more than any look ahead.
KEPT = 64
# How exact times are, in seconds: a picture that is off by less is decoded.
MARGIN_S = 1e-4


class Unseen:
    """Passes a stream's packets on, and tells its decoder before each whether the picture is to be left out.

    Of the pictures only those are wanted that are on show at a moment of the grid: `start` + n * step_s. What is left
    out is marked in the file as of no use to others ("non-reference"), so the pictures that are decoded stay the same
    to the last bit. In a damaged file the picture before may stand in for one that was left out.
    """

    def __init__(self, stream: "VideoStream", step_s: float) -> None:
        """Other codecs than H.264 mark less clearly what can be left out: there it does nothing."""
        self.start: float | None = None  # seconds on the stream's clock; while it is not known, all is decoded
        self._codec, self._step_s = stream.codec_context, step_s
        self._tick_s = float(stream.time_base or 0)
        self._works = self._codec.name == "h264" and self._tick_s > 0
        self._shown_at: list[int] = []  # ascending time stamps of the pictures that are known of
        self._skips = False

    def passed(self, packets: "Iterator[Packet]") -> "Iterator[Packet]":
        """The packets, to be decoded one by one; a break in them is their end."""
        if not self._works:
            yield from packets
            return
        ahead: deque[Packet] = deque()
        try:
            for packet in packets:
                # What the container wants left out, or is damaged, may never be shown: nothing ends at its time.
                if packet.pts is not None and not packet.is_discard and not packet.is_corrupt:
                    insort(self._shown_at, packet.pts)
                ahead.append(packet)
                if len(ahead) > AHEAD:
                    yield self._judged(ahead.popleft())
        except av.FFmpegError:
            pass
        while ahead:
            yield self._judged(ahead.popleft())

    def _judged(self, packet: "Packet") -> "Packet":
        skips = packet.pts is not None and self._is_unseen(packet.pts)
        if skips != self._skips:
            self._codec.skip_frame = "NONREF" if skips else "DEFAULT"
            self._skips = skips
        del self._shown_at[:-KEPT]
        return packet

    def _is_unseen(self, pts: int) -> bool:
        """Whether the next picture replaces it before a moment of the grid comes; not when that is uncertain."""
        following = bisect_right(self._shown_at, pts)
        if self.start is None or following == len(self._shown_at):
            return False
        begins, ends = (stamp * self._tick_s - self.start for stamp in (pts, self._shown_at[following]))
        moment = max(0, math.ceil((begins - MARGIN_S) / self._step_s)) * self._step_s
        return moment >= ends + MARGIN_S
