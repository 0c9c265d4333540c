"""remove_dead: removes operators that no output needs."""

from __future__ import annotations

from qrt.compiler.ir import Graph
from qrt.compiler.report import Report


def remove_dead(graph: Graph, report: Report) -> Graph:
    """Removes every operator from which no path leads to a model output; the others do not change."""
    needed = {edge.tensor for edge in graph.outputs}
    kept = []
    for op in reversed(graph.ops):
        if op.output in needed:
            needed.update(op.inputs)
            kept.append(op)
    dropped = len(graph.ops) - len(kept)
    if dropped:
        report.note("remove_dead", f"dropped {dropped} operators that no output needs")
    graph.ops = kept[::-1]
    return graph
