"""Plans in which operators take turns row by row, run on an arena that knows what each byte holds."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from drawn_bands import draw_bands
from drawn_networks import draw_network
from hypothesis import event, given, settings
from hypothesis import strategies as st
from places import SHARED
from turns import Machine

import qrt
from qrt.compiler import CompileError, GraphBuilder, compile
from qrt.compiler.ir import Edge, Graph, Op, Tensor
from qrt.compiler.plan import layout
from qrt.compiler.plan.memory import lifetimes, plan
from qrt.compiler.plan.pacing import Run, Streaming


class Drawn:
    """A graph of shapes only; `values` are tensors that later operators may read."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        shape = (1, self.number(1, 24), self.number(1, 4), self.number(1, 5))
        self.values = [Tensor("x", shape)]
        self.ops: list[Op] = []

    def number(self, low: int, high: int) -> int:
        return self.data.draw(st.integers(low, high))

    def image(self) -> Tensor:
        return self.data.draw(st.sampled_from([t for t in self.values if len(t.shape) == 4]))

    def emit(self, kind: str, inputs: list[Tensor], shape: tuple[int, ...], **attrs: Any) -> None:
        y = Tensor(f"t{len(self.ops)}", shape)
        self.ops.append(Op(kind, f"op{len(self.ops)}", inputs, y, attrs))
        self.values.append(y)

    def window(self, kind: str) -> None:
        x = self.image()
        dilation = self.number(1, 2) if "conv" in kind else 1
        size, stride = (self.number(1, 4), self.number(1, 2)), (self.number(1, 3), 1)
        most = (size[0] - 1) * dilation
        padding = (self.number(0, most), self.number(0, most), 0, size[1] - 1)
        if self.number(0, 5) == 0 and kind == "average_pool2d":
            size, padding = x.shape[1:3], (0, 0, 0, 0)
        height = x.shape[1] + padding[0] + padding[1] - (size[0] - 1) * dilation - 1
        width = x.shape[2] + padding[3] - size[1]
        if height < 0 or width < 0:
            return
        channels = self.number(1, 6) if kind == "conv2d" else x.shape[3]
        shape = (1, height // stride[0] + 1, width + 1, channels)
        attrs: dict[str, Any] = {"stride": stride, "padding": padding}
        if "conv" in kind:
            weights = Tensor("w", (channels, *size, x.shape[3]) if kind == "conv2d" else (1, *size, channels))
            weights.data = np.zeros(weights.shape, np.int8)
            self.emit(kind, [x, weights], shape, **attrs, dilation=(dilation, 1), groups=1)
        else:
            self.emit(kind, [x], shape, **attrs, filter=size)

    def add(self) -> None:
        a = self.image()
        b = self.data.draw(
            st.sampled_from([t for t in self.values if t.shape == a.shape or t.shape == (1, 1, 1, a.shape[3])])
        )
        self.emit("add", [a, b], a.shape)

    def concat(self) -> None:
        a = self.image()
        alike = [t for t in self.values if len(t.shape) == 4 and t.shape[1:3] == a.shape[1:3]]
        b = self.data.draw(st.sampled_from(alike))
        self.emit("concat", [a, b], (*a.shape[:3], a.shape[3] + b.shape[3]), axis=3)

    def pad(self) -> None:
        x, before = self.image(), (0, self.data.draw(st.sampled_from([0, 0, 1])), 1, 0)
        self.emit("pad", [x], (1, x.shape[1] + before[1], x.shape[2] + 1, x.shape[3]), before=before, after=(0,) * 4)

    def resize(self) -> None:
        x, height = self.image(), self.number(1, 30)
        rows = np.sort(self.data.draw(st.lists(st.integers(0, x.shape[1] - 1), min_size=height, max_size=height)))
        attrs = {"rows": rows, "columns": np.arange(x.shape[2])}
        if self.data.draw(st.booleans()):
            attrs |= {"row_weight": np.zeros(height, int), "column_weight": np.zeros(x.shape[2], int)}
        self.emit("resize2d", [x], (1, height, *x.shape[2:]), **attrs)

    def other(self) -> None:
        x = self.image()
        kind = self.data.draw(st.sampled_from(["requantize", "lut", "mean", "reshape"]))
        if kind == "mean":
            self.emit(kind, [x], (1, 1, 1, x.shape[3]))
        elif kind == "reshape":
            self.emit(kind, [x], (1, x.size))
        else:
            self.emit(kind, [x], x.shape)

    def graph(self) -> Graph:
        makers = [
            *(lambda kind=kind: self.window(kind) for kind in ("conv2d", "dwconv2d", "average_pool2d", "max_pool2d"))
        ]
        makers += [self.add, self.concat, self.pad, self.resize, self.other]
        for k in self.data.draw(st.lists(st.integers(0, len(makers) - 1), min_size=1, max_size=10)):
            makers[k]()
        outputs = {self.values[-1], self.data.draw(st.sampled_from(self.values))}
        return Graph("drawn", self.ops, [Edge(self.values[0])], [Edge(t) for t in outputs if t is not self.values[0]])


@pytest.fixture
def hasty() -> Iterator[None]:
    """A short search for positions: that plans hold does not depend on it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "SEARCH_LIMIT", 5)
        yield


@settings(max_examples=300, deadline=None)
@pytest.mark.usefixtures("hasty")
@given(st.data())
def test_plans_of_drawn_networks_hold(data: st.DataObject) -> None:
    graph = Drawn(data).graph()
    if not graph.ops:
        return
    scratch = {op: data.draw(st.sampled_from([0, 16, 40])) for op in graph.ops}
    least = plan(graph, ram="least", scratch=scratch)
    Machine(graph, least, scratch).run()
    assert least.arena_size <= plan(graph, scratch=scratch).arena_size
    # The smallest plan is a limit that can be met.
    assert plan(graph, ram=least.arena_size, scratch=scratch).arena_size <= least.arena_size


@settings(max_examples=300, deadline=None)
@pytest.mark.usefixtures("hasty")
@given(st.data())
def test_any_bands_hold(data: st.DataObject) -> None:
    graph = Drawn(data).graph()
    if not graph.ops:
        return
    scratch = {op: data.draw(st.sampled_from([0, 16, 40])) for op in graph.ops}
    bands = draw_bands(data, graph)
    placed = plan(graph, scratch=scratch, bands=bands)
    Machine(graph, placed, scratch).run()
    event(f"{sum(len(band.paces) for band in bands)} operators in bands")
    assert [replace(band, paces=(), feed=None) for band in placed.bands] == [
        replace(band, paces=(), feed=None) for band in bands
    ]


@settings(max_examples=100, deadline=None)
@pytest.mark.usefixtures("hasty")
@given(st.data())
def test_the_validator_proves_any_bands(data: st.DataObject) -> None:
    compiled = compile(draw_network(data))
    graph = compiled.graph
    bands = draw_bands(data, graph)
    placed = plan(graph, bands=bands)
    Machine(graph, placed).run()
    if not any(band.feed for band in bands):
        assert qrt.load(replace(compiled, plan=placed).to_bytes())
    least = plan(graph, ram="least")
    assert qrt.load(replace(compiled, plan=least).to_bytes())


def test_rows_that_no_turn_reads_live_until_their_band() -> None:
    """A layer before the band reads them too, with working memory that must not lie over them."""
    x, columns = Tensor("x", (1, 5, 4, 2)), {"columns": np.arange(4)}
    whole, flat = Tensor("whole", (1, 2, 4, 2)), Tensor("flat", (1, 16))
    first, last = Tensor("first", (1, 1, 4, 2)), Tensor("last", (1, 1, 4, 2))
    ops = [
        Op("resize2d", "make", [x], whole, {"rows": np.array([0, 4]), **columns}),
        Op("reshape", "flatten", [whole], flat, {}),
        Op("resize2d", "pick", [whole], first, {"rows": np.array([1]), **columns}),
        Op("lut", "map", [first], last, {}),
    ]
    graph = Graph("picked", ops, [Edge(x)], [Edge(flat), Edge(last)])
    facts = Streaming(graph, lifetimes(graph))
    for scratch in ({}, {ops[1]: 40}, {ops[1]: 8, ops[0]: 24}):
        placed = plan(graph, scratch=scratch, bands=[Run(facts, 2, 4, 1, None).band()])
        Machine(graph, placed, scratch).run()


def chain(heights: int = 32) -> GraphBuilder:
    """A network with a residual, whose first layers are large, and a head."""
    rng = np.random.default_rng(0)
    g = GraphBuilder("chain")
    x = g.input("image", (1, heights, 16, 3), scale=0.1)
    numbers: dict[str, Any] = {"scale": 0.2, "weights_scale": 0.05}
    a = g.conv2d(x, rng.integers(-9, 9, (8, 3, 3, 3)), padding=1, name="stem", **numbers)
    b = g.conv2d(a, rng.integers(-9, 9, (8, 3, 3, 8)), padding=1, name="inner", **numbers)
    c = g.add(a, b, scale=0.2, name="sum")
    d = g.conv2d(c, rng.integers(-9, 9, (8, 3, 3, 8)), stride=2, padding=1, name="narrow", **numbers)
    e = g.reshape(g.mean(d, scale=0.2, name="mean"), (1, 8))
    g.output(g.linear(e, rng.normal(size=(4, 8)), scale=0.1, name="head"))
    return g


def test_least_is_far_below_and_the_report_says_so() -> None:
    fast, least = compile(chain()), compile(chain(), ram="least")
    assert fast.report.row_by_row is None
    assert not fast.plan.bands
    account = least.report.row_by_row
    assert account is not None
    assert account.whole_arena_size == fast.report.arena_size == fast.plan.arena_size
    assert least.report.arena_size < fast.report.arena_size / 2
    assert [(band.first, band.last, band.count, band.rows) for band in account.bands] == [("stem", "narrow", 4, 1)]
    machine = Machine(least.graph, least.plan)
    machine.run()
    assert account.moved_bytes == machine.moved > 0
    codes = np.random.default_rng(1).integers(-128, 128, (1, 32, 16, 3), dtype=np.int8)
    np.testing.assert_array_equal(qrt.load(least.to_bytes()).run(codes), qrt.load(fast.to_bytes()).run(codes))


def test_plans_are_reproducible() -> None:
    graph = compile(chain()).graph
    first, again = (plan(graph, ram="least") for _ in range(2))
    assert (again.offsets, again.bands) == (first.offsets, first.bands)


def test_a_number_of_bytes_costs_only_what_it_must() -> None:
    fast, least = compile(chain()), compile(chain(), ram="least")
    sizes = [least.plan.arena_size, *range(least.plan.arena_size + 16, fast.plan.arena_size, 3072)]
    moved = []
    for ram in sizes:
        fitting = compile(chain(), ram=ram)
        assert fitting.plan.arena_size <= ram
        Machine(fitting.graph, fitting.plan).run()
        assert fitting.report.row_by_row is not None
        moved.append(fitting.report.row_by_row.moved_bytes)
    assert moved[-1] < moved[0] / 4
    assert not compile(chain(), ram=fast.plan.arena_size).plan.bands
    with pytest.raises(CompileError, match=rf"no plan fits into 100 bytes.*takes {least.plan.arena_size:,}"):
        compile(chain(), ram=100)


def test_a_fed_input_is_held_by_rows() -> None:
    least, fed = compile(chain(), ram="least"), compile(chain(), ram="least", feed=True)
    assert fed.plan.arena_size < least.plan.arena_size
    assert fed.plan.bands[0].feed is not None
    assert fed.plan.bands[0].feed.capacity < 8
    assert fed.report.row_by_row is not None
    assert fed.report.row_by_row.fed == "image"
    fast = compile(chain(), feed=True)
    assert [len(band.paces) for band in fast.plan.bands] == [1]
    for compiled in (fed, fast):
        Machine(compiled.graph, compiled.plan).run()


def test_what_cannot_be_fed_names_the_operator() -> None:
    g = GraphBuilder("flat")
    x = g.input("x", (1, 8, 8, 2), scale=0.1)
    g.output(g.transpose(x, (0, 2, 1, 3), name="turned"))
    with pytest.raises(CompileError, match=r"turned \(transpose\): cannot run row by row, so the input x"):
        compile(g, feed=True)
    g = GraphBuilder("gate")
    x = g.input("x", (1, 8, 8, 2), scale=0.1)
    gate = g.mean(x, scale=0.1, name="mean")
    g.output(g.mul(x, gate, scale=0.1, name="gated"))
    with pytest.raises(CompileError, match=r"gated \(mul\): reads the input x, and what is known only"):
        compile(g, feed=True)


@pytest.mark.parametrize(
    ("shape", "reason"), [((2, 8, 8, 2), r"\[2, 8, 8, 2\], not \[1, height"), ((1, 9), r"\[1, 9\], not")]
)
def test_only_an_image_is_fed(shape: tuple[int, ...], reason: str) -> None:
    g = GraphBuilder("other")
    g.output(g.lut(g.input("x", shape, scale=0.1), "silu", scale=0.1))
    with pytest.raises(CompileError, match=f"x .input.: cannot be fed by rows: its shape is {reason}"):
        compile(g, feed=True)


def test_what_is_fed_has_few_readers() -> None:
    g = GraphBuilder("nine")
    x = g.input("x", (1, 8, 8, 2), scale=0.1)
    filters = np.random.default_rng(0).normal(size=(9, 4, 3, 3, 2))
    g.output(g.concat([g.conv2d(x, weights, scale=0.1) for weights in filters], 3))
    with pytest.raises(CompileError, match="cannot be fed by rows: operators read it 9 times, more than 8"):
        compile(g, feed=True)


def test_an_operator_that_reads_a_tensor_twice_is_two_readers() -> None:
    g = GraphBuilder("squares")
    x = g.input("x", (1, 24, 8, 2), scale=0.1)
    stem = g.conv2d(x, np.random.default_rng(0).normal(size=(4, 3, 3, 2)), scale=0.1)
    squares = [g.mul(stem, stem, scale=0.1 * (k + 1)) for k in range(5)]
    g.output(g.mean(functools.reduce(lambda a, b: g.add(a, b, scale=0.5), squares), scale=0.1))
    for feed in (False, True):
        assert qrt.load(compile(g, ram="least", feed=feed).to_bytes())


@pytest.mark.parametrize("ram", ["fast", "least", 2_000_000])
def test_what_is_fed_has_not_too_many_rows(ram: str | int) -> None:
    g = GraphBuilder("long")
    x = g.input("x", (1, 300_000, 1, 1), scale=0.1)
    g.output(g.mean(g.lut(x, "silu", scale=0.1), scale=0.1))
    with pytest.raises(CompileError, match="its 300,000 rows take more turns than a file can have"):
        compile(g, ram=ram, feed=True)


def test_bands_of_many_rows_are_proved_with_little_work() -> None:
    """An image so high that a band has only some of the operators."""
    g = GraphBuilder("high")
    before = g.lut(g.input("x", (1, 26_000, 1, 1), scale=0.1), "silu", scale=0.1)
    last = g.lut(before, "tanh", scale=0.1)
    for _ in range(15):
        before, last = last, g.add(last, before, scale=0.1)
    g.output(g.mean(last, scale=0.1))
    compiled = compile(g)
    graph = compiled.graph
    run = Run(Streaming(graph, lifetimes(graph)), len(graph.ops) - 1, len(graph.ops))
    while run.is_small and run.first > 0:
        longest, run = run, run.before()
    assert run.first > 0
    assert qrt.load(replace(compiled, plan=plan(graph, bands=[longest.band()])).to_bytes())


def test_a_number_of_bytes_counts_those_of_states() -> None:
    g = chain()
    g.output(g.push(g.graph.outputs[0].tensor, 100, axis=0))
    least = compile(g, ram="least").plan
    assert least.state_size == 400
    for ram in (least.arena_size, least.arena_size + 200):
        assert compile(g, ram=ram).plan.arena_size <= ram
    for ram in (least.arena_size - 1, 100):
        with pytest.raises(CompileError, match=rf"no plan fits into {ram:,} bytes.*takes {least.arena_size:,}"):
            compile(g, ram=ram)


@pytest.mark.parametrize("ram", ["most", -1, 1.5, None])
def test_other_limits_are_refused(ram: Any) -> None:
    with pytest.raises(ValueError, match="ram must be 'fast', 'least' or a number of bytes"):
        compile(chain(), ram=ram)


def test_the_machine_sees_a_buffer_that_is_too_small() -> None:
    """The judge of these tests is one."""
    compiled = compile(chain(), ram="least")
    (band,) = compiled.plan.bands
    for i, pace in enumerate(band.paces[:4]):
        for wrong in (replace(pace, capacity=pace.capacity - 1), replace(pace, lead=pace.lead - pace.per)):
            paces = (*band.paces[:i], wrong, *band.paces[i + 1 :])
            broken = replace(compiled.plan, bands=(replace(band, paces=paces),))
            with pytest.raises(AssertionError):
                Machine(compiled.graph, broken).run()


def test_scratch_is_placed_in_the_bands_of_a_file() -> None:
    """As for a device: the bands stay, the positions are found anew."""
    compiled = compile(chain(), ram="least")
    scratch = dict.fromkeys(compiled.graph.ops, 200)
    placed = plan(compiled.graph, scratch=scratch, bands=compiled.plan.bands)
    Machine(compiled.graph, placed, scratch).run()
    assert [replace(p, right=False) for p in placed.bands[0].paces] == [
        replace(p, right=False) for p in compiled.plan.bands[0].paces
    ]
    assert placed.arena_size < compiled.plan.arena_size + 2 * 208


# For each network the most bytes of arena, with its input whole and with it given by rows.
GOALS = {
    "ic_resnet8": (11_520, 9_856),
    "kws_dscnn": (4_352, 3_968),
    "vww_mobilenet": (28_800, 12_288),
    "person_detect": (14_336, 12_288),
    "mobilenet_v2_224": (262_144, 131_072),
}


@pytest.mark.parametrize("name", GOALS)
def test_real_networks_fit(name: str) -> None:
    path = SHARED / "models" / f"{name}.tflite"
    if not path.exists():
        pytest.skip("the shared networks are not here")
    graph = compile(path).graph
    for feed, most in zip((False, True), GOALS[name], strict=True):
        least = plan(graph, ram="least", feed=feed)
        assert least.lower_bound <= least.arena_size <= most
        Machine(graph, least).run()
