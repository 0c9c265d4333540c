"""The only place where scales become integers: multipliers, shifts, biases, addends (SPEC.md, sections 1 and 2).

`lower` also proves, for each channel and from its weights, that no accumulator and no product can overflow. If
one could, or if a bias does not fit into int32, it corrects the channel and reports it.

Real multipliers are computed in float64 from the source's scales, ``x_scale * w_scale / y_scale``, unless a frontend
sets ``real_multiplier`` because its engine rounds intermediate results.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.integers.arithmetic import (
    LEFT_SHIFT,
    PRODUCT_LIMIT,
    fits_double,
    fitted,
    halved,
    implied_addend,
    requantize,
)
from qrt.compiler.integers.channels import (
    CHANNEL_AXIS,
    MAX_SHIFT,
    Channels,
    Ints,
    Reals,
    Requant,
    merged,
    quantize_multiplier,
)
from qrt.compiler.integers.codes import LIMITS, bounds, steps
from qrt.compiler.integers.fitting import match_float32
from qrt.compiler.integers.gemmlowp import softmax_exponential
from qrt.compiler.integers.int16 import (
    layer_requant,
    lower_gate,
    lower_leaky_relu,
    lower_softmax,
    narrowed,
)
from qrt.compiler.integers.layer_norm import lower_layer_norm
from qrt.compiler.integers.log_softmax import lower_log_softmax
from qrt.compiler.integers.recurrent import lower_lstm, lower_svdf
from qrt.compiler.integers.sums import RATIOS, engine_sum
from qrt.compiler.integers.thresholds import STATED, engine_codes, match_engine, single_precision, thresholds
from qrt.compiler.ir import Graph, Op, Quantization, Tensor
from qrt.compiler.report import Report
from qrt.schema.operators import OPERATORS

ACC_LIMIT = 2**31
# Largest bias after a channel's scale is widened; half of the accumulator's range remains for the products.
WIDE_BIAS = 2**30
# Fraction bits of a constant channel's bias.
CONSTANT_BITS = 16


def _reach(tensor: Tensor) -> int:
    """The largest distance of a code from the zero point."""
    low, high = steps(tensor)
    return max(-low, high)


def _channels(op: Op) -> Channels:
    x, weights = op.inputs[:2]
    assert weights.data is not None and weights.quantization is not None
    axis = CHANNEL_AXIS[op.kind]
    count = weights.shape[axis]
    rows = np.moveaxis(weights.data, axis, 0).reshape(count, -1).astype(np.int64)
    unit = x.scale * np.broadcast_to(np.asarray(weights.quantization.scale, np.float64), (count,)).copy()
    bias_real = np.zeros(count)
    bias = [0] * count
    if len(op.inputs) > 2:
        source = op.inputs[2]
        bias_real = np.broadcast_to(source.real().reshape(-1), (count,)).astype(np.float64)
        bias = [round(Fraction(b) / Fraction(u)) for b, u in zip(bias_real, unit, strict=True)]
        if source.quantization is not None and source.data is not None:
            scale = np.broadcast_to(np.asarray(source.quantization.scale, np.float64), (count,))
            same = np.abs(scale - unit) <= 1e-6 * unit
            bias = [int(q) if s else b for q, s, b in zip(source.data.reshape(-1), same, bias, strict=True)]
    y_scale = 1.0 if op.output.dtype == "int32" else op.output.scale
    return Channels(rows, unit, bias, bias_real, y_scale, steps(x))


def _rescue_bias(op: Op, channels: Channels, report: Report) -> None:
    """Corrects the channels whose accumulator plus bias overflows int32.

    A channel whose weights are all zero is the constant bias_real: its unit becomes y_scale * 2^-16, and a bias
    that saturates any output is limited to 2^30. Any other channel gets the wider unit |bias_real| * 2^-30, in
    which the bias just fits, and its weights are requantized to it; the error of the weights is below 2^-30 of the
    bias per step of x.
    """
    over = [
        c for c, (acc, b) in enumerate(zip(channels.acc_max, channels.bias, strict=True)) if acc + abs(b) >= ACC_LIMIT
    ]
    constant = [c for c in over if not channels.weights[c].any() and op.output.dtype != "int32"]
    for c in constant:
        channels.unit[c] = channels.y_scale * 2.0**-CONSTANT_BITS
        wanted = round(Fraction(channels.bias_real[c]) / Fraction(channels.unit[c]))
        channels.bias[c] = max(-WIDE_BIAS, min(WIDE_BIAS, wanted))
    if constant:
        report.rescue(
            op.name, op.kind, tuple(constant), "all weights are zero and the bias does not fit: kept as a constant"
        )
    widened = sorted(set(over) - set(constant))
    for c in widened:
        unit = max(channels.unit[c], abs(channels.bias_real[c]) / WIDE_BIAS)
        channels.weights[c] = np.rint(channels.weights[c] * (channels.unit[c] / unit))
        channels.unit[c] = unit
        channels.bias[c] = round(Fraction(channels.bias_real[c]) / Fraction(unit))
        if channels.acc_max[c] + abs(channels.bias[c]) >= ACC_LIMIT:
            reason = f"the accumulator of channel {c} can overflow int32; split the layer over its input channels"
            raise CompileError([Problem(op.name, op.kind, reason)])
    if widened:
        text = "the bias does not fit into int32: weights requantized to a wider scale"
        report.rescue(op.name, op.kind, tuple(widened), text)


def _rescue_float_bias(op: Op, channels: Channels, report: Report) -> None:
    """Reports the channels whose bias does not fit into int32 but fits into the addend at full precision."""
    over = [
        c for c, (acc, b) in enumerate(zip(channels.acc_max, channels.bias, strict=True)) if acc + abs(b) >= ACC_LIMIT
    ]
    for empty in (True, False):
        rescued = tuple(c for c in over if empty != channels.weights[c].any())
        what = "all weights are zero and the bias" if empty else "the bias"
        if rescued:
            text = f"{what} does not fit into int32: kept at full precision in the addend"
            report.rescue(op.name, op.kind, rescued, text)


def _replace_weights(op: Op, channels: Channels, x_scale: float) -> None:
    """Sets the operator's weights and scales to those of `channels`."""
    old = op.inputs[1]
    axis = CHANNEL_AXIS[op.kind]
    moved = tuple(np.moveaxis(np.empty(old.shape, np.int8), axis, 0).shape)
    data = np.ascontiguousarray(np.moveaxis(channels.weights.astype(np.int8).reshape(moved), 0, axis))
    scale = channels.unit / x_scale
    quantization = Quantization(scale, np.zeros(len(scale), np.int32), axis)
    op.inputs[1] = Tensor(old.name, old.shape, "int8", quantization, data)


