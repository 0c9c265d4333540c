"""TensorFlow Lite's operators that move codes: slice, pad, reshape, resize, blocks, pack."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.engine import of_uint8
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.integers.resize import bilinear, nearest
from qrt.compiler.ir import Tensor


def constant(node: Node, index: int, what: str) -> np.ndarray:
    if len(node.inputs) <= index:
        raise Unsupported(f"its {what} is missing")
    data = node.inputs[index].data
    if data is None:
        raise Unsupported(f"its {what} is not constant")
    return data


def to_last(importer: Importer, node: Node, x: Tensor, axis: int) -> Tensor:
    """`x` with `axis` moved to the end."""
    order = (*(k for k in range(len(x.shape)) if k != axis), axis)
    return importer.transposed(node, x, order, f"moved_for_{node.name}")


def pad(importer: Importer, node: Node) -> None:
    pads = constant(node, 1, "paddings").reshape(-1, 2)
    value = int(constant(node, 2, "value").reshape(-1)[0]) if len(node.inputs) > 2 else node.output.zero_point
    before, after = tuple(pads[:, 0].tolist()), tuple(pads[:, 1].tolist())
    if value and node.output.dtype == "int16":
        _surround(importer, node, before, after, value)
    else:
        importer.emit("pad", node, node.inputs[:1], before=before, after=after, value=value)


def _surround(importer: Importer, node: Node, before: tuple[int, ...], after: tuple[int, ...], value: int) -> None:
    """A pad with int16 codes other than 0, of which the operator pad has none: constants beside x, axis by axis."""
    x, y = node.inputs[0], node.output

    def constant_of(shape: tuple[int, ...], side: str) -> Tensor:
        return replace(importer.new(node, side, shape, y), data=np.full(shape, value, np.int16))

    for axis, counts in enumerate(zip(before, after, strict=True)):
        first, last = (
            [constant_of((*x.shape[:axis], count, *x.shape[axis + 1 :]), f"{side}{axis}")] if count else []
            for side, count in zip(("before", "after"), counts, strict=True)
        )
        if first or last:
            shape = (*x.shape[:axis], x.shape[axis] + sum(counts), *x.shape[axis + 1 :])
            wider = importer.new(node, f"axis{axis}", shape, y)
            x = importer.emit("concat", node, [*first, x, *last], wider, axis=axis)
    importer.emit("reshape", node, [x])


def reshape(importer: Importer, node: Node) -> None:
    importer.emit("reshape", node, node.inputs[:1])


def transpose(importer: Importer, node: Node) -> None:
    permutation = tuple(int(k) for k in constant(node, 1, "permutation").reshape(-1))
    importer.emit("transpose", node, node.inputs[:1], permutation=permutation)


def concatenation(importer: Importer, node: Node) -> None:
    """Concatenation; inputs with another scale are requantized with single rounding."""
    options = importer.options(node, "ConcatenationOptions")
    y = node.output
    assert y.quantization is not None
    if options.FusedActivationFunction():
        raise Unsupported("has a fused activation, which is not supported")
    inputs = []
    for i, tensor in enumerate(node.inputs):
        if not y.quantization.same_as(tensor.quantization):
            tensor = importer.emit("requantize", node, [tensor], importer.new(node, f"part{i}", tensor.shape, y))
        inputs.append(tensor)
    importer.emit("concat", node, inputs, axis=options.Axis() % len(y.shape))


def slice_of(importer: Importer, node: Node) -> None:
    begin = tuple(int(b) for b in constant(node, 1, "begin").reshape(-1))
    importer.emit("slice", node, node.inputs[:1], begin=begin, stride=(1,) * len(begin))


def strided_slice(importer: Importer, node: Node) -> None:
    options = importer.options(node, "StridedSliceOptions")
    if options.EllipsisMask() or options.NewAxisMask() or options.Offset():
        raise Unsupported("has an ellipsis, a new axis or offsets; use begin, end and strides instead")
    x = node.inputs[0]
    begins, ends, strides = (
        [int(v) for v in constant(node, 1 + i, what).reshape(-1)] for i, what in enumerate(("begin", "end", "strides"))
    )
    begin, stride, shape = [], [], []
    for axis, length in enumerate(x.shape):
        if axis >= len(begins):
            places = range(length)
        elif options.ShrinkAxisMask() >> axis & 1:
            kept = begins[axis] % length
            places = range(kept, kept + 1)
        else:
            first = None if options.BeginMask() >> axis & 1 else begins[axis]
            last = None if options.EndMask() >> axis & 1 else ends[axis]
            places = range(*slice(first, last, strides[axis]).indices(length))
        if not places:
            raise Unsupported("has an empty output")
        begin.append(places.start)
        stride.append(places.step)
        shape.append(len(places))
    y = node.output
    whole = y if y.shape == tuple(shape) else importer.new(node, "kept", tuple(shape), y)
    importer.emit("slice", node, [x], whole, begin=tuple(begin), stride=tuple(stride))
    if whole is not y:
        importer.emit("reshape", node, [whole])


def _split(importer: Importer, node: Node, x: Tensor, axis: int) -> None:
    at = 0
    for y in node.outputs:
        begin = tuple(at if k == axis else 0 for k in range(len(x.shape)))
        importer.emit("slice", node, [x], y, begin=begin, stride=(1,) * len(begin))
        at += y.shape[axis]


def split(importer: Importer, node: Node) -> None:
    x = node.inputs[1]
    _split(importer, node, x, int(constant(node, 0, "axis").reshape(-1)[0]) % len(x.shape))


def split_v(importer: Importer, node: Node) -> None:
    x = node.inputs[0]
    _split(importer, node, x, int(constant(node, 2, "axis").reshape(-1)[0]) % len(x.shape))


def resize_nearest_neighbor(importer: Importer, node: Node) -> None:
    options = importer.options(node, "ResizeNearestNeighborOptions")
    x, y = node.inputs[0].shape, node.output.shape
    rows, columns = (nearest(x[k], y[k], options.AlignCorners(), options.HalfPixelCenters()) for k in (1, 2))
    importer.emit("resize2d", node, node.inputs[:1], rows=rows, columns=columns)


def resize_bilinear(importer: Importer, node: Node) -> None:
    options = importer.options(node, "ResizeBilinearOptions")
    if importer.match == "xnnpack":
        raise Unsupported("XNNPACK's interpolation is not supported; use --match litert")
    x, y = node.inputs[0].shape, node.output.shape
    attrs: dict[str, Any] = of_uint8(importer, node.inputs[0])
    for axis, name in ((1, "row"), (2, "column")):
        places, weight = bilinear(x[axis], y[axis], options.AlignCorners(), options.HalfPixelCenters())
        attrs |= {f"{name}s": places, f"{name}_weight": weight if weight.any() else None}
    importer.emit("resize2d", node, node.inputs[:1], **attrs)


def _blocks(importer: Importer, node: Node, split_shape: tuple[int, ...]) -> None:
    """reshape to `split_shape`, transpose axes 2 and 3, reshape to the output."""
    cut = importer.between(node, node.inputs[0], split_shape)
    turned = importer.transposed(node, cut, (0, 1, 3, 2, 4, 5), f"turned_for_{node.name}")
    importer.emit("reshape", node, [turned])


def space_to_depth(importer: Importer, node: Node) -> None:
    block = importer.options(node, "SpaceToDepthOptions").BlockSize()
    batch, height, width, channels = node.inputs[0].shape
    _blocks(importer, node, (batch, height // block, block, width // block, block, channels))


def depth_to_space(importer: Importer, node: Node) -> None:
    block = importer.options(node, "DepthToSpaceOptions").BlockSize()
    batch, height, width, channels = node.inputs[0].shape
    _blocks(importer, node, (batch, height, width, block, block, channels // block**2))


def _spatial(node: Node) -> tuple[list[int], np.ndarray]:
    """The block shape and the pads or crops of the axes behind the batch, always two of them."""
    block = [int(b) for b in constant(node, 1, "block shape").reshape(-1)]
    sides = constant(node, 2, "paddings").reshape(-1, 2)
    if len(block) > 2:
        raise Unsupported(f"has blocks of {len(block)} axes; at most 2 are supported")
    missing = 2 - len(block)
    return block + [1] * missing, np.concatenate([sides, np.zeros((missing, 2), sides.dtype)])


def _as_image(shape: tuple[int, ...], blocks: int) -> tuple[int, int, int, int]:
    """A shape as [batch, rows, columns, rest], where `blocks` axes behind the batch are cut into blocks."""
    rows, columns = (*shape[1 : 1 + blocks], 1)[:2]
    return shape[0], rows, columns, math.prod(shape[1 + blocks :])


def space_to_batch_nd(importer: Importer, node: Node) -> None:
    x, count = node.inputs[0], constant(node, 1, "block shape").size
    block, sides = _spatial(node)
    x = importer.between(node, x, _as_image(x.shape, count))
    if sides.any():
        before, after = ((0, *(int(n) for n in sides[:, k]), 0) for k in range(2))
        shape = tuple(b + n + a for b, n, a in zip(before, x.shape, after, strict=True))
        padded = importer.new(node, "padded", shape, node.output)
        value = 0 if importer.match == "tflm" else node.output.zero_point  # TFLM leaves it unset: 0 in a fresh arena
        x = importer.emit("pad", node, [x], padded, before=before, after=after, value=value)
    batch, height, width, rest = x.shape
    cut = importer.between(node, x, (batch, height // block[0], block[0], width // block[1], block[1], rest))
    turned = importer.transposed(node, cut, (2, 4, 0, 1, 3, 5), f"turned_for_{node.name}")
    importer.emit("reshape", node, [turned])


def batch_to_space_nd(importer: Importer, node: Node) -> None:
    x, count = node.inputs[0], constant(node, 1, "block shape").size
    block, sides = _spatial(node)
    batch, height, width, rest = _as_image(x.shape, count)
    cut = importer.between(node, x, (*block, batch // math.prod(block), height, width, rest))
    turned = importer.transposed(node, cut, (2, 3, 0, 4, 1, 5), f"turned_for_{node.name}")
    whole = importer.between(node, turned, (cut.shape[2], height * block[0], width * block[1], rest))
    if sides.any():
        begin = (0, *(int(n) for n in sides[:, 0]), 0)
        cropped = importer.new(node, "cropped", _as_image(node.output.shape, count), x)
        whole = importer.emit("slice", node, [whole], cropped, begin=begin, stride=(1, 1, 1, 1))
    importer.emit("reshape", node, [whole])


def pack(importer: Importer, node: Node) -> None:
    axis = importer.options(node, "PackOptions").Axis() % len(node.output.shape)
    shape = (*node.output.shape[:axis], 1, *node.output.shape[axis + 1 :])
    importer.emit("concat", node, [importer.between(node, x, shape) for x in node.inputs], axis=axis)


def unpack(importer: Importer, node: Node) -> None:
    x = node.inputs[0]
    axis = importer.options(node, "UnpackOptions").Axis() % len(x.shape)
    for at, y in enumerate(node.outputs):
        begin = tuple(at if k == axis else 0 for k in range(len(x.shape)))
        part = importer.new(node, f"part{at}", (*x.shape[:axis], 1, *x.shape[axis + 1 :]), x)
        importer.emit("slice", node, [x], part, begin=begin, stride=(1,) * len(begin))
        importer.emit("reshape", node, [part], y)
