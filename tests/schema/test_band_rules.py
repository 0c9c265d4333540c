"""Drawn bands: the validator accepts exactly those that byte_map.py's count of rows and bytes does."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from byte_map import Band, Net, Op, Pace, Tensor, Turns, broken, corrupted, meet, room
from c_programs import FLAGS, READER, compiler
from c_reader import Reader
from hypothesis import event, given, settings
from hypothesis import strategies as st
from vectors import models
from vectors.encode import Table, band, encode, ints, patch, requant, root, seal, ushorts, window

ALIGNMENT = 16
LARGEST = 12  # rows of a drawn image


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    path = tmp_path_factory.mktemp("reader") / "reader.so"
    checks = ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
    subprocess.run([compiler(), "-shared", "-fPIC", *FLAGS, *checks, *READER, "-o", path], check=True)
    return Reader(path)


def aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


class Drawn:
    """A network of small operators, as a file's tables and as `Net`."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.tables = models.Net()
        self.net = Net([], [])
        self.shapes: list[tuple[int, ...]] = []
        self.numbers: list[int] = []  # of the tensors in the file, where constants come between
        for _ in range(self.number(1, 2)):
            self.input((1, self.number(1, LARGEST), self.number(1, 2), self.number(1, 20)))
        for _ in range(self.number(1, 6)):
            self.operator()
        self.finish()

    def number(self, low: int, high: int) -> int:
        return self.data.draw(st.integers(low, high))

    def rarely(self, times: int = 8) -> bool:
        return self.number(1, times) == times

    def tensor(self, shape: tuple[int, ...]) -> int:
        self.numbers.append(len(self.tables.tensors))
        self.shapes.append(shape)
        self.net.tensors.append(Tensor(shape[1], shape[2] * shape[3]))
        return len(self.shapes) - 1

    def input(self, shape: tuple[int, ...]) -> None:
        self.net.inputs.append(self.tensor(shape))
        self.tables.input(shape)

    def emit(self, kind: str, options: Table, inputs: list[int], shape: tuple[int, ...], **facts: Any) -> None:
        constants = facts.pop("constants", [])
        operands = [*(self.numbers[i] for i in inputs), *(self.tables.constant(c) for c in constants)]
        y = self.tensor(shape)
        self.tables.op(options, operands, shape)
        self.net.ops.append(Op(kind, inputs, y, **facts))

    def image(self) -> int:
        # A later one more often, so that chains are long.
        return max(self.number(0, len(self.shapes) - 1) for _ in range(2))

    def operator(self) -> None:
        names = ["pool", "pool", "dwconv", "clamp", "maximum", "resize", "concat", "pad", "average", "other"]
        getattr(self, self.data.draw(st.sampled_from(names)))()

    def pool(self) -> None:
        self.window(1, "MaxPool2D")

    def dwconv(self) -> None:
        self.window(self.number(1, 2), "DwConv2D")

    def window(self, dilation: int, kind: str) -> None:
        x = self.image()
        _, height, width, channels = self.shapes[x]
        taps, stride = self.number(1, 3), self.number(1, 3)
        reach = (taps - 1) * dilation + 1
        top, bottom = self.number(0, taps - 1), self.number(0, taps - 1)
        if height + top + bottom < reach:
            return
        shape = (1, (height + top + bottom - reach) // stride + 1, width, channels)
        options = Table(kind, window=window((taps, 1), (stride, 1), (dilation, 1), (top, bottom, 0, 0)))
        constants = []
        if kind == "DwConv2D":
            options["requant"], constants = requant(), [(1, taps, 1, channels)]
        self.emit("window", options, [x], shape, stride=stride, pad=top, reach=reach, constants=constants)

    def clamp(self) -> None:
        x = self.image()
        self.emit("elementwise", Table("Clamp"), [x], self.shapes[x], in_place=True)

    def maximum(self) -> None:
        a = self.image()
        fitting = [i for i, s in enumerate(self.shapes) if s == self.shapes[a] or s == (1, 1, *self.shapes[a][2:])]
        self.emit(
            "elementwise",
            Table("Maximum"),
            [a, self.data.draw(st.sampled_from(fitting))],
            self.shapes[a],
            in_place=True,
        )

    def resize(self) -> None:
        x, height = self.image(), self.number(1, LARGEST)
        _, rows, width, channels = self.shapes[x]
        table = self.data.draw(st.lists(st.integers(0, rows - 1), min_size=height, max_size=height))
        table = table if self.rarely() else sorted(table)
        options = Table("Resize2D", rows=ushorts(*table), columns=ushorts(*range(width)))
        reach = self.number(1, 2)
        if reach == 2:
            options["row_weight"] = ushorts(*[1] * height)
        self.emit("resize2d", options, [x], (1, height, width, channels), table=table, reach=reach)

    def concat(self) -> None:
        x = self.image()
        axis, count = (1 if self.rarely() else 3), (self.number(8, 9) if self.rarely() else 2)
        shape = [*self.shapes[x]]
        shape[axis] *= count
        self.emit("concat" if axis > 1 else "moves", Table("Concat", axis=axis), [x] * count, tuple(shape))

    def pad(self) -> None:
        x = self.image()
        axis = 1 if self.rarely() else 2
        shape, before = [*self.shapes[x]], [0, 0, 0, 0]
        shape[axis] += 1
        before[axis] = 1
        kind = "pad" if axis > 1 else "moves"
        self.emit(kind, Table("Pad", before=ints(*before), after=ints(0, 0, 0, 0)), [x], tuple(shape))

    def average(self) -> None:
        x = self.image()
        _, height, width, channels = self.shapes[x]
        options = Table("Mean", requant=requant())
        if self.number(0, 1):
            options = Table("AveragePool2D", window=window((height, width)))
        self.emit("average", options, [x], (1, 1, 1, channels))

    def other(self) -> None:
        if self.rarely(3):
            x = self.image()
            self.emit("moves", Table("Reshape"), [x], self.shapes[x], in_place=True)

    def finish(self) -> None:
        unread = {i for i in range(len(self.shapes)) if not any(i in op.inputs for op in self.net.ops)}
        self.net.outputs = sorted({len(self.shapes) - 1, *(i for i in unread if self.number(0, 3))})
        if self.rarely():
            self.net.outputs.append(self.number(0, len(self.shapes) - 1))
        for i in self.net.outputs:
            self.tables.output(self.numbers[i])

    # -- bands --

    def draw_bands(self) -> None:
        first = self.number(0, max(0, len(self.net.ops) - 1)) if self.rarely(3) else 0
        while first < len(self.net.ops):
            stop = max(self.number(first + 1, len(self.net.ops)) for _ in range(2))
            self.draw_band(first, stop)
            first = stop + (1 if self.rarely(3) else 0)
            if self.rarely(2):
                return

    def draw_band(self, first: int, stop: int) -> None:
        net, turns = self.net, self.number(1, 8)
        x = net.inputs[0]
        feedable = any(x in op.inputs for op in net.ops[first:stop]) and net.lifetime(x)[1] <= stop
        fed = (feedable and self.number(0, 1)) or self.rarely(20)
        heights = [net.height(op) for op in net.ops[first:stop]]
        feed = Pace(net.tensors[x].height, turns, net.tensors[x].height) if fed else None
        band = Band(first, 1, [Pace(h, turns, 0) for h in heights], feed)
        for i, pace in enumerate(band.paces):
            self.draw_lead(Turns(net, replace(band, turns=3 * turns)), i, pace)
        every = [(pace, h) for pace, h in zip(band.paces, heights, strict=True)]
        every += [(feed, net.tensors[x].height)] if feed else []
        band.turns = 1
        while band.turns < 60 and any(pace.made(band.turns - 1, h) < h for pace, h in every):
            band.turns += 1
        band.turns += 2 if self.rarely(10) else -1 if self.rarely(10) and band.turns > 1 else 0
        self.draw_room(Turns(net, band))
        net.bands.append(band)
        if self.rarely(10):
            pace = self.data.draw(st.sampled_from([pace for pace, _ in every]))
            name = self.data.draw(st.sampled_from(["rows", "per", "lead", "capacity", "kept", "slide"]))
            value = getattr(pace, name) + self.data.draw(st.sampled_from([-1, 1]))
            setattr(pace, name, max(value, 0) if name in ("rows", "per", "slide") else value)

    def draw_lead(self, turns: Turns, i: int, pace: Pace) -> None:
        """The largest lead that the inputs allow, and mostly less."""
        op = turns.ops[i]

        def holds(lead: int) -> bool:
            pace.lead = lead
            return all(
                self.net.needed(op, x, turns.made(op.output, t)) <= turns.made(x, t)
                for x in op.inputs
                if x in turns.paces
                for t in range(turns.band.turns)
            )

        lead = pace.rows + pace.per
        while lead > -2 * pace.rows * pace.per and not holds(lead):
            lead -= 1
        pace.lead = lead - self.data.draw(st.sampled_from([0, 0, 0, 1, pace.rows, -1]))

    def draw_room(self, turns: Turns) -> None:
        nudges = st.sampled_from([0] * 8 + [1, 2, -1])
        for tensor, pace in turns.paces.items():
            height = turns.heights[tensor]
            pace.capacity = pace.kept = height
            whole = turns.read_behind(tensor) or not turns.readers(tensor) or tensor in turns.averages
            if whole and not self.rarely(20):
                continue
            if not turns.readers(tensor):
                pace.capacity = self.number(1, height)
                continue
            end, every = len(turns.ops), range(turns.band.turns)
            lows = [turns.low(tensor, t, end) for t in (-1, *every)]
            made = [turns.made(tensor, t) for t in (-1, *every)]
            pace.capacity = max(made[t + 1] - min(lows[t], made[t]) for t in every) + self.data.draw(nudges)
            pace.kept = max(0, *(made[t + 1] - lows[t + 1] for t in every)) + self.data.draw(nudges)
            if pace.kept > 0 and self.rarely(4):
                pace.kept = pace.capacity
            pace.slide = self.number(0, 1) if pace.kept != pace.capacity or self.rarely(20) else 0
            if pace.capacity >= height:
                pace.capacity = pace.kept = height
                pace.slide = 0

    # -- files --

    def place(self) -> None:
        """One behind another, or anywhere."""
        end = 0
        anywhere = self.number(0, 1)
        for i, tensor in enumerate(self.net.tensors):
            tensor.offset = end
            end += aligned(room(self.net, i))
        self.net.arena_size = end
        for tensor in self.net.tensors:
            if anywhere and self.rarely(3):
                tensor.offset = ALIGNMENT * self.number(0, end // ALIGNMENT)

    def content(self) -> bytes:
        model = self.tables.model()
        model["arena_size"] = self.net.arena_size
        for number, tensor in zip(self.numbers, self.net.tensors, strict=True):
            model["tensors"][number]["arena_offset"] = tensor.offset
        model["bands"] = [band_table(band) for band in self.net.bands]
        return encode(model)


def band_table(drawn: Band) -> Table:
    fields = {} if drawn.feed is None else {"feed": numbers(drawn.feed)}
    return band(drawn.first, drawn.turns, *map(numbers, drawn.paces), **fields)


def numbers(pace: Pace) -> tuple[int, ...]:
    return (pace.lead, pace.capacity, pace.kept, pace.rows, pace.per, pace.slide)


def moved(content: bytes, number: int, offset: int) -> bytes:
    """The file with a tensor elsewhere; its place is no default, so that it is written."""
    table = root(content).Tensors(number)._tab
    return seal(patch(content, table.Pos + table.Offset(14), "<I", offset))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_drawn_bands_are_valid_where_a_count_of_bytes_says_so(reader: Reader, data: st.DataObject) -> None:
    drawn = Drawn(data)
    if not drawn.net.ops:
        return
    drawn.draw_bands()
    drawn.place()
    expected = broken(drawn.net)
    opened = reader.open(drawn.content())
    event("valid" if not expected else f"breaks {sorted(expected)}")
    assert (opened.rule in expected) if len(drawn.net.bands) == 1 and expected else bool(opened.rule) == bool(expected)
    if not expected:
        assert not corrupted(drawn.net)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_tensor_lies_wherever_no_byte_is_anothers(reader: Reader, data: st.DataObject) -> None:
    drawn = Drawn(data)
    if not drawn.net.ops:
        return
    drawn.draw_bands()
    net = drawn.net
    for i, tensor in enumerate(net.tensors):
        tensor.offset = ALIGNMENT * (i + 1)
    net.arena_size = 1 << 20
    if broken(net) - {27}:
        return
    drawn.place()
    index = drawn.number(0, len(net.tensors) - 1)
    tensor = net.tensors[index]
    others = [i for i in range(len(net.tensors)) if i != index]
    if any(meet(net, a, b) for a in others for b in others if b < a):
        return
    ends = [net.tensors[i].offset + room(net, i) for i in others]
    net.arena_size = aligned(max(ends, default=0)) + aligned(room(net, index))
    tensor.offset = tensor.offset or net.arena_size
    content, places = drawn.content(), []
    for offset in range(0, net.arena_size - room(net, index) + 1, ALIGNMENT):
        tensor.offset = offset
        free = not any(meet(net, index, other) for other in others)
        places.append(free)
        assert (reader.open(moved(content, drawn.numbers[index], offset)).rule == 0) == free
        if free:
            assert not corrupted(net)
    event(f"{sum(places)} of {len(places)} places are free")


# -- work that a small file asks for --

MOST = (1 << 31) - 1


def clamps(count: int, *given: Table) -> Table:
    net = models.Net()
    t = net.input((1, 1, 1, 1))
    for _ in range(count):
        t = net.op(Table("Clamp"), [t], (1, 1, 1, 1))
    net.output(t)
    return net.model(bands=[*given])


def many_rows(offset: int) -> Table:
    """An input of as many rows as there can be, one byte each, and an output that lies over some of them."""
    net = models.Net()
    height = (MOST - 1) // 65535 + 1
    options = Table("MaxPool2D", window=window((1, 1), (65535, 1)))
    net.output(net.op(options, [net.input((1, MOST, 1, 1))], (1, height, 1, 1)))
    model = net.model(bands=[band(0, 1, (height, height, height, 1, 1, 0))])
    return models.but(model, tensors__1__arena_offset=offset)


def shared_rows() -> Table:
    """Resizes that share one table of rows, of an image over whose place many tensors lie."""
    net = models.Net()
    x, rows = net.input((1, 2, 1, 1)), np.zeros(1 << 17, "<u2")
    options = Table("Resize2D", rows=rows, columns=ushorts(0))
    net.output(net.op(Table("Concat", axis=3), [net.op(options, [x], (1, rows.size, 1, 1)) for _ in range(8)],
                      (1, rows.size, 1, 8)))  # fmt: skip
    return net.model(bands=[band(0, 1, *[(rows.size, rows.size, rows.size, 1, 1, 0)] * 8)])


ALL = (1, 1, 1, 1, 1, 0)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: clamps(500, *(band(i, 1, ALL) for i in range(500))), 0),
        (lambda: clamps(8191, *(band(i, 1, ALL) for i in range(8191))), 84),
        (lambda: clamps(8191, band(0, 1, *[ALL] * 8191)), 84),
        (lambda: clamps(1, band(0, (1 << 32) - 1, (-(1 << 31), 1, 1, 65535, 65535, 0))), 84),
        (lambda: clamps(1, band(0, 1 << 16, (-(1 << 31), 1, 1, 65535, 65535, 0))), 0),
        (lambda: many_rows(0), 27),
        (lambda: many_rows((1 << 31) - 32), 27),
        (shared_rows, 0),
    ],
)
def test_hostile_bands_in_good_time(reader: Reader, make: Callable[[], Table], rule: int) -> None:
    content = encode(make())
    start = time.process_time()
    assert reader.open(content).rule == rule
    assert time.process_time() - start < 10
