"""Trained networks to a bundle of ONNX encoders, and the check that both compute the same."""

import logging
import shutil
import tempfile
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F

from models.bundle import ENCODERS, VOCABULARY, Bundle, InputSpec, load_bundle, write_manifest
from models.networks.deflation import DeflatedMMV
from models.networks.mmv import MMV
from models.training.data.word_vectors import WordTable

OPSET = 20
LICENCE = (
    "Apache-2.0; trained on footage rendered from Freedoom (BSD-3-Clause); "
    "word vectors from all-MiniLM-L6-v2 (Apache-2.0)"
)
FP16_MIN = 1024  # smaller arrays stay float32
SPACES = ["fine", "coarse", "representation"]
OUTPUTS = {"video": SPACES, "image": [*SPACES, "instance"], "audio": [*SPACES, "instance"], "text": ["coarse"]}


class VideoEncoder(nn.Module):
    """uint8 [B, T, H, W, 3] -> fine, coarse (normalised), representation."""

    def __init__(self, network: MMV):
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return _outputs(self.network.encode_video(frames.float() / 255))


class ImageEncoder(nn.Module):
    """uint8 [B, H, W, 3] -> fine, coarse (normalised), representation, instance, through the deflated network."""

    def __init__(self, deflated: DeflatedMMV):
        super().__init__()
        self.deflated = deflated

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        outputs = _outputs(self.deflated(images.float() / 255))
        return *outputs, self.deflated.instance(outputs[2])


class AudioEncoder(nn.Module):
    """Mono waveform float32 [B, S] -> fine, coarse (normalised), representation, instance."""

    def __init__(self, network: MMV):
        super().__init__()
        self.network = network

    def forward(self, waveform: Tensor) -> tuple[Tensor, ...]:
        outputs = _outputs(self.network.encode_audio(self.network.log_mel(waveform)))
        return *outputs, self.network.audio_instance(outputs[2])


class TextEncoder(nn.Module):
    """int64 ids [B, N] -> coarse (normalised). The word table stays int8, as stored."""

    codes: Tensor
    scales: Tensor

    def __init__(self, network: MMV, table: WordTable):
        super().__init__()
        self.network = network
        self.register_buffer("codes", torch.from_numpy(table.codes))
        self.register_buffer("scales", torch.from_numpy(table.scales))

    def forward(self, ids: Tensor) -> Tensor:
        words = self.codes[ids].float() * self.scales[ids]
        text = torch.relu(self.network.text.linear(words)).amax(dim=1)
        return F.normalize(self.network.graph.text(text)["coarse"], dim=-1)


def _outputs(embedding: dict[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
    fine, coarse = (F.normalize(embedding[space], dim=-1) for space in ("fine", "coarse"))
    return fine, coarse, embedding["representation"]


def encoder_modules(network: MMV, deflated: DeflatedMMV, table: WordTable) -> dict[str, nn.Module]:
    """The four encoders as PyTorch modules with exactly the inputs and outputs of their ONNX files."""
    return {
        "video": VideoEncoder(network).eval(),
        "image": ImageEncoder(deflated).eval(),
        "audio": AudioEncoder(network).eval(),
        "text": TextEncoder(network, table).eval(),
    }


def export_bundle(
    network: MMV,
    deflated: DeflatedMMV,
    table: WordTable,
    inputs: InputSpec,
    out: Path,
    *,
    name: str,
    licence: str,
    provenance: dict[str, Any],
    metrics: dict[str, Any],
) -> Bundle:
    """Write a bundle to `out` (replaced whole, only once it is complete). The network is put into eval mode.

    Weights are rounded to the fp16 they are stored in first, so that PyTorch and ONNX compute with the same numbers.
    """
    network.eval()
    round_to_fp16(network)
    round_to_fp16(deflated)
    modules = encoder_modules(network, deflated, table)
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=out.name + ".", dir=out.parent))
    try:
        for modality, module in modules.items():
            _export(modality, module, inputs, len(table.words), work / ENCODERS[modality])
        (work / VOCABULARY).write_text("\n".join(table.words) + "\n", encoding="utf-8")
        write_manifest(
            work,
            name=name,
            graph="fac",
            backbones={
                "video": "tsm-resnet",
                "image": "tsm-resnet, deflated",
                "audio": "resnet-v2",
                "text": "word vectors",
            },
            dims={
                "fine": network.config.fine_dim,
                "coarse": network.config.coarse_dim,
                "instance": network.audio_instance.matrix.shape[1],
                "video_representation": network.video.dim,
                "audio_representation": network.audio.dim,
            },
            inputs=inputs,
            network=asdict(network.config),
            licence=licence,
            provenance=provenance,
            metrics=metrics,
        )
        if out.exists():
            shutil.rmtree(out)
        work.chmod(0o755)
        work.rename(out)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return load_bundle(out)


