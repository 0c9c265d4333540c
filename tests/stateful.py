"""A network with every way to keep state, and what it computes, step by step, in numpy."""

from __future__ import annotations

import numpy as np

from qrt.compiler import GraphBuilder
from qrt.compiler.ir import Tensor

Array = np.ndarray
SHAPE = (1, 2, 1, 4)
LENGTH = 7
# Before the first run: a window in which no two codes are equal, so that a row in the wrong place shows.
FIRST_WINDOW = np.arange(LENGTH * SHAPE[3], dtype=np.int8).reshape(1, LENGTH, 1, SHAPE[3]) - 9


def remembering() -> GraphBuilder:
    """Outputs: the window of the last rows, the highest codes so far, and the input of the run before this one."""
    g = GraphBuilder("remembering")
    x = g.input("x", SHAPE, scale=0.5, zero_point=3)
    window = g.push(x, LENGTH, axis=1, initial=FIRST_WINDOW, name="window")
    highest = g.max_pool2d(window, (LENGTH, 1), name="highest of the window")
    peak = g.state(highest.shape, scale=0.5, zero_point=3, initial=-128, name="peak")
    g.assign(peak, g.maximum(peak, highest, name="higher"), name="new peak")
    last = g.state(SHAPE, scale=0.5, zero_point=3, name="last")
    before = g.clamp(last, output_min=-100, output_max=100, name="before")
    g.assign(last, x, name="keep")
    for tensor in (window, peak, before):
        g.output(tensor)
    return g


def layered() -> GraphBuilder:
    """A push, a convolution over its window, and a push of that: what a streaming network consists of."""
    rng = np.random.default_rng(3)
    g = GraphBuilder("layered")
    x = g.input("x", (1, 1, 1, 8), scale=0.1)
    for length, channels in ((3, 16), (5, 8)):
        window = g.push(x, length, axis=1)
        weights = rng.normal(size=(channels, length, 1, x.shape[3]))
        x = g.conv2d(window, weights, bias=rng.normal(size=channels), scale=0.2, activation="relu")
    g.output(x)
    return g


class Remembering:
    """`remembering` in numpy."""

    def __init__(self) -> None:
        self.window = FIRST_WINDOW.copy()
        self.peak = np.full((1, 1, 1, SHAPE[3]), -128, np.int8)
        self.last = np.full(SHAPE, 3, np.int8)

    def run(self, x: Array) -> list[Array]:
        self.window = np.concatenate([self.window, x], 1)[:, SHAPE[1] :]
        self.peak = np.maximum(self.peak, self.window.max(axis=1, keepdims=True))
        before, self.last = np.clip(self.last, -100, 100), x.copy()
        return [self.window.copy(), self.peak.copy(), before]


def steps(count: int, seed: int = 0) -> Array:
    """Inputs, [count, *SHAPE[1:]]."""
    return np.random.default_rng(seed).integers(-128, 128, (count, *SHAPE[1:]), np.int8)


def expected(sequence: Array) -> list[Array]:
    """The outputs of each step along the first axis."""
    network = Remembering()
    each = [network.run(x[np.newaxis]) for x in sequence]
    return [np.concatenate(parts) for parts in zip(*each, strict=True)]


def moved16() -> tuple[GraphBuilder, Tensor]:
    """A push of int16 codes."""
    g = GraphBuilder("moved16")
    x = g.input("x", (1, 2, 3), scale=0.25, zero_point=-1000, dtype="int16")
    window = g.push(x, 5, axis=1, initial=np.arange(15).reshape(1, 5, 3) * 1000 - 7000)
    g.output(window)
    return g, window
