"""TensorFlow Lite -> quantized graph: int8 models as the TFLite converter writes them.

The operators are quantized already, so they become the IR's one for one, with the roundings of the engine
whose bytes are wanted:

- ``tflm``: TensorFlow Lite Micro's reference kernels, and so CMSIS-NN's. Everything rounds twice (DOUBLE).
- ``litert``: LiteRT's reference kernels. As TFLM, but fully-connected layers round once.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.ir import Edge, Graph, Op, Quantization, Tensor
from qrt.compiler.requant import Requant, quantize_multiplier

DTYPES = {0: "float32", 2: "int32", 3: "uint8", 4: "int64", 9: "int8"}
NUMPY = {name: np.dtype(name) for name in DTYPES.values()}


class Unsupported(Exception):
    """An operator that qrt cannot express; the text is the reason and the remedy."""


def to_graph(source: str | os.PathLike[str], match: str = "tflm") -> Graph:
    """The quantized graph of a .tflite file.

    Parameters
    ----------
    source : path
    match : {"tflm", "litert"}
        Whose bytes to give.

    Raises
    ------
    CompileError
        Not a .tflite file, or operators that qrt does not have: all of them.
    ImportError
        The package tflite is missing.
    """
    try:
        import tflite
    except ImportError:
        raise ImportError('reading .tflite needs the package tflite: pip install "qrt[tflite]"') from None
    path = Path(source)
    content = path.read_bytes()
    if len(content) < 8 or content[4:8] != b"TFL3":
        raise CompileError([Problem(str(path), "file", "is not a TensorFlow Lite file")])
    try:
        importer = _Importer(tflite, content, path.stem, match)
        return importer.run()
    except (IndexError, ValueError, TypeError, OverflowError, struct.error) as error:
        if isinstance(error, CompileError):
            raise
        reason = f"cannot be understood: {error}"
        raise CompileError([Problem(str(path), "file", reason)]) from None


class _Importer:
    """One subgraph on its way into the IR."""

    def __init__(self, tflite: ModuleType, content: bytes, name: str, match: str) -> None:
        self.tflite = tflite
        self.model = tflite.Model.GetRootAsModel(content, 0)
        self.match = match
        self.graph = Graph(name)
        self.problems: list[Problem] = []
        self.tensors: dict[int, Tensor] = {}
        self.kinds = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}

    def run(self) -> Graph:
        if self.model.SubgraphsLength() != 1:
            raise ValueError(f"it has {self.model.SubgraphsLength()} subgraphs, qrt takes one")
        self.subgraph = self.model.Subgraphs(0)
        for index in self.subgraph.InputsAsNumpy().tolist():
            self.graph.inputs.append(Edge(self.tensor(index)))
        for i in range(self.subgraph.OperatorsLength()):
            self._operator(i)
        if self.problems:
            raise CompileError(self.problems)
        for index in self.subgraph.OutputsAsNumpy().tolist():
            self.graph.outputs.append(Edge(self.tensor(index)))
        return self.graph

    # Tensors

    def tensor(self, index: int) -> Tensor:
        """Tensor `index` of the file, always the same object."""
        if index not in self.tensors:
            self.tensors[index] = self._read(self.subgraph.Tensors(index))
        return self.tensors[index]

    def _read(self, source: Any) -> Tensor:
        name = (source.Name() or b"").decode("utf-8", "replace")
        shape = tuple(source.ShapeAsNumpy().tolist()) if source.ShapeLength() else ()
        dtype = DTYPES.get(source.Type())
        if dtype is None:
            raise CompileError([Problem(name, "tensor", "has a type that qrt has not; int8 networks only")])
        content = self.model.Buffers(source.Buffer())
        data = None
        if content.DataLength():
            data = np.frombuffer(content.DataAsNumpy().tobytes(), NUMPY[dtype].newbyteorder("<")).reshape(shape)
        return Tensor(name, shape, dtype, self._quantization(source), data)

    @staticmethod
    def _quantization(source: Any) -> Quantization | None:
        stated = source.Quantization()
        if stated is None or stated.ScaleLength() == 0:
            return None
        scale = stated.ScaleAsNumpy().astype(np.float32)
        zero_point = stated.ZeroPointAsNumpy().astype(np.int32) if stated.ZeroPointLength() else np.zeros(len(scale))
        if len(scale) == 1:
            return Quantization(scale.reshape(()), np.asarray(zero_point, np.int32).reshape(()))
        return Quantization(scale, np.asarray(zero_point, np.int32), int(stated.QuantizedDimension()))

    # Operators

    def _operator(self, index: int) -> None:
        node = self.subgraph.Operators(index)
        code = self.model.OperatorCodes(node.OpcodeIndex())
        kind = self.kinds.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "?")
        inputs = [self.tensor(i) for i in node.InputsAsNumpy().tolist() if i >= 0]
        output = self.tensor(int(node.Outputs(0)))
        try:
            if kind not in OPERATORS:
                raise Unsupported("qrt has no operator for it yet")
            if any(t.dtype != "int8" for t in (inputs[0], output)):
                raise Unsupported("is not int8; quantize the whole network to int8")
            OPERATORS[kind](self, Node(kind, output.name, node, inputs, output))
        except Unsupported as reason:
            self.problems.append(Problem(output.name, kind, str(reason)))

    def options(self, node: Node, name: str) -> Any:
        """The operator's option table, called `name` in the schema."""
        options = getattr(self.tflite, name)()
        table = node.source.BuiltinOptions()
        if table is None:
            raise Unsupported(f"lacks its {name}")
        options.Init(table.Bytes, table.Pos)
        return options

    def emit(self, kind: str, node: Node, inputs: list[Tensor], output: Tensor | None = None, **attrs: Any) -> Tensor:
        y = output if output is not None else node.output
        self.graph.ops.append(Op(kind, node.name, inputs, y, attrs))
        return y

    def between(self, node: Node, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        """`tensor` reshaped for an operator that wants another rank."""
        if tensor.shape == shape:
            return tensor
        name = f"{tensor.name}_as_{'x'.join(map(str, shape))}"
        return self.emit("reshape", node, [tensor], Tensor(name, shape, "int8", tensor.quantization))


class Node:
    """One operator of the file: its kind, name, flatbuffer table, and tensors."""

    def __init__(self, kind: str, name: str, source: Any, inputs: list[Tensor], output: Tensor) -> None:
        self.kind, self.name, self.source, self.inputs, self.output = kind, name, source, inputs, output


def activation(importer: _Importer, node: Node, code: int) -> dict[str, Any]:
    """output_min and output_max of a fused activation, rounded as TFLite does: half away from zero, float32."""
    kinds = importer.tflite.ActivationFunctionType
    bounds = {
        kinds.NONE: (None, None),
        kinds.RELU: (0.0, None),
        kinds.RELU6: (0.0, 6.0),
        kinds.RELU_N1_TO_1: (-1.0, 1.0),
    }
    if code not in bounds:
        raise Unsupported("has a fused activation that is neither ReLU, ReLU6 nor ReLU_N1_TO_1")
    y = node.output

    def clamped(real: float | None, default: int) -> int:
        if real is None:
            return default
        scaled = np.float32(real) / np.float32(y.scale)
        rounded = int(np.floor(np.abs(scaled) + np.float32(0.5)) * np.sign(scaled))
        return max(-128, min(127, rounded + y.zero_point))

    low, high = bounds[code]
    return {"output_min": clamped(low, -128), "output_max": clamped(high, 127)}


def padding(
    importer: _Importer, options: Any, x: Tensor, size: tuple[int, ...], dilation: tuple[int, int]
) -> tuple[int, ...]:
    """(top, bottom, left, right) of padding SAME or VALID, the odd one behind."""
    if options.Padding() == importer.tflite.Padding.VALID:
        return (0, 0, 0, 0)
    sides = []
    for k, stride in enumerate((options.StrideH(), options.StrideW())):
        length, span = x.shape[1 + k], (size[k] - 1) * dilation[k] + 1
        total = max((-(-length // stride) - 1) * stride + span - length, 0)
        sides += [total // 2, total - total // 2]
    return tuple(sides)


def weights(tensor: Tensor, axis: int) -> Tensor:
    """Constant int8 weights, per channel along `axis` or per tensor."""
    quantization = tensor.quantization
    if tensor.data is None or tensor.dtype != "int8" or quantization is None:
        raise Unsupported(f"its weights {tensor.name!r} are not constant int8")
    if np.any(quantization.zero_point):
        raise Unsupported(f"its weights {tensor.name!r} have a zero point")
    if quantization.per_channel and quantization.axis != axis:
        raise Unsupported(f"its weights {tensor.name!r} are quantized along axis {quantization.axis}")
    return tensor


def layer(x: Tensor, w: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """Inputs of a layer: the bias counts in steps of x_scale * w_scale, whatever scale it states itself."""
    if len(inputs) < 3:
        return [x, w]
    bias = inputs[2]
    if bias.data is None or bias.dtype != "int32":
        raise Unsupported(f"its bias {bias.name!r} is not constant int32")
    assert w.quantization is not None
    count = bias.data.size
    unit = np.broadcast_to(x.scale * np.asarray(w.quantization.scale, np.float64), (count,))
    quantization = Quantization(unit, np.zeros(count, np.int32), 0)
    return [x, w, Tensor(bias.name, (count,), "int32", quantization, bias.data.reshape(-1))]


def convolution(kind: str, option_table: str, channel_axis: int) -> Callable[[_Importer, Node], None]:
    def translate(importer: _Importer, node: Node) -> None:
        options = importer.options(node, option_table)
        x, w = node.inputs[0], weights(node.inputs[1], channel_axis)
        dilation = (options.DilationHFactor(), options.DilationWFactor())
        attrs = activation(importer, node, options.FusedActivationFunction())
        if kind == "conv2d":
            attrs["groups"] = x.shape[3] // w.shape[3]
        importer.emit(
            kind,
            node,
            layer(x, w, node.inputs),
            stride=(options.StrideH(), options.StrideW()),
            dilation=dilation,
            padding=padding(importer, options, x, w.shape[1:3], dilation),
            rounding="DOUBLE",
            **attrs,
        )

    return translate


def fully_connected(importer: _Importer, node: Node) -> None:
    options = importer.options(node, "FullyConnectedOptions")
    x, w = node.inputs[0], weights(node.inputs[1], 0)
    assert w.quantization is not None
    # The engines multiply both scales in float32 here, unlike in convolutions.
    product = (np.float32(x.scale) * np.asarray(w.quantization.scale, np.float32)).astype(np.float64)
    scale = Quantization(product / x.scale, w.quantization.zero_point, w.quantization.axis)
    w = Tensor(w.name, w.shape, "int8", scale, w.data)
    rows = x.size // w.shape[1]
    flat = importer.between(node, x, (rows, w.shape[1]))
    direct = node.output.shape == (rows, w.shape[0])
    y = node.output if direct else Tensor(f"{node.name}_rows", (rows, w.shape[0]), "int8", node.output.quantization)
    importer.emit(
        "linear",
        node,
        layer(flat, w, node.inputs),
        y,
        rounding="SINGLE" if importer.match == "litert" else "DOUBLE",
        **activation(importer, node, options.FusedActivationFunction()),
    )
    if not direct:
        importer.emit("reshape", node, [y])


def add(importer: _Importer, node: Node) -> None:
    options = importer.options(node, "AddOptions")
    a, b = node.inputs
    rank = max(len(a.shape), len(b.shape))
    operands = [importer.between(node, t, (1,) * (rank - len(t.shape)) + t.shape) for t in (a, b)]
    importer.emit("add", node, operands, form="TFLITE", **activation(importer, node, options.FusedActivationFunction()))


def pool(kind: str) -> Callable[[_Importer, Node], None]:
    def translate(importer: _Importer, node: Node) -> None:
        options = importer.options(node, "Pool2DOptions")
        x, y = node.inputs[0], node.output
        if x.quantization is None or not x.quantization.same_as(y.quantization):
            raise Unsupported("changes the scale, which TFLite's pools do not")
        size = (options.FilterHeight(), options.FilterWidth())
        importer.emit(
            kind,
            node,
            [x],
            filter=size,
            stride=(options.StrideH(), options.StrideW()),
            padding=padding(importer, options, x, size, (1, 1)),
            **activation(importer, node, options.FusedActivationFunction()),
        )

    return translate


def constant(node: Node, index: int, what: str) -> np.ndarray:
    if len(node.inputs) <= index:
        raise Unsupported(f"lacks its {what}")
    data = node.inputs[index].data
    if data is None:
        raise Unsupported(f"its {what} is not constant")
    return data


def mean(importer: _Importer, node: Node) -> None:
    x, y = node.inputs[0], node.output
    axes = {int(a) % len(x.shape) for a in constant(node, 1, "axes").reshape(-1)}
    if len(x.shape) != 4 or axes != {1, 2}:
        raise Unsupported("takes the mean over other axes than height and width")
    kept = (x.shape[0], 1, 1, x.shape[3])
    whole = y if y.shape == kept else Tensor(f"{node.name}_kept", kept, "int8", y.quantization)
    importer.emit("mean", node, [x], whole, requant=_mean_requant(x, y))
    if whole is not y:
        importer.emit("reshape", node, [whole])


def _mean_requant(x: Tensor, y: Tensor) -> Requant:
    """The multiplier of the scales with 1 / count folded in as TFLite does it, in integers and rounded down."""
    count = x.shape[1] * x.shape[2]
    multiplier, shift = quantize_multiplier(x.scale / y.scale)
    spare = min(count.bit_length() - 1, 32, 62 - shift)
    multiplier, shift = (multiplier << spare) // count, shift + spare
    return Requant(np.array([multiplier], np.int32), np.array([shift], np.uint8), rounding="DOUBLE")


def pad(importer: _Importer, node: Node) -> None:
    pads = constant(node, 1, "paddings").reshape(-1, 2)
    value = int(constant(node, 2, "value").reshape(-1)[0]) if len(node.inputs) > 2 else node.inputs[0].zero_point
    before, after = tuple(pads[:, 0].tolist()), tuple(pads[:, 1].tolist())
    importer.emit("pad", node, node.inputs[:1], before=before, after=after, value=value)


def reshape(importer: _Importer, node: Node) -> None:
    importer.emit("reshape", node, node.inputs[:1])


def transpose(importer: _Importer, node: Node) -> None:
    permutation = tuple(int(k) for k in constant(node, 1, "permutation").reshape(-1))
    importer.emit("transpose", node, node.inputs[:1], permutation=permutation)


def softmax(importer: _Importer, node: Node) -> None:
    if importer.options(node, "SoftmaxOptions").Beta() != 1.0:
        raise Unsupported("has a beta other than 1")
    importer.emit("softmax", node, node.inputs, form="TFLITE")


OPERATORS: dict[str, Callable[[_Importer, Node], None]] = {
    "CONV_2D": convolution("conv2d", "Conv2DOptions", 0),
    "DEPTHWISE_CONV_2D": convolution("dwconv2d", "DepthwiseConv2DOptions", 3),
    "FULLY_CONNECTED": fully_connected,
    "ADD": add,
    "AVERAGE_POOL_2D": pool("average_pool2d"),
    "MAX_POOL_2D": pool("max_pool2d"),
    "MEAN": mean,
    "PAD": pad,
    "RESHAPE": reshape,
    "SQUEEZE": reshape,
    "EXPAND_DIMS": reshape,
    "TRANSPOSE": transpose,
    "SOFTMAX": softmax,
}
