"""What a sound's spectrum, and fitting to other recordings of it, are worth to the instance space.

    python docs/benchmarks/sound_spectrum.py --run runs/freedoom-fac-small --data data/train \
        --out docs/benchmarks/sound_spectrum.md

`--run` is a finished run, `--data` what it was trained on. The heads are fitted to some of the clips and asked about
others: neither needs labels. A library holds the sound of each clip every 0.4 s; the query is a window of it that
begins anywhere.
"""

import argparse
import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch

from models.networks.instance import InstanceHead
from models.training.data.cache import open_cache
from models.training.evaluation.metrics import retrieval
from models.training.instances import MOST_CLIPS, PART, heard, some_rerecorded, windows
from models.training.run import load_run

ITEMS = 300
EVERY_S = 0.4
TELEPHONE_HZ = (300, 3400)
Change = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


def mp3(wave: np.ndarray, rate: int, _: np.random.Generator) -> np.ndarray:
    """An mp3 of 32 kbit/s."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as out:
        stream = out.add_stream("libmp3lame", rate=rate, layout="mono")
        stream.bit_rate = 32_000
        frame = av.AudioFrame.from_ndarray(wave[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        decoded = np.concatenate([f.to_ndarray().reshape(-1) for f in container.decode(audio=0)])
    return np.pad(decoded[: len(wave)], (0, max(0, len(wave) - len(decoded)))).astype(np.float32)


def soft(wave: np.ndarray, _: int, rng: np.random.Generator) -> np.ndarray:
    """12 dB softer, in noise that is 20 dB below it."""
    noise = rng.standard_normal(len(wave)) * np.sqrt(np.mean(wave**2)) * 0.1
    return (0.25 * (wave + noise)).astype(np.float32)


def telephone(wave: np.ndarray, rate: int, _: np.random.Generator) -> np.ndarray:
    """Nothing below 300 and above 3400 Hz."""
    hertz = np.fft.rfftfreq(len(wave), 1 / rate)
    kept = (hertz >= TELEPHONE_HZ[0]) & (hertz <= TELEPHONE_HZ[1])
    return np.fft.irfft(np.fft.rfft(wave) * kept, len(wave)).astype(np.float32)


def dull(wave: np.ndarray, rate: int, _: np.random.Generator) -> np.ndarray:
    """3 dB less with every octave above 250 Hz: a microphone behind a door."""
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(wave), 1 / rate), 250) / 250)
    return np.fft.irfft(np.fft.rfft(wave) * 10 ** (-3 * octaves / 20), len(wave)).astype(np.float32)


CHANGES: dict[str, Change] = {
    "as it is": lambda wave, *_: wave,
    "mp3, 32 kbit/s": mp3,
    "softer, in noise": soft,
    "duller": dull,
    "by telephone": telephone,
}


@torch.no_grad()
def main() -> None:
    """Hear everything once, fit four heads, ask."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=1000, help="how many clips are asked about")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    run = load_run(args.run)
    inputs, rng = run.config.inputs, np.random.default_rng(11)
    cache = open_cache(args.data, inputs, run.config.augment.margin)
    rows = rng.permutation([i for i, clip in enumerate(cache.clips) if clip.has_audio])
    asked, fitted = np.sort(rows[: args.clips]), np.sort(rows[args.clips :][:MOST_CLIPS])
    latest, rate = cache.sound.shape[1] - round(inputs.window_s * inputs.sample_rate), inputs.sample_rate

    def sounds(of: np.ndarray, starts: np.ndarray) -> list[np.ndarray]:
        parts = [slice(i, i + PART) for i in range(0, len(of), PART)]
        return [windows(cache, of[p], starts[p], inputs) for p in parts]

    places = np.arange(0, latest + 1, round(EVERY_S * rate))
    library = [heard(run.network, sounds(asked, np.full(len(asked), place))) for place in places]
    wanted = sounds(asked, rng.integers(0, latest + 1, len(asked)))
    queries = {
        name: heard(run.network, [np.stack([change(wave, rate, rng) for wave in part]) for part in wanted])
        for name, change in CHANGES.items()
    }
    first, after = (sounds(fitted, rng.integers(0, latest + 1, len(fitted))) for _ in range(2))
    one, other = heard(run.network, first), heard(run.network, after)
    again = heard(run.network, some_rerecorded(after, rate, rng))

    lines = [f"| head | {' | '.join(queries)} |", "|---" * (1 + len(queries)) + "|"]
    for spectrum, dims in (("", run.network.audio.dim), (" and spectrum", one.shape[1])):
        for views, second in (("overlapping windows", other), ("some recorded anew", again)):
            head = InstanceHead(dims, run.config.network.instance_dim)
            head.fit(one[:, :dims], second[:, :dims])
            held = torch.stack([head(part[:, :dims]) for part in library])  # [places, N, K]
            cells = []
            for query in queries.values():
                scores = (head(query[:, :dims]) @ held.transpose(1, 2)).amax(dim=0).numpy()
                recall = retrieval(scores, np.arange(len(asked)), ITEMS).recall
                cells.append(f"{100 * recall['R@1']:.1f} / {100 * recall['R@5']:.1f}")
            lines.append(f"| representation{spectrum}, fitted to {views} | {' | '.join(cells)} |")
    args.out.write_text(page(args, len(asked), len(fitted), lines))


def page(args: argparse.Namespace, asked: int, fitted: int, lines: list[str]) -> str:
    """The table, and what it is of."""
    return (
        "# What a sound's spectrum is worth\n\n"
        f"A sound among {ITEMS} clips, by the instance space alone: R@1 / R@5 in percent, of {asked} training clips "
        f"that the heads were not fitted to ({fitted} others were). Many clips share the very same recorded sounds. "
        f"Written by `python docs/benchmarks/sound_spectrum.py --run runs/{args.run.name} --data data/{args.data.name} "
        "--out docs/benchmarks/sound_spectrum.md`.\n\n" + "\n".join(lines) + "\n"
    )


if __name__ == "__main__":
    main()
