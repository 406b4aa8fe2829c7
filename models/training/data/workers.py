"""Processes that work for this one: Ctrl-C is not for them, and they do not outlive it."""

import ctypes
import signal
import sys

_PR_SET_PDEATHSIG = 1


def belong_to_parent() -> None:
    """To be called first in a worker process. The parent handles Ctrl-C and ends its workers.

    Killed, it takes them along, on Linux: more exactly, when the thread ends that started them. A pool that is first
    used in a passing thread is for `leave_interrupts` alone.
    """
    leave_interrupts()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def leave_interrupts() -> None:
    """Ctrl-C is for the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
