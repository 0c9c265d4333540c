"""What memory holds when, where operators take turns: rows that are born and die, and buffers of rows.

Time is counted in slots. Outside of bands an operator has one; in a band each turn has one for the rows that are fed
and one for each operator.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from qrt.compiler.ir import Op, Tensor
from qrt.compiler.plan.pacing import Run
from qrt.compiler.plan.rows import Numbers, averages, row_bytes

EVER = 1 << 60
# Bytes of the sum of a global average, by bytes of its output.
SUM = 4


@dataclass(frozen=True, eq=False)
class Rows:
    """Memory whose rows lie where they are from the slot `born` of each to that in which it `dies`, both included.

    Neither goes back from one row to the next.
    """

    row: int
    born: Numbers
    dies: Numbers

    @property
    def size(self) -> int:
        return self.row * len(self.born)


@dataclass(frozen=True, eq=False)
class Buffer:
    """Memory whose first or last `kept` bytes are its own from slot `first` to slot `last`, both included.

    The others are its own in those of these slots whose place in their turn is from `begin` to `end`; `slots` are those
    of a turn, and `first` is the first of one.
    """

    size: int
    kept: int
    first: int
    last: int
    slots: int
    begin: int
    end: int


def births(run: Run, tensor: Tensor, start: int) -> Numbers:
    """The slot in which each row of a tensor is made in the band that begins at slot `start`.

    Of a global average these are the rows that it sums.
    """
    line = run.lines[tensor]
    slots, place = run.slots, run.facts.maker.get(tensor, run.first - 1) - run.first + 1
    return start + (line.turn(np.arange(1, line.height + 1)) - run.span()[0]) * slots + place


def deaths(run: Run, tensor: Tensor, start: int) -> Numbers:
    """The slot in which the readers in a band have read each row of a tensor."""
    rows, last = np.arange(tensor.shape[1]), []
    for i in run.readers(tensor):
        made = np.searchsorted(run.facts.reading(i, tensor).low, rows, side="right")
        last.append(start + (run.line(i).turn(made) - run.span()[0]) * run.slots + i - run.first + 1)
    # Rows that none of them reads are there when they are made; of what others made, until the band begins.
    there = births(run, tensor, start) if tensor in run.lines else np.full(len(rows), start - 1)
    dies: Numbers = np.maximum(np.maximum.reduce(last), there)
    return dies


def is_sum(run: Run, tensor: Tensor) -> bool:
    """Whether a band makes a tensor as the int32 sums of a global average."""
    return tensor in run.facts.maker and averages(run.facts.graph.ops[run.facts.maker[tensor]])


def is_buffer(run: Run, tensor: Tensor) -> bool:
    """Whether a band holds only some rows of a tensor that it makes."""
    return not is_sum(run, tensor) and run.held(tensor)[0] < run.lines[tensor].height


def buffer(run: Run, tensor: Tensor, start: int) -> Buffer:
    """Of a tensor of which a band holds some rows."""
    (capacity, kept), row, readers = run.held(tensor), row_bytes(tensor), run.readers(tensor)
    begin = start + (run.lines[tensor].turn_of(1) - run.span()[0]) * run.slots
    ends = [run.lines[tensor].turn_of(run.lines[tensor].height)]
    ends += [run.line(i).turn_of(run.facts.reading(i, tensor).end) for i in readers]
    end = start + (max(ends) - run.span()[0] + 1) * run.slots - 1
    place, last = run.facts.maker.get(tensor, run.first - 1) - run.first + 1, readers[-1] - run.first + 1
    return Buffer(capacity * row, kept * row, begin, end, run.slots, place, last)


def scratch(run: Run, i: int, size: int, start: int) -> Buffer:
    """Temporary memory of an operator of a band."""
    made, place = births(run, run.facts.graph.ops[i].output, start), i - run.first + 1
    return Buffer(size, 0, int(made[0]) - place, int(made[-1]) - place + run.slots - 1, run.slots, place, place)


def peak(run: Run, temporary: Mapping[Op, int] | None = None) -> int:
    """The most bytes that are live in one slot of a band."""
    first, last = run.span()
    change = np.zeros((last - first + 1) * run.slots + 1, dtype=np.int64)
    for tensor, (begin, end) in run.facts.lives.items():
        if tensor in run.lines or begin > run.first or end <= run.first:
            continue
        change[0] += tensor.nbytes
        if end <= run.stop:
            np.add.at(change, deaths(run, tensor, 0) + 1, -row_bytes(tensor))
    for tensor in run.lines:
        if is_buffer(run, tensor):
            add(change, buffer(run, tensor, 0))
        elif is_sum(run, tensor):
            change[births(run, tensor, 0)[0]] += SUM * tensor.nbytes
        else:
            np.add.at(change, births(run, tensor, 0), row_bytes(tensor))
            if not run.whole(tensor):
                np.add.at(change, deaths(run, tensor, 0) + 1, -row_bytes(tensor))
    for op, size in (temporary or {}).items():
        if op.output in run.lines:
            add(change, scratch(run, run.facts.maker[op.output], size, 0))
    return int(np.cumsum(change).max())


def add(change: Numbers, buffer: Buffer) -> None:
    """Adds a buffer to what is live, as the difference of each slot to the one before it."""
    change[buffer.first] += buffer.kept
    change[buffer.last + 1] -= buffer.kept
    change[buffer.first + buffer.begin : buffer.last + 1 : buffer.slots] += buffer.size - buffer.kept
    change[buffer.first + buffer.end + 1 : buffer.last + 2 : buffer.slots] -= buffer.size - buffer.kept
