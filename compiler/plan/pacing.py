"""From a run of operators the pace of each: which rows it makes in which turn, and how many of them are held."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from qrt.compiler.ir import Graph, Op, Tensor
from qrt.compiler.plan.bands import Band, Pace
from qrt.compiler.plan.rows import Numbers, Reading, averages, height, is_broadcast, reading, streams

# A tensor is so many inputs of a band's operators at most.
READERS = 8
# What a reader of the file does for a band at most: half of what V84 allows for all bands and overlaps.
WORK = 1 << 19
# Rows, and turns, of a pace at most; heights times turns, and leads.
LARGEST, PRODUCTS = (1 << 16) - 1, (1 << 31) - 1


@dataclass(frozen=True)
class Line:
    """Rows made after turn t: ``(t * rows + lead) // per``, from 0 to `height`; t may be negative."""

    rows: int
    per: int
    lead: int
    height: int

    def made(self, turns: Numbers) -> Numbers:
        return np.clip((turns * self.rows + self.lead) // self.per, 0, self.height)

    def turn(self, made: Numbers) -> Numbers:
        """The first turn after which that many rows are made."""
        return -((self.lead - made * self.per) // self.rows)

    def turn_of(self, made: int) -> int:
        return -((self.lead - made * self.per) // self.rows)


class Streaming:
    """What of a graph does not depend on where bands begin and end.

    Attributes
    ----------
    graph : Graph
    lives : mapping of Tensor to (int, int)
        See `qrt.compiler.plan.plan.Plan.lifetimes`.
    able : list of bool
        Which operators can be in a band.
    heights : list of int
        The rows that each one's pace counts.
    readers : dict of Tensor to list of int
        The operators that read each activation, in order.
    maker : dict of Tensor to int
        The operator that makes it.
    """

    def __init__(self, graph: Graph, lives: Mapping[Tensor, tuple[int, int]]) -> None:
        self.graph, self.lives = graph, lives
        self.able = [streams(op) for op in graph.ops]
        self.heights = [height(op) if able else 0 for op, able in zip(graph.ops, self.able, strict=True)]
        self.maker = {op.output: i for i, op in enumerate(graph.ops)}
        self.readers: dict[Tensor, list[int]] = {}
        self._reading: dict[tuple[int, Tensor], Reading] = {}
        self._rates: dict[Tensor, Fraction] = {}
        for i, op in enumerate(graph.ops):
            for tensor in self.read(op):
                self.readers.setdefault(tensor, []).append(i)
            if self.able[i]:
                self._rates[op.output] = self._rate(op)

    def read(self, op: Op) -> list[Tensor]:
        """The activations among an operator's inputs, each once."""
        return [tensor for tensor in dict.fromkeys(op.inputs) if not tensor.is_constant]

    def reading(self, i: int, tensor: Tensor) -> Reading:
        if (i, tensor) not in self._reading:
            self._reading[i, tensor] = reading(self.graph.ops[i], tensor)
        return self._reading[i, tensor]

    def rate(self, tensor: Tensor) -> Fraction:
        """Rows in the time in which the first tensors of the graph grow by one."""
        return self._rates.get(tensor, Fraction(1))

    def _rate(self, op: Op) -> Fraction:
        rate = self.rate(op.inputs[0])
        if averages(op):
            return rate
        if "stride" in op.attrs:
            return rate / int(op.attrs["stride"][0])
        if op.kind == "resize2d":
            return rate * Fraction(op.output.shape[1], op.inputs[0].shape[1])
        return rate

    def count_readers(self, tensor: Tensor, first: int, stop: int) -> int:
        """Of operators first..stop-1, the inputs that are this tensor: an operator may have it twice."""
        return sum(self.graph.ops[i].inputs.count(tensor) for i in self.readers.get(tensor, ()) if first <= i < stop)

    def closed(self, first: int, stop: int) -> bool:
        """Whether these operators can be a band: nothing in it reads an average's output, or one row for many."""
        for i in range(first, stop):
            op = self.graph.ops[i]
            if not self.able[i]:
                return False
            for tensor in self.read(op):
                if self.count_readers(tensor, first, stop) > READERS:
                    return False
                maker = self.maker.get(tensor, -1)
                if maker >= first and (averages(self.graph.ops[maker]) or is_broadcast(op, tensor)):
                    return False
        return True


class Run:
    """Operators first..stop-1 as a band: lines of the rows that each makes, as late as their readers allow.

    A run grows to the front: `before` is the same with one more operator.

    Attributes
    ----------
    first, stop : int
    step : int
        Rows that the fastest makes in a turn.
    fed : Tensor or None
        The model's input that is given by rows.
    lines : dict of Tensor to Line
        Of the outputs, and of `fed`.
    holds : dict of Tensor to (int, int)
        Of those that were asked for: rows that the memory must hold while a turn runs, and between turns.
    """

    def __init__(self, facts: Streaming, first: int, stop: int, step: int = 1, fed: Tensor | None = None) -> None:
        self.facts, self.first, self.stop, self.step, self.fed = facts, first, stop, step, fed
        self.holds: dict[Tensor, tuple[int, int]] = {}
        self._span: tuple[int, int] | None = None
        outputs = [op.output for op in facts.graph.ops[first:stop]]
        self.top = max(facts.rate(tensor) for tensor in (outputs if fed is None else [fed, *outputs]))
        self.lines: dict[Tensor, Line] = {}
        for i in reversed(range(first, stop)):
            self._add(facts.graph.ops[i].output, facts.heights[i])
        if fed is not None:
            self._add(fed, fed.shape[1])

    def before(self) -> Run:
        """With the operator before it."""
        facts, i = self.facts, self.first - 1
        output = facts.graph.ops[i].output
        if facts.rate(output) > self.top or self.fed is not None:
            return Run(facts, i, self.stop, self.step)
        longer = self._copy()
        longer.first = i
        longer._add(output, facts.heights[i])
        return longer

    def _copy(self) -> Run:
        twin = object.__new__(Run)
        twin.__dict__.update(self.__dict__, lines=dict(self.lines), holds=dict(self.holds), _span=None)
        return twin

    def with_lead(self, i: int, lead: int) -> Run:
        """With another lead of an operator."""
        other, op = self._copy(), self.facts.graph.ops[i]
        other.lines[op.output] = replace(self.line(i), lead=lead)
        for tensor in (op.output, *op.inputs):
            other.holds.pop(tensor, None)
        return other

    @property
    def slots(self) -> int:
        """Of a turn: one for the rows that are fed, and one for each operator."""
        return self.stop - self.first + 1

    def readers(self, tensor: Tensor) -> list[int]:
        """Those in the band."""
        return [i for i in self.facts.readers.get(tensor, ()) if self.first <= i < self.stop]

    def line(self, i: int) -> Line:
        return self.lines[self.facts.graph.ops[i].output]

    def _needed(self, i: int, tensor: Tensor) -> Numbers:
        """For each row that an operator makes, how many of a tensor's must exist.

        Rows that nobody reads are made before the last reader ends, so that a tensor ends with its readers.
        """
        read = self.facts.reading(i, tensor)
        return np.where(read.low == read.low[-1], read.low[-1], read.needed)[1:]

    def _add(self, tensor: Tensor, rows: int) -> None:
        """Gives a tensor its line."""
        rate = self.facts.rate(tensor) / self.top * self.step
        line = Line(rate.numerator, rate.denominator, 0, rows)
        leads = []
        for i in self.readers(tensor):
            needed, reader = self._needed(i, tensor), self.line(i)
            turns = reader.turn(np.arange(1, reader.height + 1))
            leads.append(int((needed * line.per - turns * line.rows)[needed > 0].max()))
        self.lines[tensor] = replace(line, lead=max(leads, default=0))

    def earliest(self, i: int) -> int | None:
        """The largest lead of an operator that its inputs allow; None where none of them is made in the band."""
        line = self.line(i)
        made, leads = np.arange(1, line.height + 1), []
        for tensor in self.facts.read(self.facts.graph.ops[i]):
            if tensor in self.lines:
                needed = self._needed(i, tensor)
                turns = self.lines[tensor].turn(needed)
                leads.append(int((made * line.per - (turns - 1) * line.rows - 1)[needed > 0].min()))
        return min(leads, default=None)

    def whole(self, tensor: Tensor) -> bool:
        """Whether a tensor that the band makes is read behind it, or by nobody."""
        return self.facts.lives[tensor][1] > self.stop or not self.readers(tensor)

    def low(self, tensor: Tensor, turns: Numbers) -> Numbers:
        """The first row of a tensor that its readers in the band still read after each turn."""
        lows = [self.facts.reading(i, tensor).low[self.line(i).made(turns)] for i in self.readers(tensor)]
        low: Numbers = np.minimum.reduce(lows)
        return low

    def held(self, tensor: Tensor) -> tuple[int, int]:
        """Rows of a tensor that its memory must hold while a turn runs, and between turns."""
        if tensor not in self.holds:
            self.holds[tensor] = self._held(tensor)
        return self.holds[tensor]

    def _held(self, tensor: Tensor) -> tuple[int, int]:
        line = self.lines[tensor]
        if not self.whole(tensor):
            made = np.arange(1, line.height + 1)
            turns = line.turn(made)
            # Rows that nobody reads are made too, where a reader's low is beyond them.
            capacity = int((made - np.minimum(self.low(tensor, turns - 1), line.made(turns - 1))).max())
            if capacity < line.height:
                return capacity, max(0, int((made - self.low(tensor, turns)).max()))
        return line.height, line.height

    def span(self) -> tuple[int, int]:
        """The first turn in which something is made, and the last."""
        if self._span is None:
            turns = [(line.turn_of(1), line.turn_of(line.height)) for line in self.lines.values()]
            self._span = min(first for first, _ in turns), max(last for _, last in turns)
        return self._span

    def roomy(self, times: int) -> Run:
        """With buffers that hold so many times their rows, which move only when they are full."""
        other = self._copy()
        for tensor, line in self.lines.items():
            capacity = self.held(tensor)[0]
            if capacity < line.height:
                other.holds[tensor] = (min(capacity * times, line.height),) * 2
        return other

    @property
    def turns(self) -> int:
        first, last = self.span()
        return last - first + 1

    @property
    def work(self) -> int:
        """Of proving the band: in each turn one for each tensor that grows, and for each input that is one."""
        reads = sum(self.facts.count_readers(tensor, self.first, self.stop) for tensor in self.lines)
        return self.turns * (len(self.lines) + reads)

    @property
    def is_small(self) -> bool:
        """Whether its numbers are none too large for a file."""
        if self.work > WORK:
            return False
        first = self.span()[0]
        return all(
            max(line.rows, line.per) <= LARGEST
            and max(line.height * line.per, abs(line.lead + first * line.rows)) <= PRODUCTS
            for line in self.lines.values()
        )

    def band(self, right: Collection[Tensor] = ()) -> Band:
        """As data, from turn 0 on; `right` are those whose rows lie against the end of their buffers."""
        first = self.span()[0]

        def pace(tensor: Tensor) -> Pace:
            line = self.lines[tensor]
            return Pace(line.rows, line.per, line.lead + first * line.rows, *self.held(tensor), tensor in right)

        paces = tuple(pace(op.output) for op in self.facts.graph.ops[self.first : self.stop])
        return Band(self.first, self.turns, paces, None if self.fed is None else pace(self.fed))

    @classmethod
    def of(cls, facts: Streaming, band: Band) -> Run:
        """The run that a band says."""
        run = object.__new__(cls)
        run.facts, run.first, run.stop, run._span = facts, band.first, band.stop, None
        run.fed = None if band.feed is None else facts.graph.inputs[0].tensor
        outputs = [op.output for op in facts.graph.ops[band.first : band.stop]]
        heights = facts.heights[band.first : band.stop]
        given = list(zip(outputs, band.paces, heights, strict=True))
        if run.fed is not None and band.feed is not None:
            given.append((run.fed, band.feed, run.fed.shape[1]))
        run.lines = {tensor: Line(pace.rows, pace.per, pace.lead, rows) for tensor, pace, rows in given}
        run.holds = {tensor: (pace.capacity, pace.kept) for tensor, pace, _ in given}
        return run