def example_inputs(modality: str, inputs: InputSpec, batch: int, length: int, vocabulary: int, seed: int = 0) -> Tensor:
    """Random inputs of one encoder. `length` counts frames, samples or words; images have none."""
    rng = np.random.default_rng(seed)
    size = (inputs.frame_height, inputs.frame_width, 3)
    if modality == "video":
        return torch.from_numpy(rng.integers(0, 256, (batch, length, *size), dtype=np.uint8))
    if modality == "image":
        return torch.from_numpy(rng.integers(0, 256, (batch, *size), dtype=np.uint8))
    if modality == "audio":
        return torch.from_numpy(rng.normal(0, 0.1, (batch, length)).astype(np.float32))
    return torch.from_numpy(rng.integers(0, vocabulary, (batch, length)))


def _export(modality: str, module: nn.Module, inputs: InputSpec, vocabulary: int, path: Path) -> None:
    lengths = {
        "video": inputs.frames,
        "image": 0,
        "audio": int(inputs.window_s * inputs.sample_rate),
        "text": inputs.words,
    }
    names = {"video": "frames", "image": "images", "audio": "waveform", "text": "ids"}
    batch = torch.export.Dim("batch", min=1, max=4096)
    shape: dict[int, Any] = {0: batch}
    if modality == "video":
        shape[1] = torch.export.Dim("frames", min=2, max=4096)
    elif modality == "audio":
        # Any length. Not a Dim with bounds: the exporter's arithmetic of bounds errs on SAME padding's remainders.
        shape[1] = torch.export.Dim.DYNAMIC
    elif modality == "text":
        shape[1] = torch.export.Dim("words", min=2, max=4096)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about its own parts
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            module,
            (example_inputs(modality, inputs, 2, lengths[modality], vocabulary),),
            dynamo=True,
            opset_version=OPSET,
            input_names=[names[modality]],
            output_names=OUTPUTS[modality],
            dynamic_shapes=(shape,),
            verbose=False,
            # Keeps every weight under its own name, for models.training.restore; ONNX Runtime fuses at load.
            optimize=False,
        )
    assert program is not None
    model = program.model_proto
    store_weights_in_fp16(model)
    for node in model.graph.node:  # the exporter records where in the source each node came from: paths of the machine
        del node.metadata_props[:]
        node.doc_string = ""
    del model.metadata_props[:]
    onnx.checker.check_model(model)
    onnx.save(model, path)


def round_to_fp16(module: nn.Module) -> None:
    """Round every trainable-size weight in place to what its fp16 copy holds."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.numel() >= FP16_MIN:
                parameter.copy_(parameter.half().float())


def store_weights_in_fp16(model: onnx.ModelProto) -> None:
    """Keep large float32 weights that fp16 holds exactly as fp16 with a Cast behind them: half the file."""
    graph = model.graph
    casts = []
    for initializer in graph.initializer:
        if initializer.data_type != TensorProto.FLOAT:
            continue
        array = numpy_helper.to_array(initializer)
        if array.size < FP16_MIN or not np.array_equal(array, array.astype(np.float16).astype(np.float32)):
            continue
        original = initializer.name
        initializer.CopyFrom(numpy_helper.from_array(array.astype(np.float16), original + "_fp16"))
        casts.append(helper.make_node("Cast", [original + "_fp16"], [original], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
