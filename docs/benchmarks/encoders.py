"""Speed of the encoders on one CPU thread: PyTorch eager, ONNX Runtime in float32 and in int8, in one run.

    OMP_WAIT_POLICY=PASSIVE python docs/benchmarks/encoders.py --out docs/benchmarks/encoders.md

Exports the published TSM-ResNet-50 and its image and audio networks, with random weights from a seed, and makes their
int8 variants. Ways to run an encoder take turns, so that a machine that slows down slows all of them; each turn starts
with an untimed call. Then the cosines of the shipped bundle's variants, on the demo library.
"""

import argparse
import copy
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from onnxruntime.quantization import CalibrationDataReader, quantize_static
from torch import nn
from torch.nn import functional as F

from models.bundle import Bundle, InputSpec, load_bundle, shipped_bundle_path
from models.networks.deflation import DeflatedMMV
from models.networks.mmv import MMV, MMVConfig
from models.preprocess.text import SPECIAL
from models.runtime import open_session
from models.training.data.word_vectors import WordTable
from models.training.encoders import encoder_modules
from models.training.export import export_bundle
from models.training.onnx_graph import read_folded
from models.training.quantized import quantize
from models.training.variants import compare
from models.training.variants_cli import read_samples

INPUTS = InputSpec(window_s=3.2, hop_s=1.6, frames=32, frame_height=200, frame_width=200, sample_rate=48_000, words=16)
SOUND_S = 5
LIBRARY = Path(__file__).parents[2] / "service" / "demo" / "library"
MODALITIES = ("video", "image", "audio")
WHAT = {"video": "32 frames of 200x200", "image": "one picture of 200x200", "audio": f"{SOUND_S} s of sound"}
CALLS_A_TURN = 2
OUR_INT8, LIBRARY_INT8 = "ONNX Runtime, int8", "ONNX Runtime, int8 by quantize_static"


def main() -> None:
    """Measure, report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="where to write the report")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each way to run an encoder")
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        bundle, modules = random_network(Path(folder))
        rows = [line for modality in MODALITIES for line in rows_of(modality, bundle, modules, args.rounds)]
        cosines = cosine_rows(load_bundle(shipped_bundle_path()), Path(folder))
    page = "\n".join(
        [
            "# Speed of the encoders",
            "",
            f"One thread each, on {processor()}; PyTorch {torch.__version__}, ONNX Runtime {ort.__version__}.",
            "Written by",
            "`OMP_WAIT_POLICY=PASSIVE python docs/benchmarks/encoders.py --out docs/benchmarks/encoders.md`.",
            "",
            "The published TSM-ResNet-50 and its image and audio networks with random weights. Times are medians.",
            "",
            "| encoder | run by | time | speed | cosine to float32, the lowest |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "Cosines of random weights tell little of trained ones. Those of the shipped bundle's int8 variants, made",
            "from one half of the demo library's windows, stills and sounds and measured on the other:",
            "",
            "| encoder | output | mean | lowest |",
            "|---|---|---|---|",
            *cosines,
            "",
        ]
    )
    print(page)
    if args.out:
        args.out.write_text(page)


def random_network(folder: Path) -> tuple[Bundle, dict[str, nn.Module]]:
    """The network from a seed, as a bundle and as the PyTorch modules of its encoders."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    scales = np.full((len(SPECIAL) + 1, 1), 1 / 128, np.float32)
    words = WordTable([*SPECIAL, "word"], rng.integers(-127, 128, (len(SPECIAL) + 1, 300)).astype(np.int8), scales)
    network = MMV(MMVConfig(), torch.from_numpy(words.vectors()))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    deflated = DeflatedMMV(network.eval())
    told = {"name": "random", "licence": "", "provenance": {}, "metrics": {}}
    bundle = export_bundle(network, deflated, words, INPUTS, folder / "random", **told)
    return bundle, encoder_modules(network, deflated, words)


