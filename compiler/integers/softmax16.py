"""The tables of softmax of 16 bits (SPEC.md 1.5), as TensorFlow Lite makes them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

STEPS = 512


def _rounded(value: float) -> int:
    """To nearest, ties away from zero."""
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def _table(function: Callable[[float], float], first: int) -> np.ndarray:
    """The function from `first` to `first` + `STEPS` steps, each entry less half of the chord's error behind it.

    The engine's numbers are float32, which its ties depend on.
    """

    def value(place: float) -> float:
        return float(np.float32(function(place))) * 2**15

    entries = []
    for i in range(STEPS):
        here, middle, after = (value(first + i + part) for part in (0, 0.5, 1))
        chord = _rounded(float(np.float32(after + _rounded(here))) / 2)
        entries.append(_rounded(here) - _rounded((chord - _rounded(middle)) / 2))
    return np.array([*entries, _rounded(value(first + STEPS))], np.int64).clip(-(2**15), 2**15 - 1)


EXPONENTIALS = _table(lambda place: math.exp(10 * place / STEPS), -STEPS)
QUOTIENTS = _table(lambda place: 1 / (1 + place / STEPS), 0)
