"""TensorFlow Lite's operators on two activations: sums, products, extremes, matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from qrt.compiler.frontends.tflite.engine import Translation, activation, float32, rounding
from qrt.compiler.frontends.tflite.gathers import broadcast
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.ir import Tensor


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


def squared_difference(importer: Importer, node: Node) -> None:
    importer.emit("squared_difference", node, pair(importer, node))


def keeping(kind: str) -> Translation:
    """An elementwise operator on the codes of one or two tensors, whatever they mean."""

    def translate(importer: Importer, node: Node) -> None:
        importer.emit(kind, node, pair(importer, node))

    return translate


def batch_matmul(importer: Importer, node: Node) -> None:
    options = importer.options(node, "BatchMatMulOptions")
    rank = len(node.output.shape)
    turned = (*range(rank - 2), rank - 1, rank - 2)
    operands = []
    for tensor, wanted in zip(pair(importer, node), (not options.AdjX(), options.AdjY()), strict=True):
        operands.append(tensor if wanted else importer.transposed(node, tensor, turned, "turned"))
    a, b = operands
    lead = node.output.shape[:-2]
    operands[0] = broadcast(importer, node, a, (*lead, *a.shape[-2:]))
    if set(b.shape[:-2]) != {1}:
        operands[1] = broadcast(importer, node, b, (*lead, *b.shape[-2:]))
    a, b = node.inputs[:2]
    attrs: dict[str, Any] = {"rounding": "DOUBLE"}
    if importer.match != "tflm":
        attrs["real_multiplier"] = float(np.float32(a.scale) * np.float32(b.scale)) / node.output.scale
    if importer.match == "xnnpack" and b.zero_point == 0:  # LiteRT computes all others itself
        attrs |= {"rounding": "SINGLE"} | float32(importer, "ROUNDED")
    importer.emit("matmul", node, operands, **attrs)
