"""`mmv-search bundle verify`: a bundle's ONNX encoders compute what the PyTorch network computes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from models.bundle import Bundle
from models.runtime import open_session
from models.training.export import OUTPUTS, encoder_modules, example_inputs
from models.training.restore import restore

TOLERANCE = 1e-4
BATCHES = (1, 3)


@dataclass(frozen=True)
class Difference:
    """Largest absolute difference of one output over random inputs of one shape."""

    modality: str
    batch: int
    length: int
    output: str
    max_abs: float

    @property
    def ok(self) -> bool:
        return self.max_abs <= TOLERANCE


def compare(bundle: Bundle) -> Iterator[Difference]:
    """Run every encoder in ONNX Runtime and in PyTorch, on several batch sizes, frame counts and lengths."""
    restored = restore(bundle)
    modules = encoder_modules(*restored)
    rate, spec = bundle.inputs.sample_rate, bundle.inputs
    lengths = {
        "video": (2, spec.frames, 2 * spec.frames + 1),
        "image": (0,),
        "audio": (rate // 10, rate, round(spec.window_s * rate), round(4.321 * rate)),
        "text": (2, spec.words),
    }
    for modality in bundle.modalities:
        session = open_session(str(bundle.encoder(modality)))
        for batch in BATCHES:
            for length in lengths[modality]:
                x = example_inputs(modality, spec, batch, length, len(restored.table.words), seed=batch * 1000 + length)
                with torch.no_grad():
                    wanted = modules[modality](x)
                wanted = wanted if isinstance(wanted, tuple) else (wanted,)
                got = session.run(None, {session.get_inputs()[0].name: x.numpy()})
                for name, a, b in zip(OUTPUTS[modality], wanted, got, strict=True):
                    yield Difference(modality, batch, length, name, float(np.abs(a.numpy() - b).max()))
