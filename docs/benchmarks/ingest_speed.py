"""How fast a library fills: the real worker beside the bare embedder on the same windows, already decoded.

    python docs/benchmarks/ingest_speed.py --clips 1000 --out docs/benchmarks/ingest_speed.md

In one run and in turns, so that a machine that is slower for a minute is slower for both:

* the worker, a process of its own, takes clips in: jobs through Redis, decoding in confined children, embedding,
  thumbnails, previews, everything stored durably in SQLite;
* the bare embedder has the very same windows in memory, and does nothing but embed them, with as many threads as the
  worker has for it.

* the floor under any pipeline is measured too: the processor time to open and decode the same files (only the pictures
  that are needed), scale the pictures and resample the sound, in one process with nothing around it, and to embed them.
  With every core busy with that and nothing else, no file could be taken in faster.

The first ratio is what ingest keeps of the embedder's speed, the second how near it is to the floor. The tables also
say where the processor time goes; it is the better measure on a machine that has other work. `--bundle` measures
another model.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain, islice
from pathlib import Path

from processor_time import CHILDREN, FORK_SERVER, WORKER, by_part, own_s

from models.bundle import load_bundle
from models.preprocess.media import MediaInfo, frames_on_grid, in_one_pass, read_audio
from models.preprocess.resize import Resizer
from models.runtime import Encoders
from service.catalogue import Catalogue, open_catalogue
from service.ingest import embed_windows
from service.jobs.queue import JobQueue
from service.media import confined
from service.media.confined import DecodedWindow, MediaLimits
from service.media.store import MediaStore
from service.media.upload import Incoming, add_to_library
from service.redis_server import EmbeddedRedis
from service.settings import Settings

LIBRARY = Path(__file__).parents[2] / "service" / "demo" / "library"
SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".mp3", ".wav")
CORES = len(os.sched_getaffinity(0))
REDIS = "redis"
HELD_CLIPS = 240  # whose windows are held in memory, about 1 MB each


def main() -> None:
    """Measure in turns, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=24, help="clips to take in [24; 1000 for the record]")
    parser.add_argument("--rounds", type=int, default=4, help="turns in which that is done")
    parser.add_argument("--folder", type=Path, default=LIBRARY, help="where the clips are; used again and again")
    parser.add_argument("--bundle", type=Path, help="a model bundle; the shipped one if left out")
    parser.add_argument("--at-once", type=int, help="films that the worker takes in at the same time")
    parser.add_argument("--threads", type=int, help="threads that embed")
    parser.add_argument("--out", type=Path, help="where to write the report")
    args = parser.parse_args()
    clips = sorted(path for path in args.folder.rglob("*") if path.suffix in SUFFIXES)[:HELD_CLIPS]
    if not clips:
        parser.error(f"no clips in {args.folder}")
    given = {"bundle": args.bundle, "ingest_at_once": args.at_once, "embed_threads": args.threads}
    given = {name: value for name, value in given.items() if value is not None}
    with tempfile.TemporaryDirectory(prefix="mmv-") as home:
        redis = EmbeddedRedis(Path(home) / "redis")
        redis.start()
        try:
            settings = Settings(home=Path(home) / "home", redis_url=redis.url, **given)
            page = measure(settings, clips, args.clips, args.rounds)
        finally:
            redis.stop()
    print(page)
    if args.out:
        args.out.write_text(page)


