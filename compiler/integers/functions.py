"""Functions of one int8 code as TensorFlow Lite's kernels compute them, each as the table of its 256 results.

The formulas are those of the reference kernels of TFLM and LiteRT, which agree here, and of XNNPACK where a
function's name says so. Scales are float32, as files state them.
"""

from __future__ import annotations

import numpy as np

from qrt.compiler.integers.arithmetic import requantize, rounding_shift
from qrt.compiler.integers.channels import Requant, quantize_multiplier
from qrt.compiler.ir import Tensor

CODES = np.arange(-128, 128, dtype=np.int64)


def double(real: float) -> Requant:
    """The DOUBLE requantization by a real factor."""
    multiplier, shift = quantize_multiplier(real)
    return Requant(np.array([multiplier], np.int32), np.array([shift], np.uint8), rounding="DOUBLE")


def eight_bits(real: float) -> Requant:
    """XNNPACK's requantization by a factor of 8 fraction bits, half up."""
    multiplier, shift = int(np.rint(np.float32(256) * np.float32(real))), 8
    while 0 < multiplier < 2**30:
        multiplier, shift = multiplier * 2, shift + 1
    return Requant(np.array([multiplier], np.int32), np.array([shift], np.uint8))


def _table(codes: np.ndarray) -> np.ndarray:
    table: np.ndarray = np.clip(codes, -128, 127).astype(np.int8)
    return table


def _of_float(function: np.ufunc, x: Tensor, y: Tensor) -> np.ndarray:
    """A float32 function, rounded half away from zero."""
    real = function(np.float32(x.scale) * (CODES - x.zero_point).astype(np.float32)).astype(np.float32)
    scaled = real * np.float32(1 / np.float32(y.scale))
    return _table(np.sign(scaled) * np.floor(np.abs(scaled) + 0.5) + y.zero_point)


def logistic(x: Tensor, y: Tensor) -> np.ndarray:
    return _of_float(lambda v: 1 / (1 + np.exp(-v)), x, y)  # type: ignore[arg-type]


def tanh(x: Tensor, y: Tensor) -> np.ndarray:
    return _of_float(np.tanh, x, y)


def leaky_relu(x: Tensor, y: Tensor, alpha: float) -> np.ndarray:
    """Two DOUBLE requantizations, one for each sign."""
    steps, ratio = CODES - x.zero_point, x.scale / y.scale
    above = requantize(steps, double(ratio), y.zero_point)
    below = requantize(steps, double(x.scale * float(np.float32(alpha)) / y.scale), y.zero_point)
    return _table(np.where(steps >= 0, above, below))


def leaky_relu_xnnpack(x: Tensor, y: Tensor, alpha: float) -> np.ndarray:
    """Two requantizations with factors of 8 fraction bits."""
    steps, ratio = CODES - x.zero_point, np.float32(x.scale) / np.float32(y.scale)
    above = requantize(steps, eight_bits(float(ratio)), y.zero_point)
    below = requantize(steps, eight_bits(float(ratio * np.float32(alpha))), y.zero_point)
    return _table(np.where(steps >= 0, above, below))


def _high_mul16(a: np.ndarray, m: int) -> np.ndarray:
    product = a * m
    nudged = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    return np.clip(np.trunc(nudged / (1 << 15)), -(2**15), 2**15 - 1).astype(np.int64)


def _multiplier16(real: float) -> tuple[int, int]:
    """A factor as 15 bits and the power of two that is left."""
    multiplier, shift = quantize_multiplier(real)
    return min((multiplier + (1 << 15)) >> 16, 2**15 - 1), 31 - shift


def hard_swish(x: Tensor, y: Tensor) -> np.ndarray:
    """x * relu6(x + 3) / 6 in 16-bit fixed point."""
    fine = np.float32(1 / 128) * np.float32(x.scale)
    out_multiplier, out_exponent = _multiplier16(float(fine / np.float32(y.scale)))
    gate_multiplier, gate_exponent = _multiplier16(float(fine / np.float32(np.float32(3) / np.float32(32768))))
    value = (CODES - x.zero_point) * 128
    scaled = _high_mul16(value, out_multiplier)
    gate = value
    if gate_exponent > 0:
        gate = np.clip(gate << (gate_exponent - 1), -(2**15), 2**15 - 1)
    gate = _high_mul16(gate, gate_multiplier)
    if gate_exponent > 0:
        gate = np.clip(gate * 2, -(2**15), 2**15 - 1)
    elif gate_exponent < 0:
        gate = rounding_shift(gate, -gate_exponent)
    gate = (gate + (1 << 15)) >> 1
    product = np.trunc(gate * scaled / (1 << 15)).astype(np.int64)
    if out_exponent > 0:
        product = product << out_exponent
    return _table(rounding_shift(product, max(-out_exponent, 0)) + y.zero_point)


def clamp_raw(low: int, high: int) -> np.ndarray:
    """The codes themselves, cut to a range."""
    return _table(np.clip(CODES, low, high))
