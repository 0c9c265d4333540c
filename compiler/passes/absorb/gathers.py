"""The part of absorb_qdq that selects entries along axes: slices and gathers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from qrt.compiler.integers.resize import MOST_ENTRIES
from qrt.compiler.ir import Op, Tensor
from qrt.compiler.passes.absorb.emitter import NCHW_TO_NHWC, NHWC_TO_NCHW, Emitter

Indices = NDArray[np.int64]
# A gather of at most so many runs becomes slices and a concat.
RUNS = 4


def slice_of(a: Emitter, op: Op, inputs: list[Tensor]) -> Tensor:
    attrs = {"begin": op.attrs["begin"], "stride": op.attrs["stride"]}
    return a.emit("slice", op.output.name, inputs, op.output.shape, inputs[0].quantization, attrs, op)


def gather(a: Emitter, op: Op, inputs: list[Tensor]) -> Tensor | None:
    """Entries of one axis in any order; gathers in a row are joined, as enlarging an image writes them."""
    source, chosen = a.gathered.get(inputs[0], (inputs[0], {}))
    axis, indices = op.attrs["axis"], np.asarray(op.attrs["indices"], np.int64)
    if len(runs(indices)) > RUNS and indices.max(initial=0) >= MOST_ENTRIES:
        a.refuse(op, f"gathers from {inputs[0].shape[axis]} entries; at most {MOST_ENTRIES} are supported")
        return None
    chosen = {**chosen, axis: chosen[axis][indices] if axis in chosen else indices}
    if a.is_image(source) and set(chosen) <= {2, 3} and any(len(runs(one)) > RUNS for one in chosen.values()):
        y = _of_image(a, op, source, chosen)
    else:
        y = source
        for k, places in chosen.items():
            y = taken(a, op, y, k, places)
    a.gathered[y] = (source, chosen)
    return y if y is inputs[0] else a.called(y, op.output.name)


def _of_image(a: Emitter, op: Op, x: Tensor, chosen: dict[int, Indices]) -> Tensor:
    """Rows and columns of images in the source's NCHW."""
    rows, columns = (chosen.get(k, np.arange(x.shape[k])).astype(np.uint16) for k in (2, 3))
    moved = a.transposed(x, NCHW_TO_NHWC)
    shape = (moved.shape[0], len(rows), len(columns), moved.shape[3])
    attrs = {"rows": rows, "columns": columns}
    y = a.emit("resize2d", a.fresh(f"{op.output.name}_nhwc"), [moved], shape, x.quantization, attrs, op)
    return a.transposed(y, NHWC_TO_NCHW)


def runs(indices: Indices) -> list[tuple[int, int, int]]:
    """The pieces of constant step that follow one another, each as (first, step, count)."""
    found: list[tuple[int, int, int]] = []
    for index in indices.tolist():
        first, step, count = found[-1] if found else (0, 0, 0)
        if count == 1 and index != first:
            found[-1] = (first, index - first, 2)
        elif count > 1 and index == first + step * count:
            found[-1] = (first, step, count + 1)
        else:
            found.append((index, 1, 1))
    return found


def taken(a: Emitter, op: Op, x: Tensor, axis: int, indices: Indices) -> Tensor:
    """The entries `indices` of `x` along `axis`."""
    length, name = x.shape[axis], f"{op.output.name}_along_{axis}"
    if np.array_equal(indices, np.arange(length)):
        return x
    shape = (*x.shape[:axis], len(indices), *x.shape[axis + 1 :])
    pieces = runs(indices)
    if len(pieces) <= RUNS:
        parts = [_piece(a, op, x, axis, piece) for piece in pieces]
        concat = {"axis": axis}
        return (
            parts[0] if len(parts) == 1 else a.emit("concat", a.fresh(name), parts, shape, x.quantization, concat, op)
        )
    if axis == 1 and a.is_image(x):  # channels are the last axis of the NHWC image
        return a.transposed(taken(a, op, a.transposed(x, NCHW_TO_NHWC), 3, indices), NHWC_TO_NCHW)
    outer, inner = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
    flat = a.reshaped(x, (outer, length, 1, inner))
    attrs = {"rows": indices.astype(np.uint16), "columns": np.zeros(1, np.uint16)}
    kept = (outer, len(indices), 1, inner)
    return a.reshaped(a.emit("resize2d", a.fresh(name), [flat], kept, x.quantization, attrs, op), shape)


def _piece(a: Emitter, op: Op, x: Tensor, axis: int, piece: tuple[int, int, int]) -> Tensor:
    first, step, count = piece
    begin = tuple(first if k == axis else 0 for k in range(len(x.shape)))
    stride = tuple(step if k == axis else 1 for k in range(len(x.shape)))
    shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
    attrs = {"begin": begin, "stride": stride}
    return a.emit("slice", a.fresh(f"{op.output.name}_piece"), [x], shape, x.quantization, attrs, op)
