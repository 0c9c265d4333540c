"""fuse_bias: a constant added after a layer without bias becomes its bias."""

from __future__ import annotations

import numpy as np

from qrt.compiler.ir import Graph, Op, Tensor
from qrt.compiler.report import Report


def fuse_bias(graph: Graph, report: Report) -> Graph:
    """Turns ``add(linear(x, w), c)``, and the same of conv2d, into the layer with bias `c`.

    Both are float operators here, with one rounding after them, so the sum is the same.
    """
    kept: list[Op] = []
    for op in graph.ops:
        if op.kind != "add" or not _fuse(graph, op):
            kept.append(op)
        else:
            report.note("fuse_bias", f"made {op.name} the bias of the layer before it")
    graph.ops = kept
    return graph


def _fuse(graph: Graph, add: Op) -> bool:
    for tensor, other in (add.inputs, add.inputs[::-1]):
        layer = graph.producer(tensor)
        if layer is None or layer.kind not in ("linear", "conv2d") or len(layer.inputs) > 2:
            continue
        if len(graph.consumers(tensor)) > 1 or graph.is_output(tensor):
            continue
        source = graph.producer(other)
        constant = source.inputs[0] if source is not None and source.kind == "dequantize" else other
        if constant.data is None:
            continue
        channels = layer.inputs[1].shape[0]
        axis = len(tensor.shape) - 1 if layer.kind == "linear" or layer.attrs["layout"] == "NHWC" else 1
        aligned = (1,) * (len(tensor.shape) - len(other.shape)) + other.shape
        if any(length != 1 and k != axis for k, length in enumerate(aligned)):
            continue
        bias = np.broadcast_to(constant.real().reshape(-1), (channels,)).copy()
        layer.inputs.append(Tensor(add.name + "_bias", bias.shape, "float32", None, bias))
        layer.output = add.output
        return True
    return False
