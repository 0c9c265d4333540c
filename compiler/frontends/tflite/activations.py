"""TensorFlow Lite's functions of one tensor: tables of codes, softmax, normalization."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.engine import Translation, activation, float32, of_uint8
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.integers import functions
from qrt.compiler.ir import Quantization, Tensor


def _fixed(node: Node, scale: float, zero_point: int) -> Tensor:
    """The output as a kernel writes it that always uses these numbers, whatever the file says."""
    y = node.output
    if (y.scale, y.zero_point) == (scale, zero_point):
        return y
    numbers = Quantization(np.array(scale, np.float32), np.array(zero_point, np.int32))
    return Tensor(f"{node.name}_codes", y.shape, "int8", numbers)


def _recode(importer: Importer, node: Node, codes: Tensor) -> None:
    if codes is not node.output:
        importer.emit("lut", node, [codes], table=functions.clamp_raw(-128, 127))


def softmax(importer: Importer, node: Node) -> None:
    y, beta = node.output, importer.options(node, "SoftmaxOptions").Beta()
    if y.zero_point != -128 or abs(y.scale - 1 / 256) > 0.001 / 256:
        raise Unsupported("needs an output scale of 1/256 and zero point -128")
    codes = _fixed(node, 1 / 256, -128)
    importer.emit("softmax", node, node.inputs, codes, form="TFLITE", beta=beta, **float32(importer, "SUMMED"))
    _recode(importer, node, codes)


def log_softmax(importer: Importer, node: Node) -> None:
    if (node.output.scale, node.output.zero_point) != (1 / 16, 127):
        raise Unsupported("needs an output scale of 1/16 and zero point 127")
    importer.emit("log_softmax", node, node.inputs, form="TFLITE")


def squashing(function: Callable[[Tensor, Tensor, str], np.ndarray]) -> Translation:
    """LOGISTIC and TANH."""

    def translate(importer: Importer, node: Node) -> None:
        x, y = node.inputs[0], node.output
        if node.kind == "LOGISTIC" and importer.match == "tflm" and y.zero_point != -128:
            raise Unsupported("needs an output zero point of -128")
        if node.kind == "LOGISTIC" and importer.match == "litert" and y.scale != 1 / 256:
            raise Unsupported("needs an output scale of 1/256")
        importer.emit("lut", node, [x], table=function(x, y, importer.match))

    return translate


def table(function: Callable[[Tensor, Tensor], np.ndarray]) -> Translation:
    """A function whose codes are the same in every engine that has it."""

    def translate(importer: Importer, node: Node) -> None:
        importer.emit("lut", node, node.inputs, table=function(node.inputs[0], node.output))

    return translate


def gelu(importer: Importer, node: Node) -> None:
    approximate = importer.options(node, "GeluOptions").Approximate()
    importer.emit("lut", node, node.inputs, table=functions.gelu(node.inputs[0], node.output, approximate))


def prelu(importer: Importer, node: Node) -> None:
    """max(x, 0), and min(x, 0) times the slope; one of both is 0, so their sum is exact."""
    x, slope, y = (*node.inputs[:2], node.output)
    high = importer.new(node, "above", x.shape, y)
    importer.emit("lut", node, [x], high, table=functions.above(x, y))
    below = importer.new(node, "below", x.shape, x)
    importer.emit("clamp", node, [x], below, output_max=x.zero_point)
    low = importer.new(node, "low", y.shape, y)
    rank = len(y.shape)
    factors = [importer.between(node, t, (1,) * (rank - len(t.shape)) + t.shape) for t in (below, slope)]
    importer.emit("mul", node, factors, low, rounding="DOUBLE")
    importer.emit("add", node, [importer.between(node, high, factors[0].shape), low])


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


def l2_normalization(importer: Importer, node: Node) -> None:
    if importer.options(node, "L2NormOptions").FusedActivationFunction():
        raise Unsupported("has a fused activation, which is not supported")
    codes = _fixed(node, 1 / 128, 0)
    if codes is not node.output and importer.match != "tflm":
        raise Unsupported("needs an output scale of 1/128 and zero point 0")
    importer.emit("l2_norm", node, node.inputs, codes, **of_uint8(importer, node.inputs[0]))
    _recode(importer, node, codes)
