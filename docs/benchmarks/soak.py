"""Many searches at once while films come and go and the index is rebuilt: errors, times, memory.

    python docs/benchmarks/soak.py --out docs/benchmarks/soak.md

A real `mmv-search serve` in a temporary home, filled with the demo library. Then N searches by words from concurrent
clients, all different, so that none is answered from the result cache, while films are uploaded without a pause (and
deleted again, so that the library stays as large as it is) and the index is rebuilt twice; with --promote the library
goes over to another model in the middle. Every answer is looked at: it must be of one model and one index
generation, and have results. Memory is compared between the end of the warm-up, which has all of that in it too, and
the end. Exit status 1: something is not as it must be.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from known_items import free_port, wait_ready

from models.tests import media_samples
from models.training.data.footage.vocabulary import CONCEPT_QUERIES

LIBRARY = Path(__file__).parents[2] / "service" / "demo" / "library"
FILM_S = 6.0
# The goals: 99 % of the answers within so many times the median; memory within this of what it was after warm-up.
MOST_RATIO, MOST_GROWTH = 10.0, 0.05
SAMPLE_S = 0.5


@dataclass
class Answers:
    """What the searches gave."""

    times_ms: list[float] = field(default_factory=list)
    busy: list[bool] = field(default_factory=list)  # whether an index was being built, or a model promoted, meanwhile
    errors: Counter[str] = field(default_factory=Counter)
    pairs: dict[int, set[tuple[str, str | None]]] = field(default_factory=lambda: defaultdict(set))
    empty: int = 0

    def add(self, response: httpx.Response, took_ms: float, busy: bool) -> None:
        self.times_ms.append(took_ms)
        self.busy.append(busy)
        if response.status_code != 200:
            self.errors[f"HTTP {response.status_code}: {response.text[:120]}"] += 1
            return
        found = response.json()
        self.pairs[found["generation_number"]].add((found["bundle_fingerprint"], found["generation"]))
        self.empty += not found["results"]

    @property
    def mixed(self) -> int:
        """Numbers that stood for more than one pair of a model and a generation."""
        return sum(len(pairs) > 1 for pairs in self.pairs.values())


class Soak:
    """One service, and all that is done to it."""

    def __init__(self, args: argparse.Namespace, url: str, token: str, pid: int, films: list[Path]) -> None:
        self.args, self.url, self.pid, self.films = args, url, pid, films
        self.headers = {"Authorization": f"Bearer {token}"}
        self.over = threading.Event()
        self.swaps: list[tuple[str, float, dict[str, Any]]] = []
        self.swapping = threading.Event()
        self.added = self.deleted = 0
        self.troubles: Counter[str] = Counter()
        self.memory: dict[str, list[tuple[float, int]]] = defaultdict(list)
        self.asked = 0

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers=self.headers, timeout=120, trust_env=False)

    def ingest(self) -> None:
        """Uploads the films one after the other, without a pause, and deletes each before its turn comes again."""
        with self.client() as client:
            known: dict[Path, str] = {}
            while not self.over.is_set():
                for film in self.films:
                    if self.over.is_set():
                        return
                    try:
                        if film in known:
                            client.delete(f"/v1/videos/{known.pop(film)}").raise_for_status()
                            self.deleted += 1
                        with film.open("rb") as opened:
                            answer = client.post("/v1/videos", files={"file": (film.name, opened)}).raise_for_status()
                        known[film] = answer.json()["video_id"]
                        self._wait(client, answer.json()["job_id"])
                        self.added += 1
                    except (httpx.HTTPError, KeyError, RuntimeError) as error:
                        self.troubles[f"ingest: {error}"[:200]] += 1
                        time.sleep(0.5)

    def swap(self, name: str, path: str) -> None:
        """One rebuild or promotion, to its end."""
        self.swapping.set()
        try:
            with self.client() as client:
                while True:
                    answer = client.post(f"/v1/admin/{path}", json={"auto": True})
                    if answer.status_code != 409 or self.over.is_set():
                        break
                    time.sleep(0.5)  # one that began by itself, since much was added
                started = time.monotonic()
                job = self._wait(client, answer.raise_for_status().json()["id"])
                self.swaps.append((name, time.monotonic() - started, job["result"]))
        except (httpx.HTTPError, KeyError, RuntimeError) as error:
            self.troubles[f"{name}: {error}"[:200]] += 1
        finally:
            self.swapping.clear()

    def _wait(self, client: httpx.Client, job_id: str) -> dict[str, Any]:
        while True:
            job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").raise_for_status().json()
            if job["status"] == "done" or (self.over.is_set() and job["kind"] == "ingest"):
                return job
            if job["status"] in ("failed", "cancelled"):
                raise RuntimeError(f"job {job['kind']} {job['status']}: {(job['problem'] or {}).get('detail')}")
            time.sleep(0.1)

    def watch(self) -> None:
        """Samples the resident memory of every process, by what it does."""
        while not self.over.wait(SAMPLE_S):
            for role, resident in memory_by_role(self.pid).items():
                self.memory[role].append((time.monotonic(), resident))

    async def search(self, words: list[str], answers: Answers, swaps: list[tuple[int, str, str]]) -> None:
        """Asks all of it, from as many clients as were asked for; begins each swap at its place."""
        asking = iter(words)
        threads: list[threading.Thread] = []
        due = sorted(swaps)

        async def one(client: httpx.AsyncClient) -> None:
            for query in asking:
                self.asked += 1
                while due and self.asked >= due[0][0]:
                    _, name, path = due.pop(0)
                    earlier = list(threads)

                    def begin(name: str = name, path: str = path, earlier: list[threading.Thread] = earlier) -> None:
                        for thread in earlier:
                            thread.join()
                        self.swap(name, path)

                    threads.append(threading.Thread(target=begin))
                    threads[-1].start()
                started, busy = time.perf_counter(), self.swapping.is_set()
                try:
                    response = await client.get("/v1/search", params={"q": query})
                    answers.add(response, (time.perf_counter() - started) * 1000, busy or self.swapping.is_set())
                except httpx.HTTPError as error:
                    answers.errors[type(error).__name__] += 1

        limits = httpx.Limits(max_connections=self.args.clients)
        async with httpx.AsyncClient(
            base_url=self.url, headers=self.headers, timeout=120, limits=limits, trust_env=False
        ) as client:
            await asyncio.gather(*(one(client) for _ in range(self.args.clients)))
            while any(thread.is_alive() for thread in threads):
                await asyncio.sleep(0.1)


def main() -> None:
    """Measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=10_000)
    parser.add_argument("--warm-up", type=int, default=2_000, help="searches before those that count")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--clips", type=int, default=120, help="clips of the demo library to begin with")
    parser.add_argument("--films", type=int, default=12, help="films that come and go")
    parser.add_argument(
        "--promote",
        nargs="?",
        const="",
        metavar="DIR",
        help="also promote a bundle, in the middle; without DIR the shipped one, as if it were another",
    )
    parser.add_argument("--out", type=Path, help="where to write the report")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mmv-soak-") as folder:
        page, good = run(args, Path(folder))
    print(page)
    if args.out:
        args.out.write_text(page)
    sys.exit(0 if good else 1)


