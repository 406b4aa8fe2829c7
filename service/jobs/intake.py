"""Several ingests at once in one worker: while one is embedded, the next is decoded and the one before is stored.

The embedding itself is done by a few threads that all of them share, so the processors are never idle while there is
work, however short the films are.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

# A job that was tried so often may be what takes the worker down: it is then the only one that can come to harm.
ALONE_AFTER = 2
LOOK_S = 0.2


class Intake:
    """Places for ingests, each in a thread of its own; `join` waits until all are over."""

    def __init__(self, places: int, embed_threads: int, stopping: threading.Event) -> None:
        """`stopping`: nobody waits for a place any more once it is set."""
        self.pool: Executor = ThreadPoolExecutor(embed_threads, thread_name_prefix="embed")
        self._places, self._stopping = places, stopping
        self._taken, self._alone = 0, False
        self._changed = threading.Condition()
        self._threads: set[threading.Thread] = set()

    def take_place(self, attempts: int = 0) -> bool:
        """Waits for a place, or for all of them when the job was tried too often; False when the worker is to stop."""
        alone = attempts >= ALONE_AFTER
        with self._changed:
            while not self._stopping.is_set():
                if not self._alone and self._taken < (1 if alone else self._places):
                    self._taken += 1
                    self._alone = alone
                    return True
                self._changed.wait(LOOK_S)
        return False

    def leave_place(self) -> None:
        """Gives a place back that was taken."""
        with self._changed:
            self._taken -= 1
            self._alone = False
            self._changed.notify_all()

    def start(self, work: Callable[[], None]) -> None:
        """Does the work in a thread; its place is given back at the end. Raises RuntimeError when there is none."""

        def run() -> None:
            try:
                work()
            finally:
                self._threads.discard(threading.current_thread())
                self.leave_place()

        thread = threading.Thread(target=run, name="ingest")
        self._threads.add(thread)
        try:
            thread.start()
        except RuntimeError:
            self._threads.discard(thread)
            self.leave_place()
            raise

    def join(self) -> None:
        """Waits until all work is over, and ends the threads that embed."""
        for thread in list(self._threads):
            thread.join()
        self.pool.shutdown(cancel_futures=True)
