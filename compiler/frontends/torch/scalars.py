"""Sums and products of codes and a number, for which PyTorch changes scale and zero point rather than codes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.torch.importer import Importer, quantization
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
