"""quantize_weights: weights of int8 become weights of int4, with a scale for each output channel.

The one pass that changes what a network computes; it runs only when the user asks for it. The int8 codes are so much
finer than the new ones that float weights would hardly give others.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.integers.int4 import HIGHEST, LOWEST, fits_int4, may_be_int4
from qrt.compiler.ir import Graph, Op, Quantization, Tensor
from qrt.compiler.report import Report
from qrt.schema.operators import OPERATORS

# The scales that are tried, as parts of the one with which the largest weight just fits.
PARTS = np.linspace(0.4, 1.0, 61)


def quantize_weights(graph: Graph, layers: Collection[str] | None, report: Report) -> Graph:
    """Quantizes the weights of these layers, or of all, to 4 bits where they are not so already.

    Raises
    ------
    CompileError
        There is no such layer.
    """
    possible = [op for op in graph.ops if may_be_int4(op)]
    names = {op.name for op in possible}
    if unknown := sorted(set(layers or ()) - names):
        known = ", ".join(sorted(names)) or "none"
        reason = f"is no conv2d, dwconv2d or linear layer with int8 activations; there are {known}"
        raise CompileError([Problem(name, "layer", reason) for name in unknown])
    chosen = [op for op in possible if (layers is None or op.name in layers) and not fits_int4(op.inputs[1])]
    errors = [_quantize(op) for op in chosen]
    if chosen:
        report.match = ""
        layers_text = "1 layer" if len(chosen) == 1 else f"{len(chosen)} layers"
        text = f"the weights of {layers_text} were quantized to 4 bits, with an error of {np.mean(errors):.1%}"
        report.note("quantize_weights", f"{text} on average: results are not those of the source")
    else:
        report.note("quantize_weights", "found no layer to quantize to 4 bits: no int8 weights, or int16 activations")
    return graph


def _quantize(op: Op) -> float:
    """Returns the root of the mean square error, as a part of the root of the mean square of the weights."""
    axis = OPERATORS[op.kind].channels
    weights = op.inputs[1]
    assert axis is not None and weights.data is not None
    rows = np.moveaxis(weights.real(), axis, 0)
    flat = rows.reshape(len(rows), -1)
    assert weights.quantization is not None
    old = np.broadcast_to(np.asarray(weights.quantization.scale, np.float64), (len(rows),))
    scale, codes = _codes(flat, old)
    data = np.ascontiguousarray(np.moveaxis(codes.reshape(rows.shape), 0, axis))
    quantization = Quantization(scale, np.zeros(len(scale), np.int32), axis)
    op.inputs[1] = Tensor(weights.name, weights.shape, "int8", quantization, data)
    # No engine had these weights. A single rounding is nearer to the sum, and faster where its factor is large.
    op.attrs.pop("engine", None)
    op.attrs["rounding"] = "SINGLE"
    error = scale[:, np.newaxis] * codes - flat
    return float(np.sqrt(np.mean(error**2) / max(np.mean(flat**2), np.finfo(float).tiny)))


def _codes(rows: np.ndarray, old: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each row of real weights the scale with the least square error, and the codes.

    Rows of zeros keep their scale.
    """
    largest = np.abs(rows).max(axis=1, initial=0)
    best, least = old, np.full(len(rows), np.inf)
    for part in PARTS:
        scale = np.where(largest > 0, part * largest / (HIGHEST + 0.5), old)
        error = np.sum((scale[:, np.newaxis] * _rounded(rows, scale) - rows) ** 2, axis=1)
        best, least = np.where(error < least, scale, best), np.minimum(error, least)
    return best, _rounded(rows, best)


def _rounded(rows: np.ndarray, scale: np.ndarray) -> np.ndarray:
    codes: np.ndarray = np.clip(np.rint(rows / scale[:, np.newaxis]), LOWEST, HIGHEST).astype(np.int8)
    return codes
