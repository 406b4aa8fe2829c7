"""What adaptation gives on a library unlike anything the shipped network has seen: pictures and their recorded sounds.

    apt-get download tuxpaint-stamps-default && dpkg -x tuxpaint-stamps-default*.deb STAMPS
    python docs/benchmarks/adaptation.py --stamps STAMPS --work WORK --films 120 --unrelated 24

Two libraries of the same pictures and sounds (`make_films.py`). In one, what is seen is what is heard: a crow caws. In
the other, sounds have nothing to do with the pictures, so there is nothing to learn, and adaptation must say so.
Interrupted, the same command goes on. Writes docs/benchmarks/adaptation.md.
"""

import argparse
import os
import platform
import time
from pathlib import Path

import numpy as np
from make_films import SCENE_S, track, write_film
from rich.console import Console

from models.bundle import load_bundle, shipped_bundle_path
from models.training.adapt import Options, adapt
from models.training.adapt_folder import films_in
from models.training.adapt_report import Adaptation, lines
from models.training.adapt_windows import read_here

SCENES = 10
KINDS = {"related": "each picture with its own sound", "unrelated": "the same pictures, each with another's sound"}


def main() -> None:
    """Make the libraries, adapt to each, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stamps", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--films", type=int, default=40, help="of a minute each")
    parser.add_argument("--unrelated", type=int, help="films of the second library; as many if left out")
    parser.add_argument("--bundle", type=Path, default=shipped_bundle_path())
    parser.add_argument("--steps", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".md"))
    args = parser.parse_args()
    console = Console(stderr=True)
    bundle = load_bundle(args.bundle)
    parts = [
        f"# Adaptation of {bundle.name}\n",
        f"Films of {SCENES} scenes; {os.cpu_count()} cores, {platform.machine()}. "
        "Written by `docs/benchmarks/adaptation.py`.\n",
    ]
    for kind, about in KINDS.items():
        films = args.films if kind == "related" or args.unrelated is None else args.unrelated
        about = f"{about}; {films} films, {films * SCENES * SCENE_S / 60:.0f} minutes"
        console.print(f"{kind}: {about}")
        folder = make_library(args.stamps, args.work / kind, films, related=kind == "related")
        started = time.monotonic()
        options = Options(steps=args.steps)
        found = adapt(bundle, list(films_in(folder)), read_here, args.work / f"adapted-{kind}", options, console)
        parts.append(section(kind, about, found, time.monotonic() - started))
    args.out.write_text("\n".join(parts))


def make_library(stamps: Path, folder: Path, films: int, *, related: bool) -> Path:
    """Films of stamps that have a sound of their own; the folder. Those that are there are not made again."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = sorted(p for p in stamps.rglob("*.png") if p.with_suffix(".ogg").is_file())
    for number in range(films):
        path = folder / f"film-{number:03d}.mp4"
        rng = np.random.default_rng([7, number])
        chosen = [pictures[i] for i in rng.choice(len(pictures), SCENES, replace=False)]
        heard = chosen if related else [pictures[i] for i in rng.choice(len(pictures), SCENES, replace=False)]
        if not path.exists():
            temporary = path.with_name(f"part-{path.name}")
            wave = np.concatenate([track([p.with_suffix(".ogg")], SCENE_S) for p in heard])
            write_film(temporary, chosen, wave, rng)
            temporary.rename(path)
    return folder


def section(kind: str, about: str, found: Adaptation, seconds: float) -> str:
    """One library's figures."""
    rows = [line if line.startswith("|") else f"* {line}" for line in lines(found)]
    table = [row for row in rows if row.startswith("|")]
    told = [row for row in rows if not row.startswith("|")]
    return "\n".join([f"## {kind}: {about}\n", *table, "", *told, f"* {seconds / 60:.1f} minutes in all", ""])


if __name__ == "__main__":
    main()
