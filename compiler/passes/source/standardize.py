"""standardize: unsigned codes become signed ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qrt.compiler.ir import Graph
from qrt.compiler.report import Report

# How much higher unsigned codes are.
RAISED = {"uint8": 128, "uint16": 1 << 15}


def standardize(graph: Graph, report: Report) -> Graph:
    """Subtracts 128 from the codes and zero points of every uint8 tensor, and 32768 from those of uint16.

    ``scale * ((q - 128) - (zero_point - 128))`` is the same real number, and saturation at 0 and 255 becomes
    saturation at -128 and 127.
    """
    changed = 0
    for op in graph.ops:
        if "quant_min" in op.attrs and op.output.dtype in RAISED:
            raised = RAISED[op.output.dtype]
            op.attrs.update(quant_min=op.attrs["quant_min"] - raised, quant_max=op.attrs["quant_max"] - raised)
    for edge in (*graph.inputs, *graph.outputs):
        if edge.tensor.dtype == "uint16":
            edge.source_dtype = "UINT16"
    for tensor in graph.tensors():
        if tensor.dtype not in RAISED or tensor.quantization is None:
            continue
        raised, tensor.dtype = RAISED[tensor.dtype], tensor.dtype.removeprefix("u")
        tensor.quantization = replace(tensor.quantization, zero_point=tensor.quantization.zero_point - raised)
        if tensor.data is not None:
            tensor.data = (tensor.data.astype(np.int32) - raised).astype(tensor.dtype)
        changed += 1
    if changed:
        report.note("standardize", f"turned {changed} tensors of unsigned codes into signed ones")
    return graph
