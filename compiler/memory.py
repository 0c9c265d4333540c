"""Memory plan: where in the arena each tensor lies.

`place` is a pure function over blocks (size, lifetime, partner); `plan` makes the blocks from a graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qrt.compiler.ir import Graph, Tensor

ALIGNMENT = 16

# Operators whose output may be the very memory of an input that dies in them (SPEC.md, "In place").
IN_PLACE = frozenset(
    {"reshape", "clamp", "add", "mul", "requantize", "lut", "softmax", "maximum", "minimum", "l2_norm"}
)


@dataclass
class Block:
    """Memory to be placed: `size` bytes that are its own from step `first` to step `last`, both included."""

    size: int
    first: int
    last: int


@dataclass(frozen=True)
class Plan:
    """Result of `plan`.

    Attributes
    ----------
    offsets : dict of Tensor to int
        Byte position of every activation in the arena, a multiple of 16.
    lifetimes : dict of Tensor to (int, int)
        First and last step: operator i is step i + 1, model inputs begin at 0, model outputs end one step
        after the last operator.
    arena_size : int
        Bytes.
    lower_bound : int
        Bytes that no plan for this operator order and these in-place pairs can go below: the largest sum
        of what is live in one step.
    """

    offsets: dict[Tensor, int]
    lifetimes: dict[Tensor, tuple[int, int]]
    arena_size: int
    lower_bound: int


def overlap_in_time(a: Block, b: Block) -> bool:
    return a.first <= b.last and b.first <= a.last


def _first_fit(blocks: Sequence[Block], order: Sequence[int]) -> tuple[list[int], int]:
    """Each block in turn at the lowest position where no block placed before it is in the way."""
    offsets = [0] * len(blocks)
    placed: list[int] = []
    height = 0
    for i in order:
        block = blocks[i]
        offset = 0
        for k in placed:
            other = blocks[k]
            if overlap_in_time(block, other) and offset + block.size > offsets[k]:
                offset = max(offset, offsets[k] + other.size)
        offsets[i] = offset
        placed.append(i)
        placed.sort(key=lambda k: offsets[k])
        height = max(height, offset + block.size)
    return offsets, height


def place(blocks: Sequence[Block]) -> tuple[list[int], int]:
    """Positions for `blocks` such that blocks which meet in time share no byte, and the height reached.

    Greedy first fit in several orders, of which the lowest result wins; largest first is one of them, so
    the plan is never worse than greedy-by-size.
    """
    keys: list[Callable[[int], tuple[int, ...]]] = [
        lambda i: (-blocks[i].size, blocks[i].first, i),
        lambda i: (blocks[i].first, -blocks[i].size, i),
        lambda i: (-blocks[i].last, -blocks[i].size, i),
        lambda i: (blocks[i].first - blocks[i].last, -blocks[i].size, i),
        lambda i: (-blocks[i].size * (blocks[i].last - blocks[i].first + 1), i),
    ]
    results = [_first_fit(blocks, sorted(range(len(blocks)), key=key)) for key in keys]
    return min(results, key=lambda result: result[1])


def lifetimes(graph: Graph) -> dict[Tensor, tuple[int, int]]:
    """First and last step of every activation; a tensor that nobody reads ends where it begins."""
    result = {edge.tensor: (0, 0) for edge in graph.inputs}
    for step, op in enumerate(graph.ops, start=1):
        for tensor in op.inputs:
            if not tensor.is_constant:
                result[tensor] = (result[tensor][0], step)
        result[op.output] = (step, step)
    for edge in graph.outputs:
        result[edge.tensor] = (result[edge.tensor][0], len(graph.ops) + 1)
    return result


def _groups(graph: Graph, lives: dict[Tensor, tuple[int, int]], in_place: bool) -> list[list[Tensor]]:
    """Tensors that share memory, each list in the order of writing."""
    group: dict[Tensor, list[Tensor]] = {tensor: [tensor] for tensor in lives}
    for step, op in enumerate(graph.ops, start=1):
        if not in_place or op.kind not in IN_PLACE:
            continue
        for tensor in op.inputs:
            if not tensor.is_constant and lives[tensor][1] == step and tensor.size == op.output.size:
                group[tensor].append(op.output)
                group[op.output] = group[tensor]
                break
    unique = {id(tensors): tensors for tensors in group.values()}
    return list(unique.values())


def _bound(blocks: Sequence[Block], steps: int) -> int:
    return max(
        (sum(block.size for block in blocks if block.first <= step <= block.last) for step in range(steps)), default=0
    )


def plan(graph: Graph) -> Plan:
    """Places every activation of a graph, in place where the operator allows it and it helps."""
    lives = lifetimes(graph)
    best: Plan | None = None
    for in_place in (True, False):
        groups = _groups(graph, lives, in_place)
        blocks = [
            Block(
                size=-(-tensors[0].size // ALIGNMENT) * ALIGNMENT,
                first=lives[tensors[0]][0],
                last=lives[tensors[-1]][1],
            )
            for tensors in groups
        ]
        starts, height = place(blocks)
        if best is None:
            bound = _bound(blocks, len(graph.ops) + 2)
        if best is None or height < best.arena_size:
            offsets = {tensor: start for tensors, start in zip(groups, starts, strict=True) for tensor in tensors}
            best = Plan(offsets, lives, height, bound)
    assert best is not None
    return best
