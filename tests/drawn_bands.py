"""Networks drawn by hypothesis whose operators can take turns, and bands of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from qrt.compiler import GraphBuilder
from qrt.compiler.ir import Graph, Tensor
from qrt.compiler.plan.bands import Band
from qrt.compiler.plan.memory import lifetimes
from qrt.compiler.plan.pacing import Run, Streaming

SCALE = 0.1


class Images:
    """A network in the making: `values` are images, of any height, that later operators may read."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.rng = np.random.default_rng(self.number(0, 2**32 - 1))
        self.g = GraphBuilder("drawn")
        self.values = [self.g.input("x", (1, self.number(1, 20), self.number(1, 6), self.number(1, 9)), scale=SCALE)]

    def number(self, low: int, high: int) -> int:
        return self.data.draw(st.integers(low, high))

    def pick(self, *like: Any) -> Tensor:
        return self.data.draw(st.sampled_from(self.values))

    def window(self, kind: str) -> Tensor | None:
        x = self.pick()
        size, dilation = (self.number(1, 4), self.number(1, 3)), self.number(1, 2) if "conv" in kind else 1
        reach = ((size[0] - 1) * dilation + 1, (size[1] - 1) * dilation + 1)
        padding = tuple(self.number(0, most - 1) for most in (reach[0], reach[0], reach[1], reach[1]))
        if x.shape[1] + padding[0] + padding[1] < reach[0] or x.shape[2] + padding[2] + padding[3] < reach[1]:
            return None
        options: dict[str, Any] = {"stride": (self.number(1, 3), self.number(1, 2)), "padding": padding}
        if "pool" in kind:
            return getattr(self.g, kind)(x, size, **options)
        shape = (self.number(1, 20), *size, x.shape[3]) if kind == "conv2d" else (1, *size, x.shape[3])
        bias = self.rng.normal(size=shape[0] if kind == "conv2d" else shape[3])
        options |= {"dilation": dilation, "rounding": self.data.draw(st.sampled_from(["SINGLE", "DOUBLE"]))}
        return getattr(self.g, kind)(x, self.rng.normal(size=shape), bias, scale=SCALE, **options)

    def add(self) -> Tensor:
        a = self.pick()
        b = self.data.draw(st.sampled_from([t for t in self.values if t.shape in (a.shape, (1, 1, 1, a.shape[3]))]))
        return self.g.add(a, b, scale=SCALE)

    def add_constant(self) -> Tensor:
        x = self.pick()
        shape = (*self.data.draw(st.sampled_from([x.shape[:3], (1, 1, 1), (1, x.shape[1], 1)])), x.shape[3])
        return self.g.add(x, self.g.constant(self.rng.integers(-128, 128, shape, np.int8), scale=0.02), scale=SCALE)

    def concat(self) -> Tensor:
        a = self.pick()
        alike = [t for t in self.values if t.shape[1:3] == a.shape[1:3]]
        return self.g.concat([a, *self.data.draw(st.lists(st.sampled_from(alike), min_size=1, max_size=3))], 3)

    def pad(self) -> Tensor:
        return self.g.pad(self.pick(), (0, self.number(0, 1), 1, 0), (0, 0, 1, 2))

    def resize(self) -> Tensor:
        x, height, width = self.pick(), self.number(1, 30), self.number(1, 6)
        rows = np.sort(self.rng.integers(0, x.shape[1], height)).astype(np.uint16)
        columns = self.rng.integers(0, x.shape[2], width).astype(np.uint16)
        weights: dict[str, Any] = {}
        if self.data.draw(st.booleans()):
            weights = {"row_weight": self.rng.integers(0, 1024, height).astype(np.uint16)}
            weights["column_weight"] = self.rng.integers(0, 1024, width).astype(np.uint16)
        return self.g.resize2d(x, rows, columns, **weights)

    def wide(self) -> Tensor:
        """Through int16 and back."""
        x = self.g.requantize(self.pick(), scale=0.001, dtype="int16")
        return self.g.requantize(self.g.add(x, x, scale=0.002), scale=SCALE, dtype="int8")

    def mean(self) -> Tensor:
        return self.g.mean(self.pick(), scale=SCALE)

    def whole(self) -> Tensor:
        x = self.pick()
        return self.g.average_pool2d(x, (x.shape[1], x.shape[2]))

    def lut(self) -> Tensor:
        return self.g.lut(self.pick(), "silu", scale=SCALE)

    def graph(self) -> GraphBuilder:
        windows = ("conv2d", "dwconv2d", "average_pool2d", "max_pool2d")
        makers = [*(lambda kind=kind: self.window(kind) for kind in windows), self.add, self.add_constant, self.concat]
        makers += [self.pad, self.resize, self.wide, self.mean, self.whole, self.lut]
        for k in self.data.draw(st.lists(st.integers(0, len(makers) - 1), min_size=2, max_size=9)):
            made = makers[k]()
            if made is not None and made.size < 4000:
                self.values.append(made)
        for tensor in {self.values[-1], self.data.draw(st.sampled_from(self.values))} - {self.values[0]}:
            self.g.output(tensor)
        return self.g


def draw_images(data: st.DataObject) -> GraphBuilder | None:
    """None where nothing could be made of what was drawn."""
    g = Images(data).graph()
    return g if g.graph.outputs else None


def draw_bands(data: st.DataObject, graph: Graph) -> list[Band]:
    """Bands anywhere, with any number of rows a turn, and any leads between late and early."""
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
