"""Functions of one int8 code as TensorFlow Lite's kernels compute them, each as the table of its 256 results.

The formulas are those of the reference kernels of TFLM ("tflm") and LiteRT ("litert"), and of the kernels that LiteRT
uses by default ("xnnpack"). Scales are float32, as in files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from qrt.compiler.integers import gemmlowp
from qrt.compiler.integers.arithmetic import high_mul, requantize, rounding_shift
from qrt.compiler.integers.channels import Requant, quantize_multiplier
from qrt.compiler.integers.codes import LIMITS, half_away
from qrt.compiler.ir import Tensor

# Wider than any result of a requantization.
WIDE = 2**31
CODES = np.arange(-128, 128, dtype=np.int64)


def double(real: float, dtype: str = "int8") -> Requant:
    """The DOUBLE requantization by a real factor, to all codes of a type."""
    multiplier, shift = quantize_multiplier(real)
    return Requant(np.array([multiplier], np.int32), np.array([shift], np.uint8), None, None, "DOUBLE", *LIMITS[dtype])


def in_eight_bits(real: float) -> bool:
    """Whether XNNPACK supports this factor of a requantization or a slope; LiteRT computes others itself."""
    return 2.0**-8 <= abs(real) <= 2.0**7


def eight_bits(real: float) -> Requant:
    """XNNPACK's requantization by a factor of 8 fraction bits, half up."""
    multiplier, shift = int(np.rint(np.float32(256) * np.float32(real))), 8
    while 0 < multiplier < 2**30:
        multiplier, shift = multiplier * 2, shift + 1
    return Requant(np.array([multiplier], np.int32), np.array([shift], np.uint8))


def _table(codes: np.ndarray) -> np.ndarray:
    table: np.ndarray = np.clip(codes, -128, 127).astype(np.int8)
    return table


def _fixed_point(function: Callable[[int], int], x: Tensor, bits: int, zero_point: int) -> np.ndarray:
    """The 8 upper bits of a function of gemmlowp, of which `bits` are fraction bits."""
    multiplier, left, radius = gemmlowp.scaling(x.scale, gemmlowp.ACTIVATION_BITS)
    codes = []
    for d in range(-128 - x.zero_point, 128 - x.zero_point):
        if abs(d) >= radius:
            codes.append(127 if d > 0 else -128)
        else:
            codes.append(rounding_shift(function(high_mul(d << left, multiplier)), 31 - bits) + zero_point)
    return _table(np.array(codes))


def _of_reals(real: np.ndarray, y: Tensor, half_to_even: bool = False) -> np.ndarray:
    """Codes of float32 numbers: LiteRT rounds half away from zero, XNNPACK half to even and with the zero point."""
    scaled = np.clip(real.astype(np.float32) * (np.float32(1) / np.float32(y.scale)), -1024, 1024)
    if half_to_even:
        return _table(np.rint(scaled + np.float32(y.zero_point)))
    return _table(half_away(scaled) + y.zero_point)


def _reals(x: Tensor) -> np.ndarray:
    """The value of each code in float32, converted to float64: functions of it are correct to float32's last bit."""
    return (np.float32(x.scale) * (CODES - x.zero_point).astype(np.float32)).astype(np.float64)


def logistic(x: Tensor, y: Tensor, engine: str) -> np.ndarray:
    """1 / (1 + exp(-x)): in fixed point in TFLM, always in 1/256, zero point -128; in float32 in LiteRT and XNNPACK."""
    if engine == "tflm":
        return _fixed_point(gemmlowp.logistic, x, 8, -128)
    with np.errstate(over="ignore"):
        power = np.exp(-_reals(x))
        if engine == "litert":
            power = power.astype(np.float32)
    return _of_reals(1 / (1 + power), y, engine == "xnnpack")


def tanh(x: Tensor, y: Tensor, engine: str) -> np.ndarray:
    """tanh(x): in fixed point in TFLM, always in 1/128, zero point 0; in float32 in LiteRT and XNNPACK."""
    if engine == "tflm":
        return _fixed_point(gemmlowp.tanh, x, 7, 0)
    # As in glibc: by expm1, rounded to float32 after each step.
    real, one, two = _reals(x), np.float32(1), np.float32(2)
    with np.errstate(over="ignore"):
        above = one - two / (np.expm1(2 * np.abs(real)).astype(np.float32) + two)
    power = np.expm1(-2 * np.abs(real)).astype(np.float32)
    near = -power / (power + two)
    return _of_reals(np.copysign(np.where(np.abs(real) >= 1, above, near), real), y, engine == "xnnpack")


