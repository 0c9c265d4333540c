"""QUANTIZE and DEQUANTIZE: a requantization between int8 operators, an `Edge` at a model input or output."""

from __future__ import annotations

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.integers.functions import double, eight_bits, in_eight_bits
from qrt.compiler.ir import Edge, Quantization, Tensor

# Shifts that SPEC.md's V61 allows.
FEWEST_SHIFTS, MOST_SHIFTS = 16, 55


def quantize(importer: Importer, node: Node) -> None:
    x, y = node.inputs[0], node.output
    if y.dtype == "uint8" and x.dtype == "int8":
        lower = _as_int8(y, f"{y.name}_less_128")
        _requantize(importer, node, x, lower)
        importer.leaving[y] = Edge(lower, source_dtype="UINT8")
        return
    if y.dtype != "int8":
        raise Unsupported(f"outputs {y.dtype}; only int8 networks are supported")
    if x.dtype == "int8":
        _requantize(importer, node, x, y)
        return
    edge = next((edge for edge in importer.graph.inputs if edge.tensor is x), None)
    if edge is None:
        raise Unsupported(f"reads {x.dtype} inside the network; quantize the whole network to int8")
    if x.dtype == "float32":
        # The model input quantizes; its tensor is the result.
        rule = "MULTIPLY_RECIPROCAL" if importer.match == "xnnpack" else "DIVIDE_HALF_AWAY"
        edge.tensor, edge.quantize_rule, y.name = y, rule, x.name
    elif x.dtype == "uint8":
        edge.tensor, edge.source_dtype = _as_int8(x, x.name), "UINT8"
        _requantize(importer, node, edge.tensor, y)
    elif x.dtype == "int16" and x.quantization is not None and x.zero_point == 0:
        requant = double(x.scale / y.scale)
        if not FEWEST_SHIFTS <= requant.shift[0] <= MOST_SHIFTS:
            raise Unsupported("has an input scale and an output scale that are too far apart")
        edge.tensor, edge.source_dtype, edge.requant, y.name = y, "INT16", requant, x.name
    else:
        raise Unsupported(f"reads {x.dtype}; int16 needs a scale and zero point 0")


def _as_int8(tensor: Tensor, name: str) -> Tensor:
    """A uint8 tensor as int8: codes and zero_point are 128 lower."""
    old = tensor.quantization
    if old is None:
        raise Unsupported(f"the scale of {tensor.name!r} is missing")
    return Tensor(name, tensor.shape, "int8", Quantization(old.scale, np.asarray(old.zero_point - 128)))


def _requantize(importer: Importer, node: Node, x: Tensor, y: Tensor) -> None:
    ratio = float(np.float32(x.scale) / np.float32(y.scale))
    by_xnnpack = importer.match == "xnnpack"
    if by_xnnpack and in_eight_bits(ratio) and node.inputs[0].dtype == node.output.dtype:
        importer.emit("requantize", node, [x], y, requant=eight_bits(ratio))
        return
    # LiteRT computes conversions between int8 and uint8 itself, with vectors whose rounding depends on the position.
    attrs = {"float32": "BY_POSITION"} if by_xnnpack and ratio != 1 else {}
    importer.emit("requantize", node, [x], y, rounding="DOUBLE", **attrs)


def dequantize(importer: Importer, node: Node) -> None:
    x, y = node.inputs[0], node.output
    if x.dtype != "int8":
        raise Unsupported(f"reads {x.dtype}; only int8 networks are supported")
    importer.leaving[y] = Edge(x)
