"""SPEC.md in Python's unbounded integers: what every kernel must compute, written from the specification alone.

`run` evaluates a lowered graph. Codes are held in object arrays of int, so that nothing wraps; where
SPEC.md promises a width, `fits` checks it, which catches a test that breaks a validity rule. Nothing here
resembles the kernels: windows are slices of a padded image, ties are Python's `round` on fractions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any

import bigint16
import bigint_recurrent
import numpy as np
from bigint_numbers import (
    Array,
    all_fit,
    clamp,
    clamp_all,
    double,
    each,
    exact,
    fits,
    half,
    high_mul,
    rounding_shift,
    single,
    sums,
)

from qrt.compiler.integers.channels import Requant
from qrt.compiler.ir import Graph, Op, Tensor


def codes_of(op: Op) -> tuple[int, int]:
    """The least and the largest code of the output."""
    return (-(2**15), 2**15 - 1) if op.output.dtype == "int16" else (-128, 127)


def clamped(op: Op, codes: Array) -> Array:
    low, high = codes_of(op)
    return clamp_all(codes, op.attrs.get("output_min", low), op.attrs.get("output_max", high))


def requantize(acc: Array, op: Op) -> Array:
    """`acc` has the channels last."""
    requant: Requant = op.attrs["requant"]
    y = op.output
    wide = op.inputs[0].dtype == "int16" and requant.rounding == "SINGLE"
    all_fit(acc, 64 if wide else 32)
    if y.dtype == "int32":
        return acc + (0 if requant.bias is None else exact(requant.bias))
    multiplier, shift = exact(np.asarray(requant.multiplier)), exact(np.asarray(requant.shift))
    bias = exact(np.asarray(requant.bias)) if requant.bias is not None else 0
    zero_point = y.zero_point
    if requant.rounding == "DOUBLE":
        codes = each(double, acc + bias, multiplier, shift, zero_point)
    else:
        if requant.addend is not None:
            addend = exact(np.asarray(requant.addend))
        else:
            addend = bias * multiplier + each(half, shift) + zero_point * 2**shift
        codes = single(acc, multiplier, shift, addend)
    return clamp_all(codes, requant.output_min, requant.output_max)


def windows(image: Array, padding_value: int, op: Op, filter_shape: tuple[int, int]) -> Array:
    """What each output position sees: [N, out_height, out_width, filter_height * filter_width, channels]."""
    top, bottom, left, right = op.attrs["padding"]
    stride_y, stride_x = op.attrs["stride"]
    dilation_y, dilation_x = op.attrs.get("dilation", (1, 1))
    padded = np.pad(image, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=padding_value)
    out_height = (padded.shape[1] - (filter_shape[0] - 1) * dilation_y - 1) // stride_y + 1
    out_width = (padded.shape[2] - (filter_shape[1] - 1) * dilation_x - 1) // stride_x + 1
    taps = []
    for filter_y, filter_x in product(range(filter_shape[0]), range(filter_shape[1])):
        rows = padded[:, filter_y * dilation_y :: stride_y][:, :out_height]
        taps.append(rows[:, :, filter_x * dilation_x :: stride_x][:, :, :out_width])
    return np.stack(taps, axis=3)


def conv2d(op: Op, x: Array, weights: Array) -> Array:
    out_channels, filter_height, filter_width, _ = weights.shape
    groups = op.attrs["groups"]
    seen = windows(x - op.inputs[0].zero_point, 0, op, (filter_height, filter_width))
    parts = []
    for channels, filters in zip(np.split(seen, groups, axis=4), np.split(weights, groups, axis=0), strict=True):
        flat = channels.reshape(*channels.shape[:3], -1)
        parts.append(sums(np.matmul, flat, filters.reshape(out_channels // groups, -1).T, flat.shape[-1]))
    return requantize(np.concatenate(parts, axis=3), op)


def dwconv2d(op: Op, x: Array, weights: Array) -> Array:
    _, filter_height, filter_width, out_channels = weights.shape
    seen = windows(x - op.inputs[0].zero_point, 0, op, (filter_height, filter_width))
    seen = np.repeat(seen, out_channels // x.shape[3], axis=4)
    taps = filter_height * filter_width
    return requantize(sums(lambda a, b: (a * b).sum(axis=3), seen, weights.reshape(taps, out_channels), taps), op)


def linear(op: Op, x: Array, weights: Array) -> Array:
    return requantize(sums(np.matmul, x - op.inputs[0].zero_point, weights.T, weights.shape[1]), op)


def add(op: Op, a: Array, b: Array) -> Array:
    attrs, y = op.attrs, op.output
    a_zero_point, b_zero_point = op.inputs[0].zero_point, op.inputs[1].zero_point
    sign = -1 if attrs.get("subtract") else 1

    def common_shift(a: int, b: int) -> int:
        addend = half(attrs["shift"]) + y.zero_point * 2 ** attrs["shift"]
        addend -= a_zero_point * attrs["a_multiplier"] + sign * b_zero_point * attrs["b_multiplier"]
        total = fits(a * attrs["a_multiplier"] + sign * b * attrs["b_multiplier"] + fits(addend, 64), 64)
        return total >> attrs["shift"]

    def scale_down(v: int, operand: str) -> int:
        high = high_mul(fits(v, 32), attrs[f"{operand}_multiplier"])
        return rounding_shift(high, attrs[f"{operand}_shift"] - 31)

    unit = 2**15 if op.inputs[0].dtype == "int16" else 2**20

    def tflite(a: int, b: int) -> int:
        total = scale_down((a - a_zero_point) * unit, "a") + sign * scale_down((b - b_zero_point) * unit, "b")
        return scale_down(total, "y") + y.zero_point

    codes = each(tflite if attrs.get("form", "COMMON_SHIFT") == "TFLITE" else common_shift, a, b)
    return clamped(op, codes)


def squared_difference(op: Op, a: Array, b: Array) -> Array:
    attrs, zero_points = op.attrs, [tensor.zero_point for tensor in op.inputs]

    def scale_down(v: int, operand: str) -> int:
        high = high_mul(fits(v, 32), attrs[f"{operand}_multiplier"])
        return rounding_shift(high, attrs[f"{operand}_shift"] - 31)

    def code(a: int, b: int) -> int:
        d = scale_down((a - zero_points[0]) * 2**7, "a") - scale_down((b - zero_points[1]) * 2**7, "b")
        return fits(scale_down(fits(d * d, 32), "y") + op.output.zero_point, 32)

    return clamped(op, each(code, a, b))


def transpose_conv2d(op: Op, x: Array, weights: Array) -> Array:
    stride_y, stride_x = op.attrs["stride"]
    top, _, left, _ = op.attrs["padding"]
    _, filter_height, filter_width, _ = weights.shape
    batch, height, width, channels = op.output.shape
    places = ((height + top + filter_height) * stride_y, (width + left + filter_width) * stride_x)
    acc = exact(np.zeros((batch, *places, channels), np.int64))
    for in_y, in_x in product(range(x.shape[1]), range(x.shape[2])):
        column = x[:, in_y, in_x, :] - op.inputs[0].zero_point
        terms = sums(lambda a, b: np.tensordot(a, b, axes=(1, 3)), column, weights, weights.shape[3])
        rows = slice(in_y * stride_y, in_y * stride_y + filter_height)
        columns = slice(in_x * stride_x, in_x * stride_x + filter_width)
        acc[:, rows, columns] += terms.transpose(0, 2, 3, 1)
    return requantize(acc[:, top : top + height, left : left + width], op)


def matmul(op: Op, a: Array, b: Array) -> Array:
    a, b = a - op.inputs[0].zero_point, (b - op.inputs[1].zero_point).swapaxes(-1, -2)
    return requantize(sums(np.matmul, a, b, a.shape[-1]), op)


def maximum(op: Op, a: Array, b: Array) -> Array:
    return each(max, a, b)


def minimum(op: Op, a: Array, b: Array) -> Array:
    return each(min, a, b)


def arg_max(op: Op, x: Array) -> Array:
    rows = [[list(row).index(max(row)) - 128] for row in x.reshape(-1, x.shape[-1])]
    return np.array(rows, dtype=object).reshape(op.output.shape)


def sat(v: int) -> int:
    return clamp(v, -(2**31), 2**31 - 1)


def inverse_root(s: int) -> tuple[int, int]:
    if s <= 1:
        return 2**31 - 1, 0
    e = 11
    while s >= 2**29:
        s, e = s // 4, e + 1
    pairs = (32 - s.bit_length() - 1) // 2 - 1
    t, e = s * 4**pairs, e - pairs
    h, v = rounding_shift(t >> 1, 1), 2**28
    for _ in range(5):
        v = sat(8 * (high_mul(402653184, v) - high_mul(h, sat(64 * high_mul(high_mul(v, v), v)))))
    m = high_mul(v, 1518500250) * 2 ** max(-e, 0)
    return fits(m, 32), max(e, 0)


def l2_norm(op: Op, x: Array) -> Array:
    def row(codes: Array) -> list[int]:
        d = [int(code) - op.inputs[0].zero_point for code in codes]
        m, e = inverse_root(fits(sum(v * v for v in d), 32))
        left, right = 2 ** max(7 - e, 0), max(e - 7, 0)
        return [clamp(rounding_shift(high_mul(fits(v * left, 32), m), right), -128, 127) for v in d]

    return np.array([row(codes) for codes in x.reshape(-1, x.shape[-1])], dtype=object).reshape(x.shape)


def layer_norm(op: Op, x: Array) -> Array:
    attrs, bits = op.attrs, op.attrs["epsilon_bits"]

    def row(codes: Array) -> list[int]:
        total = sum(codes)
        d = [len(codes) * int(code) - total for code in codes]
        t = max(2**bits * sum(v * v for v in d) + attrs["epsilon"], 2**bits)
        h = (64 - fits(t, 64).bit_length()) // 2
        r = 2**62 // math.isqrt(t * 4**h)
        n = [fits(v * r + 2 ** (32 - h - bits // 2 - 1), 64) // 2 ** (32 - h - bits // 2) for v in d]
        sums = zip(n, attrs["multiplier"].tolist(), attrs["addend"].tolist(), strict=True)
        return [clamp(fits(v * m + fits(a, 63), 64) // 2 ** attrs["shift"], -128, 127) for v, m, a in sums]

    return np.array([row(codes) for codes in x.reshape(-1, x.shape[-1])], dtype=object).reshape(x.shape)


def resize2d(op: Op, x: Array) -> Array:
    attrs = op.attrs
    top, left = [int(i) for i in attrs["rows"]], [int(i) for i in attrs["columns"]]
    v = [int(w) for w in attrs.get("row_weight", [0] * len(top))]
    u = [int(w) for w in attrs.get("column_weight", [0] * len(left))]
    after = [min(i + 1, x.shape[1] - 1) for i in top]
    beside = [min(i + 1, x.shape[2] - 1) for i in left]
    u_row, v_column = exact(np.array(u))[:, None], exact(np.array(v))[:, None, None]

    def across(rows: list[int]) -> Array:
        return x[:, rows][:, :, left] * (1024 - u_row) + x[:, rows][:, :, beside] * u_row

    total = across(top) * (1024 - v_column) + across(after) * v_column
    return each(lambda s: rounding_shift(fits(s, 32), 20), total)


def slice_operator(op: Op, x: Array) -> Array:
    places = zip(op.attrs["begin"], op.attrs["stride"], op.output.shape, strict=True)
    return x[np.ix_(*[[b + i * s for i in range(count)] for b, s, count in places])]


def mul(op: Op, a: Array, b: Array) -> Array:
    acc = (a - op.inputs[0].zero_point) * (b - op.inputs[1].zero_point)
    return requantize(acc, op)


@cache
def quotient(s: int, n: int, rounding: str) -> int:
    if rounding == "HALF_AWAY":
        magnitude = math.floor(Fraction(abs(s), n) + Fraction(1, 2))
        return magnitude if s >= 0 else -magnitude
    return round(Fraction(s, n))


def average_pool2d(op: Op, x: Array) -> Array:
    rounding = op.attrs["rounding"]
    zero_point = op.inputs[0].zero_point if rounding == "HALF_EVEN" else 0
    inside = windows(np.ones_like(x), 0, op, op.attrs["filter"]).sum(axis=3)
    total = windows(x - zero_point, 0, op, op.attrs["filter"]).sum(axis=3)
    codes = each(lambda s, n: quotient(s, n, rounding) + zero_point, total, inside)
    return clamped(op, codes)


def max_pool2d(op: Op, x: Array) -> Array:
    codes = windows(x, -99999, op, op.attrs["filter"]).max(axis=3)
    return clamped(op, codes)


def mean(op: Op, x: Array) -> Array:
    acc = (x - op.inputs[0].zero_point).sum(axis=(1, 2), keepdims=True)
    return requantize(acc, op)


def pad(op: Op, x: Array) -> Array:
    widths = list(zip(op.attrs["before"], op.attrs["after"], strict=True))
    return np.pad(x, widths, constant_values=op.attrs["value"])


def concat(op: Op, *inputs: Array) -> Array:
    return np.concatenate(inputs, axis=op.attrs["axis"])


def reshape(op: Op, x: Array) -> Array:
    return x.reshape(op.output.shape)


def transpose(op: Op, x: Array) -> Array:
    return x.transpose(op.attrs["permutation"])


def requantize_operator(op: Op, x: Array) -> Array:
    return requantize(x - op.inputs[0].zero_point, op)


def clamp_operator(op: Op, x: Array) -> Array:
    return clamped(op, x)


def inverse(a: int) -> int:
    h = (a + 2**31) >> 1
    v = 1515870810 + high_mul(h, -1010580540)
    for _ in range(3):
        v = v + 4 * high_mul(v, 2**29 - high_mul(h, v))
        fits(v, 32)
    return min(2 * v, 2**31 - 1)


def softmax_tflite(op: Op, exponential: list[int], codes: Array) -> list[int]:
    e = [exponential[max(codes) - code] for code in codes]
    total = fits(sum(rounding_shift(v, 12) for v in e), 32)
    bits = 32 - total.bit_length()
    r = inverse(total * 2**bits - 2**31)
    low, high = codes_of(op)
    right = (27 if op.output.dtype == "int16" else 35) - bits
    return [min(rounding_shift(high_mul(r, v), right) + low, high) for v in e]


def softmax(op: Op, x: Array) -> Array:
    if op.inputs[0].dtype == "int16":
        return bigint16.softmax(op, x)
    shift, zero_point = op.attrs["shift"], op.output.zero_point
    stated = [int(e) for e in op.attrs["exponential"]]
    exponential = stated + [0] * (256 - len(stated))

    def row(codes: Array) -> list[int]:
        if op.attrs.get("form", "EXACT") == "TFLITE":
            return softmax_tflite(op, exponential, codes)
        e = [exponential[max(codes) - code] for code in codes]
        reciprocal = op.attrs["numerator"] // sum(e)
        return [clamp(zero_point + fits(v * reciprocal + half(shift), 64) // 2**shift, *codes_of(op)) for v in e]

    rows = [row(codes) for codes in x.reshape(-1, x.shape[-1])]
    return np.array(rows, dtype=object).reshape(x.shape)


def binary_logarithm(s: int) -> int:
    above = s.bit_length() - 32
    v, result = s >> above, above * 2**26
    for place in range(25, -1, -1):
        v = fits(v * v, 65) // 2**31
        if v >= 2**32:
            v, result = v // 2, result + 2**place
    return result


def logarithm(s: int) -> int:
    a, b = 31 - s.bit_length(), 31 - high_mul(s, 1518500250).bit_length()
    r = min(2 * high_mul(fits(s * 2**a, 32), 1518500250), s * 2**b, 2**31 - 1)
    z = max((11 - a) * 2**25 + 2**23, (12 - b) * 2**25 - 2**23)
    p, q = (r + 1805811302) >> 1, fits(2 * (r - 1805811301), 32)
    c = high_mul(q, q)
    n = high_mul(q, r) + high_mul(high_mul(q, c), 117049297)
    d = high_mul(p, fits(1057819769 + q + high_mul(127690142, c), 32)) + high_mul(638450708, q)
    assert 0 <= d < 2**31
    return fits(2 * (high_mul(z, 1488522236) + high_mul(rounding_shift(n, 6), inverse(d))), 32)


def log_softmax(op: Op, x: Array) -> Array:
    attrs, count = op.attrs, len(op.attrs["exponential"])
    exponential = [int(e) for e in attrs["exponential"]] + [0] * (256 - count)
    multiplier, shift = attrs["multiplier"], attrs["shift"]

    def tflite(d: int, log: int) -> int:
        v = max(high_mul(fits(-d * 2 ** (31 - shift), 32), multiplier), -(2**30)) - log if d < count else -(2**31)
        return rounding_shift(fits(v, 32), 22) + 127

    def row(codes: Array) -> list[int]:
        largest = max(codes)
        distances = [largest - int(code) for code in codes]
        e = [exponential[d] for d in distances]
        if attrs.get("form", "EXACT") == "TFLITE":
            log = logarithm(fits(sum(rounding_shift(v, 12) for v in e), 32))
            return [clamp(tflite(d, log), -128, 127) for d in distances]
        log = fits(binary_logarithm(sum(e)) * attrs["log_multiplier"], 64)
        sums = [fits(attrs["addend"] - fits(d * multiplier, 64) - log, 64) for d in distances]
        return [clamp(v // 2**shift, -128, 127) for v in sums]

    return np.array([row(codes) for codes in x.reshape(-1, x.shape[-1])], dtype=object).reshape(x.shape)


def lut(op: Op, x: Array) -> Array:
    return each(lambda code: int(op.attrs["table"][code + 128]), x)


def requantize_sum(op: Op, a: Array, b: Array) -> Array:
    requant = op.attrs["requant"]
    multiplier, shift = exact(requant.multiplier), exact(requant.shift)
    b_multiplier, addend = exact(op.attrs["b_multiplier"]), exact(requant.addend)

    def code(a: int, b: int, multiplier: int, b_multiplier: int, addend: int, shift: int) -> int:
        total = fits(fits(a * multiplier, 64) + fits(b * b_multiplier, 64), 64)
        return fits(total + addend, 64) >> shift

    codes = each(code, a, b, multiplier, b_multiplier, addend, shift)
    return clamp_all(codes, requant.output_min, requant.output_max)


def push(op: Op, x: Array, state: Array) -> Array:
    axis = op.attrs["axis"]
    everything = np.concatenate([state, x], axis)
    return everything.take(range(x.shape[axis], everything.shape[axis]), axis)


def assign(op: Op, x: Array, state: Array) -> Array:
    return x


OPERATORS: dict[str, Callable[..., Any]] = {
    "conv2d": conv2d,
    "dwconv2d": dwconv2d,
    "linear": linear,
    "add": add,
    "mul": mul,
    "average_pool2d": average_pool2d,
    "max_pool2d": max_pool2d,
    "mean": mean,
    "pad": pad,
    "concat": concat,
    "reshape": reshape,
    "transpose": transpose,
    "requantize": requantize_operator,
    "clamp": clamp_operator,
    "softmax": softmax,
    "lut": lut,
    "slice": slice_operator,
    "resize2d": resize2d,
    "transpose_conv2d": transpose_conv2d,
    "maximum": maximum,
    "minimum": minimum,
    "arg_max": arg_max,
    "matmul": matmul,
    "l2_norm": l2_norm,
    "requantize_sum": requantize_sum,
    "squared_difference": squared_difference,
    "layer_norm": layer_norm,
    "log_softmax": log_softmax,
    "push": push,
    "assign": assign,
    "svdf": bigint_recurrent.svdf,
    "lstm": bigint_recurrent.lstm,
    "sigmoid": bigint16.sigmoid,
    "tanh": bigint16.tanh,
    "leaky_relu": bigint16.leaky_relu,
}
BITS = {"int8": 8, "int16": 16, "int32": 32}


def run(graph: Graph, inputs: Sequence[Array], states: dict[Tensor, Array] | None = None) -> list[Array]:
    """The outputs of a lowered graph.

    Parameters
    ----------
    graph : Graph
    inputs : sequence of numpy.ndarray
        Codes of each model input, in the shapes of its tensors.
    states : dict of Tensor to numpy.ndarray, optional
        What the run before it left, empty before the first; gets what this one leaves.

    Returns
    -------
    list of numpy.ndarray
        Codes, or int32 accumulators, of each model output.
    """
    values = {edge.tensor: exact(codes) for edge, codes in zip(graph.inputs, inputs, strict=True)}
    values |= {tensor: exact(tensor.data) for tensor in graph.tensors() if tensor.data is not None}
    values |= states or {tensor: exact(tensor.initial) for tensor in graph.states()}
    for op in graph.ops:
        old = [op.output] if op.output.is_state else []
        results = OPERATORS[op.kind](op, *(values[tensor] for tensor in (*op.inputs, *old)))
        # An operator whose last inputs are states returns their new values behind its output.
        for tensor, y in zip((op.output, *op.states), results if op.states else (results,), strict=True):
            assert y.shape == tensor.shape, f"{op.name}: {y.shape} is not {tensor.shape}"
            values[tensor] = all_fit(y, BITS[tensor.dtype])
    if states is not None:
        states.update({tensor: values[tensor] for tensor in graph.states()})
    return [values[edge.tensor].astype(edge.tensor.dtype) for edge in graph.outputs]
