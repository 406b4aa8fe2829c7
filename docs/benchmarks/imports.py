"""Importing checkpoints of the published sizes: how long it takes, how much memory, and that the bundle verifies.

    PYTHONPATH=. python docs/benchmarks/imports.py --out docs/benchmarks/imports.md

Random weights, written as DeepMind's files are (dill, Haiku's frozendict); the published ones are of the same size.
Needs 2 GB of disk in the temporary folder.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from models.preprocess.text import SPECIAL
from models.pretrained.published import ARCHS, WORD_TABLE
from models.tests.checkpoints import random_contents, write_checkpoint


def main() -> None:
    """Measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where to write the report")
    parser.add_argument("--archs", nargs="+", choices=ARCHS, default=list(ARCHS))
    args = parser.parse_args()
    rows = []
    # The smallest first: what is told of memory is the largest of all commands so far.
    for arch in sorted(args.archs, key=list(ARCHS).index):
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(arch, Path(folder)))
            print(rows[-1], file=sys.stderr, flush=True)
    page = "\n".join(
        [
            "# Importing published checkpoints",
            "",
            f"`mmv-search bundle import FILE --arch ARCH --vocab WORDS --out DIR` on {os.cpu_count()} cores: reading,",
            "export of four encoders, comparison with PyTorch; and `bundle verify` of the result. Random weights of",
            "the published sizes. Written by `docs/benchmarks/imports.py`, which says how.",
            "",
            "| network | checkpoint | bundle | import | peak memory | verify |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )
    print(page)
    if args.out:
        args.out.write_text(page)


def measure(arch: str, folder: Path) -> str:
    """One row of the table."""
    checkpoint = write_checkpoint(folder / ARCHS[arch].file, random_contents(arch))
    words = folder / "words.txt"
    words.write_text("\n".join([*SPECIAL, *(f"word{i}" for i in range(WORD_TABLE[0] - len(SPECIAL)))]) + "\n")
    out = folder / "bundle"
    seconds = run("import", checkpoint, "--arch", arch, "--vocab", words, "--out", out)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    verified = run("verify", out)
    size = sum(file.stat().st_size for file in out.iterdir())
    return (
        f"| {arch} | {checkpoint.stat().st_size / 1e6:.0f} MB | {size / 1e6:.0f} MB | {seconds:.0f} s | "
        f"{memory:.1f} GB | {verified:.0f} s |"
    )


def run(*arguments: object) -> float:
    """Seconds of one `mmv-search bundle` command, which must succeed."""
    command = [sys.executable, "-m", "service.cli", "bundle", *map(str, arguments)]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
