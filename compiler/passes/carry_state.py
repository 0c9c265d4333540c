"""carry_state: outputs that a caller would give as inputs to the next run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.ir import Edge, Graph


def carry_state(graph: Graph, state: Mapping[str, str]) -> Graph:
    """The graph with pairs of an input and an output marked as states (`Edge.state`).

    Parameters
    ----------
    graph : Graph
        In the source or the quantized stage.
    state : mapping of str to str
        For each input that is a state, the output with its value for the next run. Either is a name, or a position
        counted from 0.

    Raises
    ------
    CompileError
        Lists names that the network does not have, or that are named twice, and pairs of different shapes.
    """
    problems: list[Problem] = []
    for input_name, output_name in state.items():
        read = _edge(graph.inputs, "input", input_name, problems)
        written = _edge(graph.outputs, "output", output_name, problems)
        if read is None or written is None:
            continue
        old, new = read.tensor, written.tensor
        if old.shape != new.shape:
            shapes = f"has shape {list(old.shape)}, and output {new.name} has {list(new.shape)}"
            problems.append(Problem(old.name, "input", f"{shapes}; give them the same"))
        read.state = written.state = old.name
    if problems:
        raise CompileError(problems)
    return graph


def _edge(edges: Sequence[Edge], what: str, name: str, problems: list[Problem]) -> Edge | None:
    """The edge of a name or a position; None if there is none or it is a state already, with the reason recorded."""
    found = next((edge for edge in edges if edge.tensor.name == name), None)
    if found is None and name.isdecimal() and int(name) < len(edges):
        found = edges[int(name)]
    if found is None:
        known = ", ".join(f"{k} {edge.tensor.name}" for k, edge in enumerate(edges) if not edge.state)
        problems.append(Problem(name, what, f"is not an {what} of the network; it has {known}"))
    elif found.state:
        problems.append(Problem(name, what, "is a state already; name each input and each output once"))
        return None
    return found
