"""simplify: removes operators that change nothing and merges reshapes."""

from __future__ import annotations

import numpy as np

from qrt.compiler.integers.codes import LIMITS, bounds
from qrt.compiler.ir import Graph, Op
from qrt.compiler.report import Report


def simplify(graph: Graph, report: Report) -> Graph:
    """Removes identities and merges chains of reshape.

    An identity is a reshape to the same shape, a clamp to all codes, a requantize between equal quantizations
    that clamps nothing, or a lut whose table is the identity. ``reshape(reshape(x))`` is one reshape.
    """
    dropped = 0
    for op in list(graph.ops):
        before = graph.producer(op.inputs[0])
        if op.kind == "reshape" and before is not None and before.kind == "reshape":
            op.inputs[0] = before.inputs[0]
        if not _is_identity(op) or (graph.is_output(op.output) and _is_fixed(graph, op)):
            continue
        # Keep the later name: the result of an activation is named after the activation.
        if op.kind == "clamp" and not _is_fixed(graph, op):
            op.inputs[0].name = op.output.name
        graph.redirect(op.output, op.inputs[0])
        graph.ops.remove(op)
        dropped += 1
    if dropped:
        report.note("simplify", f"dropped {dropped} operator{'s' if dropped > 1 else ''} without effect")
    return graph


def _is_fixed(graph: Graph, op: Op) -> bool:
    """Whether the output of `op` must stay a separate tensor: a model input cannot be a model output."""
    return any(edge.tensor is op.inputs[0] for edge in (*graph.inputs, *graph.outputs))


def _is_identity(op: Op) -> bool:
    x, y = op.inputs[0], op.output
    if x.dtype != y.dtype or x.quantization is None or not x.quantization.same_as(y.quantization):
        return False
    match op.kind:
        case "reshape":
            return x.shape == y.shape
        case "clamp" | "requantize":
            return bounds(op) == LIMITS[y.dtype]
        case "lut":
            return np.array_equal(op.attrs["table"], np.arange(-128, 128))
        case _:
            return False
