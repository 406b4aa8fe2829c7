"""Known items: a still, or three seconds of sound, cut from a film of the library must find that moment first.

    python docs/benchmarks/known_items.py FILMS... --out docs/benchmarks/known-items.md

Starts `mmv-search serve` on an empty home, uploads the films, then queries with stills (JPEG, quality 85, half size)
and with three-second cuts of sound (mp3, 96 kbit/s) from seeded random places. A hit is the right film, and a moment
that holds the still's time, or half of the cut.
"""

import argparse
import io
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import httpx
import numpy as np

SOUND_S, SOUND_RATE = 3.0, 44_100
SUFFIXES = {".mp4", ".mkv", ".webm", ".avi", ".mov", ".mp3", ".wav", ".flac", ".ogg"}


@dataclass(frozen=True)
class Item:
    """A query, and what it must find."""

    kind: str
    film: str
    start_s: float
    end_s: float
    data: bytes


def main() -> None:
    """Upload, query, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("films", type=Path, nargs="+", help="films and sounds, or folders of them")
    parser.add_argument("--per-film", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--about", default="Films and sounds that you chose.", help="what FILMS are, for the report")
    parser.add_argument("--out", type=Path, help="where to write the report")
    args = parser.parse_args()
    paths = [f for p in args.films for f in (sorted(p.rglob("*")) if p.is_dir() else [p]) if f.suffix in SUFFIXES]
    rng = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as home:
        port = free_port()
        command = [sys.executable, "-m", "service.cli", "serve", "--home", home, "--port", str(port)]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
                wait_ready(client)
                films = {upload(client, path): path for path in paths}
                items = [item for film, path in films.items() for item in cut(film, path, args.per_film, rng)]
                page = report([query(client, item) for item in items], len(films), args.about)
        finally:
            server.terminate()
            server.wait(20)
    print(page)
    if args.out:
        args.out.write_text(page)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_ready(client: httpx.Client) -> None:
    """Until /readyz answers 200, a minute at most."""
    for _ in range(300):
        try:
            if client.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise SystemExit("the service did not get ready")


def upload(client: httpx.Client, path: Path) -> str:
    """Upload a film and wait for its job; its video id."""
    with path.open("rb") as f:
        answer = client.post("/v1/videos", files={"file": (path.name, f)})
    answer.raise_for_status()
    while True:
        job = client.get(f"/v1/jobs/{answer.json()['job_id']}").json()
        if job["status"] == "done":
            return str(answer.json()["video_id"])
        if job["status"] in ("failed", "cancelled"):
            raise SystemExit(f"{path}: {job}")
        time.sleep(0.1)


def cut(film: str, path: Path, count: int, rng: np.random.Generator) -> list[Item]:
    """Stills and sounds from random places of one film."""
    with av.open(str(path)) as container:
        stills = [(f.time, f.to_image()) for f in container.decode(video=0)] if container.streams.video else []
    wave = read_sound(path)
    items = []
    for i in sorted(rng.choice(len(stills), min(count, len(stills)), replace=False)) if stills else []:
        t, image = stills[i]
        buffer = io.BytesIO()
        image.resize((max(1, image.width // 2), max(1, image.height // 2))).save(buffer, "JPEG", quality=85)
        items.append(Item("image", film, t, t, buffer.getvalue()))
    length = round(SOUND_S * SOUND_RATE)
    for _ in range(count if len(wave) >= length else 0):
        start = int(rng.integers(0, len(wave) - length + 1))
        piece = wave[start : start + length]
        if np.sqrt(np.mean(piece**2)) > 0.003:  # not out of a silence
            begin = start / SOUND_RATE
            items.append(Item("audio", film, begin, begin + SOUND_S, mp3(piece)))
    return items


def read_sound(path: Path) -> np.ndarray:
    """Mono float32 [S] at SOUND_RATE; empty where there is no sound."""
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return np.zeros(0, np.float32)
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SOUND_RATE)
        parts = [o.to_ndarray().reshape(-1) for f in container.decode(audio=0) for o in resampler.resample(f)]
    return np.concatenate(parts)


def mp3(wave: np.ndarray) -> bytes:
    """The wave as an mp3 of 96 kbit/s."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3") as out:
        stream = out.add_stream("libmp3lame", rate=SOUND_RATE, layout="mono")
        stream.bit_rate = 96_000
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, 0, Fraction(1, SOUND_RATE)
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return buffer.getvalue()


@dataclass(frozen=True)
class Outcome:
    """Whether the right film, and the right moment of it, came first; and the time the answer took."""

    kind: str
    film: bool
    moment: bool
    took_ms: float


def query(client: httpx.Client, item: Item) -> Outcome:
    """Search with one item."""
    name = "still.jpg" if item.kind == "image" else "cut.mp3"
    answer = client.post(f"/v1/search/{item.kind}", params={"limit": 1}, files={"file": (name, item.data)})
    answer.raise_for_status()
    first = answer.json()["results"][0]
    shared = min(item.end_s, first["end_s"]) - max(item.start_s, first["start_s"])
    film = first["video_id"] == item.film
    # The grid of frames is 0.4 s wide: the picture on show until the window's last frame belongs to the window.
    there = shared >= (item.end_s - item.start_s) / 2 - 0.05
    return Outcome(item.kind, film, film and there, answer.json()["took_ms"]["total"])


def report(outcomes: list[Outcome], films: int, about: str) -> str:
    """A Markdown page."""
    command = "python docs/benchmarks/known_items.py FILMS... --about WORDS --out FILE"
    lines = [
        "# Known items",
        "",
        f"{films} films and sounds. {about}",
        "",
        f"Written by `{command}`.",
        "",
        "| query | queries | right film first | right moment first | median answer, ms |",
        "|---|---|---|---|---|",
    ]
    for kind, name in (("image", "a still (JPEG, half size)"), ("audio", "three seconds of sound (mp3)")):
        mine = [o for o in outcomes if o.kind == kind]
        if mine:
            film, moment = np.mean([o.film for o in mine]), np.mean([o.moment for o in mine])
            took = np.median([o.took_ms for o in mine])
            lines.append(f"| {name} | {len(mine)} | {film:.3f} | {moment:.3f} | {took:.0f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
