"""Addends with which integers round like an engine's floats.

PyTorch's engines, onnxruntime and XNNPACK requantize an accumulator by a few float32 operations, LiteRT's
fully-connected layer by one in float64. Each of them is monotone, so for every code k there is a smallest accumulator
that gives at least k. The integer form of SPEC.md is monotone too; it gives the same code for every accumulator if and
only if it has the same 255 thresholds, which is a range of addends for each channel. If that range is not empty, the
layer equals the engine's for every input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qrt.compiler.integers.arithmetic import implied_addend
from qrt.compiler.integers.channels import Channels
from qrt.compiler.integers.codes import half_away

if TYPE_CHECKING:
    from qrt.compiler.ir import Op
    from qrt.compiler.report import Report

Ints = NDArray[np.int64]
Singles = NDArray[np.float32]

# Engines whose arithmetic `engine_codes` defines: PyTorch's, onnxruntime, and those of TensorFlow Lite without an
# integer multiplier.
TORCH = ("fbgemm", "qnnpack", "x86", "onednn")
STATED = (*TORCH, "onnxruntime", "litert", "xnnpack")
ONEDNN = ("x86", "onednn")
# Engines that add an int32 bias to the accumulator.
INT32_BIAS = ("qnnpack", "onnxruntime", "litert", "xnnpack")
# Largest change of a 31-bit multiplier, in steps, to find an engine's thresholds: below float32's rounding error.
REACH = 256
ONE = np.float32(1)


def engine_codes(
    engine: str, acc: Ints, unit: NDArray[Any], y_scale: float, bias: NDArray[Any], zero_point: int
) -> Ints:
    """The code, before clamping, that an engine gives for each accumulator.

    fbgemm: ``rint((float(acc) + bias_real / unit) * (unit / y_scale)) + zero_point``; qnnpack:
    ``rint(float(acc + bias) * (unit * (1 / y_scale))) + zero_point``; oneDNN, which x86 is too:
    ``rint((float(acc) * unit + bias_real) * (1 / y_scale) + zero_point)``; xnnpack, and
    onnxruntime's QLinearConv, QLinearMatMul and QGemm: ``rint(float(acc + bias) * (unit / y_scale)) + zero_point``.
    Every operation rounds to float32. litert is xnnpack's formula in float64, rounded half away from zero.
    Determined by comparison with the engines of PyTorch 2.13, onnxruntime 1.32 and LiteRT 2.3; all checked codes are
    equal.

    Parameters
    ----------
    engine : str
        One of `STATED`.
    acc : numpy.ndarray of int64, shape (channels, n)
    unit : numpy.ndarray of float32, shape (channels, 1)
        x_scale * w_scale; float64 for litert.
    bias : numpy.ndarray, shape (channels, 1)
        Real; integers for the engines of `INT32_BIAS`.
    """
    if engine == "litert":
        return half_away(np.clip((acc + bias) * (unit / y_scale), -1024, 1024)) + zero_point
    if engine in ONEDNN:
        real = acc.astype(np.float32) * unit + bias.astype(np.float32)
        # The engine's codes and the zero point that it adds are uint8.
        shifted = real * (ONE / np.float32(y_scale)) + np.float32(zero_point + 128)
        return np.asarray(np.rint(np.clip(shifted, -1024, 1024)), np.int64) - 128
    if engine in INT32_BIAS:
        value = (acc + bias).astype(np.float32)
    else:
        value = acc.astype(np.float32) + bias.astype(np.float32) / unit
    # Beyond +-1024 every code is clamped.
    scaled = np.clip(value * _real_multiplier(engine, unit, y_scale), -1024, 1024)
    result: Ints = np.rint(scaled).astype(np.int64) + zero_point
    return result


def _real_multiplier(engine: str, unit: Singles, y_scale: float) -> Singles:
    y = np.float32(y_scale)
    result: Singles = unit * (ONE / y) if engine == "qnnpack" else unit / y
    return result


def thresholds(codes_of: Any, acc_max: Ints, codes: Ints) -> Ints:
    """For each channel and code, the smallest accumulator in [-acc_max, acc_max] that gives at least that code.

    acc_max + 1 if there is none.

    Parameters
    ----------
    codes_of : function
        Maps accumulators, shape (channels, n), to codes; monotone along each row.
    acc_max : numpy.ndarray of int64, shape (channels,)
    codes : numpy.ndarray of int64, shape (n,)
    """
    low = np.repeat(-acc_max[:, np.newaxis], len(codes), axis=1)
    high = np.repeat(acc_max[:, np.newaxis] + 1, len(codes), axis=1)
    while (low < high).any():
        middle = (low + high) >> 1
        reached = codes_of(middle) >= codes
        high = np.where(reached, middle, high)
        low = np.where(reached, low, middle + 1)
        # Finished rows do not change.
        low = np.minimum(low, high)
    return low


def addend_ranges(least: Ints, acc_max: int, codes: Ints, multipliers: Ints, shift: int) -> tuple[Ints, Ints]:
    """The smallest and the largest addend with which ``(acc * multiplier + addend) >> shift`` has these thresholds.

    One entry for each of `multipliers`; empty where the first is larger than the second.
    """
    column = multipliers[:, np.newaxis]
    inside, above = least <= acc_max, least > -acc_max
    wanted = codes << shift
    lowest = (wanted[inside] - least[inside] * column).max(axis=1, initial=-(2**62))
    highest = (wanted[above] - (least[above] - 1) * column - 1).min(axis=1, initial=2**62)
    return lowest, highest


def single_precision(op: Op, channels: Channels) -> None:
    """Computes unit, real multiplier and bias in steps of the unit in float32, as PyTorch's engines do.

    qnnpack rounds these steps to integers. A 31-bit multiplier represents a float32 multiplier exactly. Channels whose
    float32 numbers underflow or overflow are not changed.
    """
    engine = op.attrs["engine"]
    unit = _single_unit(op, np.float32(op.inputs[0].scale), channels)
    multiplier = _real_multiplier(engine, unit, op.output.scale).astype(np.float64)
    bias = channels.bias_real.astype(np.float32)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        steps = (bias * (ONE / unit) if engine == "qnnpack" else bias / unit).astype(np.float64)
    usable = (multiplier > 0) & np.isfinite(steps)
    if engine == "qnnpack" and len(op.inputs) > 2 and op.inputs[2].quantization is None:
        steps = np.rint(steps)
        channels.bias = [int(n) if good else b for n, good, b in zip(steps, usable, channels.bias, strict=True)]
    channels.unit = np.where(usable, multiplier * channels.y_scale, channels.unit)
    channels.bias_real = np.where(usable, steps * channels.unit, channels.bias_real)


def _single_unit(op: Op, x_scale: np.float32, channels: Channels) -> Singles:
    """x_scale * w_scale of each channel, in float32."""
    quantization = op.inputs[1].quantization
    assert quantization is not None
    return x_scale * np.broadcast_to(np.asarray(quantization.scale, np.float32), channels.unit.shape)


def match_engine(
    op: Op,
    channels: Channels,
    stated: tuple[NDArray[np.float64], NDArray[np.float64]],
    multipliers: list[int],
    shifts: list[int],
    addends: list[int] | None,
    report: Report,
) -> list[int] | None:
    """Addends with the thresholds of the engine that ``op.attrs["engine"]`` names, for each channel where possible.

    Parameters
    ----------
    stated : pair of numpy.ndarray
        x_scale * w_scale of each channel before widening (widened channels are not changed), and the real bias.
    addends : list of int or None
        Addends without the engine; None if they follow from an int32 bias. The result is None if these match as well.
    multipliers : list of int
        Changed if the thresholds require it.
    """
    engine, zero_point = op.attrs["engine"], op.output.zero_point
    unit, bias_real = stated
    codes = np.arange(op.attrs.get("output_min", -128) + 1, op.attrs.get("output_max", 127) + 1, dtype=np.int64)
    x_scale = np.float32(op.inputs[0].scale)
    if engine in ONEDNN:  # PyTorch passes the scale of x as its reciprocal
        x_scale = np.float32(1) / np.float32(1.0 / op.inputs[0].scale)
    single: NDArray[Any] = _single_unit(op, x_scale, channels)
    if engine == "litert":
        single = unit
    bias = np.array(channels.bias, np.int64) if engine in INT32_BIAS else bias_real

    def codes_of(acc: Ints) -> Ints:
        columns = single[:, np.newaxis], op.output.scale, bias[:, np.newaxis], zero_point
        return engine_codes(engine, acc, *columns)

    least = thresholds(codes_of, channels.acc_max, codes)
    result, changed, missed = [], False, []
    for c, (acc_max, multiplier, shift) in enumerate(zip(channels.acc_max.tolist(), multipliers, shifts, strict=True)):
        plain = implied_addend(multiplier, shift, channels.bias[c], zero_point)
        addend = plain if addends is None else addends[c]
        if channels.unit[c] == unit[c] and multiplier:
            found = _nearest(least[c], acc_max, codes, (multiplier, addend), shift)
            if found is None:
                missed.append(c)
                found = multiplier, _fewest(least[c], acc_max, codes, (multiplier, addend), shift)
            changed = changed or found != (multiplier, addend)
            multipliers[c], addend = found
        result.append(addend)
    if missed:
        report.deviation(op, len(missed), len(unit), "channels")
    return result if addends is not None or changed else None


def _nearest(least: Ints, acc_max: int, codes: Ints, plain: tuple[int, int], shift: int) -> tuple[int, int] | None:
    """The multiplier and addend nearest to `plain` with these thresholds; None if none is within `REACH`."""
    multiplier, addend = plain
    for reach in (0, REACH):
        moved = np.arange(max(2**30, multiplier - reach), min(2**31 - 1, multiplier + reach) + 1, dtype=np.int64)
        if not moved.size:
            moved = np.array([multiplier], np.int64)
        lowest, highest = addend_ranges(least, acc_max, codes, moved, shift)
        fitting = np.flatnonzero(lowest <= highest)
        if fitting.size:
            best = fitting[np.abs(moved[fitting] - multiplier).argmin()]
            return int(moved[best]), min(max(addend, int(lowest[best])), int(highest[best]))
    return None


def _fewest(least: Ints, acc_max: int, codes: Ints, plain: tuple[int, int], shift: int) -> int:
    """The addend that misses the fewest thresholds if none has them all; of several the nearest to the plain one."""
    multiplier, addend = plain
    wanted = codes << shift
    lows = np.where(least <= acc_max, wanted - least * multiplier, -(2**62))
    highs = np.where(least > -acc_max, wanted - (least - 1) * multiplier - 1, 2**62)
    candidates = np.concatenate([[addend], lows[least <= acc_max], highs[least > -acc_max]])
    kept = np.searchsorted(np.sort(lows), candidates, "right") - np.searchsorted(np.sort(highs), candidates, "left")
    best = candidates[kept == kept.max()]
    return int(best[np.abs(best - addend).argmin()])
