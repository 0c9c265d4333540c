"""Sigmoid and tanh of 16 bits (SPEC.md 1.4) as TensorFlow Lite has them, for lstm, sigmoid16 and tanh16."""

from __future__ import annotations

import math

import numpy as np

from qrt.compiler.integers.arithmetic import implied_addend

# A number times this is in the unit of what `sigmoid` and `tanh` take.
UNIT = 12288


def _entry(i: int) -> int:
    """The sigmoid of i / 24, raised by half of the chord's error in the middle of the next step."""

    def sigmoid(i: float) -> float:
        return 65536 / (1 + math.exp(-i / 24))

    middle = sigmoid(i + 0.5) - (sigmoid(i) + sigmoid(i + 1)) / 2
    return math.floor(sigmoid(i) + middle / 2 + 0.5)


TABLE = np.array([*map(_entry, range(255)), 65535], np.int64)


def scaling(x_scale: float, most: int) -> tuple[int, int]:
    """Multiplier and shift with which `scaled` brings codes of this scale to the unit.

    Parameters
    ----------
    x_scale : float
    most : int
        A scale of 2^-12 times 2^k is exact, with shift 0, for k from 0 to this: 0 for sigmoid, 1 for tanh.

    Raises
    ------
    ValueError
        The scale is above 2.66: 16 bits cannot hold the multiplier.
    """
    power = round(math.log2(x_scale))
    if abs(math.log2(x_scale) - power) < 1e-3 and 0 <= 12 + power <= most:
        return 3 << (12 + power), 0
    real, shift = x_scale * UNIT, 0
    while real <= 32767 / 2 and shift <= 30:
        real, shift = real * 2, shift + 1
    if real > 32767:
        raise ValueError(f"a scale of {x_scale:g} is too large for a function of 16-bit codes")
    return int(real), shift


def scaled(x: np.ndarray, multiplier: int, shift: int) -> np.ndarray:
    """Codes, int16, in the unit of `sigmoid` and `tanh`."""
    result: np.ndarray = (x.astype(np.int64) * multiplier + implied_addend(1, shift, 0, 0)) >> shift
    return result


def _between(a: np.ndarray, bits: int, end: int) -> np.ndarray:
    """The table at a / 2^bits in units of 2^-bits, and `end` behind its last entry."""
    place = np.minimum(a >> bits, 254)
    inside = (TABLE[place] << bits) + (a & ((1 << bits) - 1)) * (TABLE[place + 1] - TABLE[place])
    return np.where(a >> bits >= 255, end, inside)


def sigmoid(d: np.ndarray) -> np.ndarray:
    """In units of 2^-15, of numbers in units of 1 / 12288; int64."""
    r = _between(np.abs(d), 9, 32767 << 10)
    result: np.ndarray = np.where(d >= 0, r + 512, (1 << 25) - r + 511) >> 10
    return result


def tanh(d: np.ndarray) -> np.ndarray:
    """In units of 2^-15, of numbers in units of 1 / 12288; int64."""
    r = _between(np.abs(d), 8, 65535 << 8)
    result: np.ndarray = np.where(d >= 0, r - (1 << 23) + 128, (1 << 23) - r + 127) >> 8
    return result
