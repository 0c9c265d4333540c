"""pack_weights: weights that all lie in int4 are stored as int4, two in a byte.

Hosts unpack them when they load a file; microcontrollers read them as they are, from half the flash. Results do not
change.
"""

from __future__ import annotations

from dataclasses import replace

from qrt.compiler.integers.int4 import fits_int4, may_be_int4
from qrt.compiler.ir import Graph, Tensor
from qrt.compiler.report import Report


def pack_weights(graph: Graph, report: Report) -> Graph:
    """Layers that share their weights still do."""
    packed: dict[Tensor, Tensor] = {}
    layers = [op for op in graph.ops if may_be_int4(op) and fits_int4(op.inputs[1])]
    for op in layers:
        weights = op.inputs[1]
        op.inputs[1] = packed.setdefault(weights, replace(weights, dtype="int4"))
    if layers:
        report.note("pack_weights", f"{len(layers)} layer{'s' * (len(layers) > 1)}: the weights are stored as int4")
    return graph
