"""What bringing sound's fine embedding to vision's length is worth: words and sounds, with and without.

    python docs/benchmarks/audio_norm.py --data data/test --out docs/benchmarks/audio_norm.md

`data/test` is made by `mmv-search footage --out data/test --clips 500 --seed 1001 --maps test`. The shipped network is
read back from its bundle, where the factor (`audio_scale`) was set after training; without it the factor is 1, as in
the published networks, of which no weights are at hand here to measure with.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from models.bundle import load_bundle, shipped_bundle_path
from models.networks.embedding_graph import FACGraph
from models.preprocess.media import read_audio
from models.preprocess.text import Tokenizer
from models.training.data.manifest import read_manifest
from models.training.evaluation.metrics import retrieval
from models.training.restore import restore

ITEMS = 300


@torch.inference_mode()
def main() -> None:
    """Measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="held-out clips")
    parser.add_argument("--out", type=Path, help="where to write the report")
    args = parser.parse_args()
    bundle = load_bundle(shipped_bundle_path())
    network, _, table = restore(bundle)
    assert isinstance(network.graph, FACGraph)
    assert table is not None
    spec = bundle.inputs
    clips = [c for c in read_manifest(args.data / "manifest.jsonl") if c.has_audio and c.narrations][:ITEMS]
    middles = []
    for clip in clips:
        sound = np.concatenate(list(read_audio(args.data / clip.file, spec.sample_rate)))
        begin = round(max(0.0, (clip.duration_s - spec.window_s) / 2) * spec.sample_rate)
        wave = torch.from_numpy(sound[None, begin : begin + round(spec.window_s * spec.sample_rate)])
        middles.append(network.audio(network.log_mel(wave)))
    told = [min(c.narrations, key=lambda n: abs((n.start_s + n.end_s - c.duration_s) / 2)).text for c in clips]
    text = F.normalize(network.encode_text(torch.from_numpy(Tokenizer(table.words, spec.words)(told)))["coarse"])
    factor = float(network.graph.audio_scale)
    rows = []
    for name, scale in (("off: 1, as published", 1.0), (f"on: {factor:.2f}", factor)):
        network.graph.audio_scale.fill_(scale)
        sound_coarse = F.normalize(network.graph.audio(torch.cat(middles))["coarse"])
        scores, truth = (text @ sound_coarse.T).numpy(), np.arange(len(clips))
        for direction, matrix in (("words -> sound", scores), ("sound -> words", scores.T)):
            found = retrieval(matrix, truth)
            recalls = " | ".join(f"{100 * found.recall[k]:.1f} %" for k in ("R@1", "R@5", "R@10"))
            rows.append(f"| {name} | {direction} | {recalls} |")
    page = "\n".join(
        [
            "# Sound at vision's length",
            "",
            "The factor on sound's fine embedding before the head that it shares with vision (`audio_scale`), in",
            f"{bundle.name}; retrieval among {len(clips)} held-out clips (chance: R@1 {100 / len(clips):.1f} %, R@10",
            f"{1000 / len(clips):.1f} %).",
            "Words and sound are never trained together. Written by `docs/benchmarks/audio_norm.py`, which says how.",
            "",
            "| factor | direction | R@1 | R@5 | R@10 |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "An import leaves it off, since that is the published network; `bundle import --audio-norm FOLDER` has",
            "the factor measured on the films of a folder and records it in `bundle.json`. What it is worth must be",
            "measured there.",
            "",
        ]
    )
    print(page)
    if args.out:
        args.out.write_text(page)


if __name__ == "__main__":
    main()
