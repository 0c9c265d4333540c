"""A small network whose first operators take turns, planned by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qrt.compiler import GraphBuilder, compile
from qrt.compiler.backends.qfb.writer import write
from qrt.compiler.plan.bands import Band, Pace
from qrt.compiler.plan.plan import Plan

TURNS = 16


def network() -> GraphBuilder:
    """Two convolutions, the second with a stride, a mean over the image, and a layer that reads it."""
    g = GraphBuilder("rows")
    x = g.input("x", (1, 16, 6, 2), scale=0.5, zero_point=-3)
    filters = (np.arange(4 * 9 * 2).reshape(4, 3, 3, 2) % 17 - 8).astype(np.int8)
    a = g.conv2d(x, filters, weights_scale=0.01, scale=0.25, padding=1, name="a")
    filters = (np.arange(4 * 9 * 4).reshape(4, 3, 3, 4) % 13 - 6).astype(np.int8)
    b = g.conv2d(a, filters, weights_scale=0.02, scale=0.25, padding=1, stride=2, name="b")
    mean = g.mean(b, scale=0.125, name="mean")
    matrix = (np.arange(12).reshape(3, 4) % 7 - 3).astype(np.int8)
    g.output(g.linear(g.reshape(mean, (1, 4), name="flat"), matrix, weights_scale=0.05, scale=0.125, name="scores"))
    return g


def banded(fed: bool = False, right: bool = False, held: tuple[int, int] = (3, 2)) -> bytes:
    """Its file: the convolutions and the mean are a band, which makes a row of the first one in each turn.

    Parameters
    ----------
    fed : bool
        Whether the input comes by rows too.
    right : bool
        Whether the first convolution's rows lie at the end of their memory.
    held : tuple of int
        How many of these the memory holds, and keeps between turns.
    """
    compiled = compile(network())
    return write(compiled.graph, plan(compiled.plan, fed, Pace(1, 1, 1, *held, right)))


def plan(whole: Plan, fed: bool, first: Pace) -> Plan:
    """With `first` as the pace of the first convolution."""
    paces = (first, Pace(1, 2, 1, 1, 0), Pace(1, 2, 1, 8, 8))
    feed = Pace(1, 1, 2, 3, 2) if fed else None
    # Bytes of rows of 12, 24 and 12 bytes, of four sums, and of what the operators behind the band write.
    rooms = [3 * 12 if fed else 16 * 12, first.capacity * 24, 12, 4 * 4, 4, 3]
    starts = dict.fromkeys(whole.offsets, 0)
    end = 0
    for tensor, room in zip(whole.offsets, rooms, strict=True):
        starts[tensor], end = end, end + -(-room // 16) * 16
    return replace(whole, offsets=starts, arena_size=end, overlaps=frozenset(), bands=(Band(0, TURNS, paces, feed),))
