"""Cases of push and assign, and of int16 codes that move."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from case import Case, case
from graphs import Rng, Shape

from qrt.compiler import GraphBuilder
from qrt.compiler.ir import Graph


def pushed(rng: Rng, shape: Shape, axis: int, length: int, dtype: str) -> Graph:
    """The state before and behind the operator that updates it."""
    g = GraphBuilder()
    x = g.input("x", shape, scale=0.1, zero_point=3 if dtype == "int8" else 0, dtype=dtype)
    limits = np.iinfo(dtype)
    initial = rng.integers(limits.min, limits.max + 1, (*shape[:axis], length, *shape[axis + 1 :]))
    g.output(g.push(x, length, axis=axis, initial=initial))
    return g.graph


def assigned(rng: Rng, shape: Shape, dtype: str) -> Graph:
    g = GraphBuilder()
    x = g.input("x", shape, scale=0.1, dtype=dtype)
    state = g.state(shape, scale=0.1, dtype=dtype, initial=7)
    g.output(g.reshape(state, (1, *shape)))
    g.assign(state, x)
    return g.graph


def moved(rng: Rng, shape: Shape) -> Graph:
    """int16 codes through every operator that moves codes."""
    g = GraphBuilder()
    x = g.input("x", shape, scale=0.1, dtype="int16")
    rank, last = len(shape), shape[-1]
    turned = g.transpose(x, tuple(reversed(range(rank))))
    padded = g.pad(turned, (1,) * rank, (2,) * rank)
    part = g.slice(padded, (1,) * rank, (2,) * rank, stride=(-1,) * rank)
    g.output(g.concat([part, part, turned if rank == 1 else part], rank - 1))
    g.output(g.reshape(x, (last, x.size // last)))
    return g.graph


def state_cases() -> Iterator[Case]:
    for dtype, (shape, axis, length) in product(
        ("int8", "int16"),
        (((1, 1, 40), 1, 5), ((1, 3, 7), 1, 3), ((2, 2, 3), 1, 4), ((1, 3), 0, 9), ((1, 2, 1, 3), 3, 8)),
    ):
        yield case(f"push {dtype} {shape} axis {axis} to {length}", pushed, shape, axis, length, dtype)
    for dtype in ("int8", "int16"):
        yield case(f"assign {dtype}", assigned, (2, 5), dtype)
    for shape in ((3,), (2, 5), (2, 3, 4, 5), (1, 2, 1, 3, 2, 2)):
        yield case(f"int16 moved {shape}", moved, shape)
