"""Conversion of scales to integers: precision, bounds, and rescues, each against exact arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import qrt
from qrt.compiler import CompileError, GraphBuilder, compile
from qrt.compiler.integers.channels import quantize_multiplier


@given(st.floats(2.0**-31, 2.0**30))
def test_multiplier_is_the_nearest_of_31_bits(real: float) -> None:
    multiplier, shift = quantize_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    assert 0 <= shift <= 62
    assert abs(Fraction(multiplier, 2**shift) - Fraction(real)) <= Fraction(1, 2 ** (shift + 1))


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (1.0, (2**30, 30)),
        (0.5, (2**30, 31)),
        (0.0, (0, 31)),
        (2.0**-32, (2**30, 62)),
        (2.0**-33, (0, 31)),
        (math.nextafter(1.0, 0.0), (2**30, 30)),
        (2.0**30, (2**30, 0)),
    ],
)
def test_multipliers_at_the_edges(real: float, expected: tuple[int, int]) -> None:
    assert quantize_multiplier(real) == expected


@pytest.mark.parametrize("real", [2.0**31, math.inf, math.nan, -1.0])
def test_multipliers_that_cannot_be(real: float) -> None:
    with pytest.raises(ValueError, match="real multiplier"):
        quantize_multiplier(real)


def exact_codes(real: Fraction, zero_point: int) -> int:
    """A real output in steps of its scale -> the code, half up."""
    return max(-128, min(127, math.floor(real + Fraction(1, 2)) + zero_point))


def linear(
    weights: np.ndarray, bias: np.ndarray, *, x_scale: float, scale: float, zero_point: int = 0, **options: object
) -> GraphBuilder:
    g = GraphBuilder("layer")
    x = g.input("x", (1, weights.shape[1]), scale=x_scale, zero_point=0)
    g.output(g.linear(x, weights, bias, scale=scale, zero_point=zero_point, name="fc", **options))  # type: ignore[arg-type]
    return g


def test_linear_is_the_real_formula_rounded_once() -> None:
    rng = np.random.default_rng(2)
    codes, bias = rng.integers(-127, 128, (9, 20)).astype(np.int8), rng.integers(-9999, 9999, 9).astype(np.int32)
    scales = rng.uniform(0.001, 0.02, 9).astype(np.float32)
    g = linear(codes, bias, x_scale=0.05, scale=0.3, zero_point=7, weights_scale=scales)
    x = rng.integers(-128, 128, (50, 20), dtype=np.int8)
    got = qrt.load(g.compile()).run(x)
    acc = x.astype(np.int64) @ codes.astype(np.int64).T + bias
    factor = [Fraction(float(np.float32(0.05)) * float(s) / float(np.float32(0.3))) for s in scales]
    expected = [[exact_codes(int(a) * f, 7) for a, f in zip(row, factor, strict=True)] for row in acc]
    assert np.array_equal(got, expected)


def test_residual_add_is_the_real_sum_rounded_once() -> None:
    rng = np.random.default_rng(3)
    every = np.arange(-128, 128, dtype=np.int8)
    a_codes, b_codes = (grid.reshape(1, -1) for grid in np.meshgrid(every, every))
    for _ in range(10):
        a_scale, b_scale, y_scale = (float(np.float32(s)) for s in rng.uniform(0.005, 0.2, 3))
        a_zero, b_zero, y_zero = (int(z) for z in rng.integers(-128, 128, 3))
        g = GraphBuilder("sum")
        a = g.input("a", a_codes.shape, scale=a_scale, zero_point=a_zero)
        b = g.input("b", b_codes.shape, scale=b_scale, zero_point=b_zero)
        g.output(g.add(a, b, scale=y_scale, zero_point=y_zero))
        got = qrt.load(g.compile()).run(a_codes, b_codes)
        # In units of 2^-40 all of it is exact in int64 but for the 2^-31 of a multiplier's rounding.
        real = (
            a_scale * (a_codes.astype(float) - a_zero) / y_scale + b_scale * (b_codes.astype(float) - b_zero) / y_scale
        )
        expected = np.clip(np.floor(real + 0.5) + y_zero, -128, 127)
        near_tie = np.abs(real + 0.5 - np.rint(real + 0.5)) < 1e-6
        assert np.array_equal(got[~near_tie], expected[~near_tie])
        assert near_tie.mean() < 0.05


def test_float_bias_is_kept_at_full_precision() -> None:
    weights = np.full((1, 1), 127, np.int8)
    options = {"x_scale": 1.0, "scale": 1.0, "weights_scale": 1.0}
    x = np.arange(-128, 128, dtype=np.int8).reshape(-1, 1)
    results = {}
    for float_bias in (False, True):
        g = linear(weights, np.array([0.4]), float_bias=float_bias, **options)
        g.graph.ops[0].attrs["output_max"] = 127
        results[float_bias] = qrt.load(g.compile()).run(x[127:130])
    assert results[False].ravel().tolist() == [-127, 0, 127]
    half = linear(np.zeros((1, 1), np.int8), np.array([0.6]), float_bias=True, **options)
    assert qrt.load(half.compile()).run(x[:1]).ravel().tolist() == [1]
    assert results[True].ravel().tolist() == [-127, 0, 127]


def test_bias_that_overflows_widens_its_channel() -> None:
    rng = np.random.default_rng(4)
    weights = rng.normal(size=(3, 8)) * np.array([[1.0], [1e-9], [1.0]])
    bias = np.array([0.5, 20.0, -0.5])
    compiled = compile(linear(weights, bias, x_scale=0.05, scale=0.25))
    (rescue,) = compiled.report.rescues
    assert (rescue.op, rescue.channels) == ("fc", (1,))
    assert "wider scale" in rescue.text
    x = rng.integers(-128, 128, (20, 8), dtype=np.int8)
    real = (x * 0.05) @ weights.T + bias
    got = qrt.load(compiled.to_bytes()).run(x, dequantize=True)
    error = np.abs(got - np.clip(real, -32, 31.75)).max(axis=0)
    assert error[1] < 1e-6
    assert error.max() < 0.25


def test_zero_channel_keeps_a_bias_that_does_not_fit() -> None:
    weights = np.zeros((2, 8))
    weights[1] = 1
    compiled = compile(linear(weights, np.array([30.0, 0.0]), x_scale=1e-6, scale=0.25, weights_scale=[1e-7, 1.0]))
    (rescue,) = compiled.report.rescues
    assert rescue.channels == (0,)
    assert "constant" in rescue.text
    got = qrt.load(compiled.to_bytes()).run(np.full((1, 8), 127, np.int8))
    assert got.ravel().tolist() == [120, 0]


def test_vanishing_multiplier_is_reported_and_gives_the_zero_point() -> None:
    compiled = compile(
        linear(np.full((1, 4), 127, np.int8), np.zeros(1), x_scale=1e-6, scale=1.0, zero_point=3, weights_scale=1e-5)
    )
    (rescue,) = compiled.report.rescues
    assert "becomes 0" in rescue.text
    assert qrt.load(compiled.to_bytes()).run(np.full((1, 4), -128, np.int8)).ravel().tolist() == [3]


def test_small_multipliers_with_a_zero_point_stay_inside_of_int64() -> None:
    g = linear(
        np.full((1, 4), 127, np.int8), np.zeros(1), x_scale=2.0**-14, scale=1.0, zero_point=-100, weights_scale=2.0**-14
    )
    assert qrt.load(g.compile()).run(np.full((1, 4), 127, np.int8)).ravel().tolist() == [-100]


def test_accumulator_that_can_overflow_is_refused() -> None:
    width = 2**31 // (127 * 255) + 1
    g = linear(np.full((1, width), 127, np.int8), np.zeros(1), x_scale=1.0, scale=1e6, weights_scale=1.0)
    g.graph.inputs[0].tensor.quantization = type(g.graph.inputs[0].tensor.quantization)(np.float32(1), np.int32(-128))  # type: ignore[misc]
    with pytest.raises(CompileError, match=r"fc \(linear\): the accumulator of channel 0 can overflow int32"):
        g.compile()


def test_double_leaves_room_for_the_zero_point() -> None:
    options = {"x_scale": 1.0, "scale": 2.0**24, "weights_scale": 1.0, "rounding": "DOUBLE"}
    for slack, fits in ((384, True), (383, False)):
        bias = np.array([2**31 - slack], np.int32)
        g = linear(np.ones((1, 1), np.int8), bias, zero_point=-100, **options)
        if fits:
            assert qrt.load(g.compile()).run(np.zeros((1, 1), np.int8)).ravel().tolist() == [28]
        else:
            with pytest.raises(CompileError, match="overflows with DOUBLE rounding; use SINGLE"):
                g.compile()


def test_softmax_is_within_one_code_of_the_real_one() -> None:
    rng = np.random.default_rng(5)
    for x_scale in (0.02, 0.1, 0.4):
        g = GraphBuilder("softmax")
        g.output(g.softmax(g.input("x", (1, 12), scale=x_scale, zero_point=5)))
        x = rng.integers(-128, 128, (200, 12), dtype=np.int8)
        exponential = np.exp(x_scale * (x.astype(float) - x.max(axis=1, keepdims=True)))
        real = exponential / exponential.sum(axis=1, keepdims=True) * 256 - 128
        got = qrt.load(g.compile()).run(x)
        assert np.abs(got - np.clip(real, -128, 127)).max() <= 0.5001


@pytest.mark.parametrize("form", ["COMMON_SHIFT", "TFLITE"])
def test_both_forms_of_add_round_to_the_same_numbers_or_one_beside(form: str) -> None:
    g = GraphBuilder("sum")
    a = g.input("a", (1, 256), scale=0.07, zero_point=3)
    b = g.input("b", (1, 256), scale=0.02, zero_point=-9)
    g.output(g.add(a, b, scale=0.08, zero_point=1, form=form))
    rng = np.random.default_rng(6)
    x, z = rng.integers(-128, 128, (2, 40, 256), dtype=np.int8)
    real = (0.07 * (x.astype(float) - 3) + 0.02 * (z.astype(float) + 9)) / 0.08 + 1
    got = qrt.load(g.compile()).run(x, z)
    assert np.abs(got - np.clip(real, -128, 127)).max() < 0.51
