"""A bundle's ONNX encoders back to the PyTorch network they were exported from, to verify them or to train on."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from models.bundle import ENCODERS, VOCABULARY, Bundle, BundleError
from models.networks.deflation import DeflatedMMV
from models.networks.mmv import MMV, MMVConfig
from models.training.config import ConfigError, build_config
from models.training.data.word_vectors import WordTable


class Restored(NamedTuple):
    """The network, its deflated image network and its word table, in eval mode."""

    network: MMV
    deflated: DeflatedMMV
    table: WordTable


def restore(bundle: Bundle) -> Restored:
    """Raises BundleError when a file lacks a weight that the network of `bundle.json` needs."""
    weights = {m: _weights(bundle.path / f) for m, f in ENCODERS.items()}
    table = WordTable(
        (bundle.path / VOCABULARY).read_text(encoding="utf-8").split("\n")[:-1],
        weights["text"]["codes"],
        weights["text"]["scales"],
    )
    try:
        config: MMVConfig = build_config(MMVConfig, bundle.network)
    except ConfigError as error:
        raise BundleError(f"bundle {bundle.name}: network: {error}") from None
    network = MMV(config, torch.from_numpy(table.vectors()))
    deflated = DeflatedMMV(network)
    for modality in ("video", "audio", "text"):
        _load(network, {k: v for k, v in weights[modality].items() if k.startswith("network.")}, "network.", bundle)
    _load(deflated, {k: v for k, v in weights["image"].items() if k.startswith("deflated.")}, "deflated.", bundle)
    missing = set(network.state_dict()) - {k.removeprefix("network.") for m in weights.values() for k in m}
    missing = {k for k in missing if not k.endswith("num_batches_tracked") and not k.startswith("text.embed.")}
    if missing:
        raise BundleError(f"bundle {bundle.name} lacks the weights {', '.join(sorted(missing)[:5])}")
    network.eval()
    return Restored(network, deflated, table)


def _load(module: torch.nn.Module, arrays: dict[str, np.ndarray], prefix: str, bundle: Bundle) -> None:
    own = module.state_dict()
    for name, array in arrays.items():
        key = name.removeprefix(prefix)
        if key not in own:
            continue  # the log-mel constants, which the module computes itself
        if tuple(own[key].shape) != array.shape:
            raise BundleError(f"bundle {bundle.name}: {name} has shape {array.shape}, not {tuple(own[key].shape)}")
        own[key].copy_(torch.from_numpy(array))


def _weights(path: Path) -> dict[str, np.ndarray]:
    """Initialisers by name, those stored in fp16 as float32."""
    out = {}
    for initializer in onnx.load(path).graph.initializer:
        array = numpy_helper.to_array(initializer)
        if initializer.name.endswith("_fp16"):
            array = array.astype(np.float32)
        out[initializer.name.removesuffix("_fp16")] = array.copy()
    return out
