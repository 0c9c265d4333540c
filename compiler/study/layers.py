"""A network with every operator's result as an output, for comparison layer by layer."""

from __future__ import annotations

import numpy as np

from qrt.compiler.backends.qfb.writer import write
from qrt.compiler.ir import Edge, Graph, Tensor
from qrt.compiler.plan.memory import plan


def exposed(graph: Graph) -> Graph:
    """A lowered graph whose outputs are the outputs of all of its operators, in order.

    The values are the same; the memory plan differs, because every tensor stays live.
    """
    twin = graph.copy()
    twin.outputs = [_edge(op.output) for op in twin.ops]
    return twin


def _edge(tensor: Tensor) -> Edge:
    scales = np.ones(tensor.shape[-1], np.float32) if tensor.dtype == "int32" else None
    return Edge(tensor, scales=scales)


def exposed_file(graph: Graph) -> bytes:
    """The content of a .qfb file of `exposed`."""
    every = exposed(graph)
    return write(every, plan(every))
