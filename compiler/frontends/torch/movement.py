"""Translators of PyTorch's operators that only move values, for `qrt.compiler.frontends.torch.nodes.ATEN`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.torch.importer import Importer
from qrt.compiler.frontends.torch.indexing import narrow, take
from qrt.compiler.ir import Tensor


def _sizes(size: Any, more: Sequence[int]) -> list[int]:
    return [int(s) for s in ((size, *more) if isinstance(size, int) else size)]


# Reshapes


def _inferred(x: Tensor, target: list[int], length: int) -> list[int]:
    """`target` with its -1 replaced, for `length` entries."""
    if -1 in target:
        rest = math.prod(s for s in target if s != -1)
        target = [length // rest if s == -1 and rest else s for s in target]
    if math.prod(target) != length:
        raise Unsupported(f"reshapes {list(x.shape)} to {target}; if the batch is fixed, export with batch 1")
    return target


def view(n: Importer, input: Tensor, size: Any, *more: int) -> Tensor:
    return n.emit("reshape", [input], _inferred(input, _sizes(size, more), input.size))


def reshape(n: Importer, input: Tensor, shape: Any, *more: int) -> Tensor:
    return view(n, input, shape, *more)


def flatten(n: Importer, input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    rank = len(input.shape)
    start, end = start_dim % rank, end_dim % rank
    joined = math.prod(input.shape[start : end + 1])
    return n.emit("reshape", [input], (*input.shape[:start], joined, *input.shape[end + 1 :]))


def unflatten(n: Importer, input: Tensor, dim: int, sizes: Sequence[int], *rest: Any) -> Tensor:
    axis = dim % len(input.shape)
    split = _inferred(input, list(sizes), input.shape[axis])
    return n.emit("reshape", [input], (*input.shape[:axis], *split, *input.shape[axis + 1 :]))


def squeeze(n: Importer, input: Tensor, dim: Any = None) -> Tensor:
    rank = len(input.shape)
    given = range(rank) if dim is None else [dim] if isinstance(dim, int) else dim
    dropped = {axis % rank for axis in given}
    return n.emit("reshape", [input], [s for k, s in enumerate(input.shape) if not (k in dropped and s == 1)])


def unsqueeze(n: Importer, input: Tensor, dim: int) -> Tensor:
    place = dim % (len(input.shape) + 1)
    return n.emit("reshape", [input], (*input.shape[:place], 1, *input.shape[place:]))


# Transposes


def permute(n: Importer, input: Tensor, dims: Any, *more: int) -> Tensor:
    order = tuple(axis % len(input.shape) for axis in _sizes(dims, more))
    return n.emit("transpose", [input], [input.shape[k] for k in order], permutation=order)


def transpose(n: Importer, input: Tensor, dim0: int = 0, dim1: int = 1) -> Tensor:
    order = list(range(len(input.shape)))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return permute(n, input, order)


def movedim(n: Importer, input: Tensor, source: Any, destination: Any) -> Tensor:
    rank = len(input.shape)
    origins, places = ([axis % rank for axis in _sizes(given, ())] for given in (source, destination))
    order = [axis for axis in range(rank) if axis not in origins]
    for place, origin in sorted(zip(places, origins, strict=True)):
        order.insert(place, origin)
    return permute(n, input, order)


def _rearranged(n: Importer, x: Tensor, split: Sequence[int], order: tuple[int, ...], shape: Sequence[int]) -> Tensor:
    """`x` reshaped to `split`, transposed, and reshaped to `shape`."""
    name = n.node.name
    parts = n.emit("reshape", [x], split, f"{name}_split")
    moved = n.emit("transpose", [parts], [split[k] for k in order], f"{name}_moved", permutation=order)
    return n.emit("reshape", [moved], shape)


def _image(x: Tensor) -> tuple[int, int, int, int]:
    if len(x.shape) != 4:
        raise Unsupported(f"rearranges a rank-{len(x.shape)} tensor; only [N, C, H, W] is supported")
    samples, channels, height, width = x.shape
    return samples, channels, height, width


def pixel_shuffle(n: Importer, input: Tensor, upscale_factor: int) -> Tensor:
    samples, channels, height, width = _image(input)
    r = upscale_factor
    split = (samples, channels // (r * r), r, r, height, width)
    shape = (samples, channels // (r * r), height * r, width * r)
    return _rearranged(n, input, split, (0, 1, 4, 2, 5, 3), shape)


def pixel_unshuffle(n: Importer, input: Tensor, downscale_factor: int) -> Tensor:
    samples, channels, height, width = _image(input)
    r = downscale_factor
    split = (samples, channels, height // r, r, width // r, r)
    shape = (samples, channels * r * r, height // r, width // r)
    return _rearranged(n, input, split, (0, 1, 3, 5, 2, 4), shape)


def channel_shuffle(n: Importer, input: Tensor, groups: int) -> Tensor:
    samples, channels, *spatial = input.shape
    split = (samples, groups, channels // groups, math.prod(spatial))
    return _rearranged(n, input, split, (0, 2, 1, 3), input.shape)


# Joins


def cat(n: Importer, tensors: Sequence[Tensor], dim: int = 0, axis: int | None = None) -> Tensor:
    place = (dim if axis is None else axis) % len(tensors[0].shape)
    shape = list(tensors[0].shape)
    shape[place] = sum(tensor.shape[place] for tensor in tensors)
    return n.emit("concat", list(tensors), shape, axis=place)


def stack(n: Importer, tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    place, shape = dim % (len(tensors[0].shape) + 1), tensors[0].shape
    column = (*shape[:place], 1, *shape[place:])
    columns = [n.emit("reshape", [tensor], column, f"{n.node.name}_part") for tensor in tensors]
    return n.emit("concat", columns, (*shape[:place], len(tensors), *shape[place:]), axis=place)


# Repetition and order


def flip(n: Importer, input: Tensor, dims: Any, *more: int) -> Tensor:
    axes = {axis % len(input.shape) for axis in _sizes(dims, more)}
    begin = tuple(length - 1 if k in axes else 0 for k, length in enumerate(input.shape))
    stride = tuple(-1 if k in axes else 1 for k in range(len(input.shape)))
    return n.emit("slice", [input], input.shape, begin=begin, stride=stride)


def roll(n: Importer, input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    if dims is None or dims == []:
        flat = n.emit("reshape", [input], (input.size,), f"{n.node.name}_flat")
        (shift,) = _sizes(shifts, ())
        rolled = take(n, flat, 0, np.roll(np.arange(input.size), shift), f"{n.node.name}_rolled")
        return n.emit("reshape", [rolled], input.shape)
    y = input
    for shift, axis in zip(_sizes(shifts, ()), _sizes(dims, ()), strict=True):
        place = axis % len(input.shape)
        y = take(n, y, place, np.roll(np.arange(input.shape[place]), shift))
    return y


def _ranked(n: Importer, x: Tensor, rank: int) -> Tensor:
    """`x` with leading axes of length 1."""
    missing = rank - len(x.shape)
    return n.emit("reshape", [x], (*[1] * missing, *x.shape), f"{n.node.name}_ranked") if missing else x


def expand(n: Importer, input: Tensor, size: Any, *more: int, implicit: bool = False) -> Tensor:
    target = _sizes(size, more)
    y = _ranked(n, input, len(target))
    for axis, (length, wanted) in enumerate(zip(y.shape, target, strict=True)):
        if wanted not in (-1, length):
            y = take(n, y, axis, np.zeros(wanted, np.int64))
    return y


def expand_as(n: Importer, input: Tensor, other: Tensor) -> Tensor:
    return expand(n, input, list(other.shape))


def repeat(n: Importer, input: Tensor, repeats: Any, *more: int) -> Tensor:
    times = _sizes(repeats, more)
    y = _ranked(n, input, len(times))
    for axis, count in enumerate(times):
        if count != 1:
            y = take(n, y, axis, np.tile(np.arange(y.shape[axis]), count))
    return y


def tile(n: Importer, input: Tensor, dims: Any, *more: int) -> Tensor:
    times = _sizes(dims, more)
    return repeat(n, input, [1] * (len(input.shape) - len(times)) + times)


def repeat_interleave(n: Importer, input: Tensor, repeats: int, dim: int | None = None, **rest: Any) -> Tensor:
    if dim is None or not isinstance(repeats, int):
        raise Unsupported("repeats by other than one number along one axis; give dim")
    axis = dim % len(input.shape)
    return take(n, input, axis, np.repeat(np.arange(input.shape[axis]), repeats))


# Padding


def pad(n: Importer, input: Tensor, pad: Sequence[int], mode: Any = "constant", value: float | None = None) -> Tensor:
    if not isinstance(mode, str):  # constant_pad_nd(input, pad, value)
        mode, value = "constant", mode
    rank = len(input.shape)
    before, after = [0] * rank, [0] * rank
    for k in range(len(pad) // 2):
        before[rank - 1 - k], after[rank - 1 - k] = int(pad[2 * k]), int(pad[2 * k + 1])
    if mode != "constant":
        return _padded_by_entries(n, input, before, after, mode)
    for axis in range(rank):  # negative padding cuts
        cut = [max(0, -before[axis]), max(0, -after[axis])]
        if any(cut):
            input = narrow(n, input, axis, cut[0], input.shape[axis] - sum(cut))
    before, after = ([max(0, count) for count in sides] for sides in (before, after))
    if not any(before + after):
        return input
    shape = [b + s + a for b, s, a in zip(before, input.shape, after, strict=True)]
    attrs: dict[str, Any] = {"before": tuple(before), "after": tuple(after), "value": float(value or 0.0)}
    return n.emit("pad", [input], shape, **attrs)


def _padded_by_entries(n: Importer, x: Tensor, before: list[int], after: list[int], mode: str) -> Tensor:
    """reflect, replicate and circular."""
    modes = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    if mode not in modes:
        raise Unsupported(f"has padding mode {mode}, which is not supported")
    for axis, (b, a) in enumerate(zip(before, after, strict=True)):
        if b or a:
            places = np.arange(x.shape[axis])
            padded = np.pad(places, (max(b, 0), max(a, 0)), modes[mode])  # type: ignore[call-overload]
            x = take(n, x, axis, padded[max(-b, 0) : len(padded) - max(-a, 0)])
    return x


def _pad_by(mode: str) -> Callable[..., Tensor]:
    def translate(n: Importer, input: Tensor, padding: Sequence[int]) -> Tensor:
        return pad(n, input, padding, mode)

    return translate


MOVEMENT: dict[str, Callable[..., Any]] = {
    "view": view,
    "reshape": reshape,
    "_unsafe_view": view,
    "flatten": flatten,
    "unflatten": unflatten,
    "squeeze": squeeze,
    "unsqueeze": unsqueeze,
    "permute": permute,
    "transpose": transpose,
    "swapaxes": transpose,
    "t": transpose,
    "movedim": movedim,
    "pixel_shuffle": pixel_shuffle,
    "pixel_unshuffle": pixel_unshuffle,
    "channel_shuffle": channel_shuffle,
    "native_channel_shuffle": channel_shuffle,
    "cat": cat,
    "concat": cat,
    "concatenate": cat,
    "stack": stack,
    "flip": flip,
    "roll": roll,
    "expand": expand,
    "expand_as": expand_as,
    "broadcast_to": expand,
    "repeat": repeat,
    "tile": tile,
    "repeat_interleave": repeat_interleave,
    "pad": pad,
    "constant_pad_nd": pad,
    **{f"reflection_pad{rank}d": _pad_by("reflect") for rank in (1, 2)},
    **{f"replication_pad{rank}d": _pad_by("replicate") for rank in (1, 2)},
}
