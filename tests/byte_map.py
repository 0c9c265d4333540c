"""SPEC.md's "Bands" by brute force: which rows are made in which turn, and whose each byte of the arena is when.

Nothing here is a closed form: turns, rows and bytes are counted one by one. `Net` says what a file of small operators
on [1, H, W, C] holds; `broken` which rules it breaks; `corrupted` whether it would overwrite a row that is still read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

ALLOWED = ("window", "elementwise", "resize2d", "concat", "pad", "average")
LEFT, RIGHT = 0, 1


@dataclass
class Pace:
    rows: int
    per: int
    lead: int
    capacity: int = 1
    kept: int = 0
    slide: int = LEFT

    def made(self, turn: int, height: int) -> int:
        return 0 if turn < 0 else min(max((turn * self.rows + self.lead) // self.per, 0), height)


@dataclass
class Tensor:
    height: int
    row: int  # bytes
    offset: int = 0


@dataclass
class Op:
    """An operator; `kind` is one of ALLOWED, or anything else for what no band may hold."""

    kind: str
    inputs: list[int]
    output: int
    stride: int = 1
    pad: int = 0
    reach: int = 1
    table: list[int] | None = None
    in_place: bool = False


@dataclass
class Band:
    first: int
    turns: int
    paces: list[Pace]
    feed: Pace | None = None

    @property
    def stop(self) -> int:
        return self.first + len(self.paces)


@dataclass
class Net:
    tensors: list[Tensor]
    inputs: list[int]
    ops: list[Op] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    bands: list[Band] = field(default_factory=list)
    arena_size: int = 0

    def lifetime(self, tensor: int) -> tuple[int, int]:
        first = 0 if tensor in self.inputs else next(i + 1 for i, op in enumerate(self.ops) if op.output == tensor)
        last = max([first, *(i + 1 for i, op in enumerate(self.ops) if tensor in op.inputs)])
        return first, len(self.ops) + 1 if tensor in self.outputs else last

    def height(self, op: Op) -> int:
        return self.tensors[op.inputs[0] if op.kind == "average" else op.output].height

    def needed(self, op: Op, x: int, made: int) -> int:
        if made == 0:
            return 0
        height = self.tensors[x].height
        if op.kind == "window":
            return min(max((made - 1) * op.stride - op.pad + op.reach, 0), height)
        if op.table is not None:
            return min(op.table[made - 1] + op.reach, height)
        return 1 if height == 1 else made

    def low(self, op: Op, x: int, made: int) -> int:
        height = self.tensors[x].height
        if made == self.height(op):
            return height
        if op.kind == "window":
            return min(max(made * op.stride - op.pad, 0), height)
        if op.table is not None:
            return op.table[made]
        return 0 if height == 1 else made

    def rows_read(self, op: Op, x: int, row: int) -> list[int]:
        """What one row of the output reads."""
        height = self.tensors[x].height
        if op.kind == "window":
            start = row * op.stride - op.pad
            return [r for r in range(start, start + op.reach) if 0 <= r < height]
        if op.table is not None:
            return [min(op.table[row] + k, height - 1) for k in range(op.reach)]
        return [0 if height == 1 else row]


class Turns:
    """A band of a net: positions in a turn are 0 for what is fed and i + 1 for operator i."""

    def __init__(self, net: Net, band: Band) -> None:
        self.net, self.band = net, band
        self.ops = net.ops[band.first : band.stop]
        self.paces: dict[int, Pace] = {}
        self.heights: dict[int, int] = {}
        self.places: dict[int, int] = {}
        if band.feed is not None:
            self.paces[net.inputs[0]], self.places[net.inputs[0]] = band.feed, 0
            self.heights[net.inputs[0]] = net.tensors[net.inputs[0]].height
        for i, (op, pace) in enumerate(zip(self.ops, band.paces, strict=True)):
            self.paces[op.output], self.places[op.output] = pace, i + 1
            self.heights[op.output] = net.height(op)
        self.averages = {op.output for op in self.ops if op.kind == "average"}

    def readers(self, tensor: int) -> list[tuple[int, Op]]:
        return [(i + 1, op) for i, op in enumerate(self.ops) for x in op.inputs if x == tensor]

    def made(self, tensor: int, turn: int) -> int:
        return self.paces[tensor].made(turn, self.heights[tensor])

    def low(self, tensor: int, turn: int, position: int) -> int:
        """The least low of its readers once that position of the turn is over."""
        lows = []
        for place, op in self.readers(tensor):
            lows.append(self.net.low(op, tensor, self.made(op.output, turn if place <= position else turn - 1)))
        return min(lows)

    def read_behind(self, tensor: int) -> bool:
        return self.net.lifetime(tensor)[1] > self.band.stop

    def is_buffer(self, tensor: int) -> bool:
        return (
            tensor in self.paces and tensor not in self.averages and self.paces[tensor].capacity < self.heights[tensor]
        )

    def times(self) -> Iterator[tuple[int, int]]:
        for turn in range(self.band.turns):
            for position in range(len(self.ops) + 1):
                yield turn, position

    # -- the rules --

    def broken(self) -> Iterator[int]:
        net, band = self.net, self.band
        for op in self.ops:
            if op.kind not in ALLOWED or (op.table is not None and op.table != sorted(op.table)):
                yield 82
        for tensor, pace in self.paces.items():
            height = self.heights[tensor]
            good = pace.rows >= 1 and pace.per >= 1 and 1 <= pace.capacity <= height
            good = good and 0 <= pace.kept <= pace.capacity and pace.slide in (LEFT, RIGHT)
            good = good and (pace.capacity < height or pace.kept == height)
            good = good and (pace.kept < pace.capacity or pace.slide == LEFT)
            if not good or self.made(tensor, band.turns - 1) < height:
                yield 83
        for tensor, pace in self.paces.items():
            nobody = self.read_behind(tensor) or not self.readers(tensor)
            if (nobody and pace.capacity < self.heights[tensor]) or (tensor in self.averages and self.readers(tensor)):
                yield 87
        if any(len(self.readers(tensor)) > 8 for tensor in range(len(net.tensors))):
            yield 87
        if band.feed is not None:
            x = net.inputs[0]
            first, last = [i for i, op in enumerate(net.ops) if x in op.inputs][:1] or [-1], net.lifetime(x)[1]
            if not (band.first <= first[0] and last <= band.stop):
                yield 87

    def broken_in_turns(self) -> Iterator[int]:
        for turn in range(self.band.turns):
            for op in self.ops:
                for x in op.inputs:
                    if x in self.paces and self.net.needed(op, x, self.made(op.output, turn)) > self.made(x, turn):
                        yield 85
            for tensor, pace in self.paces.items():
                if not self.is_buffer(tensor) or not self.readers(tensor):
                    continue
                made, before = self.made(tensor, turn), self.made(tensor, turn - 1)
                end = len(self.ops)
                if made - min(before, self.low(tensor, turn - 1, end)) > pace.capacity:
                    yield 86
                if made - self.low(tensor, turn, end) > pace.kept:
                    yield 86

    # -- whose the bytes are --

    def room(self, tensor: int) -> int:
        t = self.net.tensors[tensor]
        if tensor in self.averages:
            return 4 * t.row
        return t.row * (self.paces[tensor].capacity if self.is_buffer(tensor) else t.height)

    def owned(self, tensor: int) -> dict[tuple[int, int], set[int]]:
        """The bytes that are a tensor's at each turn and position."""
        t, times = self.net.tensors[tensor], list(self.times())
        memory = range(t.offset, t.offset + self.room(tensor))
        if tensor in self.averages:
            start = next(turn for turn in range(self.band.turns) if self.made(tensor, turn) > 0)
            return {time: set(memory) if time >= (start, self.places[tensor]) else set() for time in times}
        if self.is_buffer(tensor):
            return self.owned_by_buffer(tensor, memory)
        made_here = tensor in self.paces
        if not made_here and not self.readers(tensor):
            return {time: set(memory) for time in times}
        owned: dict[tuple[int, int], set[int]] = {time: set() for time in times}
        for row in range(t.height):
            begin, dead = (
                not made_here,
                not made_here and not self.read_behind(tensor) and self.low(tensor, -1, 0) > row,
            )
            for time in times:
                turn, position = time
                is_made = made_here and position == self.places[tensor] and self.made(tensor, turn) > row
                new = is_made and not begin
                begin = begin or is_made
                if begin and (new or not dead):
                    owned[time] |= set(memory[row * t.row : (row + 1) * t.row])
                if begin and not self.read_behind(tensor):
                    dead = not self.readers(tensor) or self.low(tensor, turn, position) > row
        return owned

    def owned_by_buffer(self, tensor: int, memory: range) -> dict[tuple[int, int], set[int]]:
        t, pace, height = self.net.tensors[tensor], self.paces[tensor], self.heights[tensor]
        turns = range(self.band.turns)
        first = next(turn for turn in turns if self.made(tensor, turn) > 0)
        last = next(
            turn
            for turn in turns
            if self.made(tensor, turn) == height and self.low(tensor, turn, len(self.ops)) >= height
        )
        kept = pace.kept * t.row
        always = memory[:kept] if pace.slide == LEFT else memory[len(memory) - kept :]
        last_reader = max(place for place, _ in self.readers(tensor))
        return {
            (turn, position): set()
            if not first <= turn <= last
            else set(memory if self.places[tensor] <= position <= last_reader else always)
            for turn, position in self.times()
        }


