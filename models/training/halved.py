"""fp16 encoders for GPUs: the trunk computes in float16; front end, pooling, heads, inputs and outputs in float32."""

from collections.abc import Callable, Iterable

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from models.training.onnx_graph import Feeds, Graph, ranges, tidy

# float16 ends at 65,504; inputs other than those of the calibration need some room.
LARGEST = 30_000.0
# Sums over many values: in float16 they would lose the small ones.
KEPT_OPERATORS = {"ReduceMean", "GlobalAveragePool", "ReduceSum", "ReduceL2"}


def halve(model: onnx.ModelProto, feeds: Feeds) -> onnx.ModelProto:
    """Let the trunk of a folded model (changed in place), from its first convolution to its last, compute in float16.

    Raises ValueError where float16 cannot hold a weight or what the trunk computes of `feeds`.
    """
    inferred = onnx.shape_inference.infer_shapes(model)
    known = [*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output]
    floats = {i.name for i in known if i.type.tensor_type.elem_type == TensorProto.FLOAT}
    floats |= {c.name for c in model.graph.initializer if c.data_type == TensorProto.FLOAT}
    graph = Graph(model)
    trunk = _trunk(graph)
    made = sorted({name for node in trunk for name in node.output} & floats)
    padded = {node.output[0] for node in trunk if node.op_type == "Pad"}  # for a MaxPool: by the smallest number
    for name, extremes in ranges(model, [name for name in made if name not in padded], feeds).items():
        if (reaches := np.abs(extremes).max()) > LARGEST:
            raise ValueError(f"float16 cannot hold {name}, which reaches {reaches:.3g}")

    casts: dict[str, NodeProto] = {}

    def cast(name: str, to: int, suffix: str) -> str:
        if name + suffix not in casts:
            casts[name + suffix] = helper.make_node("Cast", [name], [name + suffix], to=to)
        return name + suffix

    for node in model.graph.node:
        inside = node in trunk
        for i, name in enumerate(node.input):
            if name in graph.constants and name in floats and inside:
                node.input[i] = _half_constant(graph, name, cut=node.op_type == "Pad")
            elif name in floats and (name in made) != inside:
                to, suffix = (TensorProto.FLOAT16, "/half") if inside else (TensorProto.FLOAT, "/back")
                node.input[i] = cast(name, to, suffix)
        for attribute in node.attribute:
            if inside and node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.FLOAT16
    model.graph.node.extend(casts.values())
    tidy(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def _trunk(graph: Graph) -> list[NodeProto]:
    """Nodes from the first convolution to the last."""
    convolutions = graph.trunk_convolutions()
    after = _reached(convolutions, lambda node: (r for name in node.output for r in graph.readers[name]))
    before = _reached(convolutions, lambda node: (graph.producer[n] for n in node.input if n in graph.producer))
    return [n for n in graph.nodes if n.output[0] in after & before and n.op_type not in KEPT_OPERATORS]


def _reached(start: list[NodeProto], neighbours: Callable[[NodeProto], Iterable[NodeProto]]) -> set[str]:
    """First outputs of the nodes that can be reached, those one starts from included."""
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        node = waiting.pop()
        if node.output[0] not in found:
            found.add(node.output[0])
            waiting.extend(neighbours(node))
    return found


def _half_constant(graph: Graph, name: str, cut: bool) -> str:
    half = f"{name}/half"
    if half not in graph.constants:
        value = graph.array(name)
        if cut:
            value = np.clip(value, -LARGEST, LARGEST)
        if np.abs(value).max(initial=0) > LARGEST:
            raise ValueError(f"float16 cannot hold {name}, which reaches {np.abs(value).max():.3g}")
        graph.constants[half] = numpy_helper.from_array(value.astype(np.float16), half)
        graph.model.graph.initializer.append(graph.constants[half])
    return half
