"""A transposition of many axes as one of few: those that stay together are one, and those of one entry none."""

from __future__ import annotations

import math
from collections.abc import Sequence


def merged_axes(shape: Sequence[int], permutation: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape with as few axes as can be moved, and their permutation; the order of the entries is the same."""
    axes = [axis for axis in range(len(shape)) if shape[axis] > 1]
    order = [axes.index(axis) for axis in permutation if shape[axis] > 1]
    runs: list[list[int]] = []
    for axis in order:
        if runs and axis == runs[-1][-1] + 1:
            runs[-1].append(axis)
        else:
            runs.append([axis])
    places = sorted(runs)
    return tuple(math.prod(shape[axes[k]] for k in run) for run in places), tuple(places.index(run) for run in runs)
