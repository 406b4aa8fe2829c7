"""Picture and sound of a file in one pass: it is opened once, and what one is ahead of the other waits."""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.stream import Stream


class OnePass:
    """An open file, for one reader of each of its `streams`. Close it when they are done.

    All that is between the readers is in memory: for files that are small, or it may be a whole film.
    """

    def __init__(self, container: "InputContainer", streams: "Sequence[Stream]") -> None:
        self.container = container
        self._waiting: dict[int, deque[Packet]] = {stream.index: deque() for stream in streams}
        self._read = container.demux(*streams)

    def packets(self, stream: "Stream") -> "Iterator[Packet]":
        """Those of one stream, in their order. Raises FFmpegError where the file is broken; that is the end."""
        own = self._waiting[stream.index]
        while True:
            while own:
                yield own.popleft()
            packet = next(self._read, None)
            if packet is None:
                return
            # Not its stream_index: the empty packets at the end, for decoders to give what they still hold, have none.
            self._waiting[packet.stream.index].append(packet)

    def close(self) -> None:
        """Closes the file."""
        self.container.close()
