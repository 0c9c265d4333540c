"""SPEC.md's arithmetic on numpy's int64, for what the compiler has to know about codes.

The tests hold every function here to the same integers as the kernels. All take Python integers too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from qrt.compiler.ir import Op
    from qrt.compiler.requant import Requant


def high_mul(a: Any, m: Any) -> Any:
    """a * m / 2^31, to nearest, ties up (SPEC.md, section 1.1)."""
    return (a * m + 2**30) >> 31


def rounding_shift(v: Any, n: Any) -> Any:
    """v / 2^n, to nearest, ties away from zero (SPEC.md, section 1.1)."""
    return (v + ((1 << n) >> 1) - ((v < 0) & (n > 0))) >> n


def requantize(acc: Any, requant: Requant, y_zero_point: int) -> np.ndarray:
    """Codes of accumulators (SPEC.md, section 1.1).

    Parameters
    ----------
    acc : array_like of int
        Within the range that the validity rules prove; the last axis is the channels where `requant` has several.
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
        one = np.int64(1)
        addend = bias * multiplier + ((one << shift) >> 1) + (np.int64(y_zero_point) << shift)
        codes = (acc * multiplier + (addend if requant.addend is None else requant.addend)) >> shift
    result: np.ndarray = np.clip(codes, requant.output_min, requant.output_max)
    return result


def add(op: Op, a: Any, b: Any) -> np.ndarray:
    """Codes of a lowered add for the codes of its operands (SPEC.md, section 2)."""
    attrs, y = op.attrs, op.output
    sign = -1 if attrs.get("subtract", False) else 1
    a, b = np.asarray(a, np.int64) - op.inputs[0].zero_point, np.asarray(b, np.int64) - op.inputs[1].zero_point
    if attrs.get("form", "COMMON_SHIFT") == "TFLITE":

        def scale_down(v: Any, name: str) -> Any:
            return rounding_shift(high_mul(v, attrs[f"{name}_multiplier"]), attrs[f"{name}_shift"] - 31)

        codes = scale_down(scale_down(a << 20, "a") + sign * scale_down(b << 20, "b"), "y") + y.zero_point
    else:
        half = (1 << attrs["shift"]) >> 1
        total = a * attrs["a_multiplier"] + sign * b * attrs["b_multiplier"] + half
        codes = (total >> attrs["shift"]) + y.zero_point
    result: np.ndarray = np.clip(codes, attrs.get("output_min", -128), attrs.get("output_max", 127))
    return result
