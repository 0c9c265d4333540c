"""The float32 arithmetic of engines that compute in float32 between codes, operation by operation.

An operator's attribute ``float32`` names the method, one of `WAYS`. The formulas are those of onnxruntime 1.32's
kernels on x86-64 with AVX2 and default options, of PyTorch 2.13's operators, and of XNNPACK in LiteRT; tests compare
them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qrt.compiler.integers.codes import LIMITS
from qrt.compiler.integers.thresholds import TORCH

if TYPE_CHECKING:
    from qrt.compiler.ir import Op, Quantization, Tensor

Ints = NDArray[np.int64]
Singles = NDArray[np.float32]

# DIVIDE and RECIPROCAL: operators as written, quantized by dividing by the scale (ONNX) or by multiplying by its
# reciprocal (PyTorch). QLINEAR_*: onnxruntime's fused kernels, by type of codes; QLINEAR_SUM, for averages over whole
# images and those of QNNPACK, adds integers. QUANTIZED: ATen's operators on codes. XNNPACK: its products and means,
# which multiply integers by one factor.
WAYS = ("DIVIDE", "RECIPROCAL", "QLINEAR_UINT8", "QLINEAR_INT8", "QLINEAR_SUM", "QUANTIZED", "XNNPACK")
# Operators whose arithmetic is not modeled here, and why their codes can differ.
UNMODELED = {
    "SUMMED": "summed in float32 by the engine",
    "ROUNDED": "rounded in float32 by the engine",
    "BY_POSITION": "rounded by the engine depending on a code's position",
    "UINT8": "rounded in another way by the engine's kernel for uint8",
}
# Quantization by the engines that compute functions, softmax and changes of scale in float32.
WRITTEN = {"onnxruntime": "DIVIDE", "pytorch": "RECIPROCAL"} | dict.fromkeys(TORCH, "QUANTIZED")
# Bound beyond which every value saturates; it replaces infinities.
FAR = 2.0**20
# The largest error of one float32 operation, relative to its result.
UNIT = 2.0**-24
ONE = np.float32(1)
# The largest sum whose products with a scale are checked for exactness.
EXACT_TO = 2**22


def is_qlinear(op: Op) -> bool:
    return str(op.attrs.get("float32", "")).startswith("QLINEAR")


def dequantized(codes: Any, quantization: Quantization) -> Singles:
    """Real values of codes, as every engine computes them."""
    centered = np.asarray(codes, np.int64) - int(quantization.zero_point)
    result: Singles = centered.astype(np.float32) * np.float32(quantization.scale)
    return result


def scaled(real: Any, quantization: Quantization, way: str) -> Singles:
    """`real` in units of the scale, before rounding to codes; onnxruntime makes the least code of what is no number."""
    real = np.asarray(real, np.float32)
    with np.errstate(all="ignore"):
        if way == "RECIPROCAL":
            steps = real * np.float32(1.0 / float(quantization.scale))
        else:
            steps = real / np.float32(quantization.scale)
    missing = -FAR if way == "DIVIDE" else 0.0
    result: Singles = np.clip(np.nan_to_num(steps, nan=missing, posinf=FAR, neginf=-FAR), -FAR, FAR)
    return result


def quantized(real: Any, quantization: Quantization, way: str, dtype: str = "int8") -> Ints:
    """The codes of a type that an engine gives for float32 values."""
    if way == "QUANTIZED":
        return _with_zero_point(np.asarray(real, np.float32), quantization, True)
    codes = np.rint(scaled(real, quantization, way)).astype(np.int64) + int(quantization.zero_point)
    return np.clip(codes, *LIMITS[dtype])


def every_code(tensor: Tensor) -> Ints:
    """The codes that a tensor can have, in order."""
    low, high = LIMITS[tensor.dtype]
    return np.arange(low, high + 1)


def requantized(x: Tensor, y: Tensor, way: str) -> Ints:
    """The codes of `y` for all codes of `x`."""
    assert x.quantization is not None and y.quantization is not None
    return quantized(dequantized(every_code(x), x.quantization), y.quantization, way, y.dtype)


def _raised(op: Op) -> int:
    """The difference between the engine's codes, with which it computes in float32, and qrt's."""
    return 128 if op.attrs["float32"] == "QLINEAR_UINT8" else 0


def _fused(a: Any, b: Any, c: Any) -> Any:
    """a * b + c, rounded once."""
    return (np.asarray(a, np.float64) * np.float64(b) + np.float64(c)).astype(np.float32)


def _dequantized_by_vectors(codes: Any, quantization: Quantization) -> Singles:
    """``code * scale - zero_point * scale`` in uint8 codes; the product of the zero point is rounded first."""
    scale, zero_point = np.float32(quantization.scale), np.float32(int(quantization.zero_point) + 128)
    result: Singles = _fused(np.asarray(codes, np.int64) + 128, scale, -(zero_point * scale))
    return result


def _by_single_reciprocal(real: Singles, quantization: Quantization, factor: Any = ONE) -> Ints:
    """Codes from a product with ``factor * (1 / scale)``, both rounded to float32."""
    steps = real * (factor * (ONE / np.float32(quantization.scale)))
    codes = np.rint(np.clip(steps, -FAR, FAR)).astype(np.int64) + int(quantization.zero_point)
    result: Ints = np.clip(codes, -128, 127)
    return result


def sum_codes(op: Op, a: Any, b: Any) -> Ints:
    """Codes of an add, not clamped to its bounds, for the codes of its operands."""
    x, z, y = (tensor.quantization for tensor in (*op.inputs, op.output))
    assert x is not None and z is not None and y is not None
    if op.attrs["float32"] == "QUANTIZED":
        return _by_single_reciprocal(_dequantized_by_vectors(a, x) + _dequantized_by_vectors(b, z), y)
    if not is_qlinear(op):
        real, other = dequantized(a, x), dequantized(b, z)
        return quantized(real - other if op.attrs.get("subtract", False) else real + other, y, op.attrs["float32"])
    up, step = _raised(op), np.float32(y.scale)
    a_ratio, b_ratio = np.float32(x.scale) / step, np.float32(z.scale) / step
    a_zero, b_zero, y_zero = (np.float32(int(q.zero_point) + up) for q in (x, z, y))
    fixed = y_zero - _fused(a_ratio, a_zero, b_ratio * b_zero)
    value = _fused(np.asarray(a, np.int64) + up, a_ratio, _fused(np.asarray(b, np.int64) + up, b_ratio, fixed))
    result: Ints = np.clip(np.rint(value).astype(np.int64) - up, -128, 127)
    return result


def product_codes(op: Op, a: Any, b: Any) -> Ints:
    """Codes of a mul, not clamped to its bounds, for the codes of its operands."""
    x, z, y = (tensor.quantization for tensor in (*op.inputs, op.output))
    assert x is not None and z is not None and y is not None
    products = (np.asarray(a, np.int64) - int(x.zero_point)) * (np.asarray(b, np.int64) - int(z.zero_point))
    if op.attrs["float32"] == "QUANTIZED":
        return _by_single_reciprocal(products.astype(np.float32), y, np.float32(x.scale) * np.float32(z.scale))
    ratio = np.float32(x.scale) * np.float32(z.scale) / np.float32(y.scale)
    if op.attrs["float32"] == "XNNPACK":
        steps = np.rint(np.clip(products.astype(np.float32) * ratio, -FAR, FAR)).astype(np.int64)
        codes: Ints = np.clip(steps + int(y.zero_point), -128, 127)
        return codes
    if not is_qlinear(op):
        return quantized(dequantized(a, x) * dequantized(b, z), y, op.attrs["float32"])
    up = _raised(op)
    value = products.astype(np.float32) * ratio + np.float32(int(y.zero_point) + up)
    result: Ints = np.clip(np.rint(np.clip(value, -FAR, FAR)).astype(np.int64) - up, -128, 127)
    return result


def _with_zero_point(real: Singles, quantization: Quantization, fused: bool) -> Ints:
    """Codes from a product with ``1 / scale`` to which the zero point of uint8 codes is added before rounding."""
    steps, inverse = np.clip(real, -FAR, FAR), ONE / np.float32(quantization.scale)
    zero = np.float32(int(quantization.zero_point) + 128)
    value = _fused(steps, inverse, zero) if fused else np.clip(steps * inverse, -FAR, FAR) + zero
    codes: Ints = np.clip(np.rint(np.clip(value, -FAR, FAR)).astype(np.int64) - 128, -128, 127)
    return codes


def codes_of_function(function: Callable[[Singles], Singles], x: Quantization, y: Quantization) -> list[Ints]:
    """The codes under `y` that ATen's kernel of a function can give for the codes -128 to 127 under `x`.

    The first are those of full vectors, the others those of the elements that remain, by compiler.
    """
    every = np.arange(-128, 128)
    vector, single = function(_dequantized_by_vectors(every, x)), function(dequantized(every, x))
    return [_by_single_reciprocal(vector, y), *(_with_zero_point(single, y, fused) for fused in (False, True))]


def _averages_of_codes(op: Op, sums: Ints, count: int, divisor: int) -> tuple[Ints, NDArray[np.bool_]]:
    """`average_codes` of ATen's kernels, which sum integers and differ in when they round and add the zero point.

    Which kernel runs depends on the memory layout and the channel: all that can have run must agree on a code.
    """
    x, y = op.inputs[0].quantization, op.output.quantization
    assert x is not None and y is not None
    factor = np.float32(x.scale) / np.float32(y.scale) / np.float32(divisor)
    real, zero = sums.astype(np.float32), np.float32(int(y.zero_point))
    if op.attrs.get("rounding") == "HALF_EVEN":
        ways = [np.rint(real * factor) + zero]
    else:
        # Raw sums are those of the engine's codes, which may be uint8.
        ways = [np.rint(real * factor + np.float32(zero + up)) - up for up in (0, 128)]
        ways += [np.rint(_fused(real, factor, zero + up)) - up for up in (0, 128)]
        for up in (0, 128) if y.same_as(x) and count == divisor else ():
            raw = (sums + count * (int(x.zero_point) + up)).astype(np.float32)
            ways += [np.rint(raw * factor) - up, np.rint(raw / np.float32(divisor)) - up]
    codes = np.clip(ways, -128, 127).astype(np.int64)
    return codes[0], (codes == codes[0]).all(axis=0)


def average_codes(op: Op, sums: Ints, count: int, divisor: int) -> tuple[Ints, NDArray[np.bool_]]:
    """Codes of sums of `count` differences to the zero point, by `divisor`; and which of them are certain.

    All methods except QLINEAR_SUM add float32 values sequentially. If such a sum is not exact, it depends on the
    single codes and their order, and so does the result if its real value is within the error of a tie.
    """
    x, y = op.inputs[0].quantization, op.output.quantization
    assert x is not None and y is not None
    if op.attrs["float32"] == "QUANTIZED":
        return _averages_of_codes(op, sums, count, divisor)
    if op.attrs["float32"] == "QLINEAR_SUM":
        factor = np.float32(x.scale) / (np.float32(y.scale) * np.float32(divisor))
        codes = np.rint(sums.astype(np.float32) * factor).astype(np.int64) + int(y.zero_point)
        return np.clip(codes, -128, 127), np.ones(sums.shape, bool)
    exact = sums * (float(x.scale) / (divisor * float(y.scale)))
    past_tie = np.abs(exact - np.floor(exact) - 0.5)
    if op.attrs["float32"] == "XNNPACK":
        # With different scales, it is not known in which order the factor is formed.
        steps = sums.astype(np.float32) * (np.float32(x.scale) / np.float32(y.scale) * (ONE / np.float32(count)))
        codes = np.rint(np.clip(steps, -FAR, FAR) + np.float32(y.zero_point)).astype(np.int64)
        error = UNIT * (8 * np.abs(exact) + abs(float(y.zero_point)))
        return np.clip(codes, -128, 127), np.array((past_tie > error) | (x.scale == y.scale), bool)
    single = np.float32(x.scale)
    largest = count * max(128 + int(x.zero_point), 127 - int(x.zero_point))
    every = np.arange(1, min(largest, EXACT_TO) + 1)
    products = every.astype(np.float32) * single
    is_exact = largest <= EXACT_TO and np.array_equal(products.astype(np.float64), every * float(single))
    mean = sums.astype(np.float32) * single / np.float32(divisor)
    if is_qlinear(op):
        zero = np.float32(int(y.zero_point) + _raised(op))
        steps = scaled(mean, y, "DIVIDE") + zero
        codes = np.rint(steps).astype(np.int64) - _raised(op)
    else:
        steps = scaled(mean, y, op.attrs["float32"])
        codes = np.rint(steps).astype(np.int64) + int(y.zero_point)
        zero = np.float32(0)
    codes = np.clip(codes, -128, 127)
    if is_exact:
        return codes, np.ones(sums.shape, bool)
    ratio = float(x.scale) / float(y.scale)
    error = UNIT * ((count + 4) * largest * ratio / divisor + 8 * np.abs(exact) + abs(float(zero)))
    return codes, past_tie > error
