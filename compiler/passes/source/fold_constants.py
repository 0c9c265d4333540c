"""fold_constants: evaluates operators on constants at compile time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qrt.compiler.integers.elementwise import ELEMENTWISE
from qrt.compiler.ir import Graph, Op, Tensor
from qrt.compiler.report import Report


def fold_constants(graph: Graph, report: Report) -> Graph:
    """Evaluates float functions, transpose and reshape of constants, also after a dequantize.

    Transpose and reshape commute with dequantize, so ``transpose(dequantize(codes))`` is
    ``dequantize(transpose(codes))``; a per-channel axis is permuted too. A reshape that splits or merges the axis of
    per-channel codes is not evaluated.
    """
    dequantized: dict[Tensor, Op] = {}
    kept: list[Op] = []
    for op in graph.ops:
        if op.kind == "dequantize" and op.inputs[0].is_constant:
            dequantized[op.output] = op
        computed = _computed(op, dequantized)
        if computed is not None:
            graph.redirect(op.output, computed)
            continue
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


def _computed(op: Op, dequantized: dict[Tensor, Op]) -> Tensor | None:
    """The constant that a float function of constants gives, or None for other operators."""
    if op.kind not in ELEMENTWISE or op.output.dtype != "float32":
        return None
    sources = [dequantized[tensor].inputs[0] if tensor in dequantized else tensor for tensor in op.inputs]
    plain = [t.data is not None and (t.dtype == "float32" or t.quantization is not None) for t in sources]
    if not all(plain):
        return None
    with np.errstate(all="ignore"):
        data = ELEMENTWISE[op.kind](op, *(tensor.real().astype(np.float32) for tensor in sources)).astype(np.float32)
    return Tensor(op.output.name, data.shape, "float32", None, data)


def _moved(op: Op, source: Tensor) -> Tensor | None:
    """The constant after `op`, or None if `op` is not data movement."""
    quantization = source.quantization
    assert source.data is not None
    if op.kind == "transpose":
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
