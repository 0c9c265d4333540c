"""Operands that state the shape of a node's results: a file repeats them in the tensors, and both must agree."""

from __future__ import annotations

import math
from collections.abc import Callable

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.ir import Tensor

Shapes = list[tuple[int, ...]]


def check_stated(importer: Importer, node: Node) -> None:
    """Sets the shapes of results that the file leaves open to those that an operand states.

    Raises
    ------
    Unsupported
        An operand and a tensor state different shapes.
    """
    stated = STATED.get(node.kind)
    if stated is None or any(tensor.data is None for tensor in node.inputs if tensor not in node.activations):
        return
    for tensor, shape in zip(node.outputs, stated(node), strict=True):
        if tensor in importer.dynamic:
            tensor.shape = shape
        elif tensor.shape != shape and (node.kind != "RESHAPE" or tensor.size != math.prod(shape)):
            reason = f"its output {tensor.name!r} has shape {list(tensor.shape)}, and an operand asks for {list(shape)}"
            raise Unsupported(f"{reason}; convert the file again")


def _numbers(tensor: Tensor) -> list[int]:
    assert tensor.data is not None
    return [int(number) for number in tensor.data.reshape(-1)]


def _reshaped(node: Node) -> Shapes:
    if len(node.inputs) < 2:
        return [node.output.shape]
    numbers = _numbers(node.inputs[1])
    rest = math.prod(number for number in numbers if number != -1)
    return [tuple(node.inputs[0].size // rest if number == -1 and rest else number for number in numbers)]


def _resized(node: Node) -> Shapes:
    x = node.inputs[0].shape
    return [(x[0], *_numbers(node.inputs[1]), x[3])]


def _sliced(node: Node) -> Shapes:
    x, begin, size = node.inputs[0].shape, _numbers(node.inputs[1]), _numbers(node.inputs[2])
    return [tuple(n - b if s == -1 else s for n, b, s in zip(x, begin, size, strict=True))]


def _split(node: Node) -> Shapes:
    x, sizes = node.inputs[0].shape, _numbers(node.inputs[1])
    axis = _numbers(node.inputs[2])[0] % len(x)
    rest = x[axis] - sum(size for size in sizes if size != -1)
    return [(*x[:axis], rest if size == -1 else size, *x[axis + 1 :]) for size in sizes]


def _transposed(node: Node) -> Shapes:
    return [tuple(_numbers(node.inputs[0]))]


STATED: dict[str, Callable[[Node], Shapes]] = {
    "RESHAPE": _reshaped,
    "RESIZE_BILINEAR": _resized,
    "RESIZE_NEAREST_NEIGHBOR": _resized,
    "SLICE": _sliced,
    "SPLIT_V": _split,
    "TRANSPOSE_CONV": _transposed,
}
