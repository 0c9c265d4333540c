"""Outputs over inputs in their last use: bit-exact on every kernel set, the validator's limit, the operators' order."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import graphs
import numpy as np
import pytest
from graphs import Window
from hypothesis import example, given, settings
from hypothesis import strategies as st
from overlaps import KINDS, between_copies, drawn, placed, shapes, sizes, windows

import qrt
from qrt.compiler import GraphBuilder, compile
from qrt.compiler.backends.qfb import writer
from qrt.compiler.plan.layout import ALIGNMENT, aligned
from qrt.compiler.plan.memory import BY_POSITION, ONCE, Block, distance, place, plan


@settings(max_examples=300, deadline=None)
@example(kind="conv2d", shape=(2, 9, 6, 600), window=Window((1, 1)), seed=0)  # pointwise, in strips
@given(kind=st.sampled_from(KINDS), shape=shapes, window=windows, seed=st.integers(0, 2**32))
def test_same_bytes_over_the_input(kind: str, shape: tuple[int, ...], window: Window, seed: int) -> None:
    graph = between_copies(drawn(kind, shape, window, seed))
    apart = distance(graph.ops[1])
    assert apart is not None
    x = np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8)
    expected = qrt.load(placed(graph, aligned(graph.ops[1].output.size)), kernels="reference").run(x)
    for kernels in qrt.kernel_sets():
        np.testing.assert_array_equal(qrt.load(placed(graph, apart), kernels=kernels).run(x), expected)
    if apart >= ALIGNMENT:
        with pytest.raises(qrt.ModelError, match="V27"):
            qrt.load(placed(graph, apart - ALIGNMENT))


@settings(max_examples=300, deadline=None)
@given(shape=shapes, window=windows, dilation=st.tuples(sizes, sizes), seed=st.integers(0, 2**32))
def test_by_position_no_code_is_read_after_it_was_written_over(
    shape: tuple[int, ...], window: Window, dilation: tuple[int, int], seed: int
) -> None:
    """The strictest kernel that the name allows: it writes a position as soon as it has read what it needs."""
    window = replace(window, dilation=dilation)
    op = drawn("conv2d", shape, window, seed).ops[0]
    start = distance(op, BY_POSITION)
    by_row = distance(op)
    assert start is not None and by_row is not None and start <= by_row
    batch, height, width, channels = op.inputs[0].shape
    intact = np.ones((batch, height, width), bool)
    first_bytes = start + np.arange(intact.size) * channels
    written = 0
    for n, y, x in np.ndindex(op.output.shape[:3]):
        rows = y * window.stride[0] - window.padding[0] + np.arange(window.filter[0]) * window.dilation[0]
        columns = x * window.stride[1] - window.padding[2] + np.arange(window.filter[1]) * window.dilation[1]
        rows, columns = rows[(rows >= 0) & (rows < height)], columns[(columns >= 0) & (columns < width)]
        assert intact[n][np.ix_(rows, columns)].all()
        written += op.output.shape[3]
        intact = (first_bytes >= written).reshape(intact.shape)


@settings(max_examples=200, deadline=None)
@given(shape=shapes, window=windows, seed=st.integers(0, 2**32))
def test_once_no_row_is_read_after_it_was_written_over(shape: tuple[int, ...], window: Window, seed: int) -> None:
    """A kernel that reads row after row, and writes a row of output as soon as it has read the last one it needs."""
    op = drawn("dwconv2d", shape, window, seed).ops[0]
    start = distance(op, ONCE)
    assert start is not None
    batch, height, width, channels = op.inputs[0].shape
    row_size, written = width * channels, 0
    read = np.zeros((batch, height), bool)
    for n, y in np.ndindex(op.output.shape[:2]):
        last = y * window.stride[0] - window.padding[0] + (window.filter[0] - 1) * window.dilation[0]
        for row in range(min(last + 1, height)):
            intact = start + (n * height + row) * row_size >= written
            assert intact or read[n, row]
            read[n, row] = True
        written += op.output.shape[2] * op.output.shape[3]


def test_groups_and_unmarked_operators_stay_apart() -> None:
    rng = np.random.default_rng(3)
    grouped = between_copies(graphs.conv2d(rng, (1, 6, 6, 4), 4, Window(), groups=2))
    assert distance(grouped.ops[1]) is None
    with pytest.raises(qrt.ModelError, match="V27"):
        qrt.load(placed(grouped, 32))
    plain = between_copies(graphs.conv2d(rng, (1, 6, 6, 4), 4, Window()))
    apart = distance(plain.ops[1])
    assert apart is not None
    assert apart < plain.ops[1].output.size
    marked = placed(plain, apart)
    assert qrt.load(marked)
    whole = plan(plain, overlap=False)
    tight = plan(plain)
    assert tight.overlaps == {plain.ops[1]}
    with pytest.raises(qrt.ModelError, match="V27"):
        qrt.load(writer.write(plain, replace(whole, offsets=tight.offsets, arena_size=tight.arena_size)))


def brute_force(blocks: list[Block], gaps: dict[tuple[int, int], int]) -> int:
    """The lowest height over all orders of first fit."""
    from qrt.compiler.plan.memory import _first_fit

    return min(_first_fit(blocks, gaps, order)[1] for order in permutations(range(len(blocks))))


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 6), st.integers(0, 3)), min_size=1, max_size=6))
def test_search_finds_the_best(drawn: list[tuple[int, int, int]]) -> None:
    blocks = [Block(size * ALIGNMENT, first, first + length) for size, first, length in drawn]
    starts, height = place(blocks)
    assert height == brute_force(blocks, {})
    for i, a in enumerate(blocks):
        for k, b in enumerate(blocks[:i]):
            if a.first <= b.last and b.first <= a.last:
                assert starts[i] + a.size <= starts[k] or starts[k] + b.size <= starts[i]


def test_order_of_branches() -> None:
    """Two wide branches that each end narrow: one after the other needs less than side by side."""
    g = GraphBuilder("branches")
    x = g.input("x", (1, 8, 8, 2), scale=0.1)
    ones = np.ones((32, 1, 1, 2), np.int8)
    wide = [g.conv2d(x, ones, weights_scale=0.01, scale=0.1) for _ in range(3)]
    narrow = [g.mean(g.max_pool2d(w, 2), scale=0.1) for w in wide]
    g.output(g.add(g.add(narrow[0], narrow[1], scale=0.1), narrow[2], scale=0.1))
    better, source = compile(g), compile(g, skip=["schedule"])
    assert better.report.arena_size < source.report.arena_size
    assert [note for note in better.report.notes if note[0] == "schedule"]
    codes = np.random.default_rng(0).integers(-128, 128, (3, 8, 8, 2), dtype=np.int8)
    np.testing.assert_array_equal(qrt.load(better.to_bytes()).run(codes), qrt.load(source.to_bytes()).run(codes))
