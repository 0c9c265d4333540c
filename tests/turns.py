"""Runs a plan on an arena of which each byte knows what it holds: the row of a tensor, or an operator's scratch."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from qrt.compiler.ir import Graph, Op, Tensor
from qrt.compiler.plan.bands import Band, Pace
from qrt.compiler.plan.plan import Plan

WINDOWED = ("conv2d", "dwconv2d", "average_pool2d", "max_pool2d")
NOBODY = (-1, -1)


def is_average(op: Op) -> bool:
    x = op.inputs[0].shape
    return op.kind == "mean" or (
        op.kind == "average_pool2d" and op.attrs["filter"] == x[1:3] and op.attrs["padding"] == (0, 0, 0, 0)
    )


def rows_read(op: Op, x: Tensor, row: int) -> list[int]:
    """The rows of an input that a row of the output reads; of a global average, row by row of its input."""
    if op.kind in WINDOWED and not is_average(op):
        taps = op.attrs["filter"][0] if "filter" in op.attrs else op.inputs[1].shape[1]
        first = row * op.attrs["stride"][0] - op.attrs["padding"][0]
        rows = [first + k * op.attrs.get("dilation", (1, 1))[0] for k in range(taps)]
        return [r for r in rows if 0 <= r < x.shape[1]]
    if op.kind == "resize2d":
        r = int(op.attrs["rows"][row])
        return [r, min(r + 1, x.shape[1] - 1)] if "row_weight" in op.attrs else [r]
    return [row if x.shape[1] > 1 or is_average(op) else 0]


class Machine:
    """An arena and what its bytes hold."""

    def __init__(self, graph: Graph, plan: Plan, scratch: Mapping[Op, int] | None = None) -> None:
        self.graph, self.plan, self.scratch = graph, plan, scratch or {}
        self.holds = np.full((plan.arena_size, 2), -1)
        self.number = {tensor: i for i, tensor in enumerate(graph.tensors())}
        self.moved = 0

    def run(self) -> None:
        bands = {band.first: band for band in self.plan.bands}
        fed = any(band.feed for band in self.plan.bands)
        for k, edge in enumerate(self.graph.inputs):
            if not (fed and k == 0):
                self.write_all(edge.tensor)
        i = 0
        while i < len(self.graph.ops):
            if i in bands:
                Turns(self, bands[i]).run()
                i = bands[i].stop
                continue
            op = self.graph.ops[i]
            self.occupy(op)
            for tensor in op.inputs:
                self.check_all(tensor)
            self.write_all(op.output)
            i += 1
        for edge in self.graph.outputs:
            self.check_all(edge.tensor)

    def place(self, tensor: Tensor, row: int, base: int = 0) -> slice:
        size = tensor.nbytes // rows(tensor)
        start = self.plan.offsets[tensor] + (row - base) * size
        assert start >= 0
        assert start + size <= self.plan.arena_size
        return slice(start, start + size)

    def write(self, tensor: Tensor, row: int, base: int = 0) -> None:
        self.holds[self.place(tensor, row, base)] = self.number[tensor], row

    def check(self, tensor: Tensor, row: int, base: int = 0) -> None:
        found = self.holds[self.place(tensor, row, base)]
        assert (found == (self.number[tensor], row)).all(), f"row {row} of {tensor.name} was overwritten"

    def write_all(self, tensor: Tensor) -> None:
        for row in range(rows(tensor)):
            self.write(tensor, row)

    def check_all(self, tensor: Tensor) -> None:
        """All rows; a tensor that reads another's bytes under another shape was written under its own name."""
        if not tensor.is_constant:
            for row in range(rows(tensor)):
                self.check(tensor, row)

    def occupy(self, op: Op) -> None:
        """Its scratch memory, before it reads and writes."""
        if op in self.plan.scratch:
            start = self.plan.scratch[op]
            self.holds[start : start + self.scratch[op]] = NOBODY


def rows(tensor: Tensor) -> int:
    return tensor.shape[1] if len(tensor.shape) == 4 else 1


