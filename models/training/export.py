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
from torch import nn

from models.bundle import ENCODERS, MANIFEST, VOCABULARY, Bundle, BundleError, InputSpec, load_bundle, write_manifest
from models.networks.deflation import DeflatedMMV
from models.networks.mmv import MMV
from models.networks.s3d import S3D
from models.training.data.word_vectors import WordTable
from models.training.encoders import Encoder, encoder_modules, example_inputs
from models.training.onnx_graph import drop_zero_biases
from models.training.progress import Step, silent

OPSET = 20
LICENCE = (
    "Apache-2.0; trained on footage rendered from Freedoom (BSD-3-Clause); "
    "word vectors from all-MiniLM-L6-v2 (Apache-2.0)"
)
FP16_MIN = 1024  # smaller arrays stay float32


def export_bundle(
    network: MMV,
    deflated: DeflatedMMV,
    table: WordTable | None,
    inputs: InputSpec,
    out: Path,
    *,
    name: str,
    licence: str,
    provenance: dict[str, Any],
    metrics: dict[str, Any],
    fp16: bool = True,
    step: Step = silent,
) -> Bundle:
    """Write a bundle to `out` (a bundle there is replaced once this one is complete). The network goes into eval mode.

    With `fp16` weights are first rounded to the fp16 they are stored in, so that PyTorch and ONNX compute with the same
    numbers. Without a word table the bundle has no text encoder. Raises BundleError where `out` is another folder.
    """
    require_replaceable(out)
    network.eval()
    if fp16:
        round_to_fp16(network)
        round_to_fp16(deflated)
    modules = encoder_modules(network, deflated, table)
    out.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=out.name + ".", dir=out.parent))
    try:
        for modality, module in modules.items():
            step(f"exporting {modality}")
            _export(modality, module, network, inputs, len(table.words) if table else 0, work / ENCODERS[modality])
        if table is not None:
            (work / VOCABULARY).write_text("\n".join(table.words) + "\n", encoding="utf-8")
        write_manifest(
            work,
            name=name,
            graph=network.config.graph,
            backbones=_backbones(network, modules),
            dims=_dims(network),
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


def require_replaceable(out: Path) -> None:
    """Raises BundleError for a place that holds something else than a bundle: it would be lost."""
    if out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).is_file():
        raise BundleError(f"{out} is a folder with other things in it; name a new folder or an earlier bundle's")
    if out.exists() and not out.is_dir():
        raise BundleError(f"{out} is a file; a bundle is a folder")


def _backbones(network: MMV, modules: dict[str, Encoder]) -> dict[str, str]:
    video = "s3d" if isinstance(network.video, S3D) else "tsm-resnet"
    names = {"video": video, "image": f"{video}, deflated", "audio": "resnet-v2", "text": "word vectors"}
    return {modality: names[modality] for modality in modules}


def _dims(network: MMV) -> dict[str, int]:
    dims = {"fine": network.config.fine_dim, "coarse": network.config.coarse_dim}
    if network.audio_instance is not None:
        dims["instance"] = network.audio_instance.matrix.shape[1]
    return {**dims, "video_representation": network.video.dim, "audio_representation": network.audio.dim}


def _export(modality: str, module: Encoder, network: MMV, inputs: InputSpec, vocabulary: int, path: Path) -> None:
    lengths = {
        "video": inputs.frames,
        "image": 0,
        # One more than a window: where every size on the way is even, the exporter thinks that they always are.
        "audio": int(inputs.window_s * inputs.sample_rate) + 1,
        "text": inputs.words,
    }
    batch = torch.export.Dim("batch", min=1, max=4096)
    shape: dict[int, Any] = {0: batch}
    # S3D halves time, so that its padding depends on how many frames there are: it takes those of a window.
    if modality == "video" and not isinstance(network.video, S3D):
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
            input_names=[module.input],
            output_names=list(module.outputs),
            dynamic_shapes=(shape,),
            verbose=False,
            # Keeps every weight under its own name, for models.training.restore; ONNX Runtime fuses at load.
            optimize=False,
        )
    assert program is not None
    model = program.model_proto
    drop_zero_biases(model)
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
        with np.errstate(over="ignore"):  # beyond fp16's range: infinity, which is not equal
            half = array.astype(np.float16)
        if array.size < FP16_MIN or not np.array_equal(array, half.astype(np.float32)):
            continue
        original = initializer.name
        initializer.CopyFrom(numpy_helper.from_array(half, original + "_fp16"))
        casts.append(helper.make_node("Cast", [original + "_fp16"], [original], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