def _lower_weighted(op: Op, report: Report) -> None:
    channels = _channels(op)
    if op.inputs[0].dtype == "int16":
        op.attrs["requant"] = layer_requant(op, channels, bounds(op))
        del op.inputs[2:]
        return
    rounding = op.attrs.get("rounding", "SINGLE")
    float_bias = op.attrs.get("float_bias", False)
    engine = op.attrs.get("engine", "")
    bias_real = channels.bias_real
    if engine and engine != "litert":
        single_precision(op, channels)
    before = channels.unit.copy()
    if float_bias:
        _rescue_float_bias(op, channels, report)
        channels.bias = [0] * len(channels.bias)
    _rescue_bias(op, channels, report)
    if not np.array_equal(before, channels.unit):
        _replace_weights(op, channels, op.inputs[0].scale)
    multipliers, shifts = _multipliers(op, channels, rounding, report)
    addends = _addends(op, channels, multipliers, shifts) if float_bias else None
    if engine in STATED:
        addends = match_engine(op, channels, (before, bias_real), multipliers, shifts, addends, report)
    op.attrs["requant"] = merged(
        Requant(
            np.array(multipliers, np.int32),
            np.array(shifts, np.uint8),
            np.array(channels.bias, np.int32) if any(channels.bias) and addends is None else None,
            np.array(addends, np.int64) if addends is not None else None,
            rounding,
            *bounds(op),
        )
    )
    del op.inputs[2:]


def rounds_as_litert(op: Op, unit: Reals, bias: Ints) -> bool:
    """Whether LiteRT's fully-connected layer, which multiplies by a float, gives the codes of a lowered one.

    Parameters
    ----------
    unit : numpy.ndarray of float64, shape (channels,) or (1,)
        x_scale * w_scale.
    bias : numpy.ndarray of int32, shape (channels,)
    """
    requant, y, acc_max = op.attrs["requant"], op.output, _channels(op).acc_max
    codes = np.arange(requant.output_min + 1, requant.output_max + 1, dtype=np.int64)
    column = bias.astype(np.int64)[:, np.newaxis]

    def theirs(acc: Ints) -> Ints:
        return engine_codes("litert", acc, unit[:, np.newaxis], y.scale, column, y.zero_point)

    def ours(acc: Ints) -> Ints:
        result: Ints = requantize(acc.T, requant, y.zero_point).T
        return result

    return np.array_equal(thresholds(theirs, acc_max, codes), thresholds(ours, acc_max, codes))


