"""PyTorch's operators on codes that are not float operators between dequantize and quantize.

Sums and products with a number change scale and zero point rather than codes. PReLU's slope for positive numbers is
the quantized 1 of its weights.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.torch.importer import Importer, constant_array, quantization
from qrt.compiler.ir import Op, Quantization, Tensor

EVERY = np.arange(256)


def scalar(n: Importer, target: str, x: Tensor, number: float, relu: bool) -> Tensor:
    """``torch.ops.quantized.add_scalar`` and ``mul_scalar``, which ``add`` and ``mul`` with a number are."""
    known = x.quantization
    if known is None:
        raise Unsupported(f"reads the integers {x.name!r}, whose scale is unknown")
    limits = np.iinfo(x.dtype)
    codes = EVERY + limits.min
    changed, codes = (_sum if target == "add" else _product)(known, codes, number, limits.min, limits.max)
    if relu:
        codes = np.maximum(codes, int(changed.zero_point))
    return _looked_up(n, x, codes - limits.min - 128, changed)


def _looked_up(n: Importer, x: Tensor, codes: np.ndarray, changed: Quantization) -> Tensor:
    """A table; it is int8, and has its entries in the order of int8 codes, whatever `x` has."""
    output = Tensor(n.unique(n.node.name), x.shape, x.dtype, changed)
    attrs = {"table": np.clip(codes, -128, 127).astype(np.int8), "source": n.node.label or n.node.target}
    n.graph.ops.append(Op("lut", n.node.name, [x], output, attrs))
    return output


def _product(
    x: Quantization, codes: np.ndarray, number: float, least: int, most: int
) -> tuple[Quantization, np.ndarray]:
    scale, zero_point = float(x.scale), int(x.zero_point)
    if number > 0:
        return quantization(number * scale, zero_point), codes
    if number == 0:
        return quantization(1.0, 0), np.zeros_like(codes)
    return quantization(-number * scale, most - (zero_point - least)), most + least - codes


def _sum(x: Quantization, codes: np.ndarray, number: float, least: int, most: int) -> tuple[Quantization, np.ndarray]:
    """The zero point moves; where it would leave the codes, the scale grows and codes are rounded again."""
    scale, zero_point = np.float32(x.scale), int(x.zero_point)
    steps = int(np.rint(np.float32(number) / scale))
    moved = zero_point - steps
    if least <= moved <= most:
        return replace(x, zero_point=np.asarray(moved, np.int32)), codes
    span = np.float32(most) - np.float32(least)
    if moved < least:
        changed = (np.float32(most) - np.float32(moved)) / span * scale
        moved = least
    else:
        changed = (np.float32(moved) - np.float32(least)) / span * scale
        moved = most
    multiplier = scale * (np.float32(1) / np.float32(changed))
    values = (codes - zero_point + steps).astype(np.float32) * multiplier
    rounded = np.rint(values).astype(np.int64) + moved
    return quantization(float(changed), moved), np.clip(rounded, least, most)


def prelu(n: Importer, x: Tensor, weight: Tensor, scale: Any, zero_point: Any) -> Tensor:
    """``torch.ops.quantized.prelu``: ``(max(x, 0) * one + min(x, 0) * weight)`` in the codes of `weight`.

    Where the weights' scale does not reach 1, `one` is their largest code, and less.
    """
    slopes, known = constant_array(weight, "slope").astype(np.int64).reshape(-1), weight.quantization
    if known is None or x.quantization is None:
        raise Unsupported("has slopes or an input whose scale is unknown")
    limits = np.iinfo(weight.dtype)
    zero, unit = int(known.zero_point), np.float32(known.scale)
    one = int(np.clip(np.rint(np.float32(1) / unit) + zero, limits.min, limits.max)) - zero
    y = quantization(constant_array(scale, "scale"), constant_array(zero_point, "zero point"))
    most = np.iinfo(x.dtype)
    if len(slopes) == 1:
        centered = EVERY + most.min - int(x.quantization.zero_point)
        products = np.maximum(centered, 0) * one + np.minimum(centered, 0) * int(slopes[0] - zero)
        multiplier = np.float32(x.quantization.scale) * unit * (np.float32(1) / np.float32(y.scale))
        codes = np.rint(products.astype(np.float32) * multiplier).astype(np.int64) + int(y.zero_point)
        return _looked_up(n, x, np.clip(codes, most.min, most.max) - most.min - 128, y)
    # one * prelu(x, weight / one), of which the factor goes into the scale.
    factor = one * float(unit)
    ratio = n.constant(((slopes - zero) / one).astype(np.float32).reshape(-1, *[1] * (len(x.shape) - 2)))
    real = n.emit("prelu", [n.real(x), ratio], x.shape, f"{n.node.name}_real")
    scaled = quantization(float(y.scale) / factor, y.zero_point)
    scaled_codes = n.quantize(real, scaled, x.dtype, most.min, most.max, f"{n.node.name}_scaled")
    return _looked_up(n, scaled_codes, EVERY - 128, y)
