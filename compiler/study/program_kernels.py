"""Every kind of operator as numpy code with its numbers, for `qrt.compiler.study.program`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from qrt.compiler.integers.arithmetic import add_addend, implied_addend
from qrt.compiler.ir import Op
from qrt.compiler.study import program_int16
from qrt.compiler.study import program_recurrent as recurrent

SINGLE = """
def requantized(acc):
    # One rounding, half up: adding 2^(shift-1) before the shift, which `addend` holds.
    y = (acc * multiplier + addend) >> shift
    return np.clip(y, output_min, output_max).astype(np.int8)
"""
DOUBLE = """
def requantized(acc):
    # Two roundings, like gemmlowp: the high half of a doubled product, then a shift, ties away from zero.
    left, right = np.maximum(31 - shift, 0), np.maximum(shift - 31, 0)
    high = (((acc + bias) << left) * multiplier + (1 << 30)) >> 31
    y = (high + ((1 << right) >> 1) - ((high < 0) & (right > 0))) >> right
    return np.clip(y + y_zero_point, output_min, output_max).astype(np.int8)
"""
ACCUMULATORS = """
def requantized(acc):
    return (acc + bias).astype(np.int32)
"""
REQUANTIZE_SUM = """
def layer(a, b):
    # The real values of a layer's accumulators and of codes, summed and rounded once.
    y = (a.astype(np.int64) * multiplier + b.astype(np.int64) * b_multiplier + addend) >> shift
    return np.clip(y, output_min, output_max).astype(np.int8)
"""
PATCHES = """
def patches(x, fill):
    # Every position of the window: [filter_height, filter_width, N, out_height, out_width, C].
    top, bottom, left, right = padding
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    (high, wide), (step_y, step_x), (far_y, far_x) = window, stride, dilation
    out_y = (x.shape[1] - (high - 1) * far_y - 1) // step_y + 1
    out_x = (x.shape[2] - (wide - 1) * far_x - 1) // step_x + 1
    rows = [
        [x[:, i * far_y :: step_y, j * far_x :: step_x][:, :out_y, :out_x] for j in range(wide)] for i in range(high)
    ]
    return np.array(rows)
"""
CONV2D = """
def layer(x):
    taken = patches(x.astype(np.int64) - x_zero_point, 0)
    size, count = weights.shape[3], weights.shape[0] // groups
    parts = []
    for g in range(groups):
        w = weights[g * count : (g + 1) * count].astype(np.int64)
        parts.append(np.einsum("hwnyxi,ohwi->nyxo", taken[..., g * size : (g + 1) * size], w))
    return requantized(np.concatenate(parts, axis=-1))
