"""Ctrl-C and SIGTERM while a network trains: the step under way is finished and saved, then the process ends."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interruption:
    """Which signal asked the training to stop; 0 while none has."""

    def __init__(self) -> None:
        self.signal = 0

    def end(self) -> None:
        """End as the signal would have, SIGTERM if there is none: KeyboardInterrupt or exit status 128 + its number."""
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + (self.signal or signal.SIGTERM))

    def _ask(self, number: int, _: FrameType | None) -> None:
        if self.signal == signal.SIGINT == number:  # a second Ctrl-C does not wait
            raise KeyboardInterrupt
        self.signal = number


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Note the signals instead of dying of them. In another thread than the main one, which gets none, nothing."""
    interruption = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield interruption
        return
    before = {number: signal.signal(number, interruption._ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
