"""No orphans: a child process asks the kernel to be ended when its parent is (Linux alone knows how)."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1
# Loaded at import: between fork and exec, where `end_with_parent` also runs, as little as possible may happen.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_with_parent(signum: signal.Signals = signal.SIGKILL) -> None:
    """This process gets `signum` when the thread that started it ends. Elsewhere than on Linux it does nothing."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signum)
