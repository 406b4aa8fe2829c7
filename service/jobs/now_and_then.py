"""What need not be done every time."""

import threading
import time


class NowAndThen:
    """Says at most once in so many seconds that something is due; the first time at once. For any threads."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._next = 0.0
        self._lock = threading.Lock()

    def due(self) -> bool:
        """Whether to do it now; whoever is told so does it."""
        now = time.monotonic()
        with self._lock:
            if now < self._next:
                return False
            self._next = now + self._every_s
            return True
