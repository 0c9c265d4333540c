"""fuse_activation: fuses a clamp into the operator before it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qrt.compiler.integers.codes import bounds
from qrt.compiler.ir import Graph, Op
from qrt.compiler.report import Report
from qrt.schema.operators import OPERATORS

LAYERS = {"conv2d", "dwconv2d", "linear", "average_pool2d", "max_pool2d", "mean", "requantize_sum"}
CLAMPING = LAYERS | {kind for kind, facts in OPERATORS.items() if facts.elementwise and facts.clamps}


def fuse_activation(graph: Graph, report: Report) -> Graph:
    """Merges clamp into its producer's output_min and output_max, or into a lut's table.

    ``clamp(clamp(v, a, b), c, d)`` is ``clamp(v, clamp(a, c, d), clamp(b, c, d))``. The producer must have no
    other reader, which would see the codes before the clamp.
    """
    for clamp in list(graph.ops):
        if clamp.kind != "clamp":
            continue
        producer = graph.producer(clamp.inputs[0])
        if producer is None or len(graph.consumers(producer.output)) > 1 or graph.is_output(producer.output):
            continue
        if _merge(producer, clamp):
            graph.ops.remove(clamp)
            report.note("fuse_activation", f"merged {clamp.name} into {producer.name}")
    return graph


def _merge(producer: Op, clamp: Op) -> bool:
    low, high = bounds(clamp)
    if producer.kind == "lut":
        producer.attrs["table"] = np.clip(producer.attrs["table"], low, high).astype(np.int8)
    elif producer.kind in CLAMPING:
        # A frontend may have set the integers already, with the bounds among them.
        requant = producer.attrs.get("requant")
        before = bounds(producer) if requant is None else (requant.output_min, requant.output_max)
        output_min, output_max = (min(max(bound, low), high) for bound in before)
        if requant is None:
            producer.attrs.update(output_min=output_min, output_max=output_max)
        else:
            producer.attrs["requant"] = replace(requant, output_min=output_min, output_max=output_max)
    else:
        return False
    producer.output = clamp.output
    return True