def rows_of(modality: str, bundle: Bundle, modules: dict[str, nn.Module], rounds: int) -> list[str]:
    """Lines of the table for one encoder."""
    array = example(modality, 0)
    tensor = torch.from_numpy(array)
    eager = modules[modality].eval()
    last = copy.deepcopy(eager).to(memory_format=torch.channels_last)
    int8 = bundle.path / f"{modality}.int8.onnx"
    onnx.save(quantize(read_folded(bundle.encoder(modality)), [example(modality, seed) for seed in (1, 2, 3)]), int8)
    library = bundle.path / f"{modality}.static.onnx"
    quantize_with_library(bundle.encoder(modality), library, [example(modality, seed) for seed in (1, 2, 3)])
    plain, fast, static = (open_session(str(path)) for path in (bundle.encoder(modality), int8, library))
    feed = {plain.get_inputs()[0].name: array}
    ways: dict[str, Callable[[], object]] = {
        "PyTorch eager": lambda: eager(tensor),
        "PyTorch eager, channels last": lambda: last(tensor),
        "ONNX Runtime, float32": lambda: plain.run(None, feed),
        LIBRARY_INT8: lambda: static.run(None, feed),
        OUR_INT8: lambda: fast.run(None, feed),
    }
    times = take_turns(ways, rounds)
    lowest = {OUR_INT8: lowest_cosine(bundle, modality, int8), LIBRARY_INT8: lowest_cosine(bundle, modality, library)}
    lines = []
    for way, seconds in times.items():
        cosine = f"{lowest[way]:.5f}" if way in lowest else ""
        speed = times["PyTorch eager"] / seconds
        lines.append(f"| {modality}, {WHAT[modality]} | {way} | {1000 * seconds:.0f} ms | {speed:.2f} x | {cosine} |")
    return lines


def quantize_with_library(encoder: Path, out: Path, feeds: list[np.ndarray]) -> None:
    """int8 as ONNX Runtime's own tool makes it, of the same folded graph: convolutions only, scales per channel."""
    folded = out.with_suffix(".folded.onnx")
    onnx.save(read_folded(encoder), folded)
    name = onnx.load(folded).graph.input[0].name

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.left = iter(feeds)

        def get_next(self) -> dict[str, np.ndarray] | None:
            array = next(self.left, None)
            return None if array is None else {name: array}

    quantize_static(str(folded), str(out), Reader(), op_types_to_quantize=["Conv"], per_channel=True)


def lowest_cosine(bundle: Bundle, modality: str, variant: Path) -> float:
    """Of two inputs that did not calibrate, over all outputs but `instance`."""
    cosines = compare(bundle.encoder(modality), variant, [example(modality, seed) for seed in (4, 5)])
    return min(float(values.min()) for name, values in cosines.items() if name != "instance")


def take_turns(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of a call of each."""
    times: dict[str, list[float]] = {way: [] for way in ways}
    with torch.no_grad():
        for _ in range(rounds):
            for way, call in ways.items():
                call()
                for _ in range(CALLS_A_TURN):
                    started = time.perf_counter()
                    call()
                    times[way].append(time.perf_counter() - started)
    return {way: statistics.median(measured) for way, measured in times.items()}


def example(modality: str, seed: int) -> np.ndarray:
    """One input: a smooth random picture that changes slowly, with some noise; or noise as sound."""
    rng = np.random.default_rng(seed)
    if modality == "audio":
        loudness = np.repeat(rng.uniform(0.02, 0.2, SOUND_S * 10), INPUTS.sample_rate // 10)
        return (rng.normal(0, 1, (1, len(loudness))) * loudness).astype(np.float32)
    frames, height, width = INPUTS.frames, INPUTS.frame_height, INPUTS.frame_width
    coarse = torch.from_numpy(rng.uniform(0, 1, (1, 3, frames // 4 + 1, 6, 6)))
    smooth = F.interpolate(coarse, (frames, height, width), mode="trilinear", align_corners=True).numpy()
    noisy = np.clip(smooth + rng.normal(0, 0.05, smooth.shape), 0, 1)
    clip = np.ascontiguousarray((noisy * 255).round().astype(np.uint8).transpose(0, 2, 3, 4, 1))
    return clip if modality == "video" else clip[:, 0]


def cosine_rows(bundle: Bundle, folder: Path) -> list[str]:
    """Lines of the table of cosines."""
    samples = read_samples(LIBRARY, bundle.inputs, 120)
    lines = []
    for modality in MODALITIES:
        int8 = folder / f"{modality}.onnx"
        onnx.save(quantize(read_folded(bundle.encoder(modality)), samples[modality][::2]), int8)
        for name, values in compare(bundle.encoder(modality), int8, samples[modality][1::2]).items():
            lines.append(f"| {modality} | {name} | {values.mean():.4f} | {values.min():.4f} |")
    return lines


def processor() -> str:
    """What the CPU calls itself."""
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
