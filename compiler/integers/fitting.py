"""Adjusts integers so that they give the codes of an engine that computes in float32, and counts what still differs.

An engine's result for one code, a pair of codes or the sum of a window can be checked exhaustively. The plain integers
round the exact result half up. An engine may round an exact tie to even, or a float32 error may create a tie. Where
the codes differ, a function of one code becomes a lookup table; otherwise multiplier and addend are changed by as
little as float32 can have changed the result. Remaining differences are counted and reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qrt.compiler.integers.arithmetic import add, average, implied_addend, requantize
from qrt.compiler.integers.singles import (
    UNMODELED,
    average_codes,
    codes_of_function,
    every_code,
    product_codes,
    requantized,
    sum_codes,
)

if TYPE_CHECKING:
    from qrt.compiler.ir import Op, Tensor
    from qrt.compiler.report import Report

Ints = NDArray[np.int64]

CODES = np.arange(-128, 128, dtype=np.int64)
# Largest change of a 31-bit multiplier, in steps: about the rounding error of float32.
REACH = 128
# Changes of each multiplier in a search over two of them.
COARSE = np.unique(np.concatenate([np.arange(-8, 9), np.arange(-REACH, REACH + 1, 8)]))
# Up to this shift, shifted codes fit into int64 with a margin; above it, real multipliers are below 2^-19.
MOST_SHIFT = 50
# Largest number of sums of a window that are checked.
MOST_SUMS = 2**22


def match_float32(op: Op, report: Report) -> None:
    """Matches a lowered operator's codes as closely as possible to the method named by ``op.attrs["float32"]``."""
    if op.attrs["float32"] in UNMODELED:
        report.deviation(op, 0, 0, f"{UNMODELED[op.attrs['float32']]}, cases not counted")
    elif op.kind != "requantize" and "int16" in (op.inputs[0].dtype, op.output.dtype):  # too many cases
        report.deviation(op, 0, 0, f"{UNMODELED['ROUNDED']}, cases not counted")
    elif op.kind in MATCHED:
        MATCHED[op.kind](op, report)


def _bounded(op: Op, codes: Ints) -> Ints:
    """Codes clamped to the operator's bounds."""
    if "requant" in op.attrs:
        return np.clip(codes, op.attrs["requant"].output_min, op.attrs["requant"].output_max)
    return np.clip(codes, op.attrs.get("output_min", -128), op.attrs.get("output_max", 127))


def _requantize(op: Op, report: Report) -> None:
    x, y, requant = op.inputs[0], op.output, op.attrs["requant"]
    assert x.quantization is not None and y.quantization is not None
    if op.attrs.pop("vector", False):
        wanted, *others = (_bounded(op, one) for one in codes_of_function(lambda r: r, x.quantization, y.quantization))
        unsure = int(np.any([one != wanted for one in others], axis=0).sum())
        if unsure:
            report.deviation(op, unsure, wanted.size, "codes")
    else:
        wanted = _bounded(op, requantized(x, y, op.attrs["float32"]))
    steps = every_code(x) - x.zero_point
    if "int16" in (x.dtype, y.dtype):  # no table has so many codes
        if left := _fit(op, steps, wanted):
            report.deviation(op, left, wanted.size, "codes")
    elif not np.array_equal(requantize(steps, requant, y.zero_point), wanted):
        op.kind, op.attrs = "lut", {"table": wanted.astype(np.int8)}


def _values(tensor: Tensor) -> Ints:
    """The codes that an operand can have."""
    return CODES if tensor.data is None else np.unique(tensor.data).astype(np.int64)


