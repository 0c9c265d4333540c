"""gemmlowp's fixed-point exponential, logistic and tanh, as TensorFlow Lite's int8 kernels use them.

Raw values are Python's integers in units of 2^-31 (Q0.31) unless a comment says otherwise.
"""

from __future__ import annotations

import math

from qrt.compiler.integers.arithmetic import high_mul, rounding_shift

ONE = 2**31 - 1
# exp(-2^k) for k from -2 to 4.
STEPS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
# Integer bits of a difference of codes in softmax, and in logistic and tanh.
SOFTMAX_BITS = 5
ACTIVATION_BITS = 4


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


def exp_on_negative(a: int, integer_bits: int) -> int:
    """exp(a) for a <= 0 in units of 2^(integer_bits - 31); 4 or 5 integer bits."""
    if a == 0:
        return ONE
    quarter = 2 ** (29 - integer_bits)
    inside = (a & (quarter - 1)) - quarter
    result = _exp_near_zero(inside << integer_bits)
    rest = inside - a
    for k, step in enumerate(STEPS[: integer_bits + 2]):
        if rest & (quarter << k):
            result = high_mul(result, step)
    return result


def _reciprocal(a: int) -> int:
    """1 / (1 + a) for a >= 0, in units of 2^-30: three steps of Newton's method."""
    half = (a + ONE + 1) >> 1
    x = 1515870810 + high_mul(half, -1010580540)  # 48 / 17 - 32 / 17 * half in units of 2^-29
    for _ in range(3):
        x += high_mul(x, 2**29 - high_mul(half, x)) << 2
    return int(x)


def reciprocal(b: int) -> tuple[int, int]:
    """(m, e) with 1 / b about m * 2^-(31 + e), for b > 0."""
    zeros = 32 - b.bit_length()
    return min(2 * _reciprocal((b << zeros) - 2**31), ONE), 31 - zeros


def logistic(a: int) -> int:
    """1 / (1 + exp(-a)); `a` has 4 integer bits."""
    if a == 0:
        return 2**30
    above = min(2 * _reciprocal(exp_on_negative(-abs(a), ACTIVATION_BITS)), ONE)
    return above if a > 0 else ONE - above


def tanh(a: int) -> int:
    """(1 - exp(-2a)) / (1 + exp(-2a)); `a` has 4 integer bits."""
    if a == 0:
        return 0
    # Twice the value is the same integer with one more integer bit.
    e = exp_on_negative(-abs(a), ACTIVATION_BITS + 1)
    above = min((_reciprocal(e) - 2**29) << 2, ONE)
    return above if a > 0 else -above


def _saturated(v: int) -> int:
    return min(max(v, -(2**31)), ONE)


def inverse_root(s: int) -> tuple[int, int]:
    """(m, e) with 1 / sqrt(s) about m * 2^-(31 + e), for s > 0: five steps of Newton's method."""
    if s <= 1:
        return ONE, 0
    e = 11
    while s >= 2**29:
        s, e = s // 4, e + 1
    pairs = (32 - s.bit_length() - 1) // 2 - 1
    t, e = s << (2 * pairs), e - pairs
    half, v = rounding_shift(t >> 1, 1), 2**28
    for _ in range(5):
        cube = _saturated(high_mul(high_mul(v, v), v) << 6)
        v = _saturated((high_mul(402653184, v) - high_mul(half, cube)) << 3)
    m = int(high_mul(v, 1518500250))
    return (m << max(-e, 0)), max(e, 0)


def scaling(x_scale: float, integer_bits: int) -> tuple[int, int, int]:
    """Multiplier and left shift that scale a difference of codes to its integer bits, and the largest one that fits.

    Returns
    -------
    multiplier, left, radius : int
        A difference d becomes ``high_mul(d * 2^left, multiplier)``.

    Raises
    ------
    ValueError
        The scale is below 2^(integer_bits - 32).
    """
    mantissa, left = math.frexp(min(x_scale * 2 ** (31 - integer_bits), 2.0**31 - 1))
    if left < 0:
        raise ValueError(f"an input scale of {x_scale:g} is too small for fixed point")
    multiplier = math.floor(mantissa * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, left = 2**30, left + 1
    return multiplier, left, math.floor(((1 << integer_bits) - 1) * 2.0 ** (31 - integer_bits - left))


def softmax_exponential(x_scale: float) -> list[int]:
    """``exponential`` of softmax TFLITE: exp(-x_scale * d) for d from 0 to 255; 0 if too small to be counted."""
    multiplier, left, radius = scaling(x_scale, SOFTMAX_BITS)
    return [exp_on_negative(high_mul(-d * 2**left, multiplier), SOFTMAX_BITS) if d <= radius else 0 for d in range(256)]
