"""Every kernel set of this machine against the reference, bit for bit.

Over the cases, and over shapes that hypothesis draws. conftest.py says at the end which sets ran.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import graphs
import numpy as np
import pytest
from cases import CASES, IMMENSE, Case
from graphs import Numbers, Shape, Sum, Window, run, to_bytes
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from places import ROOT

import qrt
from qrt.compiler.ir import Graph

SETS = [name for name in qrt.kernel_sets() if name != "reference"]


def test_there_is_something_to_compare() -> None:
    assert "reference" in qrt.kernel_sets()
    assert "portable" in SETS


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("QRT_REQUIRE", "portable", ""),
        ("QRT_REQUIRE", "portable,gpu", "QRT_REQUIRE names kernel sets that this machine lacks: gpu (unknown)"),
        ("QRT_SANITIZERS", "memory", "is not built with the sanitizers memory"),
    ],
)
def test_what_is_required_and_absent_is_a_failure(variable: str, value: str, told: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", __file__, "-k", test_there_is_something_to_compare.__name__]
    result = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, variable: value},
        capture_output=True,
        text=True,
    )
    assert result.returncode == (pytest.ExitCode.USAGE_ERROR if told else 0)
    assert told in result.stderr


@pytest.mark.parametrize("case", CASES + IMMENSE, ids=lambda case: case.name)
def test_same_bytes(case: Case) -> None:
    """All sets in one test, so that a case is made, and the reference computes it, once."""
    graph = case.graph()
    data = to_bytes(graph)
    reference, models = qrt.load(data, kernels="reference"), [qrt.load(data, kernels=name) for name in SETS]
    for inputs in case.inputs(graph):
        expected = run(reference, inputs)
        for model in models:
            for got, y in zip(run(model, inputs), expected, strict=True):
                np.testing.assert_array_equal(got, y, err_msg=model.kernels)


def fixed_point(factor: float) -> tuple[int, int]:
    fraction, exponent = math.frexp(factor)
    return round(fraction * 2**31), 31 - exponent


def tflite_sum(a_scale: float, b_scale: float, y_scale: float, **options: Any) -> Sum:
    """The integers that TFLite makes of three scales."""
    twice = 2 * max(a_scale, b_scale)
    a_multiplier, a_shift = fixed_point(a_scale / twice)
    b_multiplier, b_shift = fixed_point(b_scale / twice)
    y_multiplier, y_shift = fixed_point(twice / (2**20 * y_scale))
    return Sum("TFLITE", a_multiplier, b_multiplier, 0, a_shift, b_shift, y_multiplier, y_shift, **options)


SUMS = {
    "real": tflite_sum(0.0213571, 0.0333719, 0.0413173),
    "often a tie": tflite_sum(0.02, 0.02, 0.04),
    "sometimes a tie": tflite_sum(0.021, 0.0333, 0.04),
    "one small": tflite_sum(0.0007, 0.91, 0.9),
    "saturating": tflite_sum(0.3, 0.7, 0.01),
    "clamped difference": tflite_sum(
        0.0213571, 0.0333719, 0.0413173, subtract=True, output_min=-21, output_max=90, y_zero_point=17
    ),
    "of one code": tflite_sum(0.0213571, 0.0333719, 0.0413173, output_min=127),
    "COMMON_SHIFT": Sum(),
    "COMMON_SHIFT difference": Sum(subtract=True),
}


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("numbers", SUMS.values(), ids=SUMS)
def test_add_of_every_pair(numbers: Sum, kernels: str) -> None:
    every = np.arange(-128, 128).astype(np.int8)
    a, b = np.repeat(every, 256), np.tile(every, 256)
    content = to_bytes(graphs.add(np.random.default_rng(0), a.shape, b.shape, numbers))
    (expected,) = run(qrt.load(content, kernels="reference"), [a, b])
    (got,) = run(qrt.load(content, kernels=kernels), [a, b])
    np.testing.assert_array_equal(got, expected)


small = st.integers(1, 4)
channels = st.one_of(st.integers(1, 20), st.sampled_from([31, 32, 33, 63, 64, 65, 130]))
zero_points = st.sampled_from([-128, -1, 0, 5, 127])
windows = st.builds(
    Window,
    filter=st.tuples(small, small),
    stride=st.tuples(small, small),
    dilation=st.tuples(small, small),
    padding=st.tuples(*[st.integers(0, 4)] * 4),
)
images = st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 9))
numbers = st.builds(
    Numbers,
    rounding=st.just("SINGLE"),
    per_channel=st.booleans(),
    bias=st.sampled_from(["none", "int32", "addend"]),
    x_zero_point=zero_points,
    y_zero_point=zero_points,
    output_min=st.integers(-128, 0),
    output_max=st.integers(0, 127),
) | st.builds(
    Numbers,
    rounding=st.just("DOUBLE"),
    per_channel=st.booleans(),
    bias=st.sampled_from(["none", "int32"]),
    x_zero_point=zero_points,
    y_zero_point=zero_points,
)
per_tensor = numbers.filter(lambda n: not n.per_channel and n.bias != "int32")


@st.composite
def windowed(draw: st.DrawFn, depth: st.SearchStrategy[int]) -> tuple[Shape, Window]:
    """An image and a window that fits into it."""
    shape = (*draw(images), draw(depth))
    window = draw(windows)
    assume(min(window.output_shape(shape, 1)) >= 1)
    return shape, window


@st.composite
def conv2d(draw: st.DrawFn) -> Callable[[graphs.Rng], Graph]:
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    shape, window = draw(windowed(channels.map(lambda c: c * groups)))
    out_channels, way = groups * draw(st.integers(1, 9)), draw(numbers)
    return lambda rng: graphs.conv2d(rng, shape, out_channels, window, groups=groups, numbers=way)


@st.composite
def dwconv2d(draw: st.DrawFn) -> Callable[[graphs.Rng], Graph]:
    shape, window = draw(windowed(channels))
    depth_multiplier, way = draw(st.sampled_from([1, 1, 1, 2, 7])), draw(numbers)
    return lambda rng: graphs.dwconv2d(rng, shape, depth_multiplier, window, numbers=way)


@st.composite
def linear(draw: st.DrawFn) -> Callable[[graphs.Rng], Graph]:
    shape, out_features, way = (draw(small), draw(st.integers(1, 300))), draw(channels), draw(numbers)
    return lambda rng: graphs.linear(rng, shape, out_features, numbers=way)


@st.composite
def elementwise(draw: st.DrawFn) -> Callable[[graphs.Rng], Graph]:
    shape = draw(st.lists(small, min_size=1, max_size=6))
    a = tuple(length if draw(st.booleans()) else 1 for length in shape)
    b = tuple(length if draw(st.booleans()) else 1 for length in shape)
    form, way, constant = (
        draw(st.sampled_from(["COMMON_SHIFT", "TFLITE", "mul"])),
        draw(per_tensor),
        draw(st.booleans()),
    )
    if form == "mul":
        return lambda rng: graphs.elementwise(rng, "mul", a, b, numbers=way, constant=constant)
    return lambda rng: graphs.add(rng, a, b, Sum(form), constant=constant)


@st.composite
def pool(draw: st.DrawFn) -> Callable[[graphs.Rng], Graph]:
    height, width = draw(small), draw(small)
    below_height, below_width = st.integers(0, height - 1), st.integers(0, width - 1)
    padding = draw(st.tuples(below_height, below_height, below_width, below_width))
    window = Window((height, width), draw(st.tuples(small, small)), padding=padding)
    shape, zero_point = (*draw(images), draw(channels)), draw(zero_points)
    assume(min(window.output_shape(shape, 1)) >= 1)
    rounding = draw(st.sampled_from(["HALF_AWAY", "HALF_EVEN", "HALF_EVEN_RAW", "max"]))
    if rounding == "max":
        return lambda rng: graphs.pool(rng, "max_pool2d", shape, window, zero_point)
    return lambda rng: graphs.pool(rng, "average_pool2d", shape, window, zero_point, rounding=rounding)


@st.composite
def mean(draw: st.DrawFn) -> Callable[[graphs.Rng], Graph]:
    shape, way = (*draw(images), draw(channels)), draw(per_tensor)
    return lambda rng: graphs.mean(rng, shape, numbers=way)


@st.composite
def movement(draw: st.DrawFn) -> Callable[[graphs.Rng], Graph]:
    shape = tuple(draw(st.lists(small, min_size=1, max_size=6)))
    axes = range(len(shape))
    kind = draw(st.sampled_from(["transpose", "pad", "concat"]))
    if kind == "transpose":
        permutation = tuple(draw(st.permutations(axes)))
        return lambda rng: graphs.transpose(rng, shape, permutation)
    if kind == "pad":
        before, after = (tuple(draw(st.integers(0, 2)) for _ in axes) for _ in range(2))
        return lambda rng: graphs.pad(rng, shape, before, after, -3)
    axis, lengths = draw(st.sampled_from(axes)), draw(st.lists(small, min_size=1, max_size=4))
    return lambda rng: graphs.concat(rng, shape, axis, lengths)


@st.composite
def rows(draw: st.DrawFn) -> Callable[[graphs.Rng], Graph]:
    shape = (draw(small), draw(st.integers(1, 200)))
    kind, way = draw(st.sampled_from(["softmax", "lut", "requantize"])), draw(per_tensor)
    if kind == "softmax":
        return lambda rng: graphs.softmax(rng, shape)
    if kind == "lut":
        return lambda rng: graphs.lut(rng, shape)
    return lambda rng: graphs.elementwise(rng, "requantize", shape, numbers=way)


FAMILIES = (conv2d, dwconv2d, linear, elementwise, pool, mean, movement, rows)


@pytest.mark.parametrize("kernels", SETS)
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
@settings(max_examples=100)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_same_bytes_for_any_shape(
    family: Callable[[], st.SearchStrategy[Callable[[graphs.Rng], Graph]]],
    kernels: str,
    data: st.DataObject,
    seed: int,
) -> None:
    build = data.draw(family())
    rng = np.random.default_rng(seed)
    graph = build(rng)
    content = to_bytes(graph)
    inputs = [graphs.codes(rng, edge.tensor.shape) for edge in graph.inputs]
    expected = run(qrt.load(content, kernels="reference"), inputs)
    for got, y in zip(run(qrt.load(content, kernels=kernels), inputs), expected, strict=True):
        np.testing.assert_array_equal(got, y)
