"""What a file from a stranger can get wrong, refused before anything is computed from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.ir import Graph

# Elements of an activation: below 2 GiB, as the format has it.
MAX_ELEMENTS = 2**31 - 1
# What a file may take of memory, as a multiple of the bytes that it has.
RATIO = 16
# Elements that a pool's window may have whatever the size of its input.
SMALL_WINDOW = 1 << 20


def refuse_device(path: Path) -> None:
    """Refuses a device, which may have no end."""
    if path.is_char_device() or path.is_block_device():
        raise CompileError([Problem(str(path), "file", "is a device, which may have no end; give a file")])


def immense(name: str, shape: Sequence[int]) -> list[Problem]:
    """The problem of an activation of that shape, if it is one."""
    elements = math.prod(shape)
    if min(shape, default=0) >= 0 and elements <= MAX_ELEMENTS:
        return []
    return [Problem(name, "tensor", f"has shape {list(shape)}; qrt takes at most 2^31 - 1 elements")]


def check(graph: Graph) -> None:
    """Refuses what no network can be: values that are read before they are written, or written twice, or immense.

    Raises
    ------
    CompileError
        All of it.
    """
    problems = []
    known = {edge.tensor for edge in graph.inputs}
    for op in graph.ops:
        for tensor in op.inputs:
            if not tensor.is_constant and tensor not in known:
                reason = f"reads {tensor.name!r}, which nothing before it writes; the network has a cycle, or no order"
                problems.append(Problem(op.name, op.kind, reason))
        if op.output in known or op.output.is_constant:
            problems.append(Problem(op.name, op.kind, f"writes {op.output.name!r}, which has a value already"))
        known.add(op.output)
    for edge in graph.outputs:
        if edge.tensor not in known and not edge.tensor.is_constant:
            problems.append(Problem(edge.tensor.name, "output", "is written by nothing"))
    for tensor in graph.tensors():
        if not tensor.is_constant:
            problems += immense(tensor.name, tensor.shape)
    for op in graph.ops:
        x = op.inputs[0].shape
        if "filter" in op.attrs and math.prod(op.attrs["filter"]) * max(x) > max(RATIO * math.prod(x), SMALL_WINDOW):
            problems.append(Problem(op.name, op.kind, "has a window out of proportion to what it reads"))
    if problems:
        raise CompileError(problems)
