"""Outputs over inputs by position, which generated C may do beyond the format's rule of rows; scratch in the plan."""

from __future__ import annotations

import ctypes
from pathlib import Path

import graphs
import numpy as np
import pytest
from c_programs import FLAGS, PORTABLE, build_program, compiler
from graphs import Window
from hypothesis import given, settings
from hypothesis import strategies as st
from overlaps import between_copies, drawn, shapes, windows

import qrt
from qrt._prepared import Prepared
from qrt.compiler.backends.qfb import writer
from qrt.compiler.plan.layout import ALIGNMENT, aligned
from qrt.compiler.plan.memory import BY_POSITION, BY_ROW, distance, plan
from qrt.firmware.generate.prepared import READING

POINT = Window((1, 1))


@pytest.fixture(scope="session")
def kernels(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The portable kernels as a library."""
    path = tmp_path_factory.mktemp("kernels") / "portable.so"
    return ctypes.CDLL(str(build_program(shared, path, [compiler(), "-shared", "-fPIC", *FLAGS], PORTABLE)))


@settings(max_examples=300)
@given(shape=shapes, window=windows, seed=st.integers(0, 2**32))
def test_conv2d_by_position(kernels: ctypes.CDLL, shape: tuple[int, ...], window: Window, seed: int) -> None:
    """With its output as far below its input as a plan puts it, it gives the bytes that it gives far from it."""
    graph = between_copies(drawn("conv2d", shape, window, seed))
    op = graph.ops[1]
    apart, by_rows = distance(op, BY_POSITION), distance(op)
    assert apart is not None and by_rows is not None
    assert apart <= by_rows
    prepared = Prepared(writer.write(graph, plan(graph)), "portable")
    assert READING[prepared.reading(1)] == BY_POSITION
    x = np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8).ravel()
    results = []
    for start in (apart, aligned(op.output.size)):
        memory = np.zeros(start + x.size + op.output.size, np.int8)
        memory[start : start + x.size] = x
        scratch = np.zeros(prepared.scratch_size(1) // 8 + 1, np.int64)
        inputs = (ctypes.c_void_p * 1)(memory.ctypes.data + start)
        run = kernels.qrt_conv2d_s8
        run(
            ctypes.c_void_p(prepared.params(1)),
            inputs,
            ctypes.c_void_p(memory.ctypes.data),
            ctypes.c_void_p(scratch.ctypes.data),
        )
        results.append(memory[: op.output.size].copy())
    np.testing.assert_array_equal(*results)


def test_a_pointwise_convolution_runs_in_place() -> None:
    graph = between_copies(graphs.conv2d(np.random.default_rng(1), (2, 5, 4, 8), 8, POINT))
    op = graph.ops[1]
    assert distance(op, BY_POSITION) == 0
    assert distance(op) == aligned(4 * op.output.shape[-1])


def test_no_other_kernel_is_by_position() -> None:
    rng = np.random.default_rng(1)
    others = [graphs.dwconv2d(rng, (1, 6, 6, 8), 1, Window()), graphs.pool(rng, "max_pool2d", (1, 6, 6, 8), Window())]
    for graph in others:
        assert READING[Prepared(writer.write(graph, plan(graph)), "portable").reading(0)] == BY_ROW


@settings(max_examples=200)
@given(
    shape=shapes,
    window=windows,
    seed=st.integers(0, 2**32),
    sizes=st.tuples(*[st.integers(0, 700)] * 3),
)
def test_scratch_is_apart_from_what_is_live(
    shape: tuple[int, ...], window: Window, seed: int, sizes: tuple[int, ...]
) -> None:
    graph = between_copies(drawn("conv2d", shape, window, seed))
    wanted = dict(zip(graph.ops, sizes, strict=True))
    placed = plan(graph, scratch=wanted, reading={graph.ops[1]: BY_POSITION})
    assert set(placed.scratch) == {op for op, size in wanted.items() if size > 0}
    for step, op in enumerate(graph.ops, start=1):
        if op not in placed.scratch:
            continue
        start = placed.scratch[op]
        assert start % ALIGNMENT == 0
        assert start + wanted[op] <= placed.arena_size
        for tensor, (first, last) in placed.lifetimes.items():
            if first <= step <= last:
                begin = placed.offsets[tensor]
                assert start + wanted[op] <= begin or begin + tensor.nbytes <= start


def test_a_file_keeps_to_rows() -> None:
    """What generated C may do would be refused in a file."""
    graph = between_copies(graphs.conv2d(np.random.default_rng(3), (1, 8, 8, 16), 16, POINT))
    tight = plan(graph, reading={graph.ops[1]: BY_POSITION})
    loose = plan(graph)
    assert tight.arena_size < loose.arena_size
    qrt.load(writer.write(graph, loose))
    with pytest.raises(qrt.ModelError, match="V27"):
        qrt.load(writer.write(graph, tight))
