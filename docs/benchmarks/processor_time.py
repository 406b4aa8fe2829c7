"""Processor time of a worker and of all that it started, by part, in seconds (Linux)."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
WORKER, FORK_SERVER, CHILDREN = "worker", "fork server", "decode children"


def by_part(worker: int) -> dict[str, float]:
    """Of the worker itself, of the process that decoders are forked from, and of the decoders, those gone included."""
    spent = {WORKER: 0.0, FORK_SERVER: 0.0, CHILDREN: 0.0}
    parents = {}
    times = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it is gone by now
            continue
        parents[int(stat.parent.name)] = int(fields[1])
        times[int(stat.parent.name)] = sum(map(int, fields[11:13])) / TICKS, sum(map(int, fields[13:15])) / TICKS
    for pid, (own, of_the_dead) in times.items():
        if pid == worker:
            spent[WORKER] += own
            spent[FORK_SERVER] += of_the_dead
        elif parents[pid] == worker:
            spent[FORK_SERVER] += own
            spent[CHILDREN] += of_the_dead
        elif parents.get(parents[pid]) == worker:
            spent[CHILDREN] += own
    return spent


def own_s(pid: int) -> float:
    """Of one process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / TICKS
