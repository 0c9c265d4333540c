"""AVERAGE_POOL_2D on uint8 codes, whose kernel rounds ties up."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.integers.arithmetic import implied_addend
from qrt.compiler.integers.channels import Requant, quantize_multiplier
from qrt.compiler.ir import Op, Quantization, Tensor


class Stretch(NamedTuple):
    """Output positions along one axis whose windows have the same number of entries inside of the input."""

    begin: int
    length: int
    window: int
    positions: int


def stretches(length: int, size: int, stride: int, before: int, count: int) -> list[Stretch]:
    """The stretches of `count` output positions, in order."""
    found: list[Stretch] = []
    for at in range(count):
        begin, end = max(at * stride - before, 0), min(at * stride - before + size, length)
        if found and end - begin == size == found[-1].window:
            last = found[-1]
            found[-1] = last._replace(length=end - last.begin, positions=last.positions + 1)
        else:
            found.append(Stretch(begin, end - begin, end - begin, 1))
    return found


def half_up(importer: Importer, node: Node, window: dict[str, Any], bounds: dict[str, int]) -> None:
    """The average of each window, ties rounded up.

    The number of codes in a window is constant on each of the parts that the padding divides the output into. An odd
    number has no ties. For an even one a convolution with ones rounds once, half up.
    """
    x, y = node.inputs[0], node.output
    importer.check(Op("average_pool2d", node.name, [x], y, window))
    top, _, left, _ = window["padding"]
    rows, columns = (
        stretches(x.shape[1 + k], window["filter"][k], window["stride"][k], before, y.shape[1 + k])
        for k, before in enumerate((top, left))
    )
    lines = []
    for row in rows:
        shape = (y.shape[0], row.positions, y.shape[2], y.shape[3])
        parts = [
            _part(importer, node, row, column, window["stride"], bounds, (*shape[:2], column.positions, shape[3]))
            for column in columns
        ]
        lines.append(_joined(importer, node, parts, 2, shape, y if len(rows) == 1 else None))
    _joined(importer, node, lines, 1, y.shape, y)


def _joined(
    importer: Importer, node: Node, parts: list[Tensor], axis: int, shape: tuple[int, ...], y: Tensor | None
) -> Tensor:
    if len(parts) == 1:
        return parts[0]
    whole = y if y is not None else importer.new(node, f"row{len(importer.graph.ops)}", shape, node.output)
    return importer.emit("concat", node, parts, whole, axis=axis)


def _part(
    importer: Importer,
    node: Node,
    row: Stretch,
    column: Stretch,
    stride: tuple[int, int],
    bounds: dict[str, int],
    shape: tuple[int, ...],
) -> Tensor:
    x, number = node.inputs[0], len(importer.graph.ops)
    taken = (x.shape[0], row.length, column.length, x.shape[3])
    if taken != x.shape:
        cut = importer.new(node, f"cut{number}", taken, x)
        begin = (0, row.begin, column.begin, 0)
        x = importer.emit("slice", node, [x], cut, begin=begin, stride=(1, 1, 1, 1))
    y = node.output if shape == node.output.shape else importer.new(node, f"part{number}", shape, node.output)
    size, attrs = (row.window, column.window), {"stride": stride, "padding": (0, 0, 0, 0)}
    count = size[0] * size[1]
    if count % 2:
        return importer.emit("average_pool2d", node, [x], y, filter=size, **attrs, **bounds)
    ones = np.ones((1, *size, x.shape[3]), np.int8)
    scale = Quantization(np.array(1 / count), np.array(0, np.int32))
    weights = Tensor(f"{node.name}_ones{number}", ones.shape, "int8", scale, ones)
    requant = half_up_requant(count, x.zero_point, bounds)
    return importer.emit("dwconv2d", node, [x, weights], y, dilation=(1, 1), requant=requant, **attrs)


def half_up_requant(count: int, zero_point: int, bounds: dict[str, int]) -> Requant:
    """``sum / count``, half up: a quarter of the least distance to a tie outweighs the error of the multiplier."""
    multiplier, shift = quantize_multiplier(1 / count)
    addend = implied_addend(multiplier, shift, 0, zero_point) + (1 << shift) // (4 * count)
    return Requant(
        np.array([multiplier], np.int32),
        np.array([shift], np.uint8),
        addend=np.array([addend], np.int64),
        output_min=bounds["output_min"],
        output_max=bounds["output_max"],
    )