def _add(op: Op, report: Report) -> None:
    a, b = _values(op.inputs[0])[:, np.newaxis], _values(op.inputs[1])
    wanted = _bounded(op, sum_codes(op, a, b))
    differing = int((add(op, a, b) != wanted).sum())
    if differing and op.attrs["shift"] <= MOST_SHIFT:
        low, high = op.attrs.get("output_min", -128), op.attrs.get("output_max", 127)
        sign = -1 if op.attrs.get("subtract", False) else 1
        centered = np.broadcast_arrays(a - op.inputs[0].zero_point, sign * (b - op.inputs[1].zero_point))
        rows = np.stack([part.ravel() for part in centered])
        names = ("a_multiplier", "b_multiplier")
        plain = np.array([op.attrs[name] for name in names], np.int64)
        addend = implied_addend(1, op.attrs["shift"], 0, op.output.zero_point)
        best = _moved_pair(rows, wanted.ravel(), plain, addend, op.attrs["shift"], (low, high))
        moved = dict(zip(names, best, strict=True))
        left = int((add(replace(op, attrs=op.attrs | moved), a, b) != wanted).sum())
        if left < differing:
            op.attrs.update(moved)
            differing = left
    if differing:
        report.deviation(op, differing, wanted.size, "pairs of codes")


def _edges(codes: Ints, shift: int, bounds: tuple[int, int]) -> tuple[Ints, Ints]:
    """The smallest and the largest value that gives each code after shift and clamp."""
    least = np.where(codes > bounds[0], codes << shift, -(2**62))
    largest = np.where(codes < bounds[1], ((codes + 1) << shift) - 1, 2**62)
    return least, largest


def _moved_pair(
    rows: Ints, wanted: Ints, plain: Ints, addend: int, shift: int, bounds: tuple[int, int]
) -> tuple[int, int]:
    """Two multipliers near the plain ones for which the fewest columns of `rows` differ from the wanted code."""
    least, largest = _edges(wanted, shift, bounds)
    value = plain @ rows + addend
    near = (value - least < 512 * REACH) | (largest - value < 512 * REACH)
    rows, least, largest = rows[:, near], least[near], largest[near]
    a, b = (grid.ravel() for grid in np.meshgrid(COARSE, COARSE, indexing="ij"))
    order = np.argsort(np.maximum(np.abs(a), np.abs(b)), kind="stable")
    a, b = a[order], b[order]
    inside = (plain[0] + a >= 0) & (plain[1] + b >= 0) & (plain[0] + a < 2**31) & (plain[1] + b < 2**31)
    a, b = a[inside], b[inside]
    missed = np.zeros(len(a), np.int64)
    for column, low, high in zip(rows.T, least, largest, strict=True):
        moved = (plain[0] + a) * column[0] + (plain[1] + b) * column[1] + addend
        missed += (moved < low) | (moved > high)
    best = int(missed.argmin())
    return int(plain[0] + a[best]), int(plain[1] + b[best])


def _mul(op: Op, report: Report) -> None:
    a, b = _values(op.inputs[0])[:, np.newaxis], _values(op.inputs[1])
    wanted = _bounded(op, product_codes(op, a, b))
    products = (a - op.inputs[0].zero_point) * (b - op.inputs[1].zero_point)
    differing = _fit(op, products.ravel(), wanted.ravel())
    if differing:
        report.deviation(op, differing, wanted.size, "pairs of codes")


def _sums(x: Tensor, count: int) -> Ints:
    """All possible sums of `count` differences between codes and the zero point."""
    return np.arange((-128 - x.zero_point) * count, (127 - x.zero_point) * count + 1, dtype=np.int64)


def _fitted_average(op: Op, report: Report) -> None:
    """A mean, or an average pool that changes the scale, which is a dwconv2d with filters of ones."""
    x, y = op.inputs[0], op.output
    size = x.shape[1:3] if op.kind == "mean" else op.inputs[1].shape[1:3]
    count = size[0] * size[1]
    if 255 * count > MOST_SUMS:
        report.deviation(op, 0, 0, "sums of a window, too many to check")
        return
    sums = _sums(x, count)
    divisor = count if op.kind == "mean" else round(1 / op.inputs[1].scale)
    if op.attrs.get("total", False):
        divisor = 1
    wanted, sure = average_codes(op, sums, count, divisor)
    wanted = _bounded(op, wanted)
    left = _fit(op, sums[sure], wanted[sure])
    if (
        left
        and op.kind == "mean"
        and divisor == count
        and y.quantization is not None
        and y.quantization.same_as(x.quantization)
    ):
        bounds = {key: getattr(op.attrs["requant"], key) for key in ("output_min", "output_max")}
        window = {"filter": size, "stride": size, "padding": (0, 0, 0, 0), "rounding": "HALF_EVEN"}
        pool = replace(op, kind="average_pool2d", attrs=window | bounds | {"float32": op.attrs["float32"]})
        even = int((average(pool, sums, count) != wanted)[sure].sum())
        if even < left:
            op.kind, op.attrs, left = pool.kind, pool.attrs, even
    left += int((~sure).sum())
    if left:
        report.deviation(op, left, len(sums), "sums of a window")


