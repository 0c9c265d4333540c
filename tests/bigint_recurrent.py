"""svdf and lstm of SPEC.md in Python's unbounded integers: each returns its output and the states that it leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from bigint_gates import sigmoid, tanh
from bigint_numbers import (
    Array,
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
from qrt.compiler.ir import Op

# The lowest and the highest code of a type.
LIMITS = {"int8": (-(2**7), 2**7 - 1), "int16": (-(2**15), 2**15 - 1)}


def rounded(acc: Array, requant: Requant, zero_point: int) -> Array:
    """What sums, which contain the bias, are before the clamp."""
    multiplier, shift = exact(np.asarray(requant.multiplier)), exact(np.asarray(requant.shift))
    if requant.rounding == "DOUBLE":
        return each(double, acc, multiplier, shift, zero_point)
    addend = each(half, shift) + zero_point * 2**shift if requant.addend is None else exact(requant.addend)
    return single(acc, multiplier, shift, addend)


def biased(acc: Array, requant: Requant) -> Array:
    return acc if requant.bias is None else acc + exact(requant.bias)


def wrapped(v: int, bits: int) -> int:
    return (v + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


def sat16(v: int) -> int:
    return clamp(v, -(2**15), 2**15 - 1)


def scale_down(v: int, multiplier: int, shift: int) -> int:
    return rounding_shift(high_mul(fits(v, 32), multiplier), shift - 31)


def svdf(op: Op, x: Array, features: Array, time: Array, state: Array) -> tuple[Array, Array]:
    batch, (filters, memory), rank = len(x), time.shape, op.attrs["rank"]
    zero_point, dtype, requant = op.inputs[3].zero_point, op.inputs[3].dtype, op.attrs["requant"]
    new = rounded(sums(np.matmul, x - op.inputs[0].zero_point, features.T, x.shape[1]), op.attrs["feature"], 0)
    bits = {"int8": 8, "int16": 16}[dtype]
    new = each(lambda v: wrapped(clamp(v, *LIMITS[dtype]) + zero_point, bits), new)
    rows = np.concatenate([state.reshape(batch, filters, memory)[:, :, 1:], new[:, :, None]], axis=2)
    acc = ((rows - zero_point) * time).sum(axis=2).reshape(batch, filters // rank, rank).sum(axis=2)
    acc = each(lambda v: wrapped(v, 32), biased(acc, requant))
    y = clamp_all(rounded(acc, requant, op.output.zero_point), requant.output_min, requant.output_max)
    return y, rows.reshape(state.shape)


def gates(requant: Requant, acc: Array) -> Array:
    """What sums of x or of h, [B, 4 * H], add to the gates."""
    repeats = acc.shape[-1] // len(requant.multiplier)
    spread = replace(
        requant,
        multiplier=np.repeat(requant.multiplier, repeats),
        shift=np.repeat(requant.shift, repeats),
        addend=None if requant.addend is None else np.repeat(requant.addend, repeats),
    )
    return each(sat16, rounded(biased(acc, requant), spread, 0))


def cell(attrs: dict[str, Any], i: int, f: int, g: int, c: int) -> int:
    kept, fresh = scale_down(f * c, 2**30, 45), scale_down(i * g, 2**30, 60 + attrs["cell_power"])
    v, clip = sat16(sat16(kept) + sat16(fresh)), attrs.get("cell_clip", 0)
    return clamp(v, -clip, clip) if clip > 0 else v


def lstm(op: Op, x: Array, weights: Array, recurrent: Array, h: Array, c: Array) -> tuple[Array, Array, Array]:
    attrs, h_zero_point = op.attrs, op.inputs[3].zero_point
    n = 12 + attrs["cell_power"]

    def hidden(c: int, o: int) -> int:
        d = fits(c * 3 * 2**n, 32) if n >= 0 else (fits(c * 3 + 2 ** (-n - 1), 32)) >> -n
        v = scale_down(tanh(d) * o, attrs["output_multiplier"], attrs["output_shift"]) + h_zero_point
        return clamp(v, *LIMITS[op.inputs[3].dtype])

    steps = x if attrs["time_major"] else x.swapaxes(0, 1)
    outputs = []
    for step in steps:
        of_x = gates(attrs["input"], sums(np.matmul, step - op.inputs[0].zero_point, weights.T, weights.shape[1]))
        of_h = gates(attrs["recurrent"], sums(np.matmul, h - h_zero_point, recurrent.T, recurrent.shape[1]))
        i, f, g, o = np.split(each(sat16, of_x + of_h) * 3, 4, axis=1)
        c = each(lambda *v: cell(attrs, *v), each(sigmoid, i), each(sigmoid, f), each(tanh, g), c)
        h = each(hidden, c, each(sigmoid, o))
        outputs.append(h)
    y = np.stack(outputs)
    return (y if attrs["time_major"] else y.swapaxes(0, 1)), h, c