"""
DWCONV2D = """
def layer(x):
    taken = patches(x.astype(np.int64) - x_zero_point, 0)
    taken = np.repeat(taken, weights.shape[3] // x.shape[3], axis=-1)
    return requantized(np.einsum("hwnyxc,hwc->nyxc", taken, weights[0].astype(np.int64)))
"""
LINEAR = """
def layer(x):
    return requantized((x.astype(np.int64) - x_zero_point) @ weights.astype(np.int64).T)
"""
MUL = """
def layer(a, b):
    return requantized((a.astype(np.int64) - a_zero_point) * (b.astype(np.int64) - b_zero_point))
"""
MEAN = """
def layer(x):
    return requantized((x.astype(np.int64) - x_zero_point).sum(axis=(1, 2), keepdims=True))
"""
REQUANTIZE = """
def layer(x):
    return requantized(x.astype(np.int64) - x_zero_point)
"""
ADD = """
def layer(a, b):
    # The exact sum of the reals, rounded once.
    y = (a.astype(np.int64) * a_multiplier + b.astype(np.int64) * b_multiplier + addend) >> shift
    return np.clip(y, output_min, output_max).astype(np.int8)
"""
SCALE_DOWN = """
def scale_down(v, multiplier, shift):
    high, right = (v * multiplier + (1 << 30)) >> 31, shift - 31
    return (high + ((1 << right) >> 1) - ((high < 0) & (right > 0))) >> right
"""
SQUARED_DIFFERENCE = """
def layer(a, b):
    d = scale_down((a.astype(np.int64) - a_zero_point) << 7, a_multiplier, a_shift)
    d = d - scale_down((b.astype(np.int64) - b_zero_point) << 7, b_multiplier, b_shift)
    y = scale_down(d * d, y_multiplier, y_shift) + y_zero_point
    return np.clip(y, output_min, output_max).astype(np.int8)
"""
ADD_TFLITE = """
def layer(a, b):
    a = scale_down((a.astype(np.int64) - a_zero_point) << 20, a_multiplier, a_shift)
    b = scale_down((b.astype(np.int64) - b_zero_point) << 20, b_multiplier, b_shift)
    y = scale_down(a + sign * b, y_multiplier, y_shift) + y_zero_point
    return np.clip(y, output_min, output_max).astype(np.int8)
"""
MAX_POOL2D = """
def layer(x):
    y = patches(x.astype(np.int64), -128).max(axis=(0, 1))
    return np.clip(y, output_min, output_max).astype(np.int8)
"""
AVERAGE_POOL2D = """
def layer(x):
    base = x_zero_point if rounding == "HALF_EVEN" else 0
    s = patches(x.astype(np.int64) - base, 0).sum(axis=(0, 1))
    n = patches(np.ones(x.shape, np.int64), 0).sum(axis=(0, 1))  # what is not padding
    if rounding == "HALF_AWAY":
        y = np.sign(s) * ((2 * np.abs(s) + n) // (2 * n))
    else:
        y, rest = s // n, s % n
        y += (2 * rest > n) | ((2 * rest == n) & (y % 2 == 1))
    return np.clip(y + base, output_min, output_max).astype(np.int8)
"""
CLAMP = """
def layer(x):
    return np.clip(x, output_min, output_max).astype(np.int8)
"""
LUT = """
def layer(x):
    return table[x.astype(np.int64) + 128]
"""

TRANSPOSE_CONV2D = """
def layer(x):
    x = x.astype(np.int64) - x_zero_point
    (count, high, wide, _), (step_y, step_x), (out_y, out_x) = weights.shape, stride, size
    top, _, left, _ = padding
    rows = max((x.shape[1] - 1) * step_y + high, top + out_y)
    columns = max((x.shape[2] - 1) * step_x + wide, left + out_x)
    acc = np.zeros((x.shape[0], rows, columns, count), np.int64)
    for i in range(high):
        for j in range(wide):
            places = acc[:, i : i + x.shape[1] * step_y : step_y, j : j + x.shape[2] * step_x : step_x]
            places[:, : x.shape[1], : x.shape[2]] += x @ weights[:, i, j].astype(np.int64).T
    return requantized(acc[:, top : top + out_y, left : left + out_x])
"""
MATMUL = """
def layer(a, b):
    return requantized((a.astype(np.int64) - a_zero_point) @ np.swapaxes(b.astype(np.int64) - b_zero_point, -1, -2))
"""
MAXIMUM = """
def layer(a, b):
    return np.maximum(a, b)
"""
MINIMUM = """
def layer(a, b):
    return np.minimum(a, b)
"""
ARG_MAX = """
def layer(x):
    return (x.argmax(axis=-1, keepdims=True) - 128).astype(np.int8)
"""
RESIZE2D = """
def layer(x):
    x = x.astype(np.int64)
    bottoms, rights = np.minimum(rows + 1, x.shape[1] - 1), np.minimum(columns + 1, x.shape[2] - 1)
    u, v = column_weight[:, np.newaxis], row_weight[:, np.newaxis, np.newaxis]
    top, bottom = (x[:, y][:, :, columns] * (1024 - u) + x[:, y][:, :, rights] * u for y in (rows, bottoms))
    s = top * (1024 - v) + bottom * v
    return ((s + (1 << 19) - (s < 0)) >> 20).astype(np.int8)
"""
PAD = """
def layer(x):
    return np.pad(x, list(zip(before, after)), constant_values=value)
"""
CONCAT = """
def layer(*codes):
    return np.concatenate(codes, axis=axis)
"""
RESHAPE = """
def layer(x):
    return x.reshape(-1, *y_shape[1:])
"""
PUSH = """
def layer(x, state):
    everything = np.concatenate([state, x], axis)
    return everything.take(range(x.shape[axis], everything.shape[axis]), axis)
"""
ASSIGN = """
def layer(x, state):
    return x
"""
TRANSPOSE = """
def layer(x):
    return np.ascontiguousarray(x.transpose(permutation))
"""
SLICE = """
def layer(x):
    taken = [b + s * np.arange(n) for b, s, n in zip(begin, stride, y_shape)]
    if not begin[0] and stride[0] == 1:
        taken[0] = np.arange(len(x))  # any number of samples
    return x[np.ix_(*taken)]
"""
SOFTMAX = """
def layer(x):
    below = x.max(axis=-1, keepdims=True).astype(np.int64) - x
    e = np.append(exponential, 0)[np.minimum(below, len(exponential))].astype(np.uint64)
    reciprocal = np.uint64(numerator) // e.sum(axis=-1, keepdims=True)
    y = ((e * reciprocal + np.uint64((1 << shift) >> 1)) >> np.uint64(shift)).astype(np.int64)
    return np.clip(y + y_zero_point, -128, 127).astype(np.int8)
"""
HIGH_MUL = """
def high_mul(a, m):
    return (a * m + (1 << 30)) >> 31


def rounding_shift(v, n):
    return (v + ((1 << n) >> 1) - ((v < 0) & (n > 0))) >> n


def zero_bits(n):
    # Leading zero bits of a 32-bit number.
    return sum((n < (1 << k)).astype(np.int64) for k in range(32))
"""
INVERSE = """
def inverse(a):
    h = (a + (1 << 31)) >> 1
    v = 1515870810 + high_mul(h, -1010580540)
    for _ in range(3):
        v = v + 4 * high_mul(v, (1 << 29) - high_mul(h, v))
    return np.minimum(2 * v, (1 << 31) - 1)
"""
SOFTMAX_TFLITE = """
def layer(x):
    below = x.max(axis=-1, keepdims=True).astype(np.int64) - x
    e = np.append(exponential, 0)[np.minimum(below, len(exponential))].astype(np.int64)
    total = rounding_shift(e, 12).sum(axis=-1, keepdims=True)
    bits = zero_bits(total)
    y = rounding_shift(high_mul(inverse((total << bits) - (1 << 31)), e), 35 - bits) - 128
    return np.minimum(y, 127).astype(np.int8)
"""
L2_NORM = """
def saturated(v):
    return min(max(v, -(1 << 31)), (1 << 31) - 1)


def inverse_root(s):
    # 1 / sqrt(s) is m * 2^-(31 + e).
    if s <= 1:
        return (1 << 31) - 1, 0
    e = 11
    while s >= 1 << 29:
        s, e = s // 4, e + 1
    pairs = (32 - s.bit_length() - 1) // 2 - 1
    t, e = s << (2 * pairs), e - pairs
    h, v = rounding_shift(t >> 1, 1), 1 << 28
    for _ in range(5):
        cube = saturated(64 * high_mul(high_mul(v, v), v))
        v = saturated(8 * (high_mul(402653184, v) - high_mul(h, cube)))
    m = high_mul(v, 1518500250)
    while e < 0:
        m, e = 2 * m, e + 1
    return m, e


def layer(x):
    d = x.astype(np.int64).reshape(-1, x.shape[-1]) - x_zero_point
    rows = []
    for row in d:
        m, e = inverse_root(int((row * row).sum()))
        rows.append(rounding_shift(high_mul(row << max(7 - e, 0), m), max(e - 7, 0)))
    return np.clip(np.array(rows), -128, 127).astype(np.int8).reshape(x.shape)
"""

LAYER_NORM = """
def square_root(t):
    # The largest integer whose square is not above t.
    q = 0
    for bit in range(31, -1, -1):
        q += ((q + (1 << bit)) ** 2 <= t) << bit
    return q


def layer(x):
    count, rows = x.shape[-1], []
    for row in x.astype(np.int64).reshape(-1, count):
        d = count * row - row.sum()
        t = max((int((d * d).sum()) << epsilon_bits) + epsilon, 1 << epsilon_bits)
        h = (64 - t.bit_length()) // 2
        r = (1 << 62) // square_root(t << (2 * h))
        k = 32 - h - epsilon_bits // 2
        n = (d * r + (1 << (k - 1))) >> k  # in units of 2^-30
        rows.append((n * multiplier + addend) >> shift)
    return np.clip(np.array(rows), -128, 127).astype(np.int8).reshape(x.shape)
"""

LOG_SOFTMAX = """
def log2(s):
    # Of s / 2^31 in units of 2^-26: each squaring shows the next bit.
    log, s = np.zeros_like(s), s.copy()
    while (s >= 1 << 32).any():
        log, s = log + ((s >= 1 << 32) << 26), s >> (s >= 1 << 32)
    for bit in range(25, -1, -1):
        s = ((s.astype(np.uint64) * s.astype(np.uint64)) >> np.uint64(31)).astype(np.int64)
        log, s = log + ((s >> 32) << bit), s >> (s >> 32)
    return log


def layer(x):
    below = x.max(axis=-1, keepdims=True).astype(np.int64) - x
    e = np.append(exponential, 0)[np.minimum(below, len(exponential))].astype(np.int64)
    log = log2(e.sum(axis=-1, keepdims=True))
    y = (addend - below * multiplier - log * log_multiplier) >> shift
    return np.clip(y, -128, 127).astype(np.int8)
"""
LOGARITHM = """
def logarithm(s):
    # Of s / 2^19 in units of 2^-26, as gemmlowp computes it.
    a, b = zero_bits(s) - 1, zero_bits(high_mul(s, 1518500250)) - 1
    r = np.minimum(np.minimum(2 * high_mul(s << a, 1518500250), s << b), (1 << 31) - 1)
    z = np.maximum(((11 - a) << 25) + (1 << 23), ((12 - b) << 25) - (1 << 23))
    p, q = (r + 1805811302) >> 1, 2 * (r - 1805811301)
    c = high_mul(q, q)
    n = high_mul(q, r) + high_mul(high_mul(q, c), 117049297)
    d = high_mul(p, 1057819769 + q + high_mul(127690142, c)) + high_mul(638450708, q)
    return 2 * (high_mul(z, 1488522236) + high_mul(rounding_shift(n, 6), inverse(d)))
"""
LOG_SOFTMAX_TFLITE = """
def layer(x):
    below = x.max(axis=-1, keepdims=True).astype(np.int64) - x
    e = np.append(exponential, 0)[np.minimum(below, len(exponential))].astype(np.int64)
    log = logarithm(rounding_shift(e, 12).sum(axis=-1, keepdims=True))
    v = np.maximum(high_mul(-below << (31 - shift), multiplier), -(1 << 30)) - log
    y = np.where(below < len(exponential), rounding_shift(v, 22) + 127, -128)
    return np.clip(y, -128, 127).astype(np.int8)
"""


def _window(op: Op) -> dict[str, Any]:
    size = op.attrs["filter"] if "filter" in op.attrs else tuple(op.inputs[1].shape[1:3])
    return {
        "window": tuple(size),
        "stride": op.attrs["stride"],
        "dilation": op.attrs["dilation"],
        "padding": op.attrs["padding"],
    }


def _limits(op: Op) -> dict[str, Any]:
    return {key: int(op.attrs[key]) for key in ("output_min", "output_max")}


def _requant(op: Op) -> dict[str, Any]:
    """Multiplier, shift and bias or addend, one entry for each channel or for all."""
    requant = op.attrs["requant"]
    numbers: dict[str, Any] = {
        "output_min": requant.output_min,
        "output_max": requant.output_max,
        "multiplier": requant.multiplier.astype(np.int64),
        "shift": requant.shift.astype(np.int64),
    }
    bias = np.zeros(1, np.int64) if requant.bias is None else requant.bias.astype(np.int64)
    if op.output.dtype == "int32":
        return {"bias": bias}
    if requant.rounding == "DOUBLE":
        return numbers | {"bias": bias, "y_zero_point": op.output.zero_point}
    implied = implied_addend(numbers["multiplier"], numbers["shift"], bias, op.output.zero_point)
    return numbers | {"addend": implied if requant.addend is None else requant.addend}


def _weighted(op: Op) -> dict[str, Any]:
    window = {} if op.kind == "linear" else _window(op)
    groups = {"groups": int(op.attrs["groups"])} if op.kind == "conv2d" else {}
    return {"x_zero_point": op.inputs[0].zero_point, **window, **groups, "weights": op.inputs[1].data, **_requant(op)}


def _scale_downs(op: Op) -> dict[str, Any]:
    keys = [f"{name}_{part}" for name in "aby" for part in ("multiplier", "shift")]
    zeros = dict(zip(("a_zero_point", "b_zero_point"), (tensor.zero_point for tensor in op.inputs), strict=True))
    return {key: int(op.attrs[key]) for key in keys} | zeros | {"y_zero_point": op.output.zero_point} | _limits(op)


def _add(op: Op) -> dict[str, Any]:
    attrs = op.attrs
    sign = -1 if attrs["subtract"] else 1
    if attrs["form"] == "TFLITE":
        return _scale_downs(op) | {"sign": sign}
    numbers = {"a_multiplier": int(attrs["a_multiplier"]), "b_multiplier": sign * int(attrs["b_multiplier"])}
    return numbers | {"shift": int(attrs["shift"]), "addend": add_addend(op)} | _limits(op)


def _one(op: Op) -> dict[str, Any]:
    return {"x_zero_point": op.inputs[0].zero_point, **_requant(op)}


def _two(op: Op) -> dict[str, Any]:
    return {"a_zero_point": op.inputs[0].zero_point, "b_zero_point": op.inputs[1].zero_point, **_requant(op)}


def _elementwise(op: Op) -> dict[str, Any]:
    """The numbers that an elementwise operator can have; of two inputs they are `a` and `b`."""
    names = ("x",) if len(op.inputs) == 1 else ("a", "b")
    tensors = {**dict(zip(names, op.inputs, strict=True)), "y": op.output}
    numbers = {f"{name}_zero_point": tensor.zero_point for name, tensor in tensors.items()}
    return numbers | (_requant(op) if "requant" in op.attrs else {})


def _sum(op: Op) -> dict[str, Any]:
    requant = op.attrs["requant"]
    arrays = {"multiplier": requant.multiplier, "shift": requant.shift, "addend": requant.addend}
    arrays["b_multiplier"] = op.attrs["b_multiplier"]
    limits = {"output_min": requant.output_min, "output_max": requant.output_max}
    return {name: array.astype(np.int64) for name, array in arrays.items()} | limits


def _pool(op: Op) -> dict[str, Any]:
    numbers = _window(op) | _limits(op)
    if op.kind == "average_pool2d":
        numbers |= {"rounding": op.attrs["rounding"], "x_zero_point": op.inputs[0].zero_point}
    return numbers


def _transpose_conv2d(op: Op) -> dict[str, Any]:
    size = tuple(op.output.shape[1:3])
    window = {"stride": op.attrs["stride"], "padding": op.attrs["padding"], "size": size}
    return {"x_zero_point": op.inputs[0].zero_point, **window, "weights": op.inputs[1].data, **_requant(op)}


def _resize2d(op: Op) -> dict[str, Any]:
    attrs = op.attrs
    places = {key: attrs[key].astype(np.int64) for key in ("rows", "columns")}
    for key, along in (("row_weight", "rows"), ("column_weight", "columns")):
        places[key] = np.zeros_like(places[along]) if attrs[key] is None else attrs[key].astype(np.int64)
    return places


def _layer_norm(op: Op) -> dict[str, Any]:
    arrays = {key: op.attrs[key].astype(np.int64) for key in ("multiplier", "addend")}
    return {key: int(op.attrs[key]) for key in ("epsilon", "epsilon_bits", "shift")} | arrays


def _log_softmax(op: Op) -> dict[str, Any]:
    keys = ("multiplier", "shift", *(() if op.attrs["form"] == "TFLITE" else ("log_multiplier", "addend")))
    return {"exponential": op.attrs["exponential"], **{key: int(op.attrs[key]) for key in keys}}


def _softmax(op: Op) -> dict[str, Any]:
    if op.inputs[0].dtype == "int16":
        return program_int16.softmax(op)
    table = {"exponential": op.attrs["exponential"]}
    if op.attrs["form"] == "TFLITE":
        return table
    return table | {key: int(op.attrs[key]) for key in ("numerator", "shift")} | {"y_zero_point": op.output.zero_point}


def _attrs(*keys: str, shape: bool = False) -> Callable[[Op], dict[str, Any]]:
    """Attributes as they are, and the output's shape if requested."""
    return lambda op: {key: op.attrs[key] for key in keys} | ({"y_shape": op.output.shape} if shape else {})


# For each kind: its numbers, and the functions that compute it; `qrt explain` shows what that of an elementwise one
# returns.
KINDS: dict[str, tuple[Callable[[Op], dict[str, Any]], list[str]]] = {
    "conv2d": (_weighted, [PATCHES, CONV2D]),
    "dwconv2d": (_weighted, [PATCHES, DWCONV2D]),
    "linear": (_weighted, [LINEAR]),
    "mul": (_elementwise, [MUL]),
    "mean": (_one, [MEAN]),
    "requantize": (_elementwise, [REQUANTIZE]),
    "add": (_add, [ADD]),
    "squared_difference": (_scale_downs, [SCALE_DOWN, SQUARED_DIFFERENCE]),
    "requantize_sum": (_sum, [REQUANTIZE_SUM]),
    "max_pool2d": (_pool, [PATCHES, MAX_POOL2D]),
    "average_pool2d": (_pool, [PATCHES, AVERAGE_POOL2D]),
    "clamp": (_limits, [CLAMP]),
    "lut": (lambda op: {"table": op.attrs["table"]}, [LUT]),
    "softmax": (_softmax, [SOFTMAX]),
    "l2_norm": (lambda op: {"x_zero_point": op.inputs[0].zero_point}, [HIGH_MUL, L2_NORM]),
    "layer_norm": (_layer_norm, [LAYER_NORM]),
    "log_softmax": (_log_softmax, [LOG_SOFTMAX]),
    "arg_max": (_attrs(), [ARG_MAX]),
    "matmul": (_two, [MATMUL]),
    "transpose_conv2d": (_transpose_conv2d, [TRANSPOSE_CONV2D]),
    "resize2d": (_resize2d, [RESIZE2D]),
    "maximum": (_elementwise, [MAXIMUM]),
    "minimum": (_elementwise, [MINIMUM]),
    "pad": (_attrs("before", "after", "value"), [PAD]),
    "concat": (_attrs("axis"), [CONCAT]),
    "reshape": (_attrs(shape=True), [RESHAPE]),
    "push": (_attrs("axis"), [PUSH]),
    "assign": (_attrs(), [ASSIGN]),
    "transpose": (_attrs("permutation"), [TRANSPOSE]),
    "slice": (_attrs("begin", "stride", shape=True), [SLICE]),
    "svdf": (recurrent.svdf_numbers, [recurrent.ROUNDED, recurrent.SVDF]),
    "lstm": (recurrent.lstm_numbers, [recurrent.ROUNDED, recurrent.GATES, recurrent.LSTM]),
    "sigmoid": (program_int16.gate, [program_int16.GATE, program_int16.SIGMOID]),
    "tanh": (program_int16.gate, [program_int16.GATE, program_int16.TANH]),
    "leaky_relu": (program_int16.leaky_relu, [HIGH_MUL, program_int16.LEAKY_RELU]),
}
# Elementwise operators on real values, except those that a float operator of the source has the name of.
REAL: dict[str, Callable[..., Any]] = {
    "maximum": np.maximum,
    "minimum": np.minimum,
    "squared_difference": lambda a, b: np.square(a - b),
}
# The second form of kinds that have two.
TFLITE_FORMS = {
    "add": [SCALE_DOWN, ADD_TFLITE],
    "softmax": [HIGH_MUL, INVERSE, SOFTMAX_TFLITE],
    "log_softmax": [HIGH_MUL, INVERSE, LOGARITHM, LOG_SOFTMAX_TFLITE],
}


def functions(op: Op) -> list[str]:
    """The source text of the functions that compute `op`; the last one is ``layer``."""
    if op.output.dtype != "int16":
        return _functions(op)
    if op.kind == "softmax" and op.inputs[0].dtype == "int16":
        return [HIGH_MUL, program_int16.SOFTMAX]
    return [program_int16.of_int16(text) for text in _functions(op)]


def _functions(op: Op) -> list[str]:
    texts = TFLITE_FORMS[op.kind] if op.attrs.get("form") == "TFLITE" else KINDS[op.kind][1]
    requant = op.attrs.get("requant")
    if op.output.dtype == "int32":
        return [ACCUMULATORS, *texts]
    if requant is not None and op.kind not in ("requantize_sum", "svdf"):
        return [SINGLE if requant.rounding == "SINGLE" else DOUBLE, *texts]
    return texts


def formula(kind: str) -> str:
    """What the program of an elementwise operator returns, or hands to `requantized`, in a line."""
    last = KINDS[kind][1][-1].rpartition("return ")[2].strip()
    inside = re.sub(r"^requantized\((.*)\)$", r"\1", last)
    return re.sub(r"\.astype\(np\.int\d+\)|np\.", "", inside)
