"""TensorFlow Lite's functions of one tensor: tables of codes, softmax, normalization."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.engine import Translation, activation, float32, of_uint8
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.integers import functions
from qrt.compiler.ir import Tensor


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


def l2_normalization(importer: Importer, node: Node) -> None:
    if (node.output.scale, node.output.zero_point) != (1 / 128, 0):
        raise Unsupported("needs an output scale of 1/128 and zero point 0")
    if importer.options(node, "L2NormOptions").FusedActivationFunction():
        raise Unsupported("has a fused activation, which is not supported")
    importer.emit("l2_norm", node, node.inputs, **of_uint8(importer, node.inputs[0]))
