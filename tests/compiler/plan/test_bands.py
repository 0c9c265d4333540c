"""Plans in which operators take turns row by row, run on an arena that knows what each byte holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from drawn_networks import draw_network
from hypothesis import event, given, settings
from hypothesis import strategies as st
from turns import Machine

import qrt
from qrt.compiler import build
from qrt.compiler.ir import Edge, Graph, Op, Tensor
from qrt.compiler.plan import layout
from qrt.compiler.plan.bands import Band
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
        patch.setattr(layout, "SEARCH_LIMIT", 100)
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


def drawn_bands(data: st.DataObject, graph: Graph) -> list[Band]:
    """Bands anywhere, with any number of rows a turn, any leads between late and early, and some buffers roomy."""
    facts = Streaming(graph, lifetimes(graph))
    bands, first = [], 0
    while first < len(graph.ops):
        stop = data.draw(st.integers(first + 1, len(graph.ops)))
        if not facts.closed(first, stop):
            first += 1
            continue
        x = graph.inputs[0].tensor
        readers = facts.readers.get(x, [])
        feedable = readers and first <= readers[0] and readers[-1] < stop and facts.lives[x][1] <= stop
        fed = x if feedable and data.draw(st.booleans()) else None
        run = Run(facts, first, stop, data.draw(st.integers(1, 4)), fed)
        for i in range(first, stop):
            earliest, lead = run.earliest(i), run.line(i).lead
            if earliest is not None and earliest > lead and data.draw(st.booleans()):
                run = run.with_lead(i, data.draw(st.integers(lead, earliest)))
        bands.append(run.band())
        first = stop
    return bands


@settings(max_examples=300, deadline=None)
@pytest.mark.usefixtures("hasty")
@given(st.data())
def test_any_bands_hold(data: st.DataObject) -> None:
    graph = Drawn(data).graph()
    if not graph.ops:
        return
    scratch = {op: data.draw(st.sampled_from([0, 16, 40])) for op in graph.ops}
    bands = drawn_bands(data, graph)
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
    compiled = build(draw_network(data))
    graph = compiled.graph
    bands = drawn_bands(data, graph)
    placed = plan(graph, bands=bands)
    Machine(graph, placed).run()
    if not any(band.feed for band in bands):
        assert qrt.load(replace(compiled, plan=placed).to_bytes())
    least = plan(graph, ram="least")
    assert qrt.load(replace(compiled, plan=least).to_bytes())