def run(args: argparse.Namespace, folder: Path) -> tuple[str, bool]:
    """The report, and whether all is as it must be."""
    home, port = folder / "home", free_port()
    films = [media_samples.film(folder / f"film-{seed}.mp4", 1000 + seed, FILM_S) for seed in range(args.films)]
    command = [sys.executable, "-m", "service.cli", "serve", "--home", str(home), "--port", str(port)]
    unlimited = {"MMV_SEARCHES_PER_MINUTE": "0", "MMV_UPLOADS_PER_MINUTE": "0"}
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **unlimited})
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, trust_env=False) as client:
            wait_ready(client)
            fill(client, sorted(LIBRARY.glob("*.mp4"))[: args.clips])
        if args.promote is not None:
            args.promote = keep_bundle(Path(args.promote) if args.promote else twin(folder / "twin"), home)
        token = (home / "admin-token").read_text().strip()
        soak = Soak(args, f"http://127.0.0.1:{port}", token, server.pid, films)
        return measure(soak, args)
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        said = (folder / "log").read_text(errors="replace")
        if "Traceback" in said or " ERROR " in said:
            print(said[-6000:], file=sys.stderr)


def fill(client: httpx.Client, clips: list[Path]) -> None:
    """Uploads clips and waits until all can be found."""
    jobs = []
    for clip in clips:
        with clip.open("rb") as opened:
            jobs.append(client.post("/v1/videos", files={"file": (clip.name, opened)}).raise_for_status().json())
    for job in jobs:
        while client.get(f"/v1/jobs/{job['job_id']}").json()["status"] not in ("done", "failed"):
            time.sleep(0.1)