def _lower_accumulators(op: Op, report: Report, keep_bias: bool) -> tuple[Reals, Reals]:
    """A layer that writes ``acc + bias``: the real value of 1 for each channel, and the bias that is still to be added.

    The bias becomes int32 if `keep_bias`, otherwise the reader of the accumulators adds it at full precision.
    """
    channels = _channels(op)
    left = np.zeros(len(channels.unit)) if keep_bias else channels.bias_real
    if not keep_bias:
        channels.bias = [0] * len(channels.bias)
    before = channels.unit.copy()
    _rescue_bias(op, channels, report)
    if not np.array_equal(before, channels.unit):
        _replace_weights(op, channels, op.inputs[0].scale)
    bias = np.array(channels.bias, np.int32) if any(channels.bias) else None
    op.attrs["requant"] = Requant(np.array([1], np.int32), np.array([0], np.uint8), bias)
    del op.inputs[2:]
    return channels.unit, left


def _sum_channel(op: Op, unit: float, bias: float) -> tuple[int, int, int, int]:
    """Multiplier, shift, b_multiplier, addend of ``unit * a + bias + b_scale * (b - b_zero_point)`` in codes of y."""
    b, y = op.inputs[1], op.output
    try:
        multiplier, shift = quantize_multiplier(unit / y.scale)
    except ValueError as error:
        raise CompileError([Problem(op.name, op.kind, f"{error}; requantize the layer")]) from None
    while True:
        b_multiplier = round(Fraction(b.scale) / Fraction(y.scale) * 2**shift)
        constant = round(Fraction(bias) / Fraction(y.scale) * 2**shift) - b.zero_point * b_multiplier
        addend = implied_addend(1, shift, constant, y.zero_point)
        if b_multiplier < 2**55 and 2**31 * multiplier + 2**7 * b_multiplier + abs(addend) < PRODUCT_LIMIT:
            return multiplier, shift, b_multiplier, addend
        multiplier, shift = halved(multiplier, shift)


def _lower_requantize_sum(op: Op, unit: Reals, bias: Reals) -> None:
    """`unit` is the real value of 1 in each channel's accumulators, `bias` the real bias that they do not include."""
    rows = [_sum_channel(op, float(u), float(real)) for u, real in zip(unit, bias, strict=True)]
    multiplier, shift, b_multiplier, addend = np.array(rows, np.int64).T
    op.attrs["b_multiplier"] = b_multiplier
    op.attrs["requant"] = Requant(
        multiplier.astype(np.int32), shift.astype(np.uint8), None, addend, "SINGLE", *bounds(op)
    )


def _multipliers(op: Op, channels: Channels, rounding: str, report: Report) -> tuple[list[int], list[int]]:
    """Multiplier and shift of each channel, with room for its accumulator and its zero point."""
    multipliers, shifts, vanished = [], [], []
    # An explicit addend must be able to saturate any output by itself.
    margin = 512 if op.attrs.get("float_bias", False) or op.attrs.get("engine") else abs(op.output.zero_point)
    for c, acc in enumerate(channels.acc_max.tolist()):
        real = channels.unit[c] / channels.y_scale
        try:
            multiplier, shift = quantize_multiplier(real)
        except ValueError as error:
            raise CompileError([Problem(op.name, op.kind, f"channel {c}: {error}; requantize the layer")]) from None
        if multiplier == 0:
            vanished.append(c)
        if rounding == "SINGLE":
            multiplier, shift = fitted(multiplier, shift, acc + abs(channels.bias[c]), margin)
        elif not fits_double(acc + abs(channels.bias[c]), shift):
            reason = f"channel {c}: a real multiplier of {real:g} overflows with DOUBLE rounding; use SINGLE"
            raise CompileError([Problem(op.name, op.kind, reason)])
        multipliers.append(multiplier)
        shifts.append(shift)
    if vanished:
        report.rescue(op.name, op.kind, tuple(vanished), "the multiplier is below 2^-32: the product becomes 0")
    return multipliers, shifts


