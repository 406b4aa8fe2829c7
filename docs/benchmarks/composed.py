"""What queries of several parts are worth: two wishes at once, and a wish but not another.

    python docs/benchmarks/composed.py --data data/test --out docs/benchmarks/composed.md

On held-out footage, with its labels as the judge, by the shipped model (or `--bundle`). Each pair of concepts that some
clips have both of is asked for in three ways, and each that some have the one without the other of in five.
"""

import argparse
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import numpy as np

from models.bundle import load_bundle, shipped_bundle_path
from models.runtime import Encoders
from models.training.evaluation.bootstrap import interval
from models.training.evaluation.footage_clips import EmbeddedClips, embed_clips, text_rows
from models.training.evaluation.footage_retrieval import by_words
from models.training.evaluation.wordings import FOOTAGE_WORDINGS
from service.ranking import combined

TOP, FEWEST = 5, 5
WEIGHTS = (-0.5, -1.0, -2.0)


def main() -> None:
    """Measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="held-out footage")
    parser.add_argument("--bundle", type=Path, help="a model bundle; the shipped one if left out")
    parser.add_argument("--out", type=Path, help="where to write the report")
    args = parser.parse_args()
    encoders = Encoders(load_bundle(args.bundle or shipped_bundle_path()))
    found = embed_clips(encoders, args.data)
    page = "\n".join(
        [
            "# Queries of several parts",
            "",
            f"{len(found.clips)} held-out clips; bundle {encoders.bundle.name}. Shares of the first {TOP} results in "
            "percent, each with its 95% interval over the pairs.",
            "Written by `python docs/benchmarks/composed.py --data data/test --out docs/benchmarks/composed.md`.",
            *(line for wording in FOOTAGE_WORDINGS for line in measured(encoders, found, wording)),
            "",
        ]
    )
    print(page)
    if args.out:
        args.out.write_text(page)


def measured(encoders: Encoders, found: EmbeddedClips, wording: str) -> list[str]:
    """The tables of one wording."""
    words = {concept: queries[0] for concept, queries in FOOTAGE_WORDINGS[wording].items()}
    has = {concept: np.array([concept in clip.concepts for clip in found.clips]) for concept in words}
    scores = dict(zip(words, by_words(found, text_rows(encoders, list(words.values()))), strict=True))
    pairs = [pair for pair in permutations(words, 2) if kind(pair[0]) != kind(pair[1])]
    both = [(a, b) for a, b in pairs if a < b and (has[a] & has[b]).sum() >= FEWEST]
    without = [(a, b) for a, b in pairs if min((has[a] & has[b]).sum(), (has[a] & ~has[b]).sum()) >= FEWEST]
    joined = by_words(found, text_rows(encoders, [f"{words[a]} {words[b]}" for a, b in both]))
    usual = np.arange(len(found.clips))

    def parts(weight: float) -> Callable[[str, str], np.ndarray]:
        return lambda a, b: combined(np.stack([scores[a], scores[b]]), np.array([1.0, weight]), usual)

    asked = {
        "the one alone": lambda a, _: scores[a],
        "one text of both": lambda a, b: joined[both.index((a, b))],
        "two parts": parts(1.0),
    }
    lines = [
        "",
        f"## {wording}: {len(both)} pairs of concepts, both wanted",
        "",
        "| asked with | have both |",
        "|---|---|",
    ]
    for name, score in asked.items():
        lines.append(f"| {name} | {share([(score(a, b), has[a] & has[b]) for a, b in both])} |")
    lines += ["", f"## {wording}: {len(without)} pairs, the one wanted and not the other", ""]
    lines += [
        "| asked with | have the wanted | have the unwanted | have the one and not the other |",
        "|---|---|---|---|",
    ]
    ways = {"the wanted alone": parts(-1e-9), **{f"the other with weight {w:g}": parts(w) for w in WEIGHTS}}
    ways["the other's scores subtracted, below average too"] = lambda a, b: scores[a] - scores[b]
    for name, score in ways.items():
        ranked = [(score(a, b), a, b) for a, b in without]
        cells = [
            share([(row, has[a]) for row, a, _ in ranked]),
            share([(row, has[b]) for row, _, b in ranked]),
            share([(row, has[a] & ~has[b]) for row, a, b in ranked]),
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def kind(concept: str) -> str:
    """Monster, weapon and so on."""
    return concept.partition(":")[0]


def share(ranked: list[tuple[np.ndarray, np.ndarray]]) -> str:
    """Of the first results by each row of scores, how many have what is asked about."""
    values = np.array([has[np.argsort(-row, kind="stable")[:TOP]].mean() for row, has in ranked])
    low, high = interval(values)
    return f"{100 * values.mean():.1f} [{100 * low:.1f}, {100 * high:.1f}]"


if __name__ == "__main__":
    main()
