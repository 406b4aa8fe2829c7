"""int8 encoders: convolutions in int8 (QDQ format), everything else as it was.

Weights are signed, one scale per output channel; activations unsigned with a zero point, by their smallest and largest
value over calibration inputs: one scale per tensor where a convolution reads them, one per channel where what a
convolution gives goes back to float32 (its weights and bias take the difference up, at no cost).

The stem, the residual stream, the pre-activation batch norms on it and the heads stay float32: an int8 stem adds half
to the error of the shipped video encoder and saves nothing; quantised heads would cut their embeddings off at 0
where a ReLU follows (MMV.md section 9).
What only moves values between two convolutions (the temporal shift, reshapes, max-pooling) works on the quantised ones.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

from models.training.onnx_graph import Feeds, Graph, ranges, tidy
from models.training.sliced import slice_residuals

# Operators that move values, or choose among them: the same on quantised values of one scale.
MOVES = {"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Concat", "Expand", "Identity", "Where", "MaxPool"}
# Room for values beyond those of the calibration, which would be cut off: per tensor, and per channel, which have been
# seen less. On the shipped video encoder, with 20 clips: without, the worst clip's cosine is 0.997, with it 0.9994.
ROOM, ROOM_OF_CHANNEL = 1.1, 1.5
CENTRE = 128  # zero point of what goes back to float32


def quantize(model: onnx.ModelProto, feeds: Feeds) -> onnx.ModelProto:
    """Quantise the convolutions behind the stem of a folded model (changed in place).

    Raises ValueError where what they compute of `feeds` is not finite.
    """
    graph = Graph(model)
    convolutions = graph.trunk_convolutions()[1:]
    sources = [_source(graph, node.input[0]) for node in convolutions]
    results = [_result(graph, node) for node in convolutions]
    measured = sorted({*sources, *results})
    last = {n.output[0] for n in convolutions} & set(results) - set(sources)
    extremes = ranges(model, measured, feeds, sorted(last))
    quantizer = _Quantizer(graph, {t: e * (ROOM_OF_CHANNEL if t in last else ROOM) for t, e in extremes.items()})
    for node, source in zip(convolutions, sources, strict=True):
        quantizer.convolution(node, source, to_float=node.output[0] in last)
    for result in results:
        if result in last:
            quantizer.to_float(result)
        else:
            quantizer.result(result, convolutions)
    for node in [n for n in graph.nodes if n.op_type == "Shape"]:  # else a float32 copy is made for its shape alone
        if (source := _source(graph, node.input[0])) in sources:
            node.input[0] = quantizer.quantized(node.input[0], source)
    graph.nodes.extend(quantizer.nodes)
    tidy(model)
    slice_residuals(model)
    return model


class _Quantizer:
    """Writes the new nodes and constants of one graph."""

    def __init__(self, graph: Graph, extremes: dict[str, np.ndarray]):
        self.graph = graph
        self.nodes: list[NodeProto] = []
        self._moved: dict[str, str] = {}  # tensors to their quantised values
        self._scales = {name: _scale(*extreme) for name, extreme in extremes.items()}

    def convolution(self, node: NodeProto, source: str, to_float: bool) -> None:
        """Give a convolution quantised input, weights and bias; `to_float`: see there."""
        weights = self.graph.array(node.input[1])
        bias = self.graph.array(node.input[2]) if len(node.input) == 3 else np.zeros(len(weights), np.float32)
        if to_float:  # computes codes, centred
            scales, zeros = self._scales[node.output[0]]
            weights = weights / scales.reshape(-1, *[1] * (weights.ndim - 1))
            bias = bias / scales + (zeros.astype(np.float32) - CENTRE)
        scale = self._scales[source][0]
        largest = np.abs(weights).reshape(len(weights), -1).max(axis=1)
        # The second term keeps the int32 bias of channels with hardly any weights from overflowing.
        by_channel = np.maximum(np.maximum(largest / 127, np.abs(bias) / (scale * 2.0**30)), 1e-12).astype(np.float32)
        codes = np.rint(weights / by_channel.reshape(-1, *[1] * (weights.ndim - 1))).clip(-127, 127).astype(np.int8)
        name = node.output[0]
        inputs = [
            self._dequantize(self.quantized(node.input[0], source), f"{name}/input", *self._parameters(source)),
            self._stored(f"{name}/weights", codes, by_channel),
        ]
        if bias.any():
            stored = np.rint(bias / (scale * by_channel)).astype(np.int32)
            inputs.append(self._stored(f"{name}/bias", stored, scale * by_channel))
        del node.input[:]
        node.input.extend(inputs)

    def to_float(self, tensor: str) -> None:
        """Read what a convolution gives back into float32, with a scale and a zero point per channel.

        Its weights and bias are those that give the codes less CENTRE, so that quantising it needs one scale only: 1.
        """
        one, centre = f"{tensor}/one", f"{tensor}/centre"
        self._constant(one, np.float32(1))
        self._constant(centre, np.uint8(CENTRE))
        codes = f"{tensor}/quantized"
        self.nodes.append(helper.make_node("QuantizeLinear", [tensor, one, centre], [codes]))
        readers = self.graph.readers[tensor]
        original = tensor
        if len(readers) == 1 and readers[0].op_type == "MaxPool":  # the largest code is that of the largest value
            pool = readers[0]
            original, pool.input[0] = pool.output[0], codes
            codes = f"{tensor}/pooled"
            pool.output[0] = codes
            readers = self.graph.readers[original]
        back = self._dequantize(codes, f"{tensor}/back", *self._parameters(tensor), axis=1)
        for reader in readers:
            reader.input[:] = [back if name == original else name for name in reader.input]

    def result(self, tensor: str, convolutions: Sequence[NodeProto]) -> None:
        """Quantise what a convolution gives, so that it stays in int8; others than convolutions read it back."""
        back = self._dequantize(self.quantized(tensor, tensor), f"{tensor}/back", *self._parameters(tensor))
        for reader in self.graph.readers[tensor]:
            if reader not in convolutions:
                reader.input[:] = [back if name == tensor else name for name in reader.input]

    def quantized(self, tensor: str, source: str) -> str:
        """The quantised values of a tensor that is the source, moved."""
        key = tensor
        if key in self._moved:
            return self._moved[key]
        node = self.graph.producer.get(tensor)
        output = f"{tensor}/quantized"
        if tensor != source and node is not None and _moves(self.graph, node):
            move = NodeProto()
            move.CopyFrom(node)
            move.name = ""  # names must differ, or be none
            data = _data_inputs(node)
            move.input[:] = [self.quantized(n, source) if i in data else n for i, n in enumerate(node.input)]
            if node.op_type == "Pad":
                move.input[2:3] = [self._parameters(source)[1]]  # what stands for 0
            move.output[:] = [output]
            self.nodes.append(move)
        else:
            if tensor == source and node is not None and node.op_type == "Relu":
                tensor = node.input[0]  # unsigned values with zero point 0 cut off below 0 by themselves
            if tensor != source:
                output = f"{tensor}/as/{source}"  # a constant, in the scale of what it is joined with
                if output in self.graph.producer:
                    return output
            self.nodes.append(helper.make_node("QuantizeLinear", [tensor, *self._parameters(source)], [output]))
        self._moved[key] = output
        return output

    def _parameters(self, source: str) -> tuple[str, str]:
        scale, zero = f"{source}/scale", f"{source}/zero"
        if scale not in self.graph.constants:
            for name, value in zip((scale, zero), self._scales[source], strict=True):
                self._constant(name, value[0] if len(value) == 1 else value)
        return scale, zero

    def _stored(self, name: str, codes: np.ndarray, scales: np.ndarray) -> str:
        self._constant(name, codes)
        self._constant(f"{name}/scale", scales.astype(np.float32))
        self._constant(f"{name}/zero", np.zeros(len(scales), codes.dtype))
        return self._dequantize(name, f"{name}/back", f"{name}/scale", f"{name}/zero", axis=0)

    def _dequantize(self, tensor: str, output: str, scale: str, zero: str, **attributes: int) -> str:
        self.nodes.append(helper.make_node("DequantizeLinear", [tensor, scale, zero], [output], **attributes))
        return output

    def _constant(self, name: str, value: np.ndarray | np.generic) -> None:
        tensor = numpy_helper.from_array(np.asarray(value), name)
        self.graph.constants[name] = tensor
        self.graph.model.graph.initializer.append(tensor)


def _scale(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scales and zero points that map low..high to 0..255."""
    scales = (np.maximum(high - low, 1e-6) / 255).astype(np.float32)
    return scales, np.rint(-low / scales).clip(0, 255).astype(np.uint8)


