"""QUANTIZE and DEQUANTIZE: a requantization between int8 operators, an `Edge` at a model input or output."""

from __future__ import annotations

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.integers.codes import LIMITS, half_away
from qrt.compiler.integers.functions import double, eight_bits, in_eight_bits
from qrt.compiler.integers.singles import dequantized
from qrt.compiler.ir import Edge, Quantization, Tensor

# Shifts that SPEC.md's V61 allows.
FEWEST_SHIFTS, MOST_SHIFTS = 16, 55


def quantize(importer: Importer, node: Node) -> None:
    x, y = node.inputs[0], node.output
    if y.dtype == "int32":  # the same codes as numbers of another scale
        importer.leaving[y] = Edge(x)
        return
    edge = next((edge for edge in importer.graph.inputs if edge.tensor is x), None)
    enters = edge is not None and importer.readers[x] == 1 and y.dtype == "int8"
    if x.dtype == "int8" or (x.dtype == "int16" and not enters):
        _requantize(importer, node, x, y)
        return
    if x in importer.leaving:
        _requantize_by_float(importer, node, importer.leaving[x].tensor)
        return
    if edge is None:
        raise Unsupported(f"reads {x.dtype} inside the network; quantize the whole network to int8")
    if x.dtype == "float32":
        # The model input quantizes; its tensor is the result.
        rule = "MULTIPLY_RECIPROCAL" if importer.match == "xnnpack" else "DIVIDE_HALF_AWAY"
        edge.tensor, edge.quantize_rule, y.name = y, rule, x.name
    elif x.dtype == "int16" and x.quantization is not None and x.zero_point == 0:
        requant = double(x.scale / y.scale)
        if not FEWEST_SHIFTS <= requant.shift[0] <= MOST_SHIFTS:
            raise Unsupported("has an input scale and an output scale that are too far apart")
        edge.tensor, edge.source_dtype, edge.requant, y.name = y, "INT16", requant, x.name
    else:
        raise Unsupported(f"reads {x.dtype}; int16 needs a scale and zero point 0")


def _requantize(importer: Importer, node: Node, x: Tensor, y: Tensor) -> None:
    ratio = float(np.float32(x.scale) / np.float32(y.scale))
    by_xnnpack = importer.match == "xnnpack"
    if by_xnnpack and in_eight_bits(ratio) and (x in importer.unsigned) == (y in importer.unsigned):
        importer.emit("requantize", node, [x], y, requant=eight_bits(ratio))
        return
    # LiteRT computes conversions between int8 and uint8 itself, with vectors whose rounding depends on the position.
    attrs = {"float32": "BY_POSITION"} if by_xnnpack and ratio != 1 else {}
    importer.emit("requantize", node, [x], y, rounding="DOUBLE", **attrs)


def _requantize_by_float(importer: Importer, node: Node, x: Tensor) -> None:
    """QUANTIZE of a DEQUANTIZE: the real value of each code, in float32, is rounded to a code."""
    assert x.quantization is not None and node.output.quantization is not None
    if {x.dtype, node.output.dtype} != {"int8"}:
        raise Unsupported("converts int16 codes by way of floats; let one QUANTIZE convert them")
    codes = quantized(dequantized(np.arange(-128, 128), x.quantization), node.output.quantization)
    importer.emit("lut", node, [x], table=codes.astype(np.int8))


def quantized(real: np.ndarray, quantization: Quantization, dtype: str = "int8") -> np.ndarray:
    """The codes of float32 values as QUANTIZE computes them."""
    codes = half_away(np.asarray(real, np.float32) / np.float32(quantization.scale)) + int(quantization.zero_point)
    clipped: np.ndarray = np.clip(codes, *LIMITS[dtype])
    return clipped


def dequantize(importer: Importer, node: Node) -> None:
    x, y = node.inputs[0], node.output
    if x.dtype not in ("int8", "int16"):
        raise Unsupported(f"reads {x.dtype}; only int8 and int16 networks are supported")
    importer.leaving[y] = Edge(x)
