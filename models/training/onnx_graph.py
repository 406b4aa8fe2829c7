"""Small edits of ONNX graphs: exported encoders into plain ones that variants are made of."""

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import NodeProto, TensorProto, helper, numpy_helper

Feeds = Iterable[np.ndarray]  # inputs of an encoder, one batch each


class Graph:
    """A model with its look-ups: who makes a tensor, who reads it, which are constants."""

    def __init__(self, model: onnx.ModelProto):
        self.model = model
        self.nodes = model.graph.node
        self.constants = {c.name: c for c in model.graph.initializer}
        self.producer = {name: node for node in self.nodes for name in node.output}
        self.readers: dict[str, list[NodeProto]] = defaultdict(list)
        for node in self.nodes:
            for name in node.input:
                self.readers[name].append(node)

    def array(self, name: str) -> np.ndarray:
        """Value of a constant."""
        return numpy_helper.to_array(self.constants[name])

    def trunk_convolutions(self) -> list[NodeProto]:
        """Convolutions over pictures and films. The DFT of the log-mel front end, in one dimension, is none of them."""
        return [
            node
            for node in self.nodes
            if node.op_type == "Conv"
            and all(name in self.constants for name in node.input[1:])
            and self.array(node.input[1]).ndim >= 4
        ]


def read_folded(path: Path) -> onnx.ModelProto:
    """An exported encoder with its constants computed and batch norms folded into the convolutions before them."""
    model = onnx.load(path)
    drop_zero_biases(model)
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        onnx.save(model, before)
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(after)
        options.log_severity_level = 3
        ort.InferenceSession(str(before), options, providers=["CPUExecutionProvider"])
        folded = onnx.load(after)
    domains = {node.domain for node in folded.graph.node}
    imports = [o for o in folded.opset_import if o.domain in domains]
    del folded.opset_import[:]
    folded.opset_import.extend(imports)
    del folded.graph.value_info[:]  # else it would contradict the new types
    return folded


def drop_zero_biases(model: onnx.ModelProto) -> None:
    """Drop biases of convolutions that are an expanded zero, as the exporter writes them for convolutions without.

    ONNX Runtime folds no batch norm into a convolution whose bias is computed: a fifth of the time of a TSM-ResNet-50.
    """
    graph = Graph(model)

    def is_zero(name: str) -> bool:
        if name in graph.constants:
            return not graph.array(name).any()
        node = graph.producer.get(name)
        if node is not None and node.op_type in ("Constant", "ConstantOfShape"):
            return not any(numpy_helper.to_array(a.t).any() for a in node.attribute)
        return node is not None and node.op_type in ("Cast", "CastLike", "Expand") and is_zero(node.input[0])

    for node in model.graph.node:
        if node.op_type == "Conv" and len(node.input) == 3 and node.input[2] and is_zero(node.input[2]):
            del node.input[2]
    tidy(model)


def tidy(model: onnx.ModelProto) -> None:
    """Drop what no output needs, and put nodes after those that they read from."""
    graph = model.graph
    producer = {name: node for node in graph.node for name in node.output}
    order: list[NodeProto] = []
    reached: set[str] = set()
    waiting = [(name, False) for name in reversed([output.name for output in graph.output])]
    while waiting:
        name, inputs_done = waiting.pop()
        node = producer.get(name)
        if node is None or (name in reached and not inputs_done):
            reached.add(name)
        elif inputs_done:
            order.append(node)
        else:
            reached.update(node.output)
            waiting.append((name, True))
            waiting.extend((i, False) for i in reversed(node.input))
    del graph.node[:]
    graph.node.extend(order)
    constants = [c for c in graph.initializer if c.name in reached]
    del graph.initializer[:]
    graph.initializer.extend(constants)


def ranges(
    model: onnx.ModelProto, tensors: Sequence[str], feeds: Feeds, per_channel: Sequence[str] = ()
) -> dict[str, np.ndarray]:
    """Smallest and largest value, zero included, of float32 tensors over inputs: [2, 1], or [2, C] where per channel.

    One input at a time, and the extremes are found inside the graph: memory stays that of one run. Raises ValueError
    for a tensor that is not finite.
    """
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    names = [f"{tensor}/{kind}" for tensor in tensors for kind in ("Min", "Max")]
    for tensor in tensors:
        for kind in ("Min", "Max"):
            flat = f"{tensor}/{kind}/flat"
            shape, axes = ("by_channel", "batch_and_places") if tensor in per_channel else ("as_one", "all_places")
            probe.graph.node.append(helper.make_node("Reshape", [tensor, shape], [flat]))
            reduce = helper.make_node(f"Reduce{kind}", [flat, axes], [f"{tensor}/{kind}"], keepdims=0)
            probe.graph.node.append(reduce)
            probe.graph.output.append(helper.make_tensor_value_info(f"{tensor}/{kind}", TensorProto.FLOAT, None))
    for name, value in {
        "by_channel": [0, 0, -1],
        "as_one": [1, -1],
        "batch_and_places": [0, 2],
        "all_places": [1],
    }.items():
        probe.graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    extremes: dict[str, np.ndarray] = {}
    for array in feeds:
        found = dict(zip(names, session.run(names, {session.get_inputs()[0].name: array}), strict=True))
        for tensor in tensors:
            low, high = found[f"{tensor}/Min"], found[f"{tensor}/Max"]
            if not (np.isfinite(low).all() and np.isfinite(high).all()):
                raise ValueError(f"the encoder computes {tensor} as infinite or not a number")
            before = extremes.get(tensor, np.zeros((2, 1), np.float32))
            extremes[tensor] = np.stack([np.minimum(before[0], low), np.maximum(before[1], high)])
    return extremes
