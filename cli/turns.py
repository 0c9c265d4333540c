"""What memory holds in each turn of a band: rows of tensors, made in some turn and read until another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qrt.cli.contents import BandEntry, Contents, PaceEntry, TensorEntry

if TYPE_CHECKING:
    from qrt.compiler.ir import Graph, Op, Tensor
    from qrt.compiler.report import Peak

Numbers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Reader:
    """An operator of a band that reads a tensor; `low` is the tensor's first row that it still reads, before turn 0
    and after each turn."""

    position: int
    low: Numbers


@dataclass(frozen=True, eq=False)
class Tenant:
    """A tensor that is in memory while a band runs.

    Attributes
    ----------
    tensor : TensorEntry
    height : int
        Its rows; 1 where the band does not see them one by one: sums of a global average, and what no operator of the
        band touches.
    row : int
        Bytes of one.
    position : int or None
        In a turn, of what makes it: 0 for the rows that are fed, 1 for the band's first operator; None where it exists
        before the band.
    pace : PaceEntry or None
        None where the band does not make it.
    made : numpy.ndarray
        Rows made before turn 0, and after each turn.
    readers : tuple of Reader
        In the band; none where the tensor is read behind it, and so kept.
    is_read : bool
        Whether any operator of the band reads it.
    """

    tensor: TensorEntry
    height: int
    row: int
    position: int | None
    pace: PaceEntry | None
    made: Numbers
    readers: tuple[Reader, ...]
    is_read: bool

    @property
    def is_buffer(self) -> bool:
        """Whether memory holds only some of its rows."""
        return self.pace is not None and not self.pace.is_sum and self.pace.capacity < self.height

    @cached_property
    def low(self) -> Numbers:
        """The first row that is still read, before turn 0 and after each turn."""
        lows = [reader.low for reader in self.readers] or [np.zeros_like(self.made)]
        least: Numbers = np.minimum.reduce(lows)
        return least

    @cached_property
    def alive(self) -> Numbers:
        """The most rows that exist at once in each turn, and are still read."""
        rows: Numbers = np.maximum(self.made[1:] - self.low[:-1], 0)
        return rows

    @cached_property
    def base(self) -> Numbers:
        """In each turn, once its rows are made: the row that lies, or would lie, at the start of its memory."""
        if not self.is_buffer or self.pace is None:
            return np.zeros_like(self.alive)
        made, low = self.made, np.minimum(self.low, self.made)
        if self.pace.slide == "RIGHT":
            return made[1:] - self.pace.capacity
        if self.pace.kept < self.pace.capacity:
            return low[:-1]
        base, bases = 0, []
        for turn, rows in enumerate(made[1:].tolist()):
            if rows - base > self.pace.capacity:
                base = int(low[turn])
            bases.append(base)
        return np.array(bases, np.int64)

    @property
    def moved(self) -> int:
        """Bytes that a run moves so that the rows lie side by side."""
        if not self.is_buffer or self.pace is None:
            return 0
        steps = np.diff(self.base) > 0
        if self.pace.slide == "RIGHT":
            steps = np.diff(self.made[1:]) > 0
        alive = np.maximum(self.made - self.low, 0)[1:-1]
        return int(alive[steps].sum()) * self.row

    def live(self, turns: int, positions: int) -> Numbers:
        """Bytes in each turn and position: those that no other tensor may have then."""
        if self.is_buffer and self.pace is not None and self.position is not None:
            # Rows that nobody reads are made too, perhaps behind the last that is read.
            ends = [int(np.argmax(self.made == self.height)) - 1]
            ends += [int(np.argmax(reader.low == self.height)) - 1 for reader in self.readers]
            during = slice(int(np.argmax(self.made[1:] > 0)), max(ends) + 1)
            result = np.zeros((turns, positions), np.int64)
            result[during] = self.pace.kept * self.row
            last = max(reader.position for reader in self.readers)
            result[during, self.position : last + 1] = self.pace.capacity * self.row
            return result
        place = np.arange(positions)
        born = _at(self.made, -1 if self.position is None else self.position, place)
        lows = [_at(reader.low, reader.position + 1, place) for reader in self.readers] or [np.zeros_like(born)]
        rows: Numbers = np.maximum(born - np.minimum.reduce(lows), 0)
        return rows * self.row


def _at(counts: Numbers, position: int, place: Numbers) -> Numbers:
    """Counts that change in each turn at a position, seen from each place of each turn."""
    return np.where(place >= position, counts[1:, np.newaxis], counts[:-1, np.newaxis])


@dataclass(frozen=True, eq=False)
class Turns:
    """A band and the tensors that are in memory while it runs, in the order in which they are written."""

    band: BandEntry
    tenants: tuple[Tenant, ...]

    @cached_property
    def live(self) -> Numbers:
        """The most bytes that are live at once in each turn."""
        shape = self.band.turns, self.band.count + 1
        total = np.zeros(shape, np.int64)
        for tenant in self.tenants:
            total += tenant.live(*shape)
        most: Numbers = np.amax(total, axis=1)
        return most

    @property
    def moved(self) -> int:
        return sum(tenant.moved for tenant in self.tenants)


def read_turns(contents: Contents, content: bytes) -> list[Turns]:
    """The bands of a valid file."""
    if not contents.bands:
        return []
    from qrt.compiler.backends.qfb.reader import read

    graph = read(content)
    return [
        Turns(band, tuple(sorted(_tenants(contents, graph, band), key=lambda tenant: tenant.position or 0)))
        for band in contents.bands
    ]


def _tenants(contents: Contents, graph: Graph, band: BandEntry) -> Iterator[Tenant]:
    paces = {pace.tensor: pace for pace in band.paces}
    readers: dict[int, list[tuple[int, Tensor]]] = {}
    for i in range(band.first, band.stop):
        for index, tensor in zip(contents.operators[i].inputs, graph.ops[i].inputs, strict=True):
            readers.setdefault(index, []).append((i, tensor))
    for entry in contents.resident(band.first + 1, band.stop):
        pace, read = paces.get(entry.index), readers.get(entry.index, [])
        height = entry.shape[1] if (read or pace) and not (pace and pace.is_sum) else 1
        row = (entry.room if height == 1 else entry.size) // height
        made, position = np.full(band.turns + 1, height), None
        if pace is not None:
            made = np.minimum(pace.made(band.turns), height)
            position = 0 if pace.operator is None else pace.operator - band.first + 1
        ends = entry.last is not None and entry.last <= band.stop
        given = [_reader(band, paces[contents.operators[i].output], graph.ops[i], x) for i, x in read if ends]
        yield Tenant(entry, height, row, position, pace, made, tuple(given), bool(read))


def _reader(band: BandEntry, pace: PaceEntry, op: Op, tensor: Tensor) -> Reader:
    from qrt.compiler.plan.rows import reading

    assert pace.operator is not None
    return Reader(pace.operator - band.first + 1, reading(op, tensor).low[pace.made(band.turns)])


def read_peak(content: bytes) -> Peak:
    """When the most bytes of a valid file's network are live."""
    from qrt.compiler.backends.qfb.reader import read, read_bands
    from qrt.compiler.plan.memory import peak

    return peak(read(content), read_bands(content))


def arena_without_bands(content: bytes) -> int:
    """Bytes of the arena of a valid file's network if each operator ran once, in the same order."""
    from qrt.compiler.backends.qfb.reader import read
    from qrt.compiler.plan.memory import plan

    return plan(read(content)).arena_size