def _average_pool2d(op: Op, report: Report) -> None:
    x, (top, _, left, _) = op.inputs[0], op.attrs["padding"]
    sides = [
        {min(at * step - before + size, length) - max(at * step - before, 0) for at in range(count)}
        for length, count, size, step, before in zip(
            x.shape[1:3], op.output.shape[1:3], op.attrs["filter"], op.attrs["stride"], (top, left), strict=True
        )
    ]
    counts = {rows * columns for rows in sides[0] for columns in sides[1]}
    if 255 * max(counts) > MOST_SUMS:
        report.deviation(op, 0, 0, "sums of a window, too many to check")
        return
    differing, total = 0, 0
    for count in counts:
        sums = _sums(x, count)
        wanted, sure = average_codes(op, sums, count, count)
        differing += int((~sure | (average(op, sums, count) != _bounded(op, wanted))).sum())
        total += len(sums)
    if differing:
        report.deviation(op, differing, total, "sums of a window")


def _fit(op: Op, acc: Ints, wanted: Ints) -> int:
    """Changes multiplier and addend so that the fewest accumulators differ from the wanted code; returns how many."""
    requant = op.attrs["requant"]
    zero = op.output.zero_point
    differing = int((requantize(acc, requant, zero) != wanted).sum())
    multiplier, shift = int(requant.multiplier[0]), int(requant.shift[0])
    if not differing or shift > MOST_SHIFT:
        return differing
    plain = implied_addend(multiplier, shift, 0, zero)
    least, largest = _edges(wanted, shift, (requant.output_min, requant.output_max))
    margin = 2 * REACH * int(np.abs(acc).max())
    value = acc * multiplier + plain
    near = (value - least < margin) | (largest - value < margin)
    cases, counts = np.unique(np.stack([acc[near], least[near], largest[near]]), axis=1, return_counts=True)
    best = (differing, multiplier, plain)
    for step in sorted(COARSE.tolist(), key=abs):
        moved = multiplier + step
        if not 2**30 <= moved < 2**31:
            continue
        lows, highs = cases[1] - cases[0] * moved, cases[2] - cases[0] * moved
        tried = np.unique(np.concatenate([[plain], lows, highs]))
        tried = tried[np.abs(tried - plain) <= margin]
        above = np.cumsum(np.concatenate([[0], counts[np.argsort(lows)]]))[
            np.searchsorted(np.sort(lows), tried, "right")
        ]
        beyond = np.cumsum(np.concatenate([[0], counts[np.argsort(highs)]]))[
            np.searchsorted(np.sort(highs), tried, "left")
        ]
        missed = counts.sum() - (above - beyond)
        fewest = tried[missed == missed.min()]
        if missed.min() < best[0]:
            best = (int(missed.min()), moved, int(fewest[np.abs(fewest - plain).argmin()]))
    fitted = replace(
        requant,
        multiplier=np.array([best[1]], np.int32),
        bias=None,
        addend=np.array([best[2]], np.int64),
    )
    left = int((requantize(acc, fitted, zero) != wanted).sum())
    if left < differing:
        op.attrs["requant"] = fitted
    return min(left, differing)


MATCHED: dict[str, Callable[[Op, Report], None]] = {
    "requantize": _requantize,
    "add": _add,
    "mul": _mul,
    "mean": _fitted_average,
    "dwconv2d": _fitted_average,
    "average_pool2d": _average_pool2d,
}
