"""The order of operators: one with a lower peak of live memory, if the graph allows several orders.

`schedule` is a pure function of the graph; it changes nothing but the order of operators.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from qrt.compiler.ir import Graph, Op, Tensor
from qrt.compiler.plan.layout import aligned
from qrt.compiler.report import Report
from qrt.schema.operators import OPERATORS

# Largest number of states that the search visits; not a time limit, so that the result is reproducible.
SEARCH_LIMIT = 20_000


class _Needs:
    """For each operator, its predecessors and the tensors that it reads last."""

    def __init__(self, graph: Graph) -> None:
        self.ops = graph.ops
        number = {op.output: i for i, op in enumerate(graph.ops)}
        self.before = [0] * len(graph.ops)
        self.readers: dict[Tensor, int] = {}
        for i, op in enumerate(graph.ops):
            for tensor in op.inputs:
                if tensor.is_constant:
                    continue
                self.readers[tensor] = self.readers.get(tensor, 0) | 1 << i
                # A state's readers stay before, or behind, the operator that gives it its new value.
                if tensor in number and (not tensor.is_state or number[tensor] < i):
                    self.before[i] |= 1 << number[tensor]
                elif tensor in number:
                    self.before[number[tensor]] |= 1 << i
        self.kept = {edge.tensor for edge in graph.outputs} | set(graph.states())
        self.start = sum(aligned(edge.tensor.nbytes) for edge in graph.inputs)

    def run(self, done: int, i: int) -> tuple[int, int]:
        """Bytes that operator i adds while it runs, and after it has run (often negative)."""
        op = self.ops[i]
        after = done | 1 << i
        dying = [
            tensor
            for tensor in dict.fromkeys(op.inputs)
            if not tensor.is_constant and tensor not in self.kept and not self.readers[tensor] & ~after
        ]
        size = 0 if op.output.is_state else aligned(op.output.nbytes)
        in_place = OPERATORS[op.kind].in_place and any(t.nbytes == op.output.nbytes for t in dying)
        return (0 if in_place else size), size - sum(aligned(tensor.nbytes) for tensor in dying)


def _peak(needs: _Needs, order: Sequence[int]) -> int:
    done, live, peak = 0, needs.start, needs.start
    for i in order:
        during, left = needs.run(done, i)
        peak, live, done = max(peak, live + during), live + left, done | 1 << i
    return peak


def _search(needs: _Needs) -> list[int] | None:
    """The order with the lowest peak, by uniform-cost search over sets of finished operators; None at the limit."""
    count, everything = len(needs.ops), (1 << len(needs.ops)) - 1
    # Among equal peaks the set with the most operators, then the one found first.
    queue: list[tuple[int, int, int, int, int]] = [(needs.start, 0, 0, 0, needs.start)]
    came: dict[int, tuple[int, int]] = {0: (0, -1)}
    best = {0: needs.start}
    seen: set[int] = set()
    found = 0
    while queue and len(seen) < SEARCH_LIMIT:
        peak, _, _, done, live = heapq.heappop(queue)
        if done in seen:
            continue
        seen.add(done)
        if done == everything:
            order = []
            while done:
                done, i = came[done]
                order.append(i)
            return order[::-1]
        for i in range(count):
            after = done | 1 << i
            if after == done or needs.before[i] & ~done or after in seen:
                continue
            during, left = needs.run(done, i)
            found += 1
            height = max(peak, live + during)
            if height < best.get(after, height + 1):
                best[after], came[after] = height, (done, i)
                heapq.heappush(queue, (height, -after.bit_count(), found, after, live + left))
    return None


def schedule(graph: Graph, report: Report) -> Graph:
    """The graph with its operators in an order of lower peak memory, or unchanged.

    Why results do not change: each operator still runs after the operators that it reads from, and has no effect
    other than its output.
    """
    branches = any(len(graph.consumers(tensor)) > 1 for tensor in graph.tensors() if not tensor.is_constant)
    if not branches and len(graph.inputs) == 1:
        return graph
    needs = _Needs(graph)
    order = _search(needs)
    before = _peak(needs, range(len(graph.ops)))
    if order is None or _peak(needs, order) >= before:
        return graph
    ops: list[Op] = [graph.ops[i] for i in order]
    report.note("schedule", f"another order of operators: {_peak(needs, order):,} live bytes at most, not {before:,}")
    return Graph(graph.name, ops, graph.inputs, graph.outputs)
