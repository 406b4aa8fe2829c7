"""How fast training data comes, beside how fast the network takes it: decoded before, and decoded on the way.

    python docs/benchmarks/loader.py --data data/train --out docs/benchmarks/loader.md

`data/train` is any data that `mmv-search train` takes. Everything is measured in one run, one thing after the other, on
a machine that does nothing else meanwhile.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from models.networks.mmv import MMV
from models.preprocess.text import SPECIAL, Tokenizer
from models.preprocess.windows import spread
from models.training.config import TrainConfig, load_config
from models.training.data.batches import Batches
from models.training.data.cache import open_cache
from models.training.data.decoder import Decoder
from models.training.data.sample import Source, fingerprint_of
from models.training.data.sources import open_source
from models.training.objective import losses
from models.training.run_log import machine

CONFIG = Path("models/training/configs/freedoom-fac-small.yaml")


def main() -> None:
    """Measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--clips", type=int, default=1024, help="how many of the clips are read")
    parser.add_argument("--steps", type=int, default=20, help="batches that are measured of each")
    parser.add_argument("--out", type=Path, help="where to write the report")
    args = parser.parse_args()
    config = load_config(args.config)
    source = some(open_source(args.data, stretch_s=config.data.stretch_s), args.clips)
    words = [*SPECIAL, *sorted({w for i in source.items for n in i.narrations for w in n.text.split()})]
    tokenizer = Tokenizer(words, config.inputs.words, config.inputs.hyphens)
    batch, rows = config.optim.batch, []

    def stream(reader: Decoder | object) -> Batches:
        return Batches(reader, config.inputs, tokenizer, config.augment, batch, config.seed)  # type: ignore[arg-type]

    with tempfile.TemporaryDirectory() as keep:
        began = time.perf_counter()
        cache = open_cache(source, config.inputs, config.augment.margin, keep=Path(keep), processes=2)
        filling = len(source.items) / (time.perf_counter() - began)
        torch.set_num_threads(1)
        batches = stream(cache)
        for step in range(len(source.items) // batch):
            batches(step)  # the arrays are in memory afterwards, as they are after a run's first pass
        cached, core = measured(batches, args.steps, batch)
        rows.append(("decoded before, one thread", cached, f"{1000 * core:.2f} ms"))
        torch.set_num_threads(config.optim.threads)
        network, core_network = measured(training_step(config, stream(cache)(0), len(words)), args.steps, batch)
    for workers in (1, 2):
        decoder = Decoder(source, config.augment.margin, workers)
        batches = stream(decoder)
        batches(0)
        speed, _ = measured(lambda step, b=batches: b(step + 1), max(3, args.steps // 4), batch)
        rows.append((f"decoded on the way, {workers} worker{'s' * (workers > 1)}", speed, "-"))
        decoder.close()
    size = f"{config.inputs.frames} x {config.inputs.frame_height} x {config.inputs.frame_width}"
    lines = [
        "# Data against network",
        "",
        f"`python docs/benchmarks/loader.py --data DATA --clips {args.clips} --steps {args.steps}`; {config.name}, "
        f"batches of {batch} clips of {size} with {config.inputs.window_s:g} s of sound. {machine()}; "
        f"torch {torch.__version__}.",
        "",
        "| | clips/s | of the network's | core time a clip |",
        "|---|---|---|---|",
        f"| the network: forward, backward, Adam | {network:.0f} | 1 | {1000 * core_network:.2f} ms |",
        *(f"| {name} | {speed:.0f} | {speed / network:.1f} | {core} |" for name, speed, core in rows),
        "",
        f"Decoding everything once, into the cache, with 2 processes: {filling:.0f} clips/s. A batch is made while the "
        f"network computes the one before, on the same cores: of decoded clips it takes "
        f"{100 * float(rows[0][2].split()[0]) / (1000 * core_network):.1f} % of the network's core time.",
        "",
    ]
    page = "\n".join(lines)
    print(page)
    if args.out:
        args.out.write_text(page)


def some(source: Source, clips: int) -> Source:
    """So many clips, spread over a source, not to be kept by it."""
    items = [source.items[i] for i in spread(len(source.items), clips)]
    return replace(source, items=items, fingerprint=fingerprint_of(items), keeps_caches=False)


def measured(call: Callable[[int], object], steps: int, batch: int) -> tuple[float, float]:
    """Clips a second, and seconds of this process on the cores for each clip."""
    call(0)
    wall, core = time.perf_counter(), time.process_time()
    for step in range(steps):
        call(step)
    clips = steps * batch
    return clips / (time.perf_counter() - wall), (time.process_time() - core) / clips


def training_step(config: TrainConfig, batch: object, words: int) -> Callable[[int], None]:
    """A step of the network on one batch in memory."""
    network = MMV(config.network, torch.from_numpy(np.zeros((words, 300), np.float32))).train()
    for part in (network.video, network.audio):
        part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam([p for p in network.parameters() if p.requires_grad])

    def step(_: int) -> None:
        optimiser.zero_grad(set_to_none=True)
        losses(network, batch, config)["loss"].backward()  # type: ignore[arg-type]
        optimiser.step()

    return step


if __name__ == "__main__":
    main()