def band_of(net: Net, op: int) -> Band | None:
    return next((band for band in net.bands if band.first <= op < band.stop), None)


def room(net: Net, tensor: int) -> int:
    for band in net.bands:
        turns = Turns(net, band)
        if tensor in turns.paces:
            return turns.room(tensor)
    return net.tensors[tensor].row * net.tensors[tensor].height


def life(net: Net, tensor: int) -> set[int]:
    first, last = net.lifetime(tensor)
    fed = next((b for b in net.bands if b.feed is not None and tensor == net.inputs[0]), None)
    begins = fed or (band_of(net, first - 1) if first else None)
    ends = band_of(net, last - 1) if last else None
    return set(range(begins.first + 1 if begins else first, (ends.stop if ends else last) + 1))


def in_place(net: Net, x: int, y: int) -> bool:
    first = net.lifetime(y)[0]
    if first == 0 or net.lifetime(x)[1] != first or band_of(net, first - 1) is not None:
        return False
    a, b = net.tensors[x], net.tensors[y]
    return net.ops[first - 1].in_place and a.offset == b.offset and a.height * a.row == b.height * b.row


def meet(net: Net, a: int, b: int) -> bool:
    """V27 for two tensors."""
    x, y = net.tensors[a], net.tensors[b]
    if x.offset >= y.offset + room(net, b) or y.offset >= x.offset + room(net, a):
        return False
    common = life(net, a) & life(net, b)
    if not common:
        return False
    band = band_of(net, min(common) - 1) if min(common) else None
    if band is None or max(common) > band.stop:
        return not (in_place(net, a, b) or in_place(net, b, a))
    turns = Turns(net, band)
    of_a, of_b = turns.owned(a), turns.owned(b)
    return any(of_a[time] & of_b[time] for time in turns.times())


