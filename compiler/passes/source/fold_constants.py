"""fold_constants: evaluates operators on constants at compile time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qrt.compiler.integers.elementwise import ELEMENTWISE
from qrt.compiler.ir import Graph, Op, Tensor
from qrt.compiler.report import Report


def fold_constants(graph: Graph, report: Report) -> Graph:
    """Evaluates float functions of constants, and transpose and reshape of constants, also after a dequantize.

    Transpose and reshape commute with dequantize, so ``transpose(dequantize(codes))`` is
    ``dequantize(transpose(codes))``; a per-channel axis is permuted too. A reshape that splits or merges the axis of
    per-channel codes is not evaluated.
    """
    dequantized: dict[Tensor, Op] = {}
    kept: list[Op] = []
    for op in graph.ops:
        if op.kind == "dequantize" and op.inputs[0].is_constant:
            dequantized[op.output] = op
        source = dequantized[op.inputs[0]].inputs[0] if op.inputs[0] in dequantized else op.inputs[0]
        moved = _moved(op, source) if source.is_constant else None
        if moved is None:
            kept.append(op)
        elif source is op.inputs[0]:
            graph.redirect(op.output, moved)
        else:
            folded = Op("dequantize", op.name, [moved], op.output)
            dequantized[op.output] = folded
            kept.append(folded)
    if len(kept) != len(graph.ops):
        report.note("fold_constants", f"evaluated {len(graph.ops) - len(kept)} operators on constants")
    graph.ops = kept
    return graph


def _moved(op: Op, source: Tensor) -> Tensor | None:
    """The constant after `op`, or None if `op` is neither data movement nor a function of constants."""
    quantization = source.quantization
    assert source.data is not None
    if op.kind in ELEMENTWISE and all(tensor.data is not None and tensor.dtype == "float32" for tensor in op.inputs):
        with np.errstate(all="ignore"):
            data = ELEMENTWISE[op.kind](op, *(tensor.data for tensor in op.inputs)).astype(np.float32)
    elif op.kind == "transpose":
        permutation = op.attrs["permutation"]
        if quantization is not None and quantization.axis is not None:
            quantization = replace(quantization, axis=permutation.index(quantization.axis))
        data = np.ascontiguousarray(source.data.transpose(permutation))
    elif op.kind == "reshape" and _keeps_channels(source, op.output.shape):
        data = source.data.reshape(op.output.shape)
    else:
        return None
    return Tensor(op.output.name, data.shape, source.dtype, quantization, data)


def _keeps_channels(source: Tensor, shape: tuple[int, ...]) -> bool:
    """Whether a reshape to `shape` does not change the per-channel axis, if there is one."""
    axis = None if source.quantization is None else source.quantization.axis
    return axis is None or source.shape[: axis + 1] == shape[: axis + 1]
