"""Memory that was let go of, given back to the system (glibc alone keeps much of it, and has ways to say otherwise)."""

import contextlib
import ctypes
import ctypes.util
from typing import Any

# glibc gives each of many threads a heap of its own, and what one frees the others don't use.
M_ARENA_MAX, ARENAS = -8, 2


def use_few_heaps() -> None:
    """To be called before there are threads."""
    _call("mallopt", M_ARENA_MAX, ARENAS)


def give_back_memory() -> None:
    """Hand back what was freed."""
    _call("malloc_trim", 0)


def _call(name: str, *arguments: Any) -> None:
    with contextlib.suppress(OSError, AttributeError):
        getattr(ctypes.CDLL(ctypes.util.find_library("c")), name)(*arguments)
