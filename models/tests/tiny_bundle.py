"""Bundles of the tiny network as files: whole, without words, without outputs that some graphs lack."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from models.bundle import ENCODERS, MANIFEST, VOCABULARY, Bundle, load_bundle, sha256
from models.networks.deflation import DeflatedMMV
from models.tests import tiny
from models.training.export import export_bundle


def export(out: Path, name: str = "tiny") -> Bundle:
    """The whole bundle, with random weights."""
    network = tiny.network()
    return export_bundle(
        network,
        DeflatedMMV(network),
        tiny.word_table(),
        tiny.INPUTS,
        out,
        name=name,
        licence="none",
        provenance={"seed": 0},
        metrics={},
    )


def without_text(bundle: Bundle, out: Path) -> Bundle:
    """A copy as it is imported without a vocabulary."""
    shutil.copytree(bundle.path, out)
    (out / ENCODERS["text"]).unlink()
    (out / VOCABULARY).unlink()
    return _rewritten(out, bundle.name + "-without-text")


def with_other_weights(bundle: Bundle, out: Path, name: str) -> Bundle:
    """A copy whose encoders give other vectors, of the same dimensions."""
    shutil.copytree(bundle.path, out)
    for modality in bundle.modalities:
        model = onnx.load(out / ENCODERS[modality])
        for tensor in model.graph.initializer:
            if len(tensor.dims) == 2:
                values = numpy_helper.to_array(tensor)
                tensor.CopyFrom(numpy_helper.from_array(np.roll(values, 1, axis=1), tensor.name))
        onnx.save(model, out / ENCODERS[modality])
    return _rewritten(out, name)


def without_outputs(bundle: Bundle, out: Path, modality: str, *outputs: str) -> Bundle:
    """A copy whose encoder of one modality lacks some outputs."""
    shutil.copytree(bundle.path, out)
    model = onnx.load(out / ENCODERS[modality])
    kept = [output for output in model.graph.output if output.name not in outputs]
    assert len(kept) == len(model.graph.output) - len(outputs)
    del model.graph.output[:]
    model.graph.output.extend(kept)
    onnx.save(model, out / ENCODERS[modality])
    return _rewritten(out, f"{bundle.name}-{modality}-without-{'-'.join(outputs)}")


def _rewritten(path: Path, name: str) -> Bundle:
    manifest = path / MANIFEST
    data = json.loads(manifest.read_text(encoding="utf-8"))
    files = {file: sha256(path / file) for file in data["files"] if (path / file).is_file()}
    manifest.write_text(json.dumps({**data, "name": name, "files": files}), encoding="utf-8")
    return load_bundle(path)
