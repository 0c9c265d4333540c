"""The integers of a requantization, and the numbers of an operator with weights, channel by channel."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qrt.schema.operators import OPERATORS

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]

MAX_SHIFT = 62
# The axis of output channels in an operator's weights.
CHANNEL_AXIS = {kind: facts.channels for kind, facts in OPERATORS.items() if facts.channels is not None}


@dataclass(frozen=True, eq=False)
class Requant:
    """Integers that turn an accumulator into a code; SPEC.md, section 1.1.

    Attributes
    ----------
    multiplier : numpy.ndarray of int32, shape (channels,) or (1,)
    shift : numpy.ndarray of uint8, same shape
    bias : numpy.ndarray of int32, shape (channels,), or None
    addend : numpy.ndarray of int64, same shape as `multiplier`, or None
    rounding : str
        ``"SINGLE"`` or ``"DOUBLE"``.
    output_min, output_max : int
        Codes of the output's type.
    """

    multiplier: np.ndarray
    shift: np.ndarray
    bias: np.ndarray | None = None
    addend: np.ndarray | None = None
    rounding: str = "SINGLE"
    output_min: int = -128
    output_max: int = 127

    @property
    def nbytes(self) -> int:
        arrays = (self.multiplier, self.shift, self.bias, self.addend)
        return sum(array.nbytes for array in arrays if array is not None)


def merged(requant: Requant) -> Requant:
    """One entry for all channels where all are equal."""
    arrays = [a for a in (requant.multiplier, requant.shift, requant.addend) if a is not None]
    if any((array != array[0]).any() for array in arrays):
        return requant
    addend = None if requant.addend is None else requant.addend[:1]
    return replace(requant, multiplier=requant.multiplier[:1], shift=requant.shift[:1], addend=addend)


def quantize_multiplier(real: float) -> tuple[int, int]:
    """(multiplier, shift) with ``real = multiplier * 2^-shift`` to 31 bits, rounded half up.

    `multiplier` lies in [2^30, 2^31). A factor below 2^-32 vanishes and gives (0, 31): its product with any
    accumulator (below 2^31) is less than half a code. A factor of 2^31 or more is a ValueError.
    """
    if not (math.isfinite(real) and real >= 0):
        raise ValueError(f"a real multiplier is finite and not negative, got {real}")
    mantissa, exponent = math.frexp(real)
    multiplier = math.floor(mantissa * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, exponent = 2**30, exponent + 1
    shift = 31 - exponent
    if real == 0 or shift > MAX_SHIFT:
        return 0, 31
    if shift < 0:
        raise ValueError(f"a real multiplier is below 2^31, got {real:g}")
    return multiplier, shift


def channel_range(weights: Ints, x_steps: tuple[int, int]) -> tuple[Ints, Ints]:
    """Least and largest accumulator of each channel over all inputs; `weights` has one row per channel.

    Every x - x_zero_point lies in `x_steps`, which contains 0, so the sums of the positive and of
    the negative weights bound the accumulator and all of its partial sums; padding contributes 0.
    """
    positive = np.where(weights > 0, weights, 0).sum(axis=1)
    negative = np.where(weights < 0, weights, 0).sum(axis=1)
    low, high = x_steps
    return positive * low + negative * high, positive * high + negative * low


@dataclass
class Channels:
    """The numbers of an operator with weights, one entry or row for each output channel."""

    weights: Ints
    unit: Reals  # x_scale * w_scale: the real value of one step of the accumulator
    bias: list[int]
    bias_real: Reals
    y_scale: float
    x_steps: tuple[int, int]  # the least and the largest x - x_zero_point

    @property
    def acc_max(self) -> Ints:
        """Largest |acc| of each channel over all inputs."""
        low, high = channel_range(self.weights, self.x_steps)
        return np.maximum(high, -low)


def dense_filters(weights: np.ndarray, groups: int, dilation: tuple[int, int]) -> np.ndarray:
    """Weights [in, out / groups, height, width] as OHWI of one group without dilation, with zeros among them."""
    inside, outside, height, width = weights.shape
    spread_y, spread_x = dilation
    shape = (outside * groups, (height - 1) * spread_y + 1, (width - 1) * spread_x + 1, inside)
    dense = np.zeros(shape, weights.dtype)
    for group in range(groups):
        channels = slice(group * inside // groups, (group + 1) * inside // groups)
        rows = slice(group * outside, (group + 1) * outside)
        dense[rows, ::spread_y, ::spread_x, channels] = weights[channels].transpose(1, 2, 3, 0)
    return dense