def leaky_relu(x: Tensor, y: Tensor, alpha: float, engine: str) -> np.ndarray:
    """Two requantizations, one for each sign: DOUBLE in TFLM and LiteRT, by factors of 8 bits in XNNPACK.

    TFLM forms the factors in float64, the others in float32.
    """
    if engine == "tflm":
        slopes = x.scale / y.scale, x.scale * float(np.float32(alpha)) / y.scale
    else:
        x_scale, y_scale = np.float32(x.scale), np.float32(y.scale)
        slopes = float(x_scale / y_scale), float(x_scale * np.float32(alpha) / y_scale)
    by_xnnpack = engine == "xnnpack" and all(in_eight_bits(slope) for slope in slopes)
    steps = CODES - x.zero_point
    parts = []
    for slope in slopes:
        sign = -1 if slope < 0 else 1
        factor = eight_bits(abs(slope)) if by_xnnpack else double(abs(slope))
        requant = replace(factor, output_min=-WIDE, output_max=WIDE)
        # Ties: XNNPACK rounds the product with a negative factor, the others negate after rounding.
        parts.append(requantize(sign * steps, requant, 0) if by_xnnpack else sign * requantize(steps, requant, 0))
    return _table(np.where(steps >= 0, *parts) + y.zero_point)


def _high_mul16(a: np.ndarray, m: int) -> np.ndarray:
    product = a * m
    nudged = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return np.clip(np.trunc(nudged / (1 << 15)), -(2**15), 2**15 - 1).astype(np.int64)


def _multiplier16(real: float) -> tuple[int, int]:
    """A factor as a 15-bit integer and the remaining power of two."""
    multiplier, shift = quantize_multiplier(real)
    return min((multiplier + (1 << 15)) >> 16, 2**15 - 1), 31 - shift


def hard_swish(x: Tensor, y: Tensor, engine: str) -> np.ndarray:
    """x * relu6(x + 3) / 6 in 16-bit fixed point; TFLM forms the two factors in float64, the others in float32."""
    real = np.float64 if engine == "tflm" else np.float32
    fine = real(x.scale) / real(128)
    out_multiplier, out_exponent = _multiplier16(float(fine / real(y.scale)))
    gate_multiplier, gate_exponent = _multiplier16(float(fine / real(3 / 32768)))
    value = (CODES - x.zero_point) * 128
    scaled = _high_mul16(value, out_multiplier)
    gate = value
    if gate_exponent > 0:
        gate = np.clip(gate << (gate_exponent - 1), -(2**15), 2**15 - 1)
    gate = _high_mul16(gate, gate_multiplier)
    if gate_exponent > 0:
        gate = np.clip(gate * 2, -(2**15), 2**15 - 1)
    elif gate_exponent < 0:
        gate = _rounding_shift16(gate, -gate_exponent)
    gate = (gate + (1 << 15)) >> 1
    product = np.trunc(gate * scaled / (1 << 15)).astype(np.int64)
    if out_exponent > 0:
        product = product << out_exponent
    return _table(_rounding_shift16(product, max(-out_exponent, 0)) + y.zero_point)


def _rounding_shift16(v: np.ndarray, n: int) -> np.ndarray:
    """The rounding shift in int16: by 16 bits or more, gemmlowp's mask is -1, and only the sign is left."""
    shifted: np.ndarray = np.where(v < 0, -1, 1) if n >= 16 else rounding_shift(v, n)
    return shifted


def clamp_raw(low: int, high: int) -> np.ndarray:
    """The codes themselves, clamped to a range."""
    return _table(np.clip(CODES, low, high))


def absolute(x: Tensor, y: Tensor) -> np.ndarray:
    """|x|: requantized where the scale changes."""
    steps = np.abs(CODES - x.zero_point)
    if x.scale != y.scale:
        steps = _requantized(steps, x.scale / y.scale)
    return _table(steps + y.zero_point)


