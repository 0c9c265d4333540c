"""remove_dead: removes operators that no output needs."""

from __future__ import annotations

from qrt.compiler.ir import Graph
from qrt.compiler.report import Report


def remove_dead(graph: Graph, report: Report) -> Graph:
    """Removes every operator from which no path leads to a model output; the others do not change.

    What a state is given in one run may be read in the next, so paths go on through states until nothing is new.
    """
    needed = {edge.tensor for edge in graph.outputs}
    known = -1
    while known < len(needed):
        known = len(needed)
        for op in reversed(graph.ops):
            if op.output in needed or any(tensor in needed for tensor in op.states):
                needed.update(op.inputs)
    kept = [op for op in graph.ops if op.output in needed or any(tensor in needed for tensor in op.states)]
    dropped = len(graph.ops) - len(kept)
    if dropped:
        report.note("remove_dead", f"dropped {dropped} operators that no output needs")
    graph.ops = kept
    return graph
