"""standardize: uint8 codes become int8."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qrt.compiler.ir import Graph
from qrt.compiler.report import Report


def standardize(graph: Graph, report: Report) -> Graph:
    """Subtracts 128 from the codes and zero points of every uint8 tensor.

    ``scale * ((q - 128) - (zero_point - 128))`` is the same real number, and saturation at 0 and 255 becomes
    saturation at -128 and 127.
    """
    changed = 0
    for op in graph.ops:
        if "quant_min" in op.attrs and op.output.dtype == "uint8":
            op.attrs.update(quant_min=op.attrs["quant_min"] - 128, quant_max=op.attrs["quant_max"] - 128)
    for tensor in graph.tensors():
        if tensor.dtype != "uint8" or tensor.quantization is None:
            continue
        tensor.dtype = "int8"
        tensor.quantization = replace(tensor.quantization, zero_point=tensor.quantization.zero_point - 128)
        if tensor.data is not None:
            tensor.data = (tensor.data.astype(np.int16) - 128).astype(np.int8)
        changed += 1
    if changed:
        report.note("standardize", f"turned {changed} uint8 tensors into int8")
    return graph
