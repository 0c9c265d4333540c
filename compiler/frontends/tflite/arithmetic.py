"""TensorFlow Lite's operators on two activations: sums, products, quotients by constants, extremes, matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.engine import Translation, activation, float32, rounding
from qrt.compiler.frontends.tflite.gathers import broadcast, taken
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.integers import functions
from qrt.compiler.ir import Tensor

# Entries of a constant by which each part of a tensor is divided.
MOST_PARTS = 256


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


def div(importer: Importer, node: Node) -> None:
    """A quotient with a constant: a table, or one for each entry of the only axis along which the constant varies."""
    options = importer.options(node, "DivOptions")
    bounds = activation(importer, node, options.FusedActivationFunction(), by_litert=True)
    operands, y = pair(importer, node), node.output
    constants = [k for k, tensor in enumerate(operands) if tensor.data is not None]
    if len(constants) != 1:
        raise Unsupported("divides two activations, which is not supported; divide by a constant")
    (other,) = constants
    x, fixed = broadcast(importer, node, operands[1 - other], y.shape), operands[other]
    assert fixed.data is not None
    real = operands[0].scale / (operands[1].scale * y.scale)
    if importer.match != "tflm":
        real = float(np.float32(operands[0].scale) / (np.float32(operands[1].scale) * np.float32(y.scale)))
    steps = (np.arange(-128, 128) - x.zero_point).tolist()

    def table(code: int) -> np.ndarray:
        constant = [code - fixed.zero_point] * 256
        if other and not constant[0]:
            raise Unsupported("divides by zero")
        codes = functions.quotients(*((steps, constant) if other else (constant, steps)), real, y.zero_point)
        clamped: np.ndarray = np.clip(codes, bounds["output_min"], bounds["output_max"])
        return clamped

    codes = fixed.data.reshape(-1).tolist()
    if len(set(codes)) == 1:
        importer.emit("lut", node, [x], table=table(codes[0]))
        return
    (axis, *others) = [k for k, n in enumerate(fixed.shape) if n > 1]
    if others or len(codes) > MOST_PARTS:
        raise Unsupported(f"has a constant that varies along several axes or more than {MOST_PARTS} entries")
    parts = []
    for at, code in enumerate(codes):
        piece = taken(importer, node, x, axis, np.array([at]))
        parts.append(
            importer.emit("lut", node, [piece], importer.new(node, f"part{at}", piece.shape, y), table=table(code))
        )
    importer.emit("concat", node, parts, axis=axis)


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
    attrs: dict[str, Any] = {"rounding": "DOUBLE"} if a.dtype == "int8" else {"narrow": True}
    if importer.match != "tflm":
        attrs["real_multiplier"] = float(np.float32(a.scale) * np.float32(b.scale)) / node.output.scale
    if importer.match == "xnnpack" and b.zero_point == 0:  # LiteRT computes all others itself
        attrs |= {"rounding": "SINGLE"} | float32(importer, "ROUNDED")
    importer.emit("matmul", node, operands, **attrs)
