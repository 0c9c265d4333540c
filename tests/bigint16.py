"""Operators of 16-bit arithmetic in Python's unbounded integers, from SPEC.md; the tables are read out of it."""

from __future__ import annotations

from typing import Any

import bigint_gates
import numpy as np
from bigint_numbers import Array, clamp, double, each, fits, half
from places import ROOT

from qrt.compiler.ir import Op

_SECTION = (ROOT / "schema/SPEC.md").read_text(encoding="utf-8").split("### 1.5")[1].split("\n##")[0]


def _table(name: str) -> list[int]:
    table = [int(n) for n in _SECTION.split(f"{name}, from {name}[0] to {name}[512]:")[1].split("```")[1].split(",")]
    assert len(table) == 513
    return table


E, Q = _table("E"), _table("Q")


def at(table: list[int], v: int) -> int:
    place, rest = divmod(v + 32768, 128)
    return table[place] + ((table[place + 1] - table[place]) * rest + 64) // 128


def softmax(op: Op, x: Array) -> Array:
    multiplier, shift = op.attrs["multiplier"], op.attrs["shift"]

    def row(codes: Array) -> list[int]:
        largest = max(codes)
        e = [at(E, max(double(v - largest, multiplier, shift, 0) + 32767, -32768)) for v in codes]
        bits = 32 - fits(sum(e), 32).bit_length()
        q = at(Q, min((sum(e) * 2 ** (bits - 1) + 2**13) // 2**14 - 98304, 32767))
        return [min((v * q + 2 ** (30 - bits)) // 2 ** (31 - bits), 32767) for v in e]

    return np.array([row(codes) for codes in x.reshape(-1, x.shape[-1])], dtype=object).reshape(x.shape)


def _scaled(op: Op, x: int) -> int:
    return fits(x * op.attrs["multiplier"] + half(op.attrs["shift"]), 32) // 2 ** op.attrs["shift"]


def sigmoid(op: Op, x: Array) -> Array:
    return each(lambda code: bigint_gates.sigmoid(_scaled(op, code)), x)


def tanh(op: Op, x: Array) -> Array:
    return each(lambda code: bigint_gates.tanh(_scaled(op, code)), x)


def leaky_relu(op: Op, x: Array) -> Array:
    attrs: dict[str, Any] = op.attrs

    def code(q: int) -> int:
        d = q - op.inputs[0].zero_point
        if d >= 0:
            v = double(d, attrs["multiplier"], attrs["shift"], 0)
        else:
            v = double(d, attrs["negative_multiplier"], attrs["negative_shift"], 0)
            v = -v if attrs.get("negate", False) else v
        return clamp(fits(v + op.output.zero_point, 32), -(2**15), 2**15 - 1)

    return each(code, x)