class Turns:
    """A band on that machine."""

    def __init__(self, machine: Machine, band: Band) -> None:
        self.machine, self.band = machine, band
        graph = machine.graph
        self.ops = graph.ops[band.first : band.stop]
        self.paces: dict[Tensor, Pace] = {op.output: pace for op, pace in zip(self.ops, band.paces, strict=True)}
        self.heights = {op.output: (op.inputs[0] if is_average(op) else op.output).shape[1] for op in self.ops}
        if band.feed:
            self.paces[graph.inputs[0].tensor] = band.feed
            self.heights[graph.inputs[0].tensor] = graph.inputs[0].tensor.shape[1]
        self.readers: dict[Tensor, list[Op]] = {}
        for op in self.ops:
            for tensor in dict.fromkeys(op.inputs):
                if not tensor.is_constant:
                    self.readers.setdefault(tensor, []).append(op)
        self.base = dict.fromkeys(self.paces, 0)
        stays = {edge.tensor for edge in graph.outputs}
        stays |= {t for op in graph.ops[band.stop :] for t in op.inputs}
        self.whole = {t for t in self.paces if t in stays or t not in self.readers}

    def made(self, tensor: Tensor, turn: int) -> int:
        pace = self.paces[tensor]
        reached = (turn * pace.rows + pace.lead) // pace.per
        return 0 if turn < 0 else min(max(reached, 0), self.heights[tensor])

    def low(self, tensor: Tensor, turn: int) -> int:
        """The first row that later turns still read."""
        lows = []
        for op in self.readers[tensor]:
            later = range(self.made(op.output, turn), self.heights[op.output])
            lows.append(min((r for row in later for r in rows_read(op, tensor, row)), default=rows(tensor)))
        return min(lows)

    def is_buffer(self, tensor: Tensor) -> bool:
        average = any(op.output is tensor and is_average(op) for op in self.ops)
        return not average and self.paces[tensor].capacity < self.heights[tensor]

    def move(self, tensor: Tensor, first: int, stop: int, base: int) -> None:
        """Rows first..stop-1 to where they lie from `base` on."""
        machine, old = self.machine, self.base[tensor]
        for row in range(first, stop):
            machine.check(tensor, row, old)
        for row in range(first, stop):
            machine.write(tensor, row, base)
        machine.moved += (stop - first) * (tensor.nbytes // rows(tensor)) if base != old else 0
        self.base[tensor] = base

    def make(self, tensor: Tensor, turn: int) -> list[int]:
        """Makes room for the new rows of a tensor."""
        made, new = self.made(tensor, turn - 1), self.made(tensor, turn)
        pace = self.paces[tensor]
        if self.is_buffer(tensor) and new > made:
            # Rows that nobody reads are made like others: none is passed over.
            low = min(self.low(tensor, turn - 1), made)
            assert new - low <= pace.capacity
            if pace.right:
                self.move(tensor, low, made, new - pace.capacity)
            elif pace.kept == pace.capacity and new - self.base[tensor] > pace.capacity:
                self.move(tensor, low, made, low)
            assert self.base[tensor] <= low
            assert new - self.base[tensor] <= pace.capacity
        return list(range(made, new))

    def run(self) -> None:
        assert not any(self.is_buffer(tensor) for tensor in self.whole)
        assert all(self.made(tensor, self.band.turns - 1) == height for tensor, height in self.heights.items())
        for turn in range(self.band.turns):
            if self.band.feed:
                x = self.machine.graph.inputs[0].tensor
                for row in self.make(x, turn):
                    self.machine.write(x, row, self.base[x])
            for op in self.ops:
                self.step(op, turn)
            for tensor in self.paces:
                if self.is_buffer(tensor):
                    assert self.made(tensor, turn) - self.low(tensor, turn) <= self.paces[tensor].kept

    def step(self, op: Op, turn: int) -> None:
        machine, y = self.machine, op.output
        new = self.make(y, turn)
        if new:
            machine.occupy(op)
        for row in new:
            for tensor in dict.fromkeys(op.inputs):
                if not tensor.is_constant:
                    for r in rows_read(op, tensor, row):
                        assert tensor not in self.paces or r < self.made(tensor, turn)
                        machine.check(tensor, r, self.base.get(tensor, 0))
        if is_average(op):
            self.sum(op, new)
        else:
            for row in new:
                machine.write(y, row, self.base[y])
        for tensor in dict.fromkeys(op.inputs):
            if tensor in self.paces and self.readers[tensor][-1] is op and self.is_buffer(tensor):
                pace, low = self.paces[tensor], self.low(tensor, turn)
                if not pace.right and pace.kept < pace.capacity:
                    made = self.made(tensor, turn)
                    self.move(tensor, min(low, made), made, min(low, made))

    def sum(self, op: Op, new: list[int]) -> None:
        """Sums take four times the bytes of the codes that they become."""
        machine, y = self.machine, op.output
        start = machine.plan.offsets[y]
        place = slice(start, start + 4 * y.nbytes)
        assert place.stop <= machine.plan.arena_size
        if new and new[0] > 0:
            assert (machine.holds[place] == (machine.number[y], 0)).all()
        if new:
            machine.holds[place] = machine.number[y], 0