def _addends(op: Op, channels: Channels, multipliers: list[int], shifts: list[int]) -> list[int]:
    """Addends that hold the real bias at full precision, limited to what saturates any output."""
    addends = []
    for c, (acc, multiplier, shift) in enumerate(zip(channels.acc_max.tolist(), multipliers, shifts, strict=True)):
        exact = round(Fraction(channels.bias_real[c]) / Fraction(channels.y_scale) * 2**shift)
        limit = PRODUCT_LIMIT - 1 - acc * multiplier
        addends.append(max(-limit, min(limit, exact + implied_addend(multiplier, shift, 0, op.output.zero_point))))
    return addends


def _single_requant(op: Op, real: float, acc_max: int) -> None:
    rounding = op.attrs.get("rounding", "SINGLE")
    try:
        multiplier, shift = quantize_multiplier(real)
        if op.attrs.get("narrow", False):
            multiplier, shift = narrowed(multiplier, shift, acc_max)
    except ValueError as error:
        raise CompileError(
            [Problem(op.name, op.kind, f"{error}; the scales of its tensors are too far apart")]
        ) from None
    if rounding == "SINGLE":
        multiplier, shift = fitted(multiplier, shift, acc_max, op.output.zero_point)
    elif not fits_double(acc_max, shift, op.output.dtype):
        raise CompileError([Problem(op.name, op.kind, f"a real multiplier of {real:g} overflows with DOUBLE rounding")])
    op.attrs["requant"] = Requant(
        np.array([multiplier], np.int32), np.array([shift], np.uint8), None, None, rounding, *bounds(op)
    )


def _product(op: Op) -> float:
    """The real multiplier of a product of two activations; ``real_multiplier`` if a frontend has set it."""
    a, b = op.inputs
    return float(op.attrs.get("real_multiplier", a.scale * b.scale / op.output.scale))


def _lower_elementwise(op: Op) -> None:
    if OPERATORS[op.kind].acc == "product":
        _single_requant(op, _product(op), math.prod(map(_reach, op.inputs)))
    elif OPERATORS[op.kind].acc == "x":
        _single_requant(op, op.attrs.get("real_multiplier", op.inputs[0].scale / op.output.scale), _reach(op.inputs[0]))


def _lower_matmul(op: Op) -> None:
    acc_max = math.prod(map(_reach, op.inputs)) * op.inputs[0].shape[-1]
    if acc_max >= ACC_LIMIT and op.inputs[0].dtype == "int8":
        reason = f"sums of {op.inputs[0].shape[-1]} products can overflow int32; split the matrix product"
        raise CompileError([Problem(op.name, op.kind, reason)])
    _single_requant(op, _product(op), acc_max)


def _lower_mean(op: Op) -> None:
    """The attribute ``total`` makes it the sum."""
    x = op.inputs[0]
    positions = x.shape[1] * x.shape[2]
    divisor = 1 if op.attrs.get("total", False) else positions
    _single_requant(op, x.scale / (divisor * op.output.scale), _reach(x) * positions)


def _scale_downs(op: Op, reals: tuple[float, float, float], remedy: str) -> None:
    """Multiplier and shift of a, b and y for SPEC.md's ``scale_down``, which makes no number larger."""
    for key, real in zip("aby", reals, strict=True):
        multiplier, shift = quantize_multiplier(real)
        if shift < 31 and multiplier > 0:
            reason = f"its input scales are too large for its output scale{remedy}"
            raise CompileError([Problem(op.name, op.kind, reason)])
        op.attrs[f"{key}_multiplier"], op.attrs[f"{key}_shift"] = multiplier, max(shift, 31)


def _lower_squared_difference(op: Op) -> None:
    a, b, y = op.inputs[0], op.inputs[1], op.output
    twice_max = 2 * max(a.scale, b.scale)
    real = twice_max * twice_max / (2**14 * y.scale)
    _scale_downs(op, (a.scale / twice_max, b.scale / twice_max, real), "; give it a larger output scale")


def _check_stated(op: Op) -> None:
    """Raises if integers that a frontend has set let a sum overflow."""
    if op.kind != "mean" or op.attrs["requant"].rounding != "DOUBLE":
        return
    requant, x = op.attrs["requant"], op.inputs[0]
    if not fits_double(x.shape[1] * x.shape[2] * _reach(x), int(requant.shift[0]), op.output.dtype):
        reason = "its sums can overflow with DOUBLE rounding: the scales of its input and output are too far apart"
        raise CompileError([Problem(op.name, op.kind, reason)])


def _check_pad(op: Op) -> None:
    if op.output.dtype == "int16" and op.attrs["value"] != 0:
        reason = "pads int16 codes with another code than 0; quantize them with zero point 0"
        raise CompileError([Problem(op.name, op.kind, reason)])


