"""Numbers of SPEC.md, section 1, in Python's unbounded integers, for `bigint`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def exact(codes: Array) -> Array:
    return codes.astype(object)


def each(function: Callable[..., Any], *values: Any) -> Array:
    """`function` on every element, with broadcasting."""
    result: Array = np.frompyfunc(function, len(values), 1)(*values)
    return result


def sums(function: Callable[[Array, Array], Array], a: Array, b: Array, terms: int) -> Array:
    """`function`, which adds up `terms` products of `a` and `b`; where no sum can leave int64, NumPy adds there."""
    largest = terms * int(abs(a).max(initial=0)) * int(abs(b).max(initial=0))
    if largest >= 2**63:
        return function(a, b)
    return exact(function(a.astype(np.int64), b.astype(np.int64)))


def fits(value: int, bits: int) -> int:
    limit = 1 << bits - 1
    assert -limit <= value < limit, f"{value} does not fit into {bits} bits"
    return value


def all_fit(values: Array, bits: int) -> Array:
    fits(values.min(), bits)
    fits(values.max(), bits)
    return values


def clamp(v: int, output_min: int, output_max: int) -> int:
    return output_min if v < output_min else min(v, output_max)


def clamp_all(values: Array, output_min: int, output_max: int) -> Array:
    lowest, highest = (np.array(end, object) for end in (output_min, output_max))
    return np.minimum(np.maximum(values, lowest), highest)


def half(shift: int) -> int:
    return 2 ** (shift - 1) if shift > 0 else 0


def high_mul(a: int, m: int) -> int:
    product = a * m
    v = fits(product + (2**30 if product >= 0 else 1 - 2**30), 64)
    return v // 2**31 if v >= 0 else -(-v // 2**31)


def rounding_shift(v: int, n: int) -> int:
    quotient, rest = divmod(v, 1 << n)
    t = ((1 << n) - 1) // 2 + (1 if v < 0 else 0)
    return quotient + (1 if rest > t else 0)


def single(acc: Array, multiplier: Array, shift: Array, addend: Array | int) -> Array:
    """Of every element, with broadcasting."""
    return all_fit(acc * multiplier + all_fit(np.asarray(addend, object), 64), 64) >> shift


def double(acc: int, multiplier: int, shift: int, zero_point: int) -> int:
    left = 31 - shift if shift < 31 else 0
    right = shift - 31 if shift > 31 else 0
    high = high_mul(fits(acc * 2**left, 32), multiplier)
    return rounding_shift(high, right) + zero_point
