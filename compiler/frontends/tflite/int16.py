"""TensorFlow Lite's operators on int16 codes ("16x8"): what they need, and those that are not as for int8."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite import activations
from qrt.compiler.frontends.tflite.engine import Translation
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.integers.codes import half_away
from qrt.compiler.ir import Tensor

# Operators that compute with the zero points of int16 codes; others need 0.
WITH_ZERO_POINTS = frozenset({"ABS", "LEAKY_RELU", "QUANTIZE", "RELU", "SOFTMAX"})
# What LiteRT's reference kernels compute otherwise than TFLM, in a way that is not matched.
NOT_AS_LITERT = frozenset({"ABS", "FULLY_CONNECTED", "PRELU", "SUM"})
REMEDY = "use --match tflm"
# The types of biases that the kernels take.
OF_LAYERS = {
    "CONV_2D": ("int64", "int32"),
    "DEPTHWISE_CONV_2D": ("int64",),
    "FULLY_CONNECTED": ("int64", "int32"),
    "TRANSPOSE_CONV": ("int64", "int16"),
}
BIASES = ("int64", "int32", "int16")


def check(importer: Importer, node: Node, moves: bool) -> None:
    """Raises `Unsupported` unless the engine computes this node in int16, and in the way that is known."""
    codes = [tensor for tensor in (*node.activations, *node.outputs) if tensor.dtype in ("int8", "int16")]
    if len({tensor.dtype for tensor in codes}) > 1 and node.kind not in ("QUANTIZE", "SOFTMAX"):
        raise Unsupported("has int8 and int16 codes, which only QUANTIZE converts")
    if moves:
        return
    if importer.match == "xnnpack":
        raise Unsupported(f"computes int16 codes by kernels of LiteRT that are not matched; {REMEDY}")
    if importer.match == "litert" and node.kind in NOT_AS_LITERT:
        raise Unsupported(f"is computed differently by LiteRT for int16 codes, which is not matched; {REMEDY}")
    if node.kind not in WITH_ZERO_POINTS:
        for tensor in codes:
            if tensor.dtype == "int16" and tensor.quantization is not None and tensor.zero_point != 0:
                raise Unsupported(f"{tensor.name!r} is int16 with a zero point other than 0; convert the network again")


def layer(importer: Importer, node: Node, inputs: Sequence[Tensor], options: Any) -> dict[str, Any]:
    """How a layer rounds: as the kernel for int32 biases, or as that for int64 ones, which is that for none."""
    if len(inputs) > 2:
        dtype = inputs[2].dtype
    else:
        has_type = node.kind in ("CONV_2D", "FULLY_CONNECTED")
        dtype = "int32" if has_type and options.QuantizedBiasType() == importer.tflite.TensorType.INT32 else "int64"
    if dtype not in OF_LAYERS[node.kind]:
        raise Unsupported(f"has an {dtype} bias, with which no kernel computes int16 codes; convert it to int64")
    if dtype != "int32":
        return {"narrow": True}
    if importer.match != "tflm":
        raise Unsupported(f"has an int32 bias, which LiteRT reads as another type; {REMEDY}")
    return {"rounding": "DOUBLE"}


def gate(kind: str) -> Translation:
    """LOGISTIC and TANH: interpolated in a table of 256 entries."""

    def translate(importer: Importer, node: Node) -> None:
        if node.output.scale != 2.0**-15:
            raise Unsupported("needs an output scale of 1/32768")
        importer.emit(kind, node, node.inputs)

    return translate


def softmax(importer: Importer, node: Node) -> None:
    x, y, beta = node.inputs[0], node.output, importer.options(node, "SoftmaxOptions").Beta()
    scale, zero_point = (2.0**-15, 0) if x.dtype == "int16" else (2.0**-16, -(2**15))
    if abs(y.scale - scale) > 0.001 * scale or y.zero_point != zero_point or y.dtype != "int16":
        raise Unsupported(f"needs an int16 output with scale {scale} and zero point {zero_point}")
    importer.emit("softmax", node, [x], form="TFLITE", beta=beta)


def leaky_relu(importer: Importer, node: Node) -> None:
    x, y, alpha = node.inputs[0], node.output, importer.options(node, "LeakyReluOptions").Alpha()
    if importer.match == "tflm":
        slopes = x.scale / y.scale, x.scale * float(np.float32(alpha)) / y.scale
    else:
        x_scale, y_scale = np.float32(x.scale), np.float32(y.scale)
        slopes = float(x_scale / y_scale), float(x_scale * np.float32(alpha) / y_scale)
    importer.emit("leaky_relu", node, [x], slopes=slopes, alpha=alpha)


def relu6(importer: Importer, node: Node) -> None:
    """TFLM clamps the codes to those of 0 and 6 of the input, and does not requantize them."""
    x = node.inputs[0]
    if importer.match != "tflm":
        activations.relu("RELU6")(importer, node)
        return
    six = int(half_away(np.asarray(np.float32(6) / np.float32(x.scale))))
    importer.emit("clamp", node, [x], output_min=0, output_max=min(six, 2**15 - 1))


def absolute(importer: Importer, node: Node) -> None:
    x, y = node.inputs[0], node.output
    importer.emit("leaky_relu", node, [x], slopes=(x.scale / y.scale, -x.scale / y.scale), alpha=-1.0, magnitude=True)


def prelu(importer: Importer, node: Node) -> None:
    """max(x, 0), and min(x, 0) times the slope; one of both is 0, so their sum is exact."""
    x, slope, y = (*node.inputs[:2], node.output)
    if slope.data is None:
        raise Unsupported("has a slope that is not constant")
    above, below, low = (
        importer.new(node, suffix, x.shape, like) for suffix, like in (("above", y), ("below", x), ("low", y))
    )
    importer.emit("requantize", node, [x], above, rounding="DOUBLE", output_min=0)
    importer.emit("clamp", node, [x], below, output_max=0)
    wide = Tensor(f"{slope.name}_as_int16", slope.shape, "int16", slope.quantization, slope.data.astype(np.int16))
    rank = len(y.shape)
    factors = [importer.between(node, t, (1,) * (rank - len(t.shape)) + t.shape) for t in (below, wide)]
    importer.emit("mul", node, factors, low, rounding="DOUBLE")
    importer.emit("add", node, [importer.between(node, above, factors[0].shape), low], form="TFLITE")
