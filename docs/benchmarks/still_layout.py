"""What a still's layout, and fitting to changed views, are worth to the instance space.

    python docs/benchmarks/still_layout.py --run runs/freedoom-fac-small --data data/train \
        --out docs/benchmarks/still_layout.md

`--run` is a finished run that `mmv-search deflate` was called on, `--data` what it was trained on. The heads are fitted
to some of the clips and asked about others: neither needs labels. A library holds eight frames of each clip; the query
is a frame between two of them.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from models.bundle import InputSpec
from models.networks.deflation import DeflatedMMV
from models.networks.instance import InstanceHead
from models.training.data.cache import ClipCache, open_cache
from models.training.deflate import load_deflated
from models.training.evaluation.metrics import retrieval
from models.training.evaluation.product_ranking import best_frame
from models.training.instances import MOST_CLIPS, PART, changed, resized, seen, whole
from models.training.run import load_run

ITEMS = 300
Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def cut(frame: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A part of 80 % of each side, somewhere."""
    h, w = (round(0.8 * size) for size in frame.shape[:2])
    top, left = rng.integers(0, frame.shape[0] - h + 1), rng.integers(0, frame.shape[1] - w + 1)
    return frame[top : top + h, left : left + w]


def compressed(frame: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """JPEG of quality 25."""
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG", quality=25)
    return np.asarray(Image.open(file))


def flat(frame: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Brighter, with less contrast."""
    return np.clip(0.6 * frame + 60, 0, 255).astype(np.uint8)


def tinted(frame: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """A quarter of it orange."""
    return (0.75 * frame + [63.75, 20, 0]).astype(np.uint8)


def barred(frame: np.ndarray, _: np.random.Generator) -> np.ndarray:
    """Whole, between black bars above and below: a fifth of the height."""
    bar = frame.shape[0] // 10
    out = np.zeros_like(frame)
    out[bar:-bar] = np.asarray(Image.fromarray(frame).resize((frame.shape[1], frame.shape[0] - 2 * bar)))
    return out


CHANGES: dict[str, Change] = {
    "as it is": lambda frame, _: frame,
    "cut to 80 %": cut,
    "JPEG, quality 25": compressed,
    "brighter, flatter": flat,
    "a quarter orange": tinted,
    "between black bars": barred,
}


def main() -> None:
    """Embed everything once, fit four heads, ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=1000, help="how many clips are asked about")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    run = load_run(args.run)
    deflated, _ = load_deflated(run)
    inputs, rng = run.config.inputs, np.random.default_rng(11)
    cache = open_cache(args.data, inputs, run.config.augment.margin)
    rows = rng.permutation(len(cache.clips))
    asked, fitted = np.sort(rows[: args.clips]), np.sort(rows[args.clips :][:MOST_CLIPS])
    with torch.no_grad():
        library, queries = embedded(deflated, cache, asked, inputs)
        at = rng.integers(0, cache.frames.shape[1] - 1, len(fitted))
        parts = [slice(i, i + PART) for i in range(0, len(fitted), PART)]
        first = seen(deflated, (whole(cache.frames[fitted[p], at[p]], inputs) for p in parts))
        after = seen(deflated, (whole(cache.frames[fitted[p], at[p] + 1], inputs) for p in parts))
        other = seen(deflated, (changed(cache.frames[fitted[p], at[p] + 1], run, rng) for p in parts))
    lines = [f"| head | {' | '.join(queries)} |", "|---" * (1 + len(queries)) + "|"]
    for layout, dims in (("", run.network.video.dim), (" and layout", first.shape[1])):
        for views, second in (("neighbouring frames", after), ("changed ones", other)):
            head = InstanceHead(dims, run.config.network.instance_dim)
            head.fit(first[:, :dims], second[:, :dims])
            frames = head(library[:, :dims]).numpy().reshape(len(asked), inputs.frames, -1)
            cells = []
            for stills in queries.values():
                scores = best_frame(head(stills[:, :dims]).numpy(), frames)
                recall = retrieval(scores, np.arange(len(asked)), ITEMS).recall
                cells.append(f"{100 * recall['R@1']:.1f} / {100 * recall['R@5']:.1f}")
            lines.append(f"| representation{layout}, fitted to {views} | {' | '.join(cells)} |")
    args.out.write_text(page(args, len(asked), len(fitted), lines))


def embedded(
    deflated: DeflatedMMV, cache: ClipCache, asked: np.ndarray, inputs: InputSpec
) -> tuple[Tensor, dict[str, Tensor]]:
    """What the head is for, of the middle window's frames [N * T, S], and of the changed stills [N, S]."""
    start = (cache.frames.shape[1] - 2 * inputs.frames) // 2  # the cache has two frames a step
    window = [start + 2 * i for i in range(inputs.frames)]
    library = seen(deflated, (whole(cache.frames[row][window], inputs) for row in asked))
    stills, rng = [cache.frames[row][window[inputs.frames // 2] + 1] for row in asked], np.random.default_rng(3)
    queries = {}
    for name, change in CHANGES.items():
        pictures = (torch.from_numpy(np.array(change(still, rng)))[None] for still in stills)
        queries[name] = seen(deflated, (resized(picture, inputs).float() / 255 for picture in pictures))
    return library, queries


def page(args: argparse.Namespace, asked: int, fitted: int, lines: list[str]) -> str:
    """The table, and what it is of."""
    return (
        "# What a still's layout is worth\n\n"
        f"A still among {ITEMS} clips, by the instance space alone: R@1 / R@5 in percent, of {asked} training clips "
        f"that the heads were not fitted to ({fitted} others were). Written by `python docs/benchmarks/still_layout.py "
        f"--run runs/{args.run.name} --data data/{args.data.name} --out docs/benchmarks/still_layout.md`.\n\n"
        + "\n".join(lines)
        + "\n"
    )


if __name__ == "__main__":
    main()
