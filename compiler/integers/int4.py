"""Weights of 4 bits: which layers may have them, and their bytes."""

from __future__ import annotations

import numpy as np

from qrt.compiler.ir import Op, Tensor

LOWEST, HIGHEST = -8, 7
LAYERS = frozenset({"conv2d", "dwconv2d", "linear"})


def may_be_int4(op: Op) -> bool:
    """Whether the format allows the weights of an operator to be int4 (V70)."""
    return op.kind in LAYERS and op.inputs[0].dtype == "int8" and op.output.dtype != "int16"


def fits_int4(weights: Tensor) -> bool:
    return weights.data is not None and weights.data.min() >= LOWEST and weights.data.max() <= HIGHEST


def packed_int4(codes: np.ndarray) -> np.ndarray:
    """Codes from -8 to 7 two in a byte, int8, as .qfb and .tflite files have them: the first in the lower half."""
    halves = np.pad(codes.reshape(-1), (0, codes.size % 2)).astype(np.int8).view(np.uint8) & 15
    packed: np.ndarray = (halves[0::2] | halves[1::2] << 4).view(np.int8)
    return packed


def unpacked_int4(packed: np.ndarray, count: int) -> np.ndarray:
    """The first codes of what `packed_int4` made."""
    codes: np.ndarray = np.stack([packed << 4 >> 4, packed >> 4], axis=-1).reshape(-1)[:count]
    return codes
