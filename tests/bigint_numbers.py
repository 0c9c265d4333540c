"""Numbers of SPEC.md, section 1, in Python's unbounded integers, for `bigint`."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def exact(codes: Array) -> Array:
    return codes.astype(object)


def each(function: Callable[..., Any], *values: Any) -> Array:
    """`function` on every element, with broadcasting."""
    result: Array = np.frompyfunc(function, len(values), 1)(*values)
    return result


def fits(value: int, bits: int) -> int:
    assert -(2 ** (bits - 1)) <= value < 2 ** (bits - 1), f"{value} does not fit into {bits} bits"
    return value


def clamp(v: int, output_min: int, output_max: int) -> int:
    return min(max(v, output_min), output_max)


def half(shift: int) -> int:
    return 2 ** (shift - 1) if shift > 0 else 0


def high_mul(a: int, m: int) -> int:
    nudge = 2**30 if a * m >= 0 else 1 - 2**30
    return math.trunc(Fraction(fits(a * m + nudge, 64), 2**31))


def rounding_shift(v: int, n: int) -> int:
    t = (2**n - 1) // 2 + (1 if v < 0 else 0)
    return math.floor(Fraction(v, 2**n)) + (1 if v % 2**n > t else 0)


def single(acc: int, multiplier: int, shift: int, addend: int) -> int:
    return fits(acc * multiplier + fits(addend, 64), 64) >> shift


def double(acc: int, multiplier: int, shift: int, zero_point: int) -> int:
    left = 31 - shift if shift < 31 else 0
    right = shift - 31 if shift > 31 else 0
    high = high_mul(fits(acc * 2**left, 32), multiplier)
    return rounding_shift(high, right) + zero_point
