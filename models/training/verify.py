"""`mmv-search bundle verify`: a bundle's ONNX encoders compute what the PyTorch network computes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from models.bundle import Bundle
from models.runtime import open_session
from models.training.encoders import Encoder, TextEncoder, encoder_modules, example_inputs
from models.training.restore import restore

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Difference:
    """How far one output is off over random inputs of one shape: largest difference over largest value."""

    modality: str
    batch: int
    length: int
    output: str
    relative: float

    @property
    def ok(self) -> bool:
        return self.relative <= TOLERANCE


def compare(bundle: Bundle, modules: dict[str, Encoder] | None = None) -> Iterator[Difference]:
    """Run every encoder in ONNX Runtime and in PyTorch, on several batch sizes, frame counts and lengths.

    `modules` are the PyTorch encoders; by default those that the bundle itself holds the weights of.
    """
    if modules is None:
        modules = encoder_modules(*restore(bundle))
    text = modules.get("text")
    words = len(text.codes) if isinstance(text, TextEncoder) else 0
    for modality in bundle.modalities:
        yield from _compare(bundle, modality, modules[modality], words)


def _compare(bundle: Bundle, modality: str, module: Encoder, words: int) -> Iterator[Difference]:
    """One encoder. PyTorch first and then ONNX Runtime, so that the memory of only one of them is needed at a time."""
    shapes = _shapes(bundle, modality)
    inputs = [example_inputs(modality, bundle.inputs, *shape, words, seed=sum(shape)) for shape in shapes]
    with torch.inference_mode():
        outputs = [module(x) for x in inputs]
    session = open_session(str(bundle.encoder(modality)), arena=False)
    for (batch, length), x, wanted in zip(shapes, inputs, outputs, strict=True):
        got = session.run(list(module.outputs), {module.input: x.numpy()})
        for name, a, b in zip(module.outputs, wanted if isinstance(wanted, tuple) else (wanted,), got, strict=True):
            worst = float(np.abs(a.numpy() - b).max() / np.abs(a.numpy()).max())
            yield Difference(modality, batch, length, name, worst)


def _shapes(bundle: Bundle, modality: str) -> list[tuple[int, int]]:
    """(batch, length) of the inputs. Few frames beside those of one window: a published network takes seconds each."""
    rate, spec = bundle.inputs.sample_rate, bundle.inputs
    if modality == "video" and bundle.backbones["video"] == "s3d":
        return [(1, spec.frames), (2, spec.frames)]
    return {
        "video": [(1, spec.frames), (3, 2), (2, 5)],
        "image": [(1, 0), (3, 0)],
        "audio": [(1, rate // 10), (3, rate), (1, round(spec.window_s * rate)), (2, round(4.321 * rate))],
        "text": [(1, 2), (3, spec.words)],
    }[modality]