def measure(settings: Settings, clips: list[Path], count: int, rounds: int) -> str:
    """The report."""
    settings.prepare_home()
    encoders = Encoders(load_bundle(settings.bundle_path()))
    encoders.warm()
    confined.start()
    windows = {clip: list(decoded(clip, encoders)) for clip in clips}
    catalogue = open_catalogue(settings)
    queue = JobQueue(str(settings.redis_url), catalogue.library_id())
    worker = start_worker(settings)
    redis_pid = int(queue.redis.info("server")["process_id"])
    try:
        warm = copies(clips, 2, -1)
        fill(settings, catalogue, queue, worker, warm)
        bare(list(windows.values())[:2], encoders, settings.embed_threads)
        turns = [Turn() for _ in range(rounds)]
        for number, turn in enumerate(turns):
            share = count // rounds + (number < count % rounds)
            chosen = list(islice(clips_again(clips), number * count // rounds, number * count // rounds + share))
            held = [windows[clip] for clip in chosen]
            turn.clips = share
            turn.one_thread_s = bare(held, encoders, 1)
            turn.bare_s = bare(held, encoders, settings.embed_threads)
            files = list(copies(chosen, share, number))
            before = {**by_part(worker.pid), REDIS: own_s(redis_pid)}
            turn.worker_s = fill(settings, catalogue, queue, worker, files)
            after = {**by_part(worker.pid), REDIS: own_s(redis_pid)}
            turn.cpu_s = {part: after[part] - before[part] for part in after}
            turn.decode_cpu_s = decode_cpu_s(chosen, encoders)
            before_embedding = time.process_time()
            bare(held, encoders, settings.embed_threads)
            turn.embed_cpu_s = time.process_time() - before_embedding
            print(turn, file=sys.stderr)
        segments = catalogue.counts()["segments"]
        failed = catalogue.counts()["failed"]
    finally:
        worker.terminate()
        worker.wait(10)
        queue.close()
        catalogue.close()
    return report(settings, encoders, turns, segments, failed)


class Turn:
    """Seconds of one turn."""

    clips = 0
    bare_s = one_thread_s = worker_s = embed_cpu_s = decode_cpu_s = 0.0

    def __init__(self) -> None:
        self.cpu_s: dict[str, float] = {}  # of the worker's parts

    @property
    def worker_cpu_s(self) -> float:
        """All that the worker and its children took; not Redis, which serves the whole service."""
        return sum(self.cpu_s[part] for part in (WORKER, FORK_SERVER, CHILDREN))

    @property
    def floor_s(self) -> float:
        """Nothing but decoding and embedding, and every core busy with it."""
        return (self.decode_cpu_s + self.embed_cpu_s) / CORES

    def __str__(self) -> str:
        return (
            f"{self.clips} clips: bare {self.bare_s:.2f} s, one thread {self.one_thread_s:.2f} s, "
            f"floor {self.floor_s:.2f} s, worker {self.worker_s:.2f} s ({self.bare_s / self.worker_s:.0%}), "
            f"processor time {self.worker_cpu_s:.2f} s, bare decoding {self.decode_cpu_s:.2f} s "
            f"and bare embedding {self.embed_cpu_s:.2f} s"
        )


def decode_cpu_s(clips: list[Path], encoders: Encoders) -> float:
    """Processor time to have the pictures and the sound of clips, as the networks take them, and nothing else."""
    spec = encoders.bundle.inputs
    started = time.process_time()
    for clip in clips:
        resize = Resizer(spec.frame_height, spec.frame_width, spec.resize)
        with closing(in_one_pass(clip)) as file:
            for frame in frames_on_grid(file, spec.step_s):
                resize(frame)
            for _ in read_audio(file, spec.sample_rate):
                pass
    return time.process_time() - started


def decoded(clip: Path, encoders: Encoders) -> Iterator[DecodedWindow]:
    """As the worker gets them."""
    info: MediaInfo = confined.probe(clip, MediaLimits(3600.0, 50_000_000))
    return iter(confined.decode_windows(clip, encoders.bundle.inputs, info, preview=True))


def bare(held: list[list[DecodedWindow]], encoders: Encoders, threads: int) -> float:
    """Seconds to embed windows that are in memory."""
    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        for _ in embed_windows(chain.from_iterable(held), encoders, pool):
            pass
    return time.perf_counter() - started


def clips_again(clips: list[Path]) -> Iterator[Path]:
    """The clips, over and over."""
    while True:
        yield from clips


def copies(clips: list[Path], count: int, turn: int) -> Iterator[tuple[str, bytes]]:
    """The bytes of clips, each with a tail of its own, since the same bytes are one video however often they come."""
    for number, clip in enumerate(islice(clips_again(clips), count)):
        tail = f"mmv-search {turn} {number}".encode()
        box = (8 + len(tail)).to_bytes(4, "big") + b"free" + tail
        yield f"{clip.stem}-{turn}-{number}{clip.suffix}", clip.read_bytes() + box


def fill(
    settings: Settings,
    catalogue: Catalogue,
    queue: JobQueue,
    worker: "subprocess.Popen[bytes]",
    files: Iterator[tuple[str, bytes]],
) -> float:
    """Seconds from the moment that files are queued until the last can be searched. Uploading them comes before.

    The worker is stopped meanwhile: it looks into the catalogue for jobs that no queue has, and would begin.
    """
    worker.send_signal(signal.SIGSTOP)
    limits, store = MediaLimits(settings.max_duration_s, settings.max_pixels), MediaStore(settings.media_dir)
    ids = []
    for name, data in files:
        with Incoming(settings.upload_dir, settings.max_upload_bytes) as incoming:
            incoming.write(data)
            incoming.close()
            _, job, created = add_to_library(incoming, name, name, [], limits, catalogue, store)
            assert created
            ids.append(job.id)
    started = time.perf_counter()
    worker.send_signal(signal.SIGCONT)
    for job_id in ids:
        queue.enqueue(job_id)
    while catalogue.active_jobs(("ingest",)):
        time.sleep(0.02)
    return time.perf_counter() - started


def start_worker(settings: Settings) -> "subprocess.Popen[bytes]":
    """`mmv-search worker`, as `serve` starts it."""
    given = settings.model_dump(mode="json", exclude_none=True)
    environment = {f"MMV_{name.upper()}": str(value) for name, value in given.items()}
    command = [sys.executable, "-m", "service.cli", "worker", "--name", "local-1"]
    return subprocess.Popen(command, env={**os.environ, **environment, "MMV_WORKER_LOG": "ERROR"})


def report(settings: Settings, encoders: Encoders, turns: list[Turn], segments: int, failed: int) -> str:
    """The page."""
    clips = sum(turn.clips for turn in turns)
    bare_s, one_s = sum(turn.bare_s for turn in turns), sum(turn.one_thread_s for turn in turns)
    worker_s = sum(turn.worker_s for turn in turns)
    floor_s = sum(turn.floor_s for turn in turns)
    embed_cpu, decode_cpu = sum(turn.embed_cpu_s for turn in turns), sum(turn.decode_cpu_s for turn in turns)
    worker_cpu = sum(turn.worker_cpu_s for turn in turns)
    ratios = sorted(turn.bare_s / turn.worker_s for turn in turns)

    def ms(seconds: float) -> str:
        return f"{1000 * seconds / clips:.1f}"

    def of(part: str) -> float:
        return sum(turn.cpu_s[part] for turn in turns)

    return "\n".join(
        [
            "# Speed of ingest",
            "",
            f"{clips} clips on {CORES} cores, in {len(turns)} turns beside the bare embedder; bundle",
            f"{encoders.bundle.name}; {settings.embed_threads} threads embed, {settings.ingest_at_once} films at once.",
            "Written by `python docs/benchmarks/ingest_speed.py --clips N --out docs/benchmarks/ingest_speed.md`.",
            "The floor is nothing but decoding and embedding, with every core busy all the time: no database, no child",
            "process, no file written. Other work on the machine slows the worker and the embedder down, but not the",
            "floor, which is counted in processor time.",
            "",
            "| what | clips a second | ingest keeps |",
            "|---|---|---|",
            f"| ingest by the worker | {clips / worker_s:.1f} | |",
            f"| bare embedder, {settings.embed_threads} threads | {clips / bare_s:.1f} | {bare_s / worker_s:.0%} "
            f"(turns: {ratios[0]:.0%} to {ratios[-1]:.0%}) |",
            f"| bare embedder, one thread | {clips / one_s:.1f} | {one_s / worker_s:.0%} |",
            f"| the floor: bare decoding and bare embedding | {clips / floor_s:.1f} | {floor_s / worker_s:.0%} |",
            "",
            "| processor time of a clip | ms |",
            "|---|---|",
            f"| bare embedding | {ms(embed_cpu)} |",
            f"| bare decoding | {ms(decode_cpu)} |",
            f"| all that the worker and its children took | {ms(worker_cpu)} |",
            f"| - the worker itself: embedding | {ms(embed_cpu)} |",
            f"| - the worker itself: catalogue, queue, pictures, all else | {ms(of(WORKER) - embed_cpu)} |",
            f"| - decode children: bare decoding | {ms(decode_cpu)} |",
            f"| - decode children: thumbnails, preview, confinement, sending | {ms(of(CHILDREN) - decode_cpu)} |",
            f"| - forking them | {ms(of(FORK_SERVER))} |",
            f"| Redis, beside | {ms(of(REDIS))} |",
            "",
            "| if every core were busy all the time, ingest would keep | |",
            "|---|---|",
            f"| of the bare embedder | {embed_cpu / worker_cpu:.0%} |",
            f"| of the floor | {(embed_cpu + decode_cpu) / worker_cpu:.0%} |",
            f"| the floor itself, of the bare embedder | {embed_cpu / (embed_cpu + decode_cpu):.0%} |",
            "",
            f"{segments} segments were stored, {failed} clips failed.",
            "",
        ]
    )


if __name__ == "__main__":
    # Decode children are forked from a process of their own, which is not to import this one.
    main()
