"""What the tests need to know of other processes, from `ps` (the same on Linux and macOS)."""

import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Process:
    """A line of `ps`."""

    pid: int
    parent: int
    resident_bytes: int


def running() -> dict[int, Process]:
    """All processes but zombies."""
    listing = subprocess.run(["ps", "-axo", "pid=,ppid=,rss=,stat="], capture_output=True, text=True, check=True).stdout
    found = {}
    for line in listing.splitlines():
        pid, parent, rss, state = line.split(maxsplit=3)
        if not state.startswith("Z"):
            found[int(pid)] = Process(int(pid), int(parent), int(rss) * 1024)
    return found


def family_of(pid: int) -> list[Process]:
    """A process and all its descendants."""
    everything = running()
    family, found = {pid}, True
    while found:
        new = {process.pid for process in everything.values() if process.parent in family} - family
        family |= new
        found = bool(new)
    return [everything[member] for member in family if member in everything]


def all_gone(processes: list[Process]) -> bool:
    """Whether none of these runs any more."""
    return not running().keys() & {process.pid for process in processes}
