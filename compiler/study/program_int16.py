"""The operators of 16-bit arithmetic as numpy code with its numbers, for `qrt.compiler.study.program_kernels`."""

from __future__ import annotations

from typing import Any

from qrt.compiler.integers import gates, softmax16
from qrt.compiler.ir import Op

SOFTMAX = """
def double(v):
    # Two roundings, as a layer with rounding DOUBLE.
    return rounding_shift(high_mul(v << max(31 - shift, 0), multiplier), max(shift - 31, 0))


def at(table, v):
    # Between two entries, in steps of 1/128.
    place = 256 + (v >> 7)
    return table[place] + (((table[place + 1] - table[place]) * (v & 127) + 64) >> 7)


def layer(x):
    e = at(exponentials, np.maximum(double(x.astype(np.int64) - x.max(axis=-1, keepdims=True)) + 32767, -32768))
    total = e.sum(axis=-1, keepdims=True)
    bits = zero_bits(total)
    q = at(quotients, np.minimum((((total << (bits - 1)) + 8192) >> 14) - 98304, 32767))
    return np.minimum((e * q + (1 << (30 - bits))) >> (31 - bits), 32767).astype(np.int16)
"""
GATE = """
def between(a, bits, end):
    # The table at a / 2^bits, and `end` behind it.
    place = np.minimum(a >> bits, 254)
    inside = (table[place] << bits) + (a & ((1 << bits) - 1)) * (table[place + 1] - table[place])
    return np.where(a >> bits >= 255, end, inside)
"""
SIGMOID = """
def layer(x):
    d = (x.astype(np.int64) * multiplier + ((1 << shift) >> 1)) >> shift
    r = between(np.abs(d), 9, 32767 << 10)
    return (np.where(d >= 0, r + 512, (1 << 25) - r + 511) >> 10).astype(np.int16)
"""
TANH = """
def layer(x):
    d = (x.astype(np.int64) * multiplier + ((1 << shift) >> 1)) >> shift
    r = between(np.abs(d), 8, 65535 << 8)
    return (np.where(d >= 0, r - (1 << 23) + 128, (1 << 23) - r + 127) >> 8).astype(np.int16)
"""
LEAKY_RELU = """
def double(v, multiplier, shift):
    # Two roundings, as a layer with rounding DOUBLE.
    return rounding_shift(high_mul(v << max(31 - shift, 0), multiplier), max(shift - 31, 0))


def layer(x):
    d = x.astype(np.int64) - x_zero_point
    below = double(d, negative_multiplier, negative_shift)
    y = np.where(d >= 0, double(d, multiplier, shift), -below if negate else below)
    return np.clip(y + y_zero_point, -32768, 32767).astype(np.int16)
"""
# What is another number where the output is int16.
OF_INT16 = {
    "np.int8)": "np.int16)",
    "<< 20": "<< 15",
    ", -128)": ", -32768)",
    "-128, 127)": "-32768, 32767)",
    "35 - bits) - 128": "27 - bits) - 32768",
    "np.minimum(y, 127)": "np.minimum(y, 32767)",
}


def of_int16(text: str) -> str:
    """The program of an int8 output as one of int16."""
    for number, another in OF_INT16.items():
        text = text.replace(number, another)
    return text


def gate(op: Op) -> dict[str, Any]:
    return {**{key: int(op.attrs[key]) for key in ("multiplier", "shift")}, "table": gates.TABLE}


def leaky_relu(op: Op) -> dict[str, Any]:
    keys = ("multiplier", "shift", "negative_multiplier", "negative_shift")
    numbers = {key: int(op.attrs[key]) for key in keys} | {"negate": bool(op.attrs["negate"])}
    return numbers | {"x_zero_point": op.inputs[0].zero_point, "y_zero_point": op.output.zero_point}


def softmax(op: Op) -> dict[str, Any]:
    tables = {"exponentials": softmax16.EXPONENTIALS, "quotients": softmax16.QUOTIENTS}
    return {**tables, **{key: int(op.attrs[key]) for key in ("multiplier", "shift")}}
