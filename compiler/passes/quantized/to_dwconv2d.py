"""to_dwconv2d: a convolution with one input channel per group becomes depthwise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qrt.compiler.ir import Graph, Tensor
from qrt.compiler.report import Report


def to_dwconv2d(graph: Graph, report: Report) -> Graph:
    """Turns conv2d with groups equal to in_channels (above 1) into dwconv2d: the same sums, weights transposed."""
    for op in graph.ops:
        if op.kind != "conv2d" or op.attrs["groups"] == 1 or op.attrs["groups"] != op.inputs[0].shape[3]:
            continue
        weights = op.inputs[1]
        assert weights.data is not None and weights.quantization is not None
        quantization = weights.quantization
        if quantization.axis is not None:
            quantization = replace(quantization, axis=3)
        data = np.ascontiguousarray(weights.data.transpose(3, 1, 2, 0))
        op.inputs[1] = Tensor(weights.name, data.shape, weights.dtype, quantization, data)
        op.kind = "dwconv2d"
        del op.attrs["groups"]
    return graph
