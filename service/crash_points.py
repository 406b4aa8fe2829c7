"""Named places where a crash test ends the process: just after something was done, before the next thing is.

In the code: `crash_point("ingest.stored")`. It does nothing, unless MMV_CRASH_AT names that point: then the process
kills itself with SIGKILL, as a power cut would, at the first time that it comes there, or at the MMV_CRASH_AFTER-th.
The names are `<area>.<what was just done>`; `service/tests/test_crash_points.py` finds them all in the sources and
fails for one that it does not test.
"""

import os
import signal

AT, AFTER = "MMV_CRASH_AT", "MMV_CRASH_AFTER"

_hits = 0


def crash_point(name: str) -> None:
    """Ends the process here if the environment says so; the environment is read at each call, as forks change it."""
    if os.environ.get(AT) != name:
        return
    global _hits
    _hits += 1
    if _hits >= int(os.environ.get(AFTER, "1")):
        os.kill(os.getpid(), signal.SIGKILL)
