"""Checks on untrusted files, made before anything is computed from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.ir import Graph, Op

# Elements of an activation: the format's limit, below 2 GiB.
MAX_ELEMENTS = 2**31 - 1
# Axes of an activation: the format's limit.
MAX_RANK = 6
# Memory that a file may take, as a multiple of its size.
RATIO = 16
# Inputs, and outputs, of a network: the format's limit.
MAX_EDGES = 256
# Elements that a pool's window may have regardless of the size of its input.
SMALL_WINDOW = 1 << 20


def refuse_no_file(path: Path) -> None:
    """Rejects a folder, an empty file, and a device, whose content may be endless."""
    if path.is_char_device() or path.is_block_device():
        raise CompileError([Problem(str(path), "file", "is a device, which may have no end; give a file")])
    if path.is_dir():
        raise CompileError([Problem(str(path), "file", "is a folder; give a file")])
    if path.is_file() and path.stat().st_size == 0:
        raise CompileError([Problem(str(path), "file", "is empty; write it again")])


def too_large(name: str, shape: Sequence[int]) -> list[Problem]:
    """A problem if an activation of this shape is too large, else none."""
    elements = math.prod(shape)
    if min(shape, default=0) >= 0 and elements <= MAX_ELEMENTS:
        return []
    return [Problem(name, "tensor", f"has shape {list(shape)}; at most 2^31 - 1 elements are supported")]


def _rank(op: Op) -> int:
    return max(len(tensor.shape) for tensor in (*op.inputs, op.output))


def check(graph: Graph) -> None:
    """Rejects invalid networks: values read before they are written, written twice, too large, or of too many axes.

    Raises
    ------
    CompileError
        Lists all problems.
    """
    problems = []
    for what, edges in (("input", graph.inputs), ("output", graph.outputs)):
        if not 1 <= len(edges) <= MAX_EDGES:
            reason = f"has {len(edges)} {what}s; 1 to {MAX_EDGES} are supported"
            problems.append(Problem(graph.name, "file", reason))
    known = {edge.tensor for edge in graph.inputs} | set(graph.states())
    for op in graph.ops:
        for tensor in op.inputs:
            if not tensor.is_constant and tensor not in known:
                reason = f"reads {tensor.name!r}, which no earlier node writes; the graph has a cycle or is not sorted"
                problems.append(Problem(op.name, op.kind, reason))
        if (op.output in known and not op.output.is_state) or op.output.is_constant:
            problems.append(Problem(op.name, op.kind, f"writes {op.output.name!r}, which already has a value"))
        known.add(op.output)
    for edge in graph.outputs:
        if edge.tensor not in known and not edge.tensor.is_constant:
            problems.append(Problem(edge.tensor.name, "output", "is not written by any operator"))
    for tensor in graph.tensors():
        if not tensor.is_constant:
            problems += too_large(tensor.name, tensor.shape)
    for deep in [op for op in graph.ops if _rank(op) > MAX_RANK][:1]:
        reason = f"has a tensor of rank {_rank(deep)}; at most {MAX_RANK} axes are supported"
        problems.append(Problem(deep.name, str(deep.attrs.get("source", deep.kind)), reason))
    for op in graph.ops:
        x = op.inputs[0].shape
        if "filter" in op.attrs and math.prod(op.attrs["filter"]) * max(x) > max(RATIO * math.prod(x), SMALL_WINDOW):
            problems.append(Problem(op.name, op.kind, "has a window that is far too large for its input"))
    if problems:
        raise CompileError(problems)