def keep_bundle(bundle: Path, home: Path) -> str:
    """Copies a bundle to where the service finds it; its fingerprint."""
    from service.bundles import keep
    from service.settings import Settings

    return keep(bundle, Settings(home=home)).fingerprint


def twin(folder: Path) -> Path:
    """A bundle that gives the same vectors as the shipped one and is another by its fingerprint."""
    from models.bundle import MANIFEST, sha256, shipped_bundle_path

    shutil.copytree(shipped_bundle_path(), folder)
    with (folder / "text.onnx").open("ab") as file:
        file.write(b"\x32\x04twin")  # the field doc_string of an ONNX model
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["text.onnx"] = sha256(folder / "text.onnx")
    (folder / MANIFEST).write_text(json.dumps({**manifest, "name": "twin"}))
    return folder


def measure(soak: Soak, args: argparse.Namespace) -> tuple[str, bool]:
    """Warm-up, then what counts."""
    background = [threading.Thread(target=work) for work in (soak.ingest, soak.watch)]
    for thread in background:
        thread.start()
    warming, answers = Answers(), Answers()
    words = queries(args.warm_up + args.searches)
    try:
        rebuild = ("rebuild", "index/rebuild")
        asyncio.run(soak.search(words[: args.warm_up], warming, [(args.warm_up // 3, *rebuild)]))
        warmed, soak.asked = time.monotonic(), 0
        before = (soak.added, soak.deleted)
        third = args.searches // 3
        swaps = [(third // 2, *rebuild), (2 * third, *rebuild)]
        if args.promote is not None:
            swaps.append((third, "promotion", f"bundles/{args.promote}/promote"))
        warm_swaps = len(soak.swaps)
        started = time.monotonic()
        asyncio.run(soak.search(words[args.warm_up :], answers, swaps))
        ended = time.monotonic()
    finally:
        soak.over.set()
        for thread in background:
            thread.join()
    ingested = (soak.added - before[0], soak.deleted - before[1])
    return report(soak, args, answers, soak.swaps[warm_swaps:], ingested, (warmed, started, ended))


def queries(count: int) -> list[str]:
    """As many different queries as asked for, of words that the shipped model knows."""
    plain = [query for several in CONCEPT_QUERIES.values() for query in several]
    drawn, rng = dict.fromkeys(plain), random.Random(0)
    while len(drawn) < count:
        drawn[" and ".join(rng.sample(plain, rng.choice((2, 3))))] = None
    found = list(drawn)
    rng.shuffle(found)
    return found[:count]


def report(
    soak: Soak,
    args: argparse.Namespace,
    answers: Answers,
    swaps: list[tuple[str, float, dict[str, Any]]],
    ingested: tuple[int, int],
    times: tuple[float, float, float],
) -> tuple[str, bool]:
    """The page, and whether all is as it must be."""
    warmed, started, ended = times
    p50, p99 = percentiles(answers.times_ms)
    ratio = p99 / p50
    wanted = 2 + (args.promote is not None)
    rows, growths = [], []
    for role, samples in sorted(soak.memory.items()):
        span = (ended - warmed) * 0.1
        early = [resident for at, resident in samples if warmed - span <= at <= warmed + span]
        late = [resident for at, resident in samples if ended - 2 * span <= at <= ended]
        if not early or not late:
            continue
        first, last, most = statistics.median(early), statistics.median(late), max(r for _, r in samples)
        if role != "decoders":  # they come and go with the files
            growths.append(last / first - 1)
        rows.append(
            f"| {role} | {first / 1e6:.0f} MB | {last / 1e6:.0f} MB | {last / first - 1:+.1%} | {most / 1e6:.0f} MB |"
        )
    errors = answers.errors + soak.troubles
    checks = {
        "no error": not errors,
        "every answer had results": answers.empty == 0,
        "every number stood for one model and one generation": answers.mixed == 0,
        f"{wanted} swaps were made": len(swaps) == wanted,
        f"99 % of the answers came within {MOST_RATIO:.0f} times the median": ratio < MOST_RATIO,
        f"memory stayed within {MOST_GROWTH:.0%} of what it was after the warm-up": max(growths, default=0)
        <= MOST_GROWTH,
    }
    busy = [took for took, during in zip(answers.times_ms, answers.busy, strict=True) if during]
    calm = [took for took, during in zip(answers.times_ms, answers.busy, strict=True) if not during]
    lines = [
        "# Searches while everything changes",
        "",
        f"{args.searches:,} searches by words, all different, from {args.clients} clients at once, on {os.cpu_count()}",
        f"cores, after {args.warm_up:,} to warm up; {args.clips} clips of the demo library, {args.films} films of",
        f"{FILM_S:.0f} s that come and go. Written by",
        f"`python docs/benchmarks/soak.py{'' if args.promote is None else ' --promote'} --out FILE`.",
        "",
        f"It took {ended - started:.0f} s: {len(answers.times_ms) / (ended - started):.0f} searches a second.",
        f"Meanwhile {ingested[0]} films were added, {ingested[1]} deleted, and {len(answers.pairs)} pairs of a model",
        "and an index generation answered.",
        "",
        "| searches | | median | 99th percentile | ratio | slowest |",
        "|---|---|---|---|---|---|",
    ]
    for name, some in (("all", answers.times_ms), ("while swapping", busy), ("otherwise", calm)):
        if len(some) >= 2:
            low, high = percentiles(some)
            lines.append(
                f"| {name} | {len(some):,} | {low:.0f} ms | {high:.0f} ms | {high / low:.1f} | {max(some):.0f} ms |"
            )
    lines += ["", "| process | after warm-up | at the end | change | most |", "|---|---|---|---|---|", *rows, ""]
    for name, took, result in swaps:
        golden = (result or {}).get("golden", {})
        lines.append(
            f"* {name}: {took:.1f} s; of golden queries {golden.get('mean_overlap_at_10')} of the first ten stay"
        )
    lines += ["", *(f"* {'yes' if passed else '**no**'}: {what}" for what, passed in checks.items())]
    lines += [f"* {count} x {what}" for what, count in errors.most_common(10)]
    return "\n".join([*lines, ""]), all(checks.values())


def percentiles(times: list[float]) -> tuple[float, float]:
    """Median and 99th percentile."""
    return statistics.median(times), statistics.quantiles(times, n=100)[-1]


def memory_by_role(pid: int) -> dict[str, int]:
    """Resident bytes of a service's processes (Linux), by what they do."""
    found: dict[str, int] = defaultdict(int)
    for member in family(pid):
        try:
            command = Path(f"/proc/{member}/cmdline").read_bytes().split(b"\0")
            status = Path(f"/proc/{member}/status").read_text()
        except OSError:
            continue
        resident = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")), 0)
        if b"worker" in command:
            role = "worker"
        elif member == pid:
            role = "API"
        elif any(b"valkey" in part or b"redis" in part for part in command[:1]):
            role = "Redis"
        else:
            role = "decoders"
        found[role] += resident * 1024
    return found


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    members = [pid]
    for member in members:
        for children in Path(f"/proc/{member}/task").glob("*/children"):
            try:
                members += [int(child) for child in children.read_text().split()]
            except OSError:
                continue
    return members


if __name__ == "__main__":
    main()
