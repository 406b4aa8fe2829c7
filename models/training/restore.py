"""A bundle's ONNX encoders back to the PyTorch network they were exported from, to verify them or to train on."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from models.bundle import VOCABULARY, Bundle, BundleError
from models.networks.deflation import DeflatedMMV
from models.networks.mmv import MMV, MMVConfig, fill_network, unfilled_network
from models.training.config import ConfigError, build_config
from models.training.data.word_vectors import DIM, WordTable

TEXT_PARAMETERS = ("text.", "graph.text_coarse.")


class Restored(NamedTuple):
    """The network, its deflated image network and its word table (None where it has no text encoder), in eval mode."""

    network: MMV
    deflated: DeflatedMMV
    table: WordTable | None


def restore(bundle: Bundle) -> Restored:
    """Raises BundleError when a file lacks a weight that the network of `bundle.json` needs."""
    weights = {m: _weights(bundle.encoder(m)) for m in bundle.modalities}
    try:
        config: MMVConfig = build_config(MMVConfig, bundle.network)
    except ConfigError as error:
        raise BundleError(f"bundle {bundle.name}: network: {error}") from None
    table = _word_table(bundle, weights["text"]) if "text" in weights else None
    vectors = torch.from_numpy(table.vectors()) if table else torch.zeros(1, DIM)
    tensors = {"text.embed.weight": vectors}
    for modality in ("video", "audio", "text"):
        tensors |= _tensors(weights.get(modality, {}), "network.")
    network = unfilled_network(config, (len(vectors), vectors.shape[1]))
    if table is None:  # nothing of the text tower is in the bundle
        tensors |= {n: torch.zeros(p.shape) for n, p in network.named_parameters() if n.startswith(TEXT_PARAMETERS)}
    try:
        fill_network(network, {k: v for k, v in tensors.items() if not k.startswith("log_mel.")})
        deflated = DeflatedMMV(network)
        image = _tensors(weights["image"], "deflated.")
        deflated.load_state_dict(deflated.state_dict() | image, assign=True)  # not into the shared filters
    except RuntimeError as error:
        problem = " ".join(str(error).split())
        raise BundleError(f"bundle {bundle.name}: its encoders do not fit its network: {problem[:400]}") from None
    return Restored(network, deflated, table)


def _word_table(bundle: Bundle, weights: dict[str, np.ndarray]) -> WordTable:
    words = (bundle.path / VOCABULARY).read_text(encoding="utf-8").split("\n")[:-1]
    return WordTable(words, weights["codes"], weights["scales"])


def _tensors(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): torch.from_numpy(a) for name, a in arrays.items() if name.startswith(prefix)}


def _weights(path: Path) -> dict[str, np.ndarray]:
    """Initialisers by name, those stored in fp16 as float32."""
    out = {}
    for initializer in onnx.load(path).graph.initializer:
        array = numpy_helper.to_array(initializer)
        if initializer.name.endswith("_fp16"):
            array = array.astype(np.float32)
        out[initializer.name.removesuffix("_fp16")] = array.copy()
    return out
