"""SPEC.md's arithmetic on numpy's int64, for the compiler's analysis of codes.

Tests compare every function bit for bit with the kernels. All accept Python integers too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qrt.compiler.integers.channels import Requant
from qrt.compiler.integers.codes import bounds

if TYPE_CHECKING:
    from qrt.compiler.ir import Op


PRODUCT_LIMIT = 2**63
# What a shifted accumulator may be with DOUBLE rounding, by the type of the output (V49).
DOUBLE_LIMIT = {"int8": 2**31 - 2**8, "int16": 2**31 - 2**16}
# By how many bits add's TFLITE form shifts codes to the left, so that halves are not lost.
LEFT_SHIFT = {"int8": 20, "int16": 15}


def high_mul(a: Any, m: Any) -> Any:
    """a * m / 2^31, to nearest, ties up (SPEC.md, section 1.1)."""
    return (a * m + 2**30) >> 31


def rounding_shift(v: Any, n: Any) -> Any:
    """v / 2^n, to nearest, ties away from zero (SPEC.md, section 1.1)."""
    return (v + ((1 << n) >> 1) - ((v < 0) & (n > 0))) >> n


def implied_addend(multiplier: Any, shift: Any, bias: Any, y_zero_point: int) -> Any:
    """``bias * multiplier + 2^(shift-1) + y_zero_point * 2^shift``: the addend of SINGLE (SPEC.md, section 1.1)."""
    return bias * multiplier + ((1 << shift) >> 1) + (y_zero_point << shift)


def halved(multiplier: int, shift: int) -> tuple[int, int]:
    """The same factor with one bit less."""
    return (multiplier + 1) // 2, shift - 1


def fitted(multiplier: int, shift: int, acc_max: int, zero_point: int) -> tuple[int, int]:
    """Drops low bits of the multiplier until acc * multiplier + addend fits into int64."""
    while implied_addend(multiplier, shift, acc_max, abs(zero_point)) >= PRODUCT_LIMIT:
        multiplier, shift = halved(multiplier, shift)
    return multiplier, shift


def fits_double(acc_max: int, shift: int, y_dtype: str = "int8") -> bool:
    """Whether DOUBLE's left shift of an accumulator fits into int32, with room for the zero point (V49)."""
    return acc_max << max(31 - shift, 0) <= DOUBLE_LIMIT[y_dtype]


def requantize(acc: Any, requant: Requant, y_zero_point: int) -> np.ndarray:
    """Codes of accumulators (SPEC.md, section 1.1).

    Parameters
    ----------
    acc : array_like of int
        Within the range that the validity rules prove; the last axis is the channels if `requant` is per channel.
    requant : Requant
    y_zero_point : int

    Returns
    -------
    numpy.ndarray of int64
    """
    acc = np.asarray(acc, np.int64)
    multiplier, shift = requant.multiplier.astype(np.int64), requant.shift.astype(np.int64)
    bias = np.int64(0) if requant.bias is None else requant.bias.astype(np.int64)
    if requant.rounding == "DOUBLE":
        high = high_mul((acc + bias) << np.maximum(31 - shift, 0), multiplier)
        codes = rounding_shift(high, np.maximum(shift - 31, 0)) + y_zero_point
    else:
        implied = implied_addend(multiplier, shift, bias, y_zero_point)
        codes = (acc * multiplier + (implied if requant.addend is None else requant.addend)) >> shift
    result: np.ndarray = np.clip(codes, requant.output_min, requant.output_max)
    return result


def average(op: Op, sums: Any, count: int) -> np.ndarray:
    """Codes of an average_pool2d, from sums of x - x_zero_point over the `count` codes that lie in the image."""
    rounding, zero = op.attrs.get("rounding", "HALF_AWAY"), op.inputs[0].zero_point
    base = zero if rounding == "HALF_EVEN" else 0
    sums = np.asarray(sums, np.int64) + count * (zero - base)
    if rounding == "HALF_AWAY":
        codes = np.sign(sums) * ((2 * np.abs(sums) + count) // (2 * count))
    else:
        codes, rest = sums // count, sums % count
        codes = codes + ((2 * rest > count) | ((2 * rest == count) & (codes % 2 == 1)))
    result: np.ndarray = np.clip(codes + base, *bounds(op))
    return result


def add_addend(op: Op) -> int:
    """The addend of a lowered add of the COMMON_SHIFT form (SPEC.md, section 2)."""
    a, b, attrs = op.inputs[0], op.inputs[1], op.attrs
    sign = -1 if attrs.get("subtract", False) else 1
    zeros = a.zero_point * attrs["a_multiplier"] + sign * b.zero_point * attrs["b_multiplier"]
    return int(implied_addend(1, attrs["shift"], -zeros, op.output.zero_point))


def add(op: Op, a: Any, b: Any) -> np.ndarray:
    """Codes of a lowered add for the codes of its operands (SPEC.md, section 2)."""
    attrs, y = op.attrs, op.output
    sign = -1 if attrs.get("subtract", False) else 1
    a, b = np.asarray(a, np.int64), np.asarray(b, np.int64)
    if attrs.get("form", "COMMON_SHIFT") == "TFLITE":

        def scale_down(v: Any, name: str) -> Any:
            return rounding_shift(high_mul(v, attrs[f"{name}_multiplier"]), attrs[f"{name}_shift"] - 31)

        left = LEFT_SHIFT[y.dtype]
        a, b = (a - op.inputs[0].zero_point) << left, (b - op.inputs[1].zero_point) << left
        codes = scale_down(scale_down(a, "a") + sign * scale_down(b, "b"), "y") + y.zero_point
    else:
        total = a * attrs["a_multiplier"] + sign * b * attrs["b_multiplier"] + add_addend(op)
        codes = total >> attrs["shift"]
    result: np.ndarray = np.clip(codes, *bounds(op))
    return result
