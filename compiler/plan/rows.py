"""What an operator that runs row by row reads: which operators can, and which rows of its inputs each row needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qrt.compiler.ir import Op, Tensor
from qrt.schema.operators import OPERATORS

Numbers = NDArray[np.int64]

WINDOWED = ("conv2d", "dwconv2d", "average_pool2d", "max_pool2d")


@dataclass(frozen=True, eq=False)
class Reading:
    """Rows of an input, for each count of rows that its reader has made: 0 to the reader's height.

    Attributes
    ----------
    needed : numpy.ndarray
        How many of the first rows must exist.
    low : numpy.ndarray
        The first row that later rows still read; the input's height once none does.
    """

    needed: Numbers
    low: Numbers

    @cached_property
    def end(self) -> int:
        """Rows made when no row of the input is read any more."""
        return int(np.argmax(self.low == self.low[-1]))


def averages(op: Op) -> bool:
    """Whether an operator is a global average: in a band it sums its input row by row."""
    if op.kind == "mean":
        return True
    if op.kind != "average_pool2d":
        return False
    return op.attrs["filter"] == op.inputs[0].shape[1:3] and not any(op.attrs["padding"])


def height(op: Op) -> int:
    """The rows that its pace counts: its output's, or those that a global average reads."""
    return op.inputs[0].shape[1] if averages(op) else op.output.shape[1]


def row_bytes(tensor: Tensor) -> int:
    return tensor.nbytes // tensor.shape[1]


def streams(op: Op) -> bool:
    """Whether an operator can run row by row."""
    x, y = op.inputs[0], op.output
    if y.is_state or any(tensor.is_state for tensor in op.inputs) or x.is_constant:
        return False
    if any(len(tensor.shape) != 4 or tensor.shape[0] != 1 for tensor in (x, y)):
        return False
    if averages(op):
        return x.dtype == y.dtype == "int8"
    if op.kind == "resize2d":
        return bool((np.diff(np.asarray(op.attrs["rows"], dtype=np.int64)) >= 0).all())
    if op.kind in WINDOWED:
        return True
    if op.kind == "pad":
        return not any(op.attrs["before"][:2]) and not any(op.attrs["after"][:2])
    if op.kind == "concat":
        return op.attrs["axis"] in (2, 3) and not any(tensor.is_constant for tensor in op.inputs)
    if OPERATORS[op.kind].elementwise or op.kind == "requantize_sum":
        return x.shape[1] == y.shape[1] and all(_broadcasts(tensor, y) for tensor in op.inputs)
    return False


def _broadcasts(tensor: Tensor, y: Tensor) -> bool:
    """Whether a tensor has the rows of the output, or one for all of them."""
    if tensor.is_constant:
        return True
    return len(tensor.shape) == 4 and tensor.shape[0] == 1 and tensor.shape[1] in (1, y.shape[1])


def is_broadcast(op: Op, x: Tensor) -> bool:
    """Whether all rows of the output read the one row of an input."""
    return op.kind not in (*WINDOWED, "resize2d") and x.shape[1] == 1 != height(op)


def reading(op: Op, x: Tensor) -> Reading:
    """What an operator that `streams` reads of one of its inputs."""
    made = np.arange(height(op) + 1)
    rows = x.shape[1]
    if is_broadcast(op, x):
        return Reading(np.minimum(made, 1), (made == made[-1]).astype(np.int64))
    if averages(op):
        return Reading(made, made)
    if op.kind in WINDOWED:
        stride, top = op.attrs["stride"][0], op.attrs["padding"][0]
        taps = op.attrs["filter"][0] if "filter" in op.attrs else op.inputs[1].shape[1]
        reach = (taps - 1) * op.attrs.get("dilation", (1, 1))[0] + 1
        needed = np.where(made > 0, np.clip((made - 1) * stride - top + reach, 0, rows), 0)
        low = np.clip(made * stride - top, 0, rows)
    elif op.kind == "resize2d":
        source = np.asarray(op.attrs["rows"], dtype=np.int64)
        beyond = 1 if op.attrs.get("row_weight") is None else 2
        needed = np.minimum(np.append(0, np.maximum.accumulate(source) + beyond), rows)
        low = np.append(np.minimum.accumulate(source[::-1])[::-1], rows)
    else:
        return Reading(made, made)
    low[-1] = rows
    return Reading(needed, low)
