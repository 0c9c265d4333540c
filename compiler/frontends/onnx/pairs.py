"""Quantize and dequantize twice in a row: onnxruntime makes one pair of it, with a scale of its own.

With default options it removes the two middle nodes and gives the outer ones the scale and zero point of the range
that both pairs hold. Its results are then on neither scale of the file.
"""

from __future__ import annotations

import numpy as np

from qrt.compiler.ir import Graph, Op, Quantization, Tensor

TYPES = ("int8", "uint8", "int16", "uint16")


def merge_pairs(graph: Graph) -> None:
    """Removes the middle of quantize, dequantize, quantize, dequantize, as onnxruntime does."""
    producers = {op.output: op for op in graph.ops}
    for inner in [op for op in graph.ops if op.kind == "dequantize"]:
        first, second = producers.get(inner.inputs[0]), _only_reader(graph, inner.output)
        if first is None or second is None or {first.kind, second.kind} != {"quantize"}:
            continue
        readers = graph.consumers(second.output)
        is_read = bool(readers) and not graph.is_output(second.output) and _only_reader(graph, first.output) is inner
        merged = _of_both(first.output, second.output)
        if merged is None or not is_read or any(reader.kind != "dequantize" for reader in readers):
            continue
        first.output.quantization = merged
        for reader in readers:
            reader.inputs[0] = first.output
        graph.ops = [op for op in graph.ops if op not in (inner, second)]


def _only_reader(graph: Graph, tensor: Tensor) -> Op | None:
    readers = graph.consumers(tensor)
    return readers[0] if len(readers) == 1 and not graph.is_output(tensor) else None


def _of_both(a: Tensor, b: Tensor) -> Quantization | None:
    """The quantization of the range that both hold, in float32; None if onnxruntime leaves the two as they are."""
    x, y = a.quantization, b.quantization
    if a.dtype != b.dtype or a.dtype not in TYPES or x is None or y is None or x.per_channel or y.per_channel:
        return None
    if x.same_as(y):
        return x
    low, high = np.iinfo(a.dtype).min, np.iinfo(a.dtype).max
    ends = [[np.float32(limit - int(q.zero_point)) * np.float32(q.scale) for limit in (low, high)] for q in (x, y)]
    least, largest = max(ends[0][0], ends[1][0]), min(ends[0][1], ends[1][1])
    scale = (largest - least) / np.float32(high - low)
    if scale <= 0:
        return None
    steps = np.float32(low) - least / scale
    zero_point = int(np.trunc(steps + np.copysign(np.float32(0.5), steps)))
    return Quantization(np.asarray(scale, np.float32), np.asarray(zero_point, np.int32))
