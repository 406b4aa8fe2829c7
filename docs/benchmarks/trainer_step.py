"""The trainer's step beside a bare loop of the same network on tensors that are in memory already.

    python docs/benchmarks/trainer_step.py --data data/train --out docs/benchmarks/trainer_step.md

`data/train` is any data that `mmv-search train` takes. The trainer is what `mmv-search train` calls, with its data and
log; timed by that log from its first row on, so without starting, checkpoints and the report. The bare loop does what
any training must: forward, losses, backward, clipping, Adam. They take turns, so that a machine that slows down slows
both.
"""

import argparse
import os
import platform
import shutil
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console

from models.networks.mmv import MMV
from models.preprocess.text import Tokenizer
from models.training.config import TrainConfig, load_config
from models.training.data.batches import Batch, Batches
from models.training.data.open_data import open_data
from models.training.data.word_vectors import WordTable
from models.training.objective import losses
from models.training.run_log import EVERY, read_log
from models.training.trainer import new_network, train, word_table

CONFIG = Path("models/training/configs/freedoom-fac-small.yaml")
GOAL = 0.85
QUIET = Console(quiet=True)


def main() -> None:
    """Measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--rounds", type=int, default=3, help="turns of each")
    parser.add_argument("--rows", type=int, default=1, help=f"rows of the log in a turn, of {EVERY} steps each")
    parser.add_argument("--out", type=Path, help="where to write the report")
    args = parser.parse_args()
    config = load_config(args.config)
    optim = replace(config.optim, steps=EVERY * (1 + args.rows))
    config = replace(config, optim=optim, checkpoint_every=optim.steps, evaluate_every=optim.steps)
    trained, bare = [], []
    with tempfile.TemporaryDirectory() as folder:
        table = word_table(Path(folder), config, QUIET)
        for turn in range(args.rounds):
            run = Path(folder) / str(turn)
            run.mkdir()
            shutil.copyfile(Path(folder) / "words.npz", run / "words.npz")
            trained.append(trainer_speed(config, args.data, run))
            bare.append(bare_speed(config, args.data, Path(folder) / "decoded", table, EVERY * args.rows))
    page = report(config, f"--rounds {args.rounds} --rows {args.rows}", trained, bare)
    print(page)
    if args.out:
        args.out.write_text(page)


def trainer_speed(config: TrainConfig, data: Path, folder: Path) -> float:
    """Clips a second of a run, after the steps of the log's first row."""
    train(config, data, folder, validation=None, resume=False, console=QUIET, device="cpu")
    first, *_, last = read_log(folder)
    return (last["step"] - first["step"]) * config.optim.batch / (last["seconds"] - first["seconds"])


def bare_speed(config: TrainConfig, data: Path, keep: Path, table: WordTable, steps: int) -> float:
    """Clips a second of as many steps on one batch, after one that is not timed."""
    torch.set_num_threads(config.optim.threads)
    opened = open_data(config, data, keep)
    tokenizer = Tokenizer(table.words, config.inputs.words, config.inputs.hyphens)
    batch = Batches(opened.parts, config.inputs, tokenizer, config.augment, config.optim.batch, config.seed)(0)
    opened.close()
    network = new_network(config, table).train()
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=config.optim.learning_rate)
    bare_step(network, optimiser, batch, config)
    began = time.perf_counter()
    for _ in range(steps):
        bare_step(network, optimiser, batch, config)
    return steps * config.optim.batch / (time.perf_counter() - began)


def bare_step(network: MMV, optimiser: torch.optim.Optimizer, batch: Batch, config: TrainConfig) -> None:
    optimiser.zero_grad(set_to_none=True)
    losses(network, batch, config)["loss"].backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), config.optim.gradient_clip)
    optimiser.step()


def report(config: TrainConfig, options: str, trained: list[float], bare: list[float]) -> str:
    """The page."""
    ratios = [t / b for t, b in zip(trained, bare, strict=True)]
    ratio = statistics.median(ratios)
    size = f"{config.inputs.frames} x {config.inputs.frame_height} x {config.inputs.frame_width}"
    rows = [f"| {i} | {t:.1f} | {b:.1f} | {t / b:.2f} |" for i, (t, b) in enumerate(zip(trained, bare, strict=True), 1)]
    lines = [
        "# The trainer's step",
        "",
        f"`python docs/benchmarks/trainer_step.py --data DATA {options}`; {config.name}, batches of "
        f"{config.optim.batch} clips of {size} with {config.inputs.window_s:g} s of sound, bf16 "
        f"{'on' if config.optim.bf16 else 'off'}. {platform.processor() or platform.machine()}, "
        f"{os.cpu_count()} cores, torch {torch.__version__} with {config.optim.threads} threads, one process.",
        "",
        "| turn | `mmv-search train`, clips/s | bare loop on a batch in memory, clips/s | ratio |",
        "|---|---|---|---|",
        *rows,
        f"| median | {statistics.median(trained):.1f} | {statistics.median(bare):.1f} | {ratio:.2f} |",
        "",
        f"The goal is a ratio of {GOAL:g}: {'reached' if ratio >= GOAL else 'missed'}.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