def _requantized(steps: np.ndarray, real: float) -> np.ndarray:
    return requantize(steps, replace(double(real), output_min=-WIDE, output_max=WIDE), 0)


def above(x: Tensor, y: Tensor) -> np.ndarray:
    """max(x, 0), requantized: the part of a PRELU whose slope is 1."""
    return _table(_requantized(np.maximum(CODES - x.zero_point, 0), x.scale / y.scale) + y.zero_point)


def inverse_root(x: Tensor, y: Tensor) -> np.ndarray:
    """1 / sqrt(x) in fixed point; the engines refuse x < 0, for which this gives what they give for 0."""
    real = 1 / float(np.sqrt(np.float32(x.scale)) * np.float32(y.scale))
    multiplier, shift = quantize_multiplier(real)
    codes = []
    for d in range(-128 - x.zero_point, 128 - x.zero_point):
        if d <= 0:
            codes.append(127)
            continue
        root, exponent = gemmlowp.inverse_root(d)
        # The root has 20 more bits than its real value until the last step.
        fine = _scaled(1, root, exponent + 11)
        codes.append(_scaled(fine, multiplier, shift + 20) + y.zero_point)
    return _table(np.array(codes))


def _scaled(v: int, multiplier: int, shift: int) -> int:
    return int(rounding_shift(high_mul(v << max(31 - shift, 0), multiplier), max(shift - 31, 0)))


def exponential(x: Tensor, y: Tensor) -> np.ndarray:
    with np.errstate(over="ignore"):
        return _of_reals(np.exp(_reals(x)).astype(np.float32), y)


def elu(x: Tensor, y: Tensor) -> np.ndarray:
    real = _reals(x)
    return _of_reals(np.where(real < 0, np.expm1(np.minimum(real, 0)), real), y)


def logarithm(x: Tensor, y: Tensor) -> np.ndarray:
    """log(x), the lowest code where x <= 0."""
    real = _reals(x)
    least = np.float32(-128 - y.zero_point) * np.float32(y.scale)
    return _of_reals(np.where(real > 0, np.log(np.where(real > 0, real, 1)), least), y)


def gelu(x: Tensor, y: Tensor, approximate: bool) -> np.ndarray:
    """x * P(X <= x), rounded to float32 after each step; by tanh if `approximate`."""
    real = _reals(x).astype(np.float32)
    half = np.float32(0.5) * real
    if approximate:
        inner = np.float32(math.sqrt(2 / math.pi)) * (real + np.float32(0.044715) * real * real * real)
        return _of_reals(half * (1 + np.tanh(inner.astype(np.float64)).astype(np.float32)), y)
    tails = [math.erfc(r) for r in (real * np.float32(-math.sqrt(0.5))).tolist()]
    return _of_reals(half * np.array(tails, np.float32), y)


def negated(x: Tensor, y: Tensor) -> np.ndarray:
    """-code, whatever the codes mean; -128 stays."""
    return (-CODES).astype(np.int8)


def _quotient(a: int, b: int, multiplier: int, shift: int) -> int:
    """The requantized quotient of two differences of codes, b not 0: by the reciprocal of b in fixed point."""
    a, b = (a, b) if b > 0 else (-a, -b)
    inverse, above_one = gemmlowp.reciprocal(b)
    # Bits by which the dividend can be shifted left in 32 bits.
    room = 31 - (a if a >= 0 else -a - 1).bit_length()
    fine = int(high_mul(a << room, inverse))
    fine, right = int(high_mul(fine, multiplier)), shift - 31 + above_one + room
    if right < 32:
        return int(rounding_shift(fine, right))
    # Beyond 31 bits C leaves the shift open: processors take it modulo 32, and the kernels' rounding adds 1 from 0 on.
    return (fine >> right % 32) + (fine >= 0)


def quotients(dividends: Iterable[int], divisors: Iterable[int], real: float, zero_point: int) -> np.ndarray:
    """A table of quotients; where the divisor is 0, for which the kernels give none, the largest code."""
    multiplier, shift = quantize_multiplier(real)
    codes = [
        _quotient(a, b, multiplier, shift) + zero_point if b else 127 for a, b in zip(dividends, divisors, strict=True)
    ]
    return _table((np.array(codes) + WIDE) % (2 * WIDE) - WIDE)  # int32 wraps
