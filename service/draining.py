"""Stopping in good order: first it is said that no more requests are wanted, then those at hand end, then all else.

`/readyz` answers 503 from the first signal on. A load balancer that asks it sends nothing new, and for `drain_s`
seconds whatever still comes is served as ever. A second signal ends the wait.
"""

import threading
from types import FrameType

import uvicorn


class DrainingServer(uvicorn.Server):
    """uvicorn's server, with `drain_s` seconds between a signal, which sets `draining`, and its end."""

    def __init__(self, config: uvicorn.Config, draining: threading.Event, drain_s: float) -> None:
        super().__init__(config)
        self._draining, self._drain_s = draining, drain_s
        self._timer: threading.Timer | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        first = not self._draining.is_set()
        self._draining.set()
        if first and self._drain_s > 0:
            self._timer = threading.Timer(self._drain_s, super().handle_exit, (sig, frame))
            self._timer.daemon = True
            self._timer.start()
            return
        if self._timer is not None:
            self._timer.cancel()
        super().handle_exit(sig, frame)
