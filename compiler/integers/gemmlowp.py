"""gemmlowp's fixed-point exponential, as TensorFlow Lite's int8 softmax uses it.

Raw values are Python's integers in units of 2^-31 (Q0.31) unless a comment says otherwise.
"""

from __future__ import annotations

import math

from qrt.compiler.integers.arithmetic import high_mul, rounding_shift

ONE = 2**31 - 1
# Of a difference of codes in softmax: 5 integer bits, 26 fraction bits.
INTEGER_BITS = 5
FRACTION_BITS = 26
# exp(-2^k) for k from -2 to 4.
STEPS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)


def _exp_near_zero(a: int) -> int:
    """exp(a) for a in [-1/4, 0): the Taylor polynomial around -1/8."""
    constant = 1895147668  # exp(-1/8)
    third = 715827883
    x = a + 2**28
    x2 = high_mul(x, x)
    x3 = high_mul(x2, x)
    x4 = high_mul(x2, x2)
    tail = rounding_shift(high_mul(rounding_shift(x4, 2) + x3, third) + x2, 1)
    return int(constant + high_mul(constant, x + tail))


def exp_on_negative(a: int) -> int:
    """exp(a) for a <= 0 in units of 2^-26."""
    if a == 0:
        return ONE
    quarter = 2 ** (FRACTION_BITS - 2)
    inside = (a & (quarter - 1)) - quarter
    result = _exp_near_zero(inside << INTEGER_BITS)
    rest = inside - a
    for k, step in enumerate(STEPS):
        if rest & (quarter << k):
            result = high_mul(result, step)
    return result


def softmax_exponential(x_scale: float) -> list[int]:
    """``exponential`` of softmax TFLITE: exp(-x_scale * d) for d from 0 to 255; 0 where it is too small to count.

    x_scale becomes a 31-bit multiplier and a left shift; a difference beyond the range of 5 integer bits
    counts as 0.
    """
    real = min(x_scale * 2 ** (31 - INTEGER_BITS), 2.0**31 - 1)
    mantissa, left = math.frexp(real)
    multiplier = math.floor(mantissa * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, left = 2**30, left + 1
    radius = math.floor(((1 << INTEGER_BITS) - 1) * 2.0 ** (31 - INTEGER_BITS) / 2.0**left)
    table = []
    for d in range(256):
        scaled = high_mul(-d * 2**left, multiplier)
        table.append(exp_on_negative(scaled) if d <= radius else 0)
    return table
