"""Intervals contain every code that occurs, and removing channels is bit-exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qrt
from qrt.compiler import GraphBuilder, compile
from qrt.compiler.backends.qfb.writer import write
from qrt.compiler.integers.requant import lower
from qrt.compiler.ir import Edge, Graph, Tensor
from qrt.compiler.passes import run_passes
from qrt.compiler.passes.lowered.intervals import intervals
from qrt.compiler.passes.lowered.remove_channels import remove_channels
from qrt.compiler.plan.memory import plan
from qrt.compiler.report import Report, macs
from qrt.compiler.verify import verify

Rng = np.random.Generator


def sparse(rng: Rng, shape: tuple[int, ...], axes: tuple[int, ...]) -> np.ndarray:
    """int8 weights of which whole slices along each of `axes` are zero."""
    weights = rng.integers(-127, 128, shape).astype(np.int8)
    for axis in axes:
        dead = np.flatnonzero(rng.random(shape[axis]) < 0.4)
        weights[(slice(None),) * axis + (dead,)] = 0
    return weights


def conv(g: GraphBuilder, rng: Rng, x: Tensor, channels: int, size: int, padding: int) -> Tensor:
    bias = rng.integers(-3000, 3000, channels)
    return g.conv2d(
        x,
        sparse(rng, (channels, size, size, x.shape[3]), (0, 3)),
        bias,
        weights_scale=0.01,
        scale=0.3,
        zero_point=int(rng.integers(-20, 20)) if rng.random() < 0.5 else -128,
        padding=padding,
        activation="relu" if rng.random() < 0.5 else None,
        rounding=str(rng.choice(["SINGLE", "DOUBLE"])),
        float_bias=False,
    )


def network(seed: int) -> Graph:
    """A random network with a residual branch, in which some channels are constant and some are unread."""
    rng = np.random.default_rng(seed)
    g = GraphBuilder("sparse")
    x = g.input("x", (1, 5, 6, int(rng.integers(1, 4))), scale=0.1, zero_point=int(rng.integers(-128, 128)))
    channels = int(rng.integers(2, 7))
    stem = conv(g, rng, x, channels, 3, int(rng.integers(0, 2)))
    y = stem
    for _ in range(int(rng.integers(0, 3))):
        weights = sparse(rng, (1, 3, 3, y.shape[3]), (3,))
        y = g.dwconv2d(
            y, weights, rng.integers(-3000, 3000, y.shape[3]), weights_scale=0.02, scale=0.2, zero_point=3, padding=1
        )
        size = int(rng.choice([1, 3]))
        y = conv(g, rng, y, channels, size, size // 2)
    if rng.random() < 0.5:
        y = g.add(stem, y, scale=0.4, zero_point=-3)
    if rng.random() < 0.3:
        constant = rng.integers(-128, 128, (1, 1, 1, channels)).astype(np.int8)
        y = g.mul(y, g.constant(constant, scale=0.05), scale=0.3)
    if rng.random() < 0.3:
        y = g.lut(y, "tanh", scale=0.01)
    if rng.random() < 0.3:
        y = g.pad(y, (0, 1, 0, 0), (0, 0, 2, 0), value=int(rng.integers(-128, 128)))
    if rng.random() < 0.4:
        y = g.concat([y, g.clamp(y, output_min=5, output_max=5)], 3)
    if rng.random() < 0.3:
        y = g.max_pool2d(y, 2)
    if rng.random() < 0.5:
        y = g.mean(y, scale=0.1)
    y = g.reshape(y, (1, y.size))
    y = g.linear(y, sparse(rng, (3, y.shape[1]), (0, 1)), weights_scale=0.03, scale=0.5)
    g.output(y)
    return g.graph


def lowered(graph: Graph) -> Graph:
    report = Report()
    return lower(run_passes(graph.copy(), report), report)


def run(graph: Graph, x: np.ndarray) -> list[np.ndarray]:
    result = qrt.load(write(graph, plan(graph)), kernels="reference").run(x)
    return result if isinstance(result, list) else [result]


def inputs(graph: Graph, seed: int) -> np.ndarray:
    shape = graph.inputs[0].tensor.shape[1:]
    drawn = np.random.default_rng(seed).integers(-128, 128, (12, *shape), dtype=np.int8)
    drawn[0], drawn[1] = -128, 127
    return drawn


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32))
def test_codes_stay_in_their_intervals(seed: int) -> None:
    graph = lowered(network(seed))
    known = intervals(graph)
    graph.outputs = [Edge(op.output) for op in graph.ops]
    for edge, codes in zip(graph.outputs, run(graph, inputs(graph, seed)), strict=True):
        rows = codes.reshape(-1, edge.tensor.shape[-1])
        assert (known[edge.tensor].low <= rows.min(axis=0)).all(), edge.tensor
        assert (known[edge.tensor].high >= rows.max(axis=0)).all(), edge.tensor


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_every_byte_stays(seed: int) -> None:
    graph = lowered(network(seed))
    x = inputs(graph, seed)
    expected = run(graph, x)
    report = Report()
    cut = remove_channels(graph, report)
    verify(cut, "lowered")
    assert np.array_equal(expected[0], run(cut, x)[0])


def test_something_is_removed_and_said() -> None:
    g = GraphBuilder("halves")
    x = g.input("x", (1, 4, 4, 3), scale=0.1)
    weights = np.ones((4, 1, 1, 3), np.int8)
    weights[1] = weights[3] = 0
    y = g.conv2d(x, weights, np.array([1, 700, 3, 9], np.int32), weights_scale=0.1, scale=0.2, name="first")
    last = np.ones((2, 1, 1, 4), np.int8)
    last[:, :, :, 2] = 0
    y = g.conv2d(y, last, weights_scale=0.1, scale=0.2, name="last")
    g.output(y)
    compiled = compile(g)
    (removal,) = compiled.report.removals
    assert (removal.op, removal.channels, removal.count) == ("first", (1, 2, 3), 4)
    assert compiled.report.macs == 4 * 4 * (3 + 2)
    whole = compile(g, skip=["remove_channels"])
    assert not whole.report.removals
    assert whole.report.macs == sum(macs(op) for op in whole.graph.ops) == 4 * 4 * (4 * 3 + 2 * 4)


def test_only_what_exists_can_be_skipped() -> None:
    g = GraphBuilder("one")
    g.output(g.clamp(g.input("x", (1, 2), scale=0.1), output_min=0))
    with pytest.raises(ValueError, match=r"unknown optimizations: remove_bugs; known are .*remove_channels"):
        compile(g, skip=["remove_bugs"])
