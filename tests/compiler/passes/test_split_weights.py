"""Weights beyond int8: the same accumulators from weights in two or three parts, on every kernel set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, GraphBuilder, compile
from qrt.compiler.integers.arithmetic import requantize
from qrt.compiler.ir import Op
from qrt.compiler.passes.quantized.split_weights import MOST_SLICES, _runs

Array = np.ndarray[Any, Any]


def widened(kind: str, data: Array, rng: np.random.Generator) -> tuple[GraphBuilder, Op]:
    """A network of one layer with these weights, int16."""
    g = GraphBuilder()
    x = g.input("x", (1, 5, 6, data.shape[-1]) if data.ndim == 4 else (1, data.shape[-1]), scale=0.1, zero_point=-3)
    method = getattr(g, kind)
    channels = data.shape[-1] if kind == "dwconv2d" else data.shape[0]
    y = method(x, rng.normal(size=data.shape), rng.normal(size=channels), scale=data.shape[-1] * 0.02, zero_point=5)
    g.output(y)
    op = g.graph.ops[-1]
    op.inputs[1] = replace(op.inputs[1], dtype="int16", data=data.astype(np.int16))
    return g, op


def accumulators(op: Op, data: Array, x: Array) -> Array:
    """sum (x - x_zero_point) * w without padding, as the operator was before the pass."""
    centered = x.astype(np.int64) - op.inputs[0].zero_point
    if data.ndim == 2:
        return centered @ data.T
    height, width = data.shape[1:3]
    windows = np.lib.stride_tricks.sliding_window_view(centered, (height, width), (1, 2))
    if op.kind == "dwconv2d":
        return np.einsum("nyxchw,hwc->nyxc", windows, data[0])
    return np.einsum("nyxchw,ohwc->nyxo", windows, data)


SHAPES = {"conv2d": (7, 3, 2, 9), "dwconv2d": (1, 3, 2, 9), "linear": (7, 40)}


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("least", [-255, 0])
def test_accumulators(kind: str, least: int) -> None:
    rng = np.random.default_rng(3)
    data = rng.integers(least, least + 256, SHAPES[kind])
    data.flat[:4] = (-255, 255, -129, 128)
    g, op = widened(kind, data, rng)
    before = replace(op, inputs=list(op.inputs))
    compiled = compile(g)
    assert [name for name, _ in compiled.report.notes].count("split_weights") == 1
    lowered = next(op for op in compiled.graph.ops if op.kind == kind)
    for kernels in qrt.kernel_sets():
        model = qrt.load(compiled.to_bytes(), kernels=kernels)
        x = rng.integers(-128, 128, (4, *model.inputs[0].shape[1:])).astype(np.int8)
        expected = requantize(accumulators(before, data, x), lowered.attrs["requant"], 5)
        np.testing.assert_array_equal(model.run(x), expected)


def test_few_channels_are_read_again() -> None:
    rng = np.random.default_rng(4)
    data = rng.integers(-127, 128, (8, 1, 1, 64))
    data[3, 0, 0, 17], data[5, 0, 0, 40] = 200, -180
    g, _ = widened("conv2d", data, rng)
    report = compile(g).report
    assert report.operators == {"slice": 2, "concat": 1, "conv2d": 1}
    (text,) = [text for name, text in report.notes if name == "split_weights"]
    assert "reads 2 of 64 input channels again" in text
    assert text.endswith("3.1% more products, on a copy of its input")


def test_overflow_is_still_refused() -> None:
    g, _ = widened("linear", np.full((1, 70_000), 255), np.random.default_rng(5))
    with pytest.raises(CompileError, match="can overflow int32"):
        compile(g)


def test_slices_are_few() -> None:
    assert _runs(np.array([4])) == [(4, 5)]
    assert _runs(np.array([0, 1, 2, 9])) == [(0, 3), (9, 10)]
    needed = np.array([0, 2, 4, 20, 22, 40, 43, 60, 63])
    ranges = _runs(needed)
    assert ranges == [(0, 5), (20, 23), (40, 44), (60, 64)]
    assert len(ranges) == MOST_SLICES
