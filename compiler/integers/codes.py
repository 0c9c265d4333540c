"""Real numbers to codes: quantization parameters, bounds of activations, functions for lookup tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from qrt.compiler.ir import Op, Quantization, Tensor

# Functions of real numbers by name, as `GraphBuilder.lut` takes them.
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "hard_swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "leaky_relu": lambda x: np.where(x < 0, 0.01 * x, x),
}
# The lowest and the highest code of each type of activations.
LIMITS = {"int8": (-128, 127), "int16": (-(2**15), 2**15 - 1)}
# The table of -1 - code: the codes in the opposite order.
OPPOSITE = np.arange(127, -129, -1).astype(np.int8)


def bounds(op: Op) -> tuple[int, int]:
    """output_min and output_max of an operator that writes codes."""
    low, high = LIMITS[op.output.dtype]
    return op.attrs.get("output_min", low), op.attrs.get("output_max", high)


def steps(tensor: Tensor) -> tuple[int, int]:
    """The least and the largest ``code - zero_point``."""
    low, high = LIMITS[tensor.dtype]
    return low - tensor.zero_point, high - tensor.zero_point


def half_away(real: np.ndarray) -> np.ndarray:
    """The nearest integers, ties away from zero, as C's ``round``; int64."""
    whole = np.trunc(real)
    result: np.ndarray = (whole + np.sign(real) * (np.abs(real - whole) >= 0.5)).astype(np.int64)
    return result


def input_codes(real: np.ndarray, quantization: Quantization, rule: str) -> np.ndarray:
    """The codes that an input makes of float32 numbers, by `ir.Edge.quantize_rule`."""
    scale = np.float32(quantization.scale)
    steps = real * (np.float32(1) / scale) if rule == "MULTIPLY_RECIPROCAL" else real / scale
    whole = half_away(steps) if rule == "DIVIDE_HALF_AWAY" else np.rint(steps)
    codes: np.ndarray = np.clip(whole.astype(np.int64) + int(quantization.zero_point), -128, 127)
    return codes


def per_tensor(scale: float, zero_point: int, dtype: str = "int8") -> Quantization:
    """Per-tensor quantization parameters in float32, as in files. Raises ValueError if out of range."""
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError(f"scale must be a positive number, got {scale}")
    limits = np.iinfo(dtype)
    if not limits.min <= zero_point <= limits.max:
        reason = f"zero_point must be an {dtype} code, {limits.min} to {limits.max}, got {zero_point}"
        raise ValueError(f"{reason}; subtract {limits.max + 1} if it is u{dtype}")
    return Quantization(np.array(scale, np.float32), np.array(zero_point, np.int32))


def activation_codes(
    low: float | None, high: float | None, quantization: Quantization, dtype: str = "int8"
) -> dict[str, int]:
    """output_min and output_max for the real bounds of an activation, rounded like values."""
    least, largest = LIMITS[dtype]

    def code(real: float) -> int:
        scaled = np.rint(np.float64(real) / np.float64(quantization.scale)) + int(quantization.zero_point)
        return int(np.clip(scaled, least, largest))

    return {
        "output_min": least if low is None else code(low),
        "output_max": largest if high is None else code(high),
    }


def centered(weights: Tensor) -> Tensor:
    """Constant codes with zero point 0: the same steps from the old one, int8 if they fit, otherwise int16."""
    quantization = weights.quantization
    assert weights.data is not None and quantization is not None
    shape = [1] * weights.data.ndim
    if quantization.axis is not None:
        shape[quantization.axis] = -1
    data = weights.data.astype(np.int16) - np.asarray(quantization.zero_point, np.int16).reshape(shape)
    dtype = "int8" if data.min(initial=0) >= -128 and data.max(initial=0) <= 127 else "int16"
    known = replace(quantization, zero_point=np.zeros_like(quantization.zero_point))
    return replace(weights, dtype=dtype, quantization=known, data=data.astype(dtype))
