"""uvicorn's HTTP protocol, impatient with those who send the head of a request slowly or without end.

uvicorn bounds neither: a few thousand connections that each send a byte a minute would hold all descriptors, and one
that sends headers for ever all memory.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_WITHIN_S = 20.0
MOST_HEAD_BYTES = 64 * 1024
MOST_CONNECTIONS = 2000


class CarefulProtocol(HttpToolsProtocol):
    """One connection."""

    _head_due: asyncio.TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            self._end(b"503 Service Unavailable", b"Retry-After: 5\r\n")
            return
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_due is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._end(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        self._head_arrived()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head_arrived()
        self._head_due = self.loop.call_later(HEAD_WITHIN_S, self._end, b"408 Request Timeout")

    def _head_arrived(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
        self._head_due, self._head_bytes = None, 0

    def _end(self, status: bytes, header: bytes = b"") -> None:
        self._head_arrived()
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(
                b"HTTP/1.1 " + status + b"\r\n" + header + b"Content-Length: 0\r\nConnection: close\r\n\r\n"
            )
            self.transport.close()
