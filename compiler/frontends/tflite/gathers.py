"""TensorFlow Lite's operators that take entries at constant places: gather, tile, mirror, reverse, select.

A nearest resize takes any rows of [outer, n, 1, inner] in any order, so it gathers along every axis.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.movement import constant
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.integers.codes import LIMITS
from qrt.compiler.integers.resize import MOST_ENTRIES
from qrt.compiler.ir import Tensor

# Inputs that a concat can have.
MOST_PARTS = 256


def taken(importer: Importer, node: Node, x: Tensor, axis: int, places: np.ndarray) -> Tensor:
    """The entries of `x` at `places` of an axis."""
    if np.array_equal(places, np.arange(x.shape[axis])):
        return x
    shape = (*x.shape[:axis], len(places), *x.shape[axis + 1 :])
    y = importer.new(node, f"of_{x.name}_axis{axis}", shape, x)
    if x.data is not None:
        return Tensor(y.name, shape, x.dtype, x.quantization, np.take(x.data, places, axis))
    step = int(places[1] - places[0]) if len(places) > 1 else 1
    if step and np.all(np.diff(places) == step):
        begin = tuple(int(places[0]) if k == axis else 0 for k in range(len(shape)))
        stride = tuple(step if k == axis else 1 for k in range(len(shape)))
        return importer.emit("slice", node, [x], y, begin=begin, stride=stride)
    if x.dtype == "int16":  # resize2d has no 16-bit arithmetic
        ends = np.flatnonzero(np.diff(places) != 1) + 1
        parts = [taken(importer, node, x, axis, run) for run in np.split(places, ends)]
        if len(parts) > MOST_PARTS:
            raise Unsupported(f"takes int16 entries from {len(parts)} places; at most {MOST_PARTS} are supported")
        return importer.emit("concat", node, parts, y, axis=axis)
    if max(x.shape[axis], len(places)) > MOST_ENTRIES:
        raise Unsupported(f"takes {len(places)} of {x.shape[axis]} entries; at most {MOST_ENTRIES} are supported")
    outer, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
    image = importer.between(node, x, (outer, x.shape[axis], 1, inner))
    rows = importer.new(node, f"rows_of_{x.name}_axis{axis}", (outer, len(places), 1, inner), x)
    importer.emit("resize2d", node, [image], rows, rows=places.astype(np.int64), columns=np.zeros(1, np.int64))
    return importer.between(node, rows, shape)


def _write(importer: Importer, node: Node, result: Tensor) -> None:
    """`result`, which may have another shape, is the output."""
    if result.data is not None:
        node.output.data = result.data.reshape(node.output.shape)
    else:
        importer.emit("reshape", node, [result])


def _flat(importer: Importer, node: Node, axes: int, places: np.ndarray) -> None:
    """The output holds the entries at `places` of the first `axes` axes, counted in order."""
    x = node.inputs[0]
    rows = importer.between(node, x, (math.prod(x.shape[:axes]), *x.shape[axes:]))
    _write(importer, node, taken(importer, node, rows, 0, places.reshape(-1)))


def gather(importer: Importer, node: Node) -> None:
    options = importer.options(node, "GatherOptions")
    x, indices = node.inputs[0], constant(node, 1, "indices")
    axis, batch_dims = options.Axis() % len(x.shape), options.BatchDims()
    if batch_dims < 0:
        batch_dims += indices.ndim
    if batch_dims == 0:
        _write(importer, node, taken(importer, node, x, axis, indices.reshape(-1)))
        return
    # Each entry of the batch has indices of its own.
    numbers = np.arange(math.prod(x.shape[: axis + 1])).reshape(x.shape[: axis + 1])
    lead = x.shape[:batch_dims]
    rows = [numbers[at].take(indices[at].reshape(-1), axis - batch_dims) for at in np.ndindex(*lead)]
    _flat(importer, node, axis + 1, np.stack(rows))


def gather_nd(importer: Importer, node: Node) -> None:
    x, indices = node.inputs[0], constant(node, 1, "indices")
    axes = indices.shape[-1]
    numbers = np.arange(math.prod(x.shape[:axes])).reshape(x.shape[:axes])
    _flat(importer, node, axes, numbers[tuple(np.moveaxis(indices, -1, 0))])


def _each_axis(importer: Importer, node: Node, x: Tensor, places: list[np.ndarray]) -> None:
    """Takes entries along every axis; first where that makes the tensor smaller."""
    for axis in sorted(range(len(places)), key=lambda k: len(places[k]) / x.shape[k]):
        x = taken(importer, node, x, axis, places[axis])
    _write(importer, node, x)


def tile(importer: Importer, node: Node) -> None:
    x, times = node.inputs[0], constant(node, 1, "multiples").reshape(-1)
    _each_axis(importer, node, x, [np.tile(np.arange(n), t) for n, t in zip(x.shape, times.tolist(), strict=True)])


def broadcast(importer: Importer, node: Node, x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """`x` repeated to `shape` along axes of one entry."""
    x = importer.between(node, x, (1,) * (len(shape) - len(x.shape)) + x.shape)
    for axis, count in enumerate(shape):
        if x.shape[axis] == 1:
            x = taken(importer, node, x, axis, np.zeros(count, np.int64))
    return x


def broadcast_to(importer: Importer, node: Node) -> None:
    _write(importer, node, broadcast(importer, node, node.inputs[0], node.output.shape))


def reverse(importer: Importer, node: Node) -> None:
    x = node.inputs[0]
    axes = {int(a) % len(x.shape) for a in constant(node, 1, "axes").reshape(-1)}
    _each_axis(importer, node, x, [np.arange(n)[:: -1 if k in axes else 1] for k, n in enumerate(x.shape)])


def mirror_pad(importer: Importer, node: Node) -> None:
    mirrors_edge = importer.options(node, "MirrorPadOptions").Mode() == importer.tflite.MirrorPadMode.SYMMETRIC
    how: Literal["symmetric", "reflect"] = "symmetric" if mirrors_edge else "reflect"
    x, pads = node.inputs[0], constant(node, 1, "paddings").reshape(-1, 2)
    places = [np.pad(np.arange(n), tuple(side), how) for n, side in zip(x.shape, pads.tolist(), strict=True)]
    _each_axis(importer, node, x, places)


def fill(importer: Importer, node: Node) -> None:
    """A constant: its value is one entry, or zero where there is none."""
    value = constant(node, 1, "value").reshape(()) if len(node.inputs) > 1 else 0
    node.output.data = np.full(node.output.shape, value, node.output.dtype)


def select(importer: Importer, node: Node) -> None:
    """One of two tensors at each place: the larger of both, each the least code where it is not selected."""
    y, shape = node.output, node.output.shape
    condition = constant(node, 0, "condition").astype(bool)
    if condition.ndim == 1 and len(shape) > 1 and node.kind == "SELECT":
        condition = condition.reshape(-1, *(1,) * (len(shape) - 1))  # one entry for each row
    mask = np.broadcast_to(condition, shape)
    if mask.all() or not mask.any():
        chosen = importer.recoded(node, node.inputs[1 if mask.all() else 2], node.output)
        _write(importer, node, broadcast(importer, node, chosen, shape))
        return
    parts = []
    for name, tensor, there in (("true", node.inputs[1], mask), ("false", node.inputs[2], ~mask)):
        limit = np.where(there, *LIMITS[y.dtype][::-1]).astype(y.dtype)
        tensor = importer.between(node, tensor, (1,) * (len(shape) - len(tensor.shape)) + tensor.shape)
        if tensor.data is not None:
            data = np.minimum(np.broadcast_to(tensor.data, shape), limit)
            parts.append(Tensor(f"{node.name}_{name}", shape, y.dtype, y.quantization, data))
            continue
        bound = Tensor(f"{node.name}_where_{name}", shape, y.dtype, y.quantization, limit)
        parts.append(importer.emit("minimum", node, [tensor, bound], importer.new(node, name, shape, y)))
    importer.emit("maximum", node, parts)
