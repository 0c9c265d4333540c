"""The integers of svdf and lstm, which have TensorFlow Lite's arithmetic only (SPEC.md, section 2)."""

from __future__ import annotations

import math

import numpy as np

from qrt.compiler.integers.arithmetic import fits_double, implied_addend
from qrt.compiler.integers.channels import Ints, Requant, channel_range, quantize_multiplier
from qrt.compiler.integers.codes import steps
from qrt.compiler.integers.int16 import narrowed
from qrt.compiler.ir import Op, Tensor

# The unit of an lstm's gates, and that of their functions' results.
GATE_SCALE = 2.0**-12
RESULT_SCALE = 2.0**-15
# Powers of two that SPEC.md's V74 allows for the scale of the cell.
CELL_POWERS = range(-29, 2)


def _rows(weights: Tensor) -> Ints:
    assert weights.data is not None
    rows: Ints = weights.data.astype(np.int64)
    return rows


def _whole(real: float, acc_max: int, what: str) -> Requant:
    """The DOUBLE requantization of sums that are at most `acc_max`."""
    multiplier, shift = quantize_multiplier(real)
    if not fits_double(acc_max, shift):
        raise ValueError(f"{what} overflow: a factor of {real:g}")
    return Requant(np.array([multiplier], np.int32), np.array([shift], np.uint8), rounding="DOUBLE")


def lower_svdf(op: Op) -> None:
    x, features, time, state = op.inputs
    low, high = channel_range(_rows(features), steps(x))
    feature_max = int(np.maximum(high, -low).max())
    op.attrs["feature"] = _whole(x.scale * features.scale / state.scale, feature_max, "its features")
    real = state.scale * time.scale / op.output.scale
    multiplier, shift = quantize_multiplier(real)
    if multiplier > 0 and shift < 32:
        raise ValueError(f"its output scale is too small for its state and time weights: a factor of {real:g}")
    bias = op.attrs.pop("bias", None)
    op.attrs["requant"] = Requant(
        np.array([multiplier], np.int32),
        np.array([max(shift, 32)], np.uint8),
        None if bias is None or not np.any(bias) else np.asarray(bias, np.int32),
        rounding="DOUBLE",
    )


def _double(acc_max: Ints, bias: Ints, pairs: list[tuple[int, int]]) -> Requant:
    for acc, (_, shift) in zip((acc_max + np.abs(bias)).tolist(), pairs, strict=True):
        if not fits_double(acc, shift):
            raise ValueError("the sums of its gates overflow: its scales are too large")
    multiplier, shift = np.array(pairs, np.int64).T
    return Requant(multiplier.astype(np.int32), shift.astype(np.uint8), bias.astype(np.int32), rounding="DOUBLE")


def _reduced(acc_max: Ints, bias: Ints, pairs: list[tuple[int, int]]) -> Requant:
    """SINGLE by a multiplier of 15 bits; a bias beyond int32 goes into the addend."""
    sums = (acc_max + np.abs(bias)).tolist()
    short = [narrowed(*pair, acc) for acc, pair in zip(sums, pairs, strict=True)]
    multiplier, shift = np.array(short, np.int64).T
    addend = None
    if np.abs(bias).max() >= 2**31:
        addend, bias = implied_addend(multiplier, shift, bias, 0), np.zeros_like(bias)
    return Requant(multiplier.astype(np.int32), shift.astype(np.uint8), bias.astype(np.int32), addend)


def _of_gates(requant: Requant, units: int) -> Requant:
    """Without a bias of zeros, and with one multiplier for each gate where its channels agree."""
    bias = requant.bias if requant.bias is not None and requant.bias.any() else None
    multiplier, shift = requant.multiplier, requant.shift
    same = all((row == row[0]).all() for array in (multiplier, shift) for row in array.reshape(4, units))
    if same and requant.addend is None:
        multiplier, shift = multiplier[::units], shift[::units]
    return Requant(multiplier, shift, bias, requant.addend, requant.rounding)


def _gates(x: Tensor, weights: Tensor, bias: Ints) -> Requant:
    """The requantization of what one operand, x or h, contributes to the gates."""
    assert weights.quantization is not None
    rows = _rows(weights)
    scales = np.broadcast_to(np.asarray(weights.quantization.scale, np.float64), (len(rows),))
    pairs = [quantize_multiplier(x.scale * scale / GATE_SCALE) for scale in scales.tolist()]
    if x.dtype == "int16":
        requant = _reduced(2**15 * np.abs(rows).sum(axis=1), bias, pairs)
    else:
        low, high = channel_range(rows, steps(x))
        requant = _double(np.maximum(high, -low), bias, pairs)
    return _of_gates(requant, len(rows) // 4)


def cell_power(scale: float) -> int:
    """The power of two that a cell's scale is.

    Raises
    ------
    ValueError
        It is none, or one that SPEC.md does not allow.
    """
    fraction, exponent = math.frexp(scale)
    if fraction != 0.5 or exponent - 1 not in CELL_POWERS:
        first, last = CELL_POWERS[0], CELL_POWERS[-1]
        raise ValueError(f"the scale of its cell, {scale:g}, is not a power of two from 2^{first} to 2^{last}")
    return exponent - 1


def lower_lstm(op: Op) -> None:
    x, weights, recurrent_weights, h, c = op.inputs
    bias = np.asarray(op.attrs.pop("bias"), np.int64)
    op.attrs["input"] = _gates(x, weights, bias)
    op.attrs["recurrent"] = _gates(h, recurrent_weights, np.zeros_like(bias))
    op.attrs["cell_power"] = cell_power(c.scale)
    multiplier, shift = quantize_multiplier(RESULT_SCALE * RESULT_SCALE / h.scale)
    if shift < 31:
        raise ValueError(f"its output scale of {h.scale:g} is too small")
    op.attrs["output_multiplier"], op.attrs["output_shift"] = multiplier, shift
