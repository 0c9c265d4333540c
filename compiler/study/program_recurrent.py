"""svdf and lstm as numpy code, for `qrt.compiler.study.program`; both change their states in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from qrt.compiler.integers.arithmetic import implied_addend
from qrt.compiler.integers.channels import Requant
from qrt.compiler.integers.gates import TABLE
from qrt.compiler.ir import Op

ROUNDED = """
def rounded(acc, rounding, multiplier, shift, addend):
    if rounding == "SINGLE":
        # One rounding, half up: 2^(shift-1) is a part of the addend.
        return (acc * multiplier + addend) >> shift
    # Two roundings, like gemmlowp; the addend is the bias.
    left, right = np.maximum(31 - shift, 0), np.maximum(shift - 31, 0)
    high = (((acc + addend) << left) * multiplier + (1 << 30)) >> 31
    return (high + ((1 << right) >> 1) - ((high < 0) & (right > 0))) >> right
"""
SVDF = """
def layer(x, features, time, state):
    acc = (x.astype(np.int64) - x_zero_point) @ features.astype(np.int64).T
    new = np.clip(rounded(acc, *feature), np.iinfo(state.dtype).min, np.iinfo(state.dtype).max) + state_zero_point
    memory = state.reshape(len(x), len(time), -1)
    memory[:, :, :-1] = memory[:, :, 1:].copy()
    memory[:, :, -1] = new.astype(state.dtype)  # wraps
    sums = ((memory.astype(np.int64) - state_zero_point) * time.astype(np.int64)).sum(axis=2)
    sums = sums.reshape(len(x), -1, rank).sum(axis=2) + bias
    sums = (sums + 2**31) % 2**32 - 2**31  # an int32, which wraps
    y = rounded(sums, *output) + y_zero_point
    return np.clip(y, output_min, output_max).astype(np.int8)
"""
GATES = """
def sat16(v):
    return np.clip(v, -32768, 32767)


def between(a, bits, end):
    place = np.minimum(a >> bits, 254)
    inside = (table[place] << bits) + (a & ((1 << bits) - 1)) * (table[place + 1] - table[place])
    return np.where(a >> bits >= 255, end, inside)


def sigmoid(d):
    r = between(np.abs(d), 9, 32767 << 10)
    return np.where(d >= 0, r + 512, (1 << 25) - r + 511) >> 10


def tanh(d):
    r = between(np.abs(d), 8, 65535 << 8)
    return np.where(d >= 0, r - (1 << 23) + 128, (1 << 23) - r + 127) >> 8
"""
LSTM = """
def layer(x, weights, recurrent, h, c):
    n, limits = 12 + cell_power, np.iinfo(h.dtype)
    outputs = []
    for step in x if time_major else x.swapaxes(0, 1):
        of_x = (step.astype(np.int64) - x_zero_point) @ weights.astype(np.int64).T
        of_h = (h.astype(np.int64) - h_zero_point) @ recurrent.astype(np.int64).T
        gates_x = rounded(of_x, input_rounding, input_multiplier, input_shift, input_addend)
        gates_h = rounded(of_h, recurrent_rounding, recurrent_multiplier, recurrent_shift, recurrent_addend)
        i, f, g, o = np.split(3 * sat16(sat16(gates_x) + sat16(gates_h)), 4, axis=1)
        kept = sat16(rounded(sigmoid(f) * c, "DOUBLE", 2**30, 45, 0))
        v = sat16(kept + sat16(rounded(sigmoid(i) * tanh(g), "DOUBLE", 2**30, 60 + cell_power, 0)))
        c[...] = np.clip(v, -cell_clip, cell_clip) if cell_clip else v
        d = c.astype(np.int64) * 3
        d = d << n if n >= 0 else (d + (1 << (-n - 1))) >> -n
        new = rounded(tanh(d) * sigmoid(o), "DOUBLE", output_multiplier, output_shift, 0) + h_zero_point
        h[...] = np.clip(new, limits.min, limits.max)
        outputs.append(h.copy())
    y = np.stack(outputs)
    return y if time_major else y.swapaxes(0, 1)
"""


def _addend(requant: Requant, multiplier: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """What `rounded` adds to the sum of each row: the bias, or with one rounding the addend, without a zero point."""
    bias = np.zeros_like(multiplier) if requant.bias is None else requant.bias.astype(np.int64)
    if requant.rounding == "DOUBLE":
        return bias
    if requant.addend is not None:
        return requant.addend.repeat(len(multiplier) // len(requant.addend))
    implied: np.ndarray = implied_addend(multiplier, shift, bias, 0)
    return implied


def svdf_numbers(op: Op) -> dict[str, Any]:
    requant, state = op.attrs["requant"], op.inputs[3]

    def single(requant: Requant) -> tuple[str, int, int, int]:
        multiplier, shift = int(requant.multiplier[0]), int(requant.shift[0])
        return requant.rounding, multiplier, shift, (1 << shift) >> 1 if requant.rounding == "SINGLE" else 0

    return {
        "x_zero_point": op.inputs[0].zero_point,
        "state_zero_point": state.zero_point,
        "y_zero_point": op.output.zero_point,
        "rank": op.attrs["rank"],
        "feature": single(op.attrs["feature"]),
        "output": single(requant),
        "bias": np.zeros(1, np.int64) if requant.bias is None else requant.bias.astype(np.int64),
        "output_min": requant.output_min,
        "output_max": requant.output_max,
    }


def lstm_numbers(op: Op) -> dict[str, Any]:
    numbers: dict[str, Any] = {"x_zero_point": op.inputs[0].zero_point, "h_zero_point": op.inputs[3].zero_point}
    rows = op.inputs[1].shape[0]
    for name in ("input", "recurrent"):
        requant = op.attrs[name]
        repeats = rows // len(requant.multiplier)
        multiplier, shift = (array.astype(np.int64).repeat(repeats) for array in (requant.multiplier, requant.shift))
        numbers[f"{name}_rounding"] = requant.rounding
        numbers[f"{name}_multiplier"], numbers[f"{name}_shift"] = multiplier, shift
        numbers[f"{name}_addend"] = _addend(requant, multiplier, shift)
    scalars = ("time_major", "cell_power", "cell_clip", "output_multiplier", "output_shift")
    return numbers | {key: op.attrs[key] for key in scalars} | {"table": TABLE}
