"""The part of absorb_qdq for averages whose divisor depends on the place: windows at the edge do not count padding."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from qrt.compiler.ir import Op, Quantization, Tensor
from qrt.compiler.passes.absorb.emitter import NCHW_TO_NHWC, NHWC_TO_NCHW, Emitter

# Regions of an image with a divisor of their own.
MAX_REGIONS = 64


class Run(NamedTuple):
    """Positions of a window along an axis that cover the same number of counted entries.

    The first entry that they read and the end of their input, inside of the image; the padding before and after it;
    how many positions there are, and the entries that each covers.
    """

    begin: int
    end: int
    before: int
    after: int
    positions: int
    covered: int


def _runs(length: int, size: int, stride: int, count: int, before: int, counted: tuple[int, int]) -> Iterator[Run]:
    starts = np.arange(count) * stride - before
    covered = np.minimum(starts + size, length + counted[1]) - np.maximum(starts, -counted[0])
    edges = [0, *(np.flatnonzero(np.diff(covered)) + 1).tolist(), count]
    for first, last in pairwise(edges):
        start, end = int(starts[first]), int(starts[last - 1]) + size
        yield Run(
            max(start, 0), min(end, length), max(-start, 0), max(end - length, 0), last - first, int(covered[first])
        )


def averaged_by_region(
    a: Emitter, op: Op, x: Tensor, extra: dict[str, Any], quantization: Quantization, name: str
) -> Tensor | None:
    """Each region of one divisor as a convolution with ones, whose weight scale is 1 / divisor."""
    nchw = op.attrs["layout"] == "NCHW"
    image = a.transposed(x, NCHW_TO_NHWC) if nchw else x
    shape = tuple(op.output.shape[k] for k in NCHW_TO_NHWC) if nchw else op.output.shape
    size, stride, padding, counted = (op.attrs[key] for key in ("filter", "stride", "padding", "counted"))
    rows, columns = (
        list(_runs(image.shape[1 + k], size[k], stride[k], shape[1 + k], padding[2 * k], counted[2 * k : 2 * k + 2]))
        for k in range(2)
    )
    if len(rows) * len(columns) > MAX_REGIONS:
        a.refuse(op, "excludes padding from the average and changes the scale; use the same scale for input and output")
        return None
    ones = np.ones((1, *size, image.shape[3]), np.int8)
    bands = []
    for row in rows:
        parts = []
        for column in columns:
            scale = Quantization(np.array(1 / (row.covered * column.covered)), np.array(0, np.int32))
            weights = Tensor(a.fresh(f"{op.name}_ones"), ones.shape, "int8", scale, ones)
            begin = {"begin": (0, row.begin, column.begin, 0), "stride": (1, 1, 1, 1)}
            taken = (image.shape[0], row.end - row.begin, column.end - column.begin, image.shape[3])
            part = a.emit("slice", a.fresh(f"{name}_of"), [image], taken, x.quantization, begin, op)
            window = {"stride": stride, "dilation": (1, 1)} | extra
            window["padding"] = (row.before, row.after, column.before, column.after)
            region = (shape[0], row.positions, column.positions, shape[3])
            parts.append(a.emit("dwconv2d", a.fresh(f"{name}_part"), [part, weights], region, quantization, window, op))
        bands.append(_joined(a, op, parts, 2, name))
    y = _joined(a, op, bands, 1, name)
    if nchw:
        return a.transposed(y, NHWC_TO_NCHW, name)
    return a.called(y, name)


def _joined(a: Emitter, op: Op, parts: list[Tensor], axis: int, name: str) -> Tensor:
    if len(parts) == 1:
        return parts[0]
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    return a.emit("concat", a.fresh(f"{name}_joined"), parts, tuple(shape), parts[0].quantization, {"axis": axis}, op)
