"""Converts TensorFlow Lite's operators with weights and its arithmetic operators to the IR.

Each function takes the importer and a node, and appends operators that compute the same codes. OPERATORS lists all of
them, including those of movement.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite import movement
from qrt.compiler.frontends.tflite.edges import dequantize, quantize
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.movement import constant, to_last
from qrt.compiler.frontends.tflite.node import KEEPING, Node
from qrt.compiler.integers import functions
from qrt.compiler.integers.channels import Requant, quantize_multiplier
from qrt.compiler.integers.codes import half_away
from qrt.compiler.ir import Quantization, Tensor

Translation = Callable[[Importer, Node], None]


def rounding(importer: Importer) -> str:
    """The rounding mode of all operators except add and the fully-connected layer."""
    return "SINGLE" if importer.match == "xnnpack" else "DOUBLE"


def float32(importer: Importer, way: str) -> dict[str, Any]:
    """The attribute ``float32`` (`qrt.compiler.integers.singles`) of an operator that XNNPACK computes in float32."""
    return {"float32": way} if importer.match == "xnnpack" else {}


def requantization(importer: Importer) -> dict[str, Any]:
    """How a layer with weights requantizes accumulators to codes."""
    engine = {"engine": "xnnpack"} if importer.match == "xnnpack" else {}
    return {"rounding": rounding(importer), **engine}


def activation(importer: Importer, node: Node, code: int, by_litert: bool = False) -> dict[str, Any]:
    """output_min and output_max of a fused activation, rounded in float32: half away from zero, XNNPACK half to even.

    `by_litert` says that LiteRT computes the operator itself, not with XNNPACK.
    """
    kinds = importer.tflite.ActivationFunctionType
    bounds = {
        kinds.NONE: (None, None),
        kinds.RELU: (0.0, None),
        kinds.RELU6: (0.0, 6.0),
        kinds.RELU_N1_TO_1: (-1.0, 1.0),
    }
    if code not in bounds:
        raise Unsupported("has a fused activation other than ReLU, ReLU6 or ReLU_N1_TO_1")
    y = node.output

    def clamped(real: float | None, default: int) -> int:
        if real is None:
            return default
        scaled = np.float32(real) / np.float32(y.scale)
        if importer.match == "xnnpack" and not by_litert:
            code = int(np.rint(scaled + np.float32(y.zero_point)))
        else:
            code = int(half_away(np.asarray(scaled))) + y.zero_point
        return max(-128, min(127, code))

    low, high = bounds[code]
    return {"output_min": clamped(low, -128), "output_max": clamped(high, 127)}


def padding(
    importer: Importer, options: Any, x: Tensor, size: tuple[int, ...], dilation: tuple[int, int]
) -> tuple[int, ...]:
    """(top, bottom, left, right) of padding SAME or VALID; an odd total has one more at the end."""
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
    """Inputs of a layer: the scale of the bias is x_scale * w_scale, regardless of the scale in the file."""
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


def convolution(kind: str, option_table: str, channel_axis: int) -> Translation:
    def translate(importer: Importer, node: Node) -> None:
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
            **requantization(importer),
            **attrs,
        )

    return translate


def fully_connected(importer: Importer, node: Node) -> None:
    options = importer.options(node, "FullyConnectedOptions")
    x, w = node.inputs[0], weights(node.inputs[1], 0)
    rows = x.size // w.shape[1]
    flat = importer.between(node, x, (rows, w.shape[1]))
    attrs: dict[str, Any] = {"rounding": "DOUBLE"}
    if importer.match != "tflm":  # LiteRT multiplies by a float here, unlike in convolutions
        attrs = {"rounding": "SINGLE", "engine": importer.match}
    direct = node.output.shape == (rows, w.shape[0])
    y = node.output if direct else Tensor(f"{node.name}_rows", (rows, w.shape[0]), "int8", node.output.quantization)
    importer.emit(
        "linear",
        node,
        layer(flat, w, node.inputs),
        y,
        **(attrs | activation(importer, node, options.FusedActivationFunction())),
    )
    if not direct:
        importer.emit("reshape", node, [y])


def transpose_conv(importer: Importer, node: Node) -> None:
    options = importer.options(node, "TransposeConvOptions")
    x, w, y = node.inputs[2], weights(node.inputs[1], 0), node.output
    stride, size = (options.StrideH(), options.StrideW()), w.shape[1:3]
    same = options.Padding() == importer.tflite.Padding.SAME
    sides: list[int] = []
    for k in range(2):
        out = y.shape[1 + k]
        total = max((-(-out // stride[k]) - 1) * stride[k] + size[k] - out, 0) if same else 0
        before = total // 2
        after = (x.shape[1 + k] - 1) * stride[k] + size[k] - before - out
        if after <= -stride[k]:
            raise Unsupported("has a larger output than its stride and filter produce")
        sides += [before, max(after, 0)]
    importer.emit(
        "transpose_conv2d",
        node,
        layer(x, w, [x, w, *node.inputs[3:]]),
        stride=stride,
        padding=tuple(sides),
        # Filters smaller than the stride are computed by LiteRT, not by XNNPACK; LiteRT rounds twice.
        **({"rounding": "DOUBLE"} if min(size[k] - stride[k] for k in range(2)) < 0 else requantization(importer)),
        **activation(importer, node, options.FusedActivationFunction()),
    )


def pair(importer: Importer, node: Node) -> list[Tensor]:
    """Both operands, or the only one, with the rank of the output."""
    rank = len(node.output.shape)
    return [importer.between(node, t, (1,) * (rank - len(t.shape)) + t.shape) for t in node.inputs[:2]]


def sum_of_two(option_table: str, subtract: bool) -> Translation:
    def translate(importer: Importer, node: Node) -> None:
        options = importer.options(node, option_table)
        attrs = activation(importer, node, options.FusedActivationFunction()) | {"subtract": subtract}
        if importer.match == "xnnpack":
            attrs["engine"] = "xnnpack"
        else:
            attrs["form"] = "TFLITE"
        importer.emit("add", node, pair(importer, node), **attrs)

    return translate


def mul(importer: Importer, node: Node) -> None:
    options = importer.options(node, "MulOptions")
    attrs = activation(importer, node, options.FusedActivationFunction())
    if importer.match != "tflm":
        a, b, y = (np.float32(tensor.scale) for tensor in (*node.inputs, node.output))
        attrs["real_multiplier"] = float(a * b / y)
    attrs |= {"rounding": rounding(importer)} | float32(importer, "XNNPACK")
    importer.emit("mul", node, pair(importer, node), **attrs)


def keeping(kind: str) -> Translation:
    """An elementwise operator on one or two tensors that keeps the scale."""

    def translate(importer: Importer, node: Node) -> None:
        quantization = node.output.quantization
        if quantization is None or not all(quantization.same_as(t.quantization) for t in node.inputs[:2]):
            raise Unsupported("changes the scale, which TensorFlow Lite's kernels ignore; requantize its inputs")
        importer.emit(kind, node, pair(importer, node))

    return translate


def batch_matmul(importer: Importer, node: Node) -> None:
    options = importer.options(node, "BatchMatMulOptions")
    rank = len(node.output.shape)
    turned = (*range(rank - 2), rank - 1, rank - 2)
    operands = []
    for tensor, wanted in zip(pair(importer, node), (not options.AdjX(), options.AdjY()), strict=True):
        if not wanted:
            shape = tuple(tensor.shape[k] for k in turned)
            turned_tensor = Tensor(f"{tensor.name}_turned", shape, "int8", tensor.quantization)
            tensor = importer.emit("transpose", node, [tensor], turned_tensor, permutation=turned)
        operands.append(tensor)
    a, b = operands
    if a.shape[:-2] != node.output.shape[:-2] or (b.shape[:-2] != a.shape[:-2] and set(b.shape[:-2]) != {1}):
        raise Unsupported("broadcasts its first operand; only the second operand can be broadcast")
    a, b = node.inputs[:2]
    attrs: dict[str, Any] = {"rounding": "DOUBLE"}
    if importer.match != "tflm":
        attrs["real_multiplier"] = float(np.float32(a.scale) * np.float32(b.scale)) / node.output.scale
    if importer.match == "xnnpack" and b.zero_point == 0:  # LiteRT computes all others itself
        attrs |= {"rounding": "SINGLE"} | float32(importer, "ROUNDED")
    importer.emit("matmul", node, operands, **attrs)


def pool(kind: str) -> Translation:
    def translate(importer: Importer, node: Node) -> None:
        options = importer.options(node, "Pool2DOptions")
        x, y = node.inputs[0], node.output
        if x.quantization is None or not x.quantization.same_as(y.quantization):
            raise Unsupported("changes the scale, which TensorFlow Lite's pools do not support")
        size = (options.FilterHeight(), options.FilterWidth())
        importer.emit(
            kind,
            node,
            [x],
            filter=size,
            stride=(options.StrideH(), options.StrideW()),
            padding=padding(importer, options, x, size, (1, 1)),
            **activation(importer, node, options.FusedActivationFunction(), by_litert=kind == "average_pool2d"),
        )

    return translate


def mean(importer: Importer, node: Node) -> None:
    """Mean over any axes: they are moved together and become the height of [outer, reduced, 1, inner]."""
    x, y = node.inputs[0], node.output
    rank = len(x.shape)
    axes = sorted({int(a) % rank for a in constant(node, 1, "axes").reshape(-1)})
    if axes != list(range(axes[0], axes[-1] + 1)):
        others = [k for k in range(rank) if k not in axes]
        order = tuple([k for k in others if k < axes[-1]] + axes + [k for k in others if k > axes[-1]])
        moved = importer.new(node, "moved", tuple(x.shape[k] for k in order), x)
        x = importer.emit("transpose", node, [x], moved, permutation=order)
        axes = list(range(axes[-1] + 1 - len(axes), axes[-1] + 1))
    outer, inner = math.prod(x.shape[: axes[0]]), math.prod(x.shape[axes[-1] + 1 :])
    count = math.prod(x.shape[k] for k in axes)
    attrs: dict[str, Any] = {"rounding": "SINGLE"} | float32(importer, "XNNPACK")
    if importer.match != "xnnpack":
        attrs = {"requant": mean_requant(x, y, count)}
    flat = importer.between(node, x, x.shape if rank == 4 and axes == [1, 2] else (outer, count, 1, inner))
    kept = (outer, 1, 1, inner)
    whole = y if y.shape == kept else importer.new(node, "kept", kept, y)
    importer.emit("mean", node, [flat], whole, **attrs)
    if whole is not y:
        importer.emit("reshape", node, [whole])


def mean_requant(x: Tensor, y: Tensor, count: int) -> Requant:
    """The multiplier of the scales with 1 / count folded in as in TFLite: in integers, rounded down."""
    multiplier, shift = quantize_multiplier(x.scale / y.scale)
    spare = min(count.bit_length() - 1, 32, 62 - shift)
    multiplier, shift = (multiplier << spare) // count, shift + spare
    return Requant(np.array([multiplier], np.int32), np.array([shift], np.uint8), rounding="DOUBLE")


def softmax(importer: Importer, node: Node) -> None:
    if importer.options(node, "SoftmaxOptions").Beta() != 1.0:
        raise Unsupported("has a beta other than 1, which is not supported")
    importer.emit("softmax", node, node.inputs, form="TFLITE", **float32(importer, "SUMMED"))


def squashing(function: Callable[[Tensor, str], np.ndarray], scale: float, zero_point: int) -> Translation:
    """A table for an operator whose output has a fixed scale."""

    def translate(importer: Importer, node: Node) -> None:
        if (node.output.scale, node.output.zero_point) != (scale, zero_point):
            raise Unsupported(f"needs an output scale of 1/{round(1 / scale)} and zero point {zero_point}")
        importer.emit("lut", node, node.inputs, table=function(node.inputs[0], importer.match))

    return translate


def hard_swish(importer: Importer, node: Node) -> None:
    codes = functions.hard_swish(node.inputs[0], node.output, importer.match)
    importer.emit("lut", node, node.inputs, table=codes)


def leaky_relu(importer: Importer, node: Node) -> None:
    alpha = importer.options(node, "LeakyReluOptions").Alpha()
    codes = functions.leaky_relu(node.inputs[0], node.output, alpha, importer.match)
    importer.emit("lut", node, node.inputs, table=codes)


def relu(name: str) -> Translation:
    """Standalone ReLU, ReLU6 and ReLU_N1_TO_1: a requantization that clamps."""

    def translate(importer: Importer, node: Node) -> None:
        x, y = node.inputs[0], node.output
        bounds = activation(importer, node, getattr(importer.tflite.ActivationFunctionType, name), by_litert=True)
        assert x.quantization is not None
        if x.quantization.same_as(y.quantization):
            importer.emit("clamp", node, [x], **bounds)
        elif importer.match == "tflm" and name == "RELU6":
            # TFLM clamps the codes to the input's 0 and 6 and does not requantize them.
            six = int(np.floor(np.float32(6) / np.float32(x.scale) + np.float32(0.5))) + x.zero_point
            importer.emit("lut", node, [x], table=functions.clamp_raw(x.zero_point, six))
        else:
            if importer.match != "tflm":
                bounds["real_multiplier"] = float(np.float32(x.scale) / np.float32(y.scale))
            importer.emit("requantize", node, [x], rounding="DOUBLE", **bounds)

    return translate


def arg_max(importer: Importer, node: Node) -> None:
    """The index becomes a code: index - 128."""
    x, y = node.inputs[0], node.output
    rank = len(x.shape)
    axis = int(constant(node, 1, "axis").reshape(-1)[0]) % rank
    if x.shape[axis] > 256:
        reason = f"selects among {x.shape[axis]} entries; at most 256 are supported; end the network before it"
        raise Unsupported(reason)
    x = to_last(importer, node, x, axis)
    y.dtype, y.quantization = "int8", Quantization(np.array(1, np.float32), np.array(-128, np.int32))
    kept = (*x.shape[:-1], 1)
    whole = y if y.shape == kept else importer.new(node, "kept", kept, y)
    importer.emit("arg_max", node, [x], whole)
    if whole is not y:
        importer.emit("reshape", node, [whole])


def l2_normalization(importer: Importer, node: Node) -> None:
    if (node.output.scale, node.output.zero_point) != (1 / 128, 0):
        raise Unsupported("needs an output scale of 1/128 and zero point 0")
    if importer.options(node, "L2NormOptions").FusedActivationFunction():
        raise Unsupported("has a fused activation, which is not supported")
    importer.emit("l2_norm", node, node.inputs)


# Operators whose translators check the types of their tensors.
OF_OTHER_TYPES = frozenset({"QUANTIZE", "DEQUANTIZE", "ARG_MAX"})

OPERATORS: dict[str, Translation] = {
    **{name: keeping(kind) for name, kind in KEEPING.items()},
    "ADD": sum_of_two("AddOptions", False),
    "ARG_MAX": arg_max,
    "AVERAGE_POOL_2D": pool("average_pool2d"),
    "BATCH_MATMUL": batch_matmul,
    "CONCATENATION": movement.concatenation,
    "CONV_2D": convolution("conv2d", "Conv2DOptions", 0),
    "DEPTHWISE_CONV_2D": convolution("dwconv2d", "DepthwiseConv2DOptions", 3),
    "DEPTH_TO_SPACE": movement.depth_to_space,
    "DEQUANTIZE": dequantize,
    "EXPAND_DIMS": movement.reshape,
    "FULLY_CONNECTED": fully_connected,
    "HARD_SWISH": hard_swish,
    "L2_NORMALIZATION": l2_normalization,
    "LEAKY_RELU": leaky_relu,
    "LOGISTIC": squashing(functions.logistic, 1 / 256, -128),
    "MAX_POOL_2D": pool("max_pool2d"),
    "MEAN": mean,
    "MUL": mul,
    "PAD": movement.pad,
    "PADV2": movement.pad,
    "QUANTIZE": quantize,
    "RELU": relu("RELU"),
    "RELU6": relu("RELU6"),
    "RELU_N1_TO_1": relu("RELU_N1_TO_1"),
    "RESHAPE": movement.reshape,
    "RESIZE_BILINEAR": movement.resize_bilinear,
    "RESIZE_NEAREST_NEIGHBOR": movement.resize_nearest_neighbor,
    "SLICE": movement.slice_of,
    "SOFTMAX": softmax,
    "SPACE_TO_DEPTH": movement.space_to_depth,
    "SPLIT": movement.split,
    "SPLIT_V": movement.split_v,
    "SQUEEZE": movement.reshape,
    "STRIDED_SLICE": movement.strided_slice,
    "SUB": sum_of_two("SubOptions", True),
    "TANH": squashing(functions.tanh, 1 / 128, 0),
    "TRANSPOSE": movement.transpose,
    "TRANSPOSE_CONV": transpose_conv,
}
