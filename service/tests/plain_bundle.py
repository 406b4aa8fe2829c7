"""A bundle that is made and loaded in no time: its encoders are one fixed projection each. For tests that are not about
what vectors mean, but about what becomes of them."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.bundle import ENCODERS, VOCABULARY, Bundle, InputSpec, write_manifest

INPUTS = InputSpec(
    window_s=1.0, hop_s=0.5, frames=2, frame_height=8, frame_width=8, sample_rate=8000, words=4, resize="area"
)
DIMS = {"fine": 8, "coarse": 6, "representation": 12}
WORDS = ("<pad>", "<bos>", "<eos>", "<unk>", "door", "opens", "red", "film", "sound", "a", "the")


def make(out: Path, name: str, seed: int) -> Bundle:
    """Another seed gives other vectors, and so another fingerprint."""
    out.mkdir(parents=True)
    random = np.random.default_rng(seed)
    pixels = INPUTS.frame_height * INPUTS.frame_width * 3
    whole = {"fine", "coarse", "representation"}
    _save(
        out / ENCODERS["video"],
        helper.make_tensor_value_info("frames", TensorProto.UINT8, ["b", INPUTS.frames, 8, 8, 3]),
        _flattened("frames"),
        INPUTS.frames * pixels,
        whole,
        random,
    )
    _save(
        out / ENCODERS["image"],
        helper.make_tensor_value_info("frames", TensorProto.UINT8, ["b", 8, 8, 3]),
        _flattened("frames"),
        pixels,
        whole,
        random,
    )
    _save(
        out / ENCODERS["audio"],
        helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["b", "s"]),
        [  # of sound only how loud it is, and how far off the middle, whatever its length
            helper.make_node("Abs", ["waveform"], ["loud"]),
            helper.make_node("ReduceMean", ["loud", "one"], ["level"], keepdims=1),
            helper.make_node("ReduceMean", ["waveform", "one"], ["middle"], keepdims=1),
            helper.make_node("Add", ["level", "unit"], ["beside"]),
            helper.make_node("Concat", ["level", "middle", "beside"], ["flat"], axis=1),
        ],
        3,
        whole,
        random,
    )
    table = numpy_helper.from_array(random.standard_normal((len(WORDS), 5)).astype(np.float32), "table")
    _save(
        out / ENCODERS["text"],
        helper.make_tensor_value_info("ids", TensorProto.INT64, ["b", INPUTS.words]),
        [
            helper.make_node("Gather", ["table", "ids"], ["words"]),
            helper.make_node("ReduceMean", ["words", "one"], ["flat"], keepdims=0),
        ],
        5,
        {"coarse"},
        random,
        table,
    )
    (out / VOCABULARY).write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    return write_manifest(
        out,
        name=name,
        graph="fac",
        backbones={},
        dims=DIMS,
        inputs=INPUTS,
        network={},
        licence="none",
        provenance={"seed": seed},
        metrics={},
    )


def _flattened(name: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Cast", [name], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["floats"], ["flat"], axis=1),
    ]


def _save(
    path: Path,
    given: onnx.ValueInfoProto,
    nodes: list[onnx.NodeProto],
    width: int,
    outputs: set[str],
    random: np.random.Generator,
    *constants: onnx.TensorProto,
) -> None:
    """An encoder that projects what `nodes` make ("flat", [b, width]) to each of its outputs, normalised."""
    tensors = [
        *constants,
        numpy_helper.from_array(np.array([1], np.int64), "one"),
        numpy_helper.from_array(np.array([1.0], np.float32), "unit"),
    ]
    for name in sorted(outputs):
        weights = random.standard_normal((width, DIMS[name])).astype(np.float32)
        tensors.append(numpy_helper.from_array(weights, f"{name}_weights"))
        projected = name if name == "representation" else f"{name}_long"
        nodes.append(helper.make_node("MatMul", ["flat", f"{name}_weights"], [projected]))
        if name != "representation":
            nodes.append(helper.make_node("LpNormalization", [projected], [name], axis=1, p=2))
    results = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", DIMS[name]]) for name in sorted(outputs)]
    graph = helper.make_graph(nodes, path.stem, [given], results, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
