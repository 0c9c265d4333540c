"""Integers of add in engines whose multipliers have few bits: XNNPACK and qnnpack."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qrt.compiler.integers.arithmetic import add

if TYPE_CHECKING:
    from qrt.compiler.ir import Op
    from qrt.compiler.report import Report

# Fraction bits of the larger multiplier.
FACTOR_BITS = {"xnnpack": 20, "qnnpack": 21}
# Range of the ratio of an operand's scale to the output's in qnnpack; XNNPACK's range is smaller.
RATIOS = (2.0**-14, 2.0**8)
# Largest change of the larger 31-bit multiplier, in steps, to round ties like an engine.
REACH = 16
CODES = np.arange(-128, 128, dtype=np.int64)


def engine_sum(op: Op, report: Report) -> None:
    """Sets an add's integers to those of the engine that ``op.attrs["engine"]`` names.

    Both engines round the ratios of scales to integers. XNNPACK rounds the sum half up, like SPEC.md; PyTorch's
    qnnpack rounds half away from zero. For qnnpack the multipliers use all 31 bits, and their lowest bits move the
    ties of negative sums down and change nothing else; every pair of codes is checked.
    """
    y_scale = np.float32(op.output.scale)
    factors = [np.float32(tensor.scale) / y_scale for tensor in op.inputs]
    shift = FACTOR_BITS[op.attrs["engine"]] - (math.frexp(float(max(factors)))[1] - 1)
    a, b = (int(np.rint(np.ldexp(np.float64(factor), shift))) for factor in factors)
    op.attrs.update(a_multiplier=a, b_multiplier=b, shift=shift)
    if op.attrs["engine"] == "xnnpack":
        return
    wanted = _half_away(op)
    spare, larger = 31 - max(a, b).bit_length(), max(a, b)
    candidates = [(a, b, shift)]
    for steps in range(1, REACH):
        moved = [(m << spare) + round(m * steps / larger) for m in (a, b)]
        candidates.append((moved[0], moved[1], shift + spare))
    fewest = wanted.size + 1
    for candidate in candidates:
        integers = dict(zip(("a_multiplier", "b_multiplier", "shift"), candidate, strict=True))
        codes = add(replace(op, attrs=op.attrs | integers), CODES[:, np.newaxis], CODES)
        differing = int((codes != wanted).sum())
        if differing < fewest:
            fewest, best = differing, integers
        if not fewest:
            break
    op.attrs.update(best)
    if fewest:
        report.deviation(op, fewest, wanted.size, "pairs of codes")


def _half_away(op: Op) -> NDArray[np.int64]:
    """The code for each pair of codes, ties rounded away from zero."""
    a, b = op.inputs
    attrs, shift = op.attrs, op.attrs["shift"]
    rows = attrs["a_multiplier"] * (CODES[:, np.newaxis] - a.zero_point)
    total = rows + attrs["b_multiplier"] * (CODES - b.zero_point)
    rounded = (total + (1 << (shift - 1)) - (total < 0)) >> shift
    low, high = attrs.get("output_min", -128), attrs.get("output_max", 127)
    result: NDArray[np.int64] = np.clip(rounded + op.output.zero_point, low, high)
    return result