def _source(graph: Graph, tensor: str) -> str:
    """The computed tensor that a convolution's input is a rearrangement of; the input itself if it has several."""
    found = set(_sources(graph, tensor))
    return found.pop() if len(found) == 1 else tensor


def _sources(graph: Graph, tensor: str) -> list[str]:
    node = graph.producer.get(tensor)
    if _is_constant(graph, tensor):
        return []
    if node is None or not _moves(graph, node):
        return [tensor]
    return [s for i in _data_inputs(node) for s in _sources(graph, node.input[i])]


def _moves(graph: Graph, node: NodeProto) -> bool:
    """Whether it only moves values. A Pad does if it pads by 0: minus infinity, before a MaxPool, fits no scale."""
    if node.op_type != "Pad":
        return node.op_type in MOVES
    value = node.input[2] if len(node.input) > 2 else ""
    return not node.attribute and (not value or (value in graph.constants and not graph.array(value).any()))


def _data_inputs(node: NodeProto) -> list[int]:
    if node.op_type == "Concat":
        return list(range(len(node.input)))
    return [1, 2] if node.op_type == "Where" else [0]


def _is_constant(graph: Graph, tensor: str) -> bool:
    """Whether its values are constant (its shape need not be)."""
    node = graph.producer.get(tensor)
    if node is None:
        return tensor in graph.constants
    return node.op_type == "Constant" or (
        node.op_type in MOVES | {"Cast"} and all(_is_constant(graph, node.input[i]) for i in _data_inputs(node))
    )


def _result(graph: Graph, convolution: NodeProto) -> str:
    """A convolution's output, after the ReLU that follows it where that alone reads it."""
    output = convolution.output[0]
    readers = graph.readers[output]
    return readers[0].output[0] if len(readers) == 1 and readers[0].op_type == "Relu" else output