def broken(net: Net) -> set[int]:
    """The rules that a net breaks, of those that bands add; what relies on a broken one is not looked at."""
    end = 0
    for band in net.bands:
        if not band.paces or band.first < end or band.stop > len(net.ops):
            return {81}
        end = band.stop
    if sum(band.feed is not None for band in net.bands) > 1:
        return {81}
    every = [Turns(net, band) for band in net.bands]
    found = {rule for turns in every for rule in turns.broken()}
    if found & {82, 83}:
        return found
    found |= {rule for turns in every for rule in turns.broken_in_turns()}
    if found:
        return found
    if any(t.offset + room(net, i) > net.arena_size for i, t in enumerate(net.tensors)):
        found.add(16)
    count = len(net.tensors)
    if any(meet(net, a, b) for a in range(count) for b in range(a)):
        found.add(27)
    return found


# -- a machine whose bytes know what they hold --


class Machine:
    """Runs a net: each byte of the arena holds the number of a tensor and a row, or of sums."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.bytes: list[tuple[int, int] | None] = [None] * net.arena_size
        self.wrong = False

    def place(self, tensor: int, row: int, base: int = 0) -> range:
        t = self.net.tensors[tensor]
        start = t.offset + (row - base) * t.row
        self.wrong |= start < t.offset or start + t.row > t.offset + room(self.net, tensor)
        return range(start, start + t.row)

    def write(self, tensor: int, row: int, base: int = 0) -> None:
        for at in self.place(tensor, row, base):
            if 0 <= at < len(self.bytes):
                self.bytes[at] = (tensor, row)

    def read(self, tensor: int, row: int, base: int = 0) -> None:
        for at in self.place(tensor, row, base):
            self.wrong |= not 0 <= at < len(self.bytes) or self.bytes[at] != (tensor, row)

    def rows(self, tensor: int) -> range:
        return range(self.net.tensors[tensor].height)

    def run(self) -> bool:
        """Whether a row was lost before it was read."""
        net = self.net
        fed = any(band.feed is not None for band in net.bands)
        for tensor in net.inputs[fed:]:
            for row in self.rows(tensor):
                self.write(tensor, row)
        i = 0
        while i < len(net.ops):
            band = band_of(net, i)
            if band is None:
                for x in net.ops[i].inputs:
                    for row in self.rows(x):
                        self.read(x, row)
                for row in self.rows(net.ops[i].output):
                    self.write(net.ops[i].output, row)
                i += 1
            else:
                self.take_turns(Turns(net, band))
                i = band.stop
        for tensor in net.outputs:
            for row in self.rows(tensor):
                self.read(tensor, row)
        return self.wrong

    def take_turns(self, turns: Turns) -> None:
        base = dict.fromkeys(turns.paces, 0)
        end = len(turns.ops)
        for turn in range(turns.band.turns):
            if turns.band.feed is not None:
                x = self.net.inputs[0]
                self.make_room(turns, base, x, turn)
                for row in range(turns.made(x, turn - 1), turns.made(x, turn)):
                    self.write(x, row, base[x])
            for position, op in enumerate(turns.ops, 1):
                self.make_room(turns, base, op.output, turn)
                self.step(turns, base, op, turn)
                for x in dict.fromkeys(op.inputs):
                    if not turns.is_buffer(x) or max(place for place, _ in turns.readers(x)) != position:
                        continue
                    if turns.paces[x].slide == LEFT and turns.paces[x].kept < turns.paces[x].capacity:
                        made = turns.made(x, turn)
                        self.move(x, min(made, turns.low(x, turn, end)), made, base, None)

    def make_room(self, turns: Turns, base: dict[int, int], y: int, turn: int) -> None:
        made, new = turns.made(y, turn - 1), turns.made(y, turn)
        if not turns.is_buffer(y) or new == made:
            return
        pace, low = turns.paces[y], min(made, turns.low(y, turn - 1, len(turns.ops)))
        if pace.slide == RIGHT:
            self.move(y, low, made, base, new - pace.capacity)
        elif pace.kept == pace.capacity and new - base[y] > pace.capacity:
            self.move(y, low, made, base, low)

    def move(self, tensor: int, low: int, made: int, base: dict[int, int], to: int | None) -> None:
        """Rows low to made - 1 to where they lie from row `to` on; from the first of them where that is None."""
        to = low if to is None else to
        for row in range(low, made):
            self.read(tensor, row, base[tensor])
        for row in range(low, made):
            self.write(tensor, row, to)
        base[tensor] = to

    def step(self, turns: Turns, base: dict[int, int], op: Op, turn: int) -> None:
        new = range(turns.made(op.output, turn - 1), turns.made(op.output, turn))
        for row in new:
            for x in op.inputs:
                for r in self.net.rows_read(op, x, row):
                    self.read(x, r, base.get(x, 0))
        if op.kind != "average":
            for row in new:
                self.write(op.output, row, base[op.output])
            return
        t = self.net.tensors[op.output]
        sums = range(t.offset, t.offset + 4 * t.row)
        self.wrong |= bool(new) and new[0] > 0 and any(self.bytes[at] != (op.output, 0) for at in sums)
        if new:
            for at in sums:
                self.bytes[at] = (op.output, 0)


def corrupted(net: Net) -> bool:
    return Machine(net).run()