def _lower_add(op: Op, report: Report) -> None:
    a, b, y = op.inputs[0], op.inputs[1], op.output
    if op.attrs.get("form", "COMMON_SHIFT") == "TFLITE":
        twice_max, finest = 2 * max(a.scale, b.scale), 2 ** LEFT_SHIFT[y.dtype] * y.scale
        remedy = " in the TFLITE form; use COMMON_SHIFT"
        _scale_downs(op, (a.scale / twice_max, b.scale / twice_max, twice_max / finest), remedy)
        return
    reals = [a.scale / y.scale, b.scale / y.scale]
    if "engine" in op.attrs and RATIOS[0] <= max(reals) < RATIOS[1]:
        engine_sum(op, report)
        return
    largest, shift = quantize_multiplier(max(reals))
    low, high = LIMITS[y.dtype]
    largest, shift = fitted(largest, shift, 4 * (high - low), y.zero_point)
    multipliers = [min(2**31 - 1, round(Fraction(real) * 2**shift)) for real in reals]
    op.attrs.update(a_multiplier=multipliers[0], b_multiplier=multipliers[1], shift=shift)


def _lower_softmax(op: Op) -> None:
    is_tflite = op.attrs.get("form", "EXACT") == "TFLITE"
    if op.inputs[0].dtype == "int16":
        if not is_tflite:
            raise CompileError(
                [Problem(op.name, op.kind, "reads int16 codes, which is not supported; use 8 bits for it")]
            )
        lower_softmax(op)
        return
    if is_tflite:
        if op.output.dtype == "int8" and (op.output.zero_point != -128 or op.output.scale != 1 / 256):
            reason = "the TFLITE form of softmax needs an output scale of 1/256 and zero point -128"
            raise CompileError([Problem(op.name, op.kind, reason)])
        exponential = np.array(softmax_exponential(op.attrs.get("beta", 1.0) * op.inputs[0].scale), np.uint32)
        op.attrs.update(exponential=exponential, numerator=0, shift=0)
        return
    mantissa, exponent = math.frexp(1 / op.output.scale)
    op.attrs["exponential"] = np.rint(np.exp(-op.inputs[0].scale * np.arange(256)) * 2**30).astype(np.uint32)
    op.attrs["numerator"] = min(2**62 - 1, round(Fraction(mantissa) * 2**62))
    op.attrs["shift"] = MAX_SHIFT - exponent


def lower(graph: Graph, report: Report) -> Graph:
    """Computes the integers of every operator of a quantized graph; changes `graph` and returns it.

    Raises
    ------
    CompileError
        Lists all operators that could overflow.
    """
    simple = {
        "leaky_relu": lower_leaky_relu,
        "sigmoid": lower_gate,
        "tanh": lower_gate,
        "matmul": _lower_matmul,
        "mean": _lower_mean,
        "pad": _check_pad,
        "softmax": _lower_softmax,
        "layer_norm": lower_layer_norm,
        "log_softmax": lower_log_softmax,
        "lstm": lower_lstm,
        "svdf": lower_svdf,
        "squared_difference": _lower_squared_difference,
    }
    problems: list[Problem] = []
    # For each int32 tensor, the real value of 1 in each channel, and the bias that it does not include.
    wide: dict[Tensor, tuple[Reals, Reals]] = {}
    for op in graph.ops:
        try:
            if "requant" in op.attrs or "a_multiplier" in op.attrs:
                _check_stated(op)
                continue
            if op.output.dtype == "int32":
                keep_bias = graph.is_output(op.output) or not op.attrs.get("float_bias", False)
                wide[op.output] = _lower_accumulators(op, report, keep_bias)
            elif op.kind == "requantize_sum":
                _lower_requantize_sum(op, *wide[op.inputs[0]])
            elif op.kind in CHANNEL_AXIS:
                _lower_weighted(op, report)
            elif op.kind == "add":
                _lower_add(op, report)
            elif op.kind in simple:
                simple[op.kind](op)
            else:
                _lower_elementwise(op)
            if "float32" in op.attrs:
                match_float32(op, report)
        except CompileError as error:
            problems += error.problems
        except ValueError as error:  # a factor or a scale beyond what integers can express
            problems.append(Problem(op.name, op.kind, f"{error}; quantize the network again"))
    if problems:
        raise CompileError(problems)
    for edge in graph.outputs:
        if edge.tensor in wide:
            edge.scales = wide[edge.tensor][0].astype(np.float32)
    return graph
