"""What a person waits for, on the demo library: answers of each kind, memory of all processes, time to ready.

    python docs/benchmarks/latency.py --out docs/benchmarks/latency.md

Fills a demo library in a temporary home, starts it a second time, and asks over HTTP, one query after the other. The
words are all different, so none is answered from the result cache.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import numpy as np
from known_items import cut, free_port, wait_ready

from models.training.data.footage.vocabulary import CONCEPT_QUERIES

LIBRARY = Path(__file__).parents[2] / "service" / "demo" / "library"
REPEATS = 40


def main() -> None:
    """Measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where to write the report")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        filled = run(home, fill)
        rows = run(home, measure)
    page = "\n".join(
        [
            "# Latency and memory",
            "",
            f"The demo library of 120 clips on {os.cpu_count()} cores, one client. Written by",
            "`python docs/benchmarks/latency.py --out docs/benchmarks/latency.md`.",
            "",
            f"The library was filled in {filled} s, through uploads and jobs.",
            "",
            "| what | median | 95th percentile |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )
    print(page)
    if args.out:
        args.out.write_text(page)


def run(home: str, work: Callable[[httpx.Client, int, float], object]) -> object:
    """Start the service on a home, do something with it, stop it."""
    port = free_port()
    command = [sys.executable, "-m", "service.cli", "demo", "--home", home, "--port", str(port)]
    started = time.perf_counter()
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            wait_ready(client)
            return work(client, server.pid, time.perf_counter() - started)
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(20)


def fill(client: httpx.Client, pid: int, ready_s: float) -> str:
    """Wait until all clips are searchable; the seconds that took."""
    started = time.perf_counter()
    wanted = len(list(LIBRARY.glob("*.mp4")))
    while len(ready(client)) < wanted:
        time.sleep(0.5)
    return f"{time.perf_counter() - started:.0f}"


def ready(client: httpx.Client) -> list[str]:
    """Ids of the videos that can be found."""
    ids: list[str] = []
    cursor = None
    while True:
        params = {"limit": 100} | ({"cursor": cursor} if cursor else {})
        page = client.get("/v1/videos", params=params).json()
        ids += [video["id"] for video in page["videos"] if video["status"] == "ready"]
        cursor = page["next_cursor"]
        if not cursor:
            return ids


def measure(client: httpx.Client, pid: int, ready_s: float) -> list[str]:
    """Rows of the table."""
    clips = sorted(LIBRARY.glob("*.mp4"))[:REPEATS]
    rng = np.random.default_rng(0)
    items = [item for clip in clips for item in cut("", clip, 1, rng)]
    files = {kind: [item.data for item in items if item.kind == kind] for kind in ("image", "audio")}
    files["video"] = [clip.read_bytes() for clip in clips]
    words = [query for queries in CONCEPT_QUERIES.values() for query in queries][:REPEATS]
    lines = [row("words", [timed(partial(client.get, "/v1/search", params={"q": query})) for query in words])]
    for kind, name in (("image", "a still"), ("audio", "three seconds of sound"), ("video", "a clip of four seconds")):
        address = f"/v1/search/{kind}"
        asked = [partial(client.post, address, files={"file": ("query", data)}) for data in files[kind]]
        lines.append(row(name, [timed(call) for call in asked]))
    lines.append(f"| resident memory of all processes, shared pages counted once | {memory(pid) / 1e6:.0f} MB | |")
    lines.append(f"| from start to ready, library filled before | {ready_s:.1f} s | |")
    return lines


def timed(call: Callable[[], httpx.Response]) -> float:
    """Milliseconds at the client."""
    started = time.perf_counter()
    call().raise_for_status()
    return (time.perf_counter() - started) * 1000


def row(name: str, times: list[float]) -> str:
    """One line of the table."""
    return f"| {name} | {statistics.median(times):.0f} ms | {statistics.quantiles(times, n=20)[-1]:.0f} ms |"


def memory(pid: int) -> int:
    """Bytes of a process and all its descendants (proportional set size; Linux)."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(status.parent.name)] = int(fields[1])
    family = {pid}
    while more := {p for p, parent in parents.items() if parent in family} - family:
        family |= more
    total = 0
    for member in family:
        try:
            rollup = Path(f"/proc/{member}/smaps_rollup").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in rollup.splitlines() if line.startswith("Pss:"))
    return total


if __name__ == "__main__":
    main()
