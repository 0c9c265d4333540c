"""Translators of PyTorch's slices, index arrays and resizing, for `qrt.compiler.frontends.torch.nodes.ATEN`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.torch.importer import Importer, constant_array
from qrt.compiler.ir import Tensor

Singles = np.ndarray
HALF = np.float32(0.5)


def take(n: Importer, x: Tensor, axis: int, indices: np.ndarray, name: str = "") -> Tensor:
    """The entries `indices` along `axis`: a slice if they are equally far apart, otherwise a gather."""
    length = x.shape[axis]
    places = np.asarray(indices, np.int64).reshape(-1)
    if not len(places) or places.min() < -length or places.max() >= length:
        raise Unsupported(f"takes entries of an axis of {length} that are not there")
    places = np.where(places < 0, places + length, places)
    if np.array_equal(places, np.arange(length)):
        return x
    shape = (*x.shape[:axis], len(places), *x.shape[axis + 1 :])
    steps = np.unique(np.diff(places)) if len(places) > 1 else np.ones(1, np.int64)
    if len(steps) > 1 or steps[0] == 0:
        return n.emit("gather", [x], shape, name, axis=axis, indices=places)
    begin = tuple(int(places[0]) if k == axis else 0 for k in range(len(shape)))
    stride = tuple(int(steps[0]) if k == axis else 1 for k in range(len(shape)))
    return n.emit("slice", [x], shape, name, begin=begin, stride=stride)


def slice_(
    n: Importer, input: Tensor, dim: int = 0, start: Any = None, end: Any = None, step: int = 1, name: str = ""
) -> Tensor:
    axis = dim % len(input.shape)
    return take(n, input, axis, np.arange(input.shape[axis])[slice(start, end, step)], name)


def narrow(n: Importer, input: Tensor, dim: int, start: int, length: int, name: str = "") -> Tensor:
    axis = dim % len(input.shape)
    begin = start % input.shape[axis]
    return take(n, input, axis, np.arange(begin, begin + length), name)


def select(n: Importer, input: Tensor, dim: int, index: int) -> Tensor:
    axis = dim % len(input.shape)
    row = take(n, input, axis, np.array([index]), f"{n.node.name}_row")
    return n.emit("reshape", [row], (*input.shape[:axis], *input.shape[axis + 1 :]))


def _parts(n: Importer, x: Tensor, sizes: Sequence[int], dim: int) -> list[Tensor]:
    ends = np.cumsum(sizes)
    if ends[-1] != x.shape[dim]:
        raise Unsupported(f"splits an axis of {x.shape[dim]} into {list(sizes)}")
    return [
        narrow(n, x, dim, int(end) - size, size, f"{n.node.name}_{k}")
        for k, (size, end) in enumerate(zip(sizes, ends, strict=True))
    ]


def split(n: Importer, input: Tensor, split_size: Any = None, dim: int = 0, **rest: Any) -> list[Tensor]:
    """Parts of one size, of which the last may be smaller, or of several."""
    size = rest.get("split_size_or_sections", rest.get("split_sizes", split_size))
    axis = dim % len(input.shape)
    if not isinstance(size, int):
        return _parts(n, input, [int(one) for one in size], axis)
    full, rest_size = divmod(input.shape[axis], size)
    return _parts(n, input, [size] * full + ([rest_size] if rest_size else []), axis)


def chunk(n: Importer, input: Tensor, chunks: int, dim: int = 0) -> list[Tensor]:
    return split(n, input, -(-input.shape[dim] // chunks), dim)


def unbind(n: Importer, input: Tensor, dim: int = 0) -> list[Tensor]:
    axis = dim % len(input.shape)
    rows = _parts(n, input, [1] * input.shape[axis], axis)
    shape = (*input.shape[:axis], *input.shape[axis + 1 :])
    return [n.emit("reshape", [row], shape, f"{n.node.name}_{k}_entry") for k, row in enumerate(rows)]


def index_select(n: Importer, input: Tensor, dim: int, index: Any) -> Tensor:
    return take(n, input, dim % len(input.shape), constant_array(index, "index"))


def index(n: Importer, input: Tensor, indices: Sequence[Any]) -> Tensor:
    """``x[..., index array, ...]`` with one constant array; the others are None."""
    given = [(axis, one) for axis, one in enumerate(indices) if one is not None]
    if len(given) != 1:
        raise Unsupported("has several index arrays; use one at a time")
    axis, array = given[0][0], constant_array(given[0][1], "index")
    if array.dtype == bool:
        if array.ndim != 1:
            raise Unsupported("has a mask of several axes as index; use torch.where")
        array = np.flatnonzero(array)
    taken = take(n, input, axis, array)
    if array.ndim == 1:
        return taken
    return n.emit("reshape", [taken], (*input.shape[:axis], *array.shape, *input.shape[axis + 1 :]))


def getitem(n: Importer, input: Tensor, index: Any) -> Tensor:
    """``x[index]``: integers, slices, None, Ellipsis and at most one constant index array."""
    parts = list(index) if isinstance(index, tuple) else [index]
    used = sum(part is not None and part is not Ellipsis for part in parts)
    place = next((k for k, part in enumerate(parts) if part is Ellipsis), None)
    if place is not None:
        parts[place : place + 1] = [slice(None)] * (len(input.shape) - used)
    arrays = [part for part in parts if isinstance(part, (list, np.ndarray, Tensor))]
    if len(arrays) > 1:
        raise Unsupported("has several index arrays; use one at a time")
    name, y, axis = n.node.name, input, 0
    shape: list[int] = []
    for part in parts:
        if part is None:
            shape.append(1)
            continue
        if isinstance(part, bool):
            raise Unsupported("has a mask as index; use torch.where")
        if isinstance(part, slice):
            y = slice_(n, y, axis, part.start, part.stop, part.step or 1, f"{name}_slice")
            shape.append(y.shape[axis])
        elif isinstance(part, int):
            y = take(n, y, axis, np.array([part]), f"{name}_row")
        else:
            array = constant_array(part, "index")
            array = np.flatnonzero(array) if array.dtype == bool and array.ndim == 1 else array
            y = take(n, y, axis, array, f"{name}_entries")
            shape += array.shape
        axis += 1
    shape += y.shape[axis:]
    return y if tuple(shape) == y.shape else n.emit("reshape", [y], shape)


# Resizing


def _ratio(scale: float | None, length: int, out: int) -> np.float32:
    """Input entries for each output entry, as ATen rounds them."""
    return np.float32(1.0 / scale) if scale is not None and scale > 0 else np.float32(length) / np.float32(out)


def _nearest(length: int, out: int, scale: float | None, exact: bool) -> np.ndarray:
    places = np.arange(out, dtype=np.float32) + (HALF if exact else np.float32(0))
    result: np.ndarray = np.minimum(np.floor(places * _ratio(scale, length, out)).astype(np.int64), length - 1)
    return result


def _linear(length: int, out: int, scale: float | None, aligned: bool) -> tuple[np.ndarray, Singles]:
    """For each output entry, the first of two input entries, and the weight of the second."""
    places = np.arange(out, dtype=np.float32)
    if aligned:
        ratio = np.float32(length - 1) / np.float32(out - 1) if out > 1 else np.float32(0)
        real = ratio * places
    else:
        real = np.maximum(_ratio(scale, length, out) * (places + HALF) - HALF, np.float32(0))
    first = np.minimum(real.astype(np.int64), length - 1)
    weight = np.clip(real - first.astype(np.float32), np.float32(0), np.float32(1))
    last = (first == length - 1) & (length > 1)
    return np.where(last, first - 1, first), np.where(last, np.float32(1), weight).astype(np.float32)


def _target(x: Tensor, size: Any, scales: Any) -> tuple[list[int], list[float | None]]:
    spatial = x.shape[2:]
    if size is not None:
        wanted = [size] * len(spatial) if isinstance(size, int) else [int(one) for one in size]
        known = [None] * len(spatial) if scales is None else list(scales)
        return wanted, known
    factors = [float(scales)] * len(spatial) if isinstance(scales, (int, float)) else [float(one) for one in scales]
    return [int(np.floor(length * by)) for length, by in zip(spatial, factors, strict=True)], list(factors)


def _resized(n: Importer, x: Tensor, size: Any, scales: Any, mode: str, aligned: bool) -> Tensor:
    if len(x.shape) not in (3, 4):
        raise Unsupported(f"resizes a rank-{len(x.shape)} tensor; only [N, C, H, W] and [N, C, L] are supported")
    wanted, factors = _target(x, size, scales)
    if mode in ("nearest", "nearest-exact"):
        for k, (out, scale) in enumerate(zip(wanted, factors, strict=True)):
            x = take(n, x, 2 + k, _nearest(x.shape[2 + k], out, scale, mode == "nearest-exact"))
        return x
    if mode not in ("linear", "bilinear"):
        raise Unsupported(f"interpolates with mode {mode}; only nearest and bilinear are supported")
    image = x if len(x.shape) == 4 else n.image(x)
    axes = [
        _linear(x.shape[2 + k], out, scale, aligned) for k, (out, scale) in enumerate(zip(wanted, factors, strict=True))
    ]
    if len(axes) == 1:
        axes.insert(0, (np.zeros(1, np.int64), np.zeros(1, np.float32)))
    (rows, row_weight), (columns, column_weight) = axes
    attrs: dict[str, Any] = {"rows": rows, "columns": columns, "row_weight": row_weight, "column_weight": column_weight}
    shape = (*image.shape[:2], len(rows), len(columns))
    y = n.emit("resize_linear", [image], shape, "" if image is x else f"{n.node.name}_image", layout="NCHW", **attrs)
    return y if image is x else n.emit("reshape", [y], (*x.shape[:2], len(columns)))


def interpolate(
    n: Importer,
    input: Tensor,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    if antialias:
        raise Unsupported("smooths while resizing (antialias), which is not supported")
    if recompute_scale_factor and scale_factor is not None:
        size, scale_factor = _target(input, None, scale_factor)[0], None
    return _resized(n, input, size, scale_factor, mode, bool(align_corners))


def _upsample(mode: str) -> Callable[..., Tensor]:
    """``upsample_nearest2d(x, size, scales)`` and similar; a linear mode has align_corners before the scales."""

    def translate(n: Importer, input: Tensor, output_size: Any = None, *rest: Any, **more: Any) -> Tensor:
        aligned = bool(more.get("align_corners", rest[0] if rest and "linear" in mode else False))
        given = [more.get(name) for name in ("scales_h", "scales_w", "scales") if more.get(name) is not None]
        scales = more.get("scale_factors") or (given or None)
        return _resized(n, input, output_size or None, scales, mode, aligned)

    return translate


INDEXING: dict[str, Callable[..., Any]] = {
    "slice": slice_,
    "narrow": narrow,
    "select": select,
    "split": split,
    "split_with_sizes": split,
    "chunk": chunk,
    "unbind": unbind,
    "index_select": index_select,
    "index": index,
    "getitem": getitem,
    "__getitem__": getitem,
    "interpolate": interpolate,
    "upsample": interpolate,
    "upsample_nearest1d": _upsample("nearest"),
    "upsample_nearest2d": _upsample("nearest"),
    "_upsample_nearest_exact1d": _upsample("nearest-exact"),
    "_upsample_nearest_exact2d": _upsample("nearest-exact"),
    "upsample_linear1d": _upsample("linear"),
    "upsample_bilinear2d": _upsample("bilinear"),
}
