"""Evaluates operators on constants and on static shapes, as converters write them to compute shapes.

A result is a constant for the operators that read it. The batch may be part of it: `qrt.compiler.passes.set_batch`
changes the shapes of activations afterwards, and no converted operator takes a shape from a constant alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.edges import quantized
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.frontends.tflite.tensors import NUMPY

Arrays = list[np.ndarray]
Fold = Callable[[Importer, Node, Arrays], np.ndarray | Sequence[np.ndarray]]


def fold(importer: Importer, node: Node) -> bool:
    """Makes the results of a node constants if they do not depend on the network's inputs; whether they are."""
    if node.kind in SHAPES:
        results: np.ndarray | Sequence[np.ndarray] = SHAPES[node.kind](importer, node)
    elif not node.inputs or any(tensor.data is None for tensor in node.inputs):
        return False
    elif node.kind in MOVING and _same_numbers(node):
        results = MOVING[node.kind](importer, node, _values(node))
    elif node.kind in EDGES and node.inputs[0].dtype != node.output.dtype:
        results = EDGES[node.kind](importer, node, _values(node))
    elif node.kind in COMPUTING and not any(tensor.quantization for tensor in (*node.inputs, *node.outputs)):
        with np.errstate(all="ignore"):
            results = COMPUTING[node.kind](importer, node, _values(node))
    else:
        return False
    arrays = [results] if isinstance(results, np.ndarray | np.generic) else results
    for tensor, array in zip(node.outputs, arrays, strict=True):
        if tensor.dtype not in NUMPY:
            raise Unsupported(f"computes constants of {tensor.dtype}, which is not supported")
        tensor.data = np.asarray(array).astype(NUMPY[tensor.dtype])
        tensor.shape = tensor.data.shape
    return True


def _values(node: Node) -> Arrays:
    return [tensor.data for tensor in node.inputs if tensor.data is not None]


def _same_numbers(node: Node) -> bool:
    """Whether codes mean the same before and after the node; true for plain integers."""
    codes = [tensor for tensor in (*node.inputs, *node.outputs) if tensor.dtype in ("int8", "int16")]
    numbers = [tensor.quantization for tensor in codes if tensor.quantization is not None]
    return not numbers or (len(numbers) == len(codes) and all(one.same_as(numbers[0]) for one in numbers))


def _axis(axis: Any, rank: int) -> int:
    number = int(np.asarray(axis).reshape(-1)[0])
    if not -rank <= number < rank:
        raise Unsupported(f"works along axis {number} of a rank-{rank} tensor")
    return number % rank


# Shapes of activations.


def _stated_shape(importer: Importer, node: Node) -> tuple[int, ...]:
    return () if node.inputs[0] in importer.scalars else node.inputs[0].shape


def _shape(importer: Importer, node: Node) -> np.ndarray:
    return np.array(_stated_shape(importer, node), np.int64)


def _rank(importer: Importer, node: Node) -> np.ndarray:
    return np.array(len(_stated_shape(importer, node)))


SHAPES: dict[str, Callable[[Importer, Node], np.ndarray]] = {"SHAPE": _shape, "RANK": _rank}


# Operators that move values; codes of constants stay as they are.


def _reshape(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    if len(values) > 1:
        return values[0].reshape(values[1].reshape(-1).tolist())
    return values[0].reshape(node.output.shape)


def _squeeze(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    options = importer.options(node, "SqueezeOptions")
    axes = [_axis(options.SqueezeDims(k), values[0].ndim) for k in range(options.SqueezeDimsLength())]
    return np.squeeze(values[0], tuple(axes) if axes else None)


def _expand_dims(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    return np.expand_dims(values[0], _axis(values[1], values[0].ndim + 1))


def _pack(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    importer.reserve(sum(value.size for value in values), values[0].dtype)
    return np.stack(values, _axis(importer.options(node, "PackOptions").Axis(), values[0].ndim + 1))


def _unpack(importer: Importer, node: Node, values: Arrays) -> Arrays:
    axis = _axis(importer.options(node, "UnpackOptions").Axis(), values[0].ndim)
    return list(np.moveaxis(values[0], axis, 0))


def _concatenation(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    options = importer.options(node, "ConcatenationOptions")
    importer.reserve(sum(value.size for value in values), values[0].dtype)
    return np.concatenate(values, _axis(options.Axis(), values[0].ndim))


def _slice(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    places = []
    for begin, size in zip(values[1].reshape(-1).tolist(), values[2].reshape(-1).tolist(), strict=True):
        places.append(slice(begin, None if size < 0 else begin + size))
    return values[0][tuple(places)]


def _strided_slice(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    options = importer.options(node, "StridedSliceOptions")
    begins, ends, strides = (value.reshape(-1).tolist() for value in values[1:4])
    places: list[Any] = []
    for k, (begin, end, stride) in enumerate(zip(begins, ends, strides, strict=True)):
        if options.EllipsisMask() >> k & 1:
            places.append(Ellipsis)
        elif options.NewAxisMask() >> k & 1:
            places.append(None)
        elif options.ShrinkAxisMask() >> k & 1:
            places.append(begin)
        else:
            first = None if options.BeginMask() >> k & 1 else begin
            last = None if options.EndMask() >> k & 1 else end + (begin if options.Offset() else 0)
            places.append(slice(first, last, stride))
    return np.asarray(values[0][tuple(places)])


def _split(importer: Importer, node: Node, values: Arrays) -> Arrays:
    return np.split(values[1], len(node.outputs), _axis(values[0], values[1].ndim))


def _split_v(importer: Importer, node: Node, values: Arrays) -> Arrays:
    axis, length = _axis(values[2], values[0].ndim), values[0].shape[_axis(values[2], values[0].ndim)]
    sizes = values[1].reshape(-1).tolist()
    sizes = [length - sum(s for s in sizes if s >= 0) if size < 0 else size for size in sizes]
    return np.split(values[0], np.cumsum(sizes)[:-1], axis)


def _gather(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    options = importer.options(node, "GatherOptions")
    if options.BatchDims():
        raise Unsupported("gathers with batch_dims, which is not supported")
    axis = _axis(options.Axis(), values[0].ndim)
    importer.reserve(values[0].size // max(values[0].shape[axis], 1) * values[1].size, values[0].dtype)
    return np.take(values[0], values[1], axis)


def _transpose(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    return values[0].transpose(values[1].reshape(-1).tolist())


def _tile(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    times = values[1].reshape(-1).tolist()
    importer.reserve(values[0].size * math.prod(times), values[0].dtype)
    return np.tile(values[0], times)


def _broadcast_to(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    shape = values[1].reshape(-1).tolist()
    importer.reserve(math.prod(shape), values[0].dtype)
    return np.broadcast_to(values[0], shape)


def _reverse(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    return np.flip(values[0], tuple(values[1].reshape(-1).tolist()))


def _fill(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    shape = values[0].reshape(-1).tolist()
    importer.reserve(math.prod(shape), values[1].dtype)
    return np.full(shape, values[1].reshape(()))


def _same(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    return values[0]


MOVING: dict[str, Fold] = {
    "BROADCAST_TO": _broadcast_to,
    "CONCATENATION": _concatenation,
    "DENSIFY": _same,
    "EXPAND_DIMS": _expand_dims,
    "FILL": _fill,
    "GATHER": _gather,
    "PACK": _pack,
    "RESHAPE": _reshape,
    "REVERSE_V2": _reverse,
    "SLICE": _slice,
    "SPLIT": _split,
    "SPLIT_V": _split_v,
    "SQUEEZE": _squeeze,
    "STRIDED_SLICE": _strided_slice,
    "TILE": _tile,
    "TRANSPOSE": _transpose,
    "UNPACK": _unpack,
}


# From codes to real values and back.


def _dequantize(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    x = node.inputs[0]
    if x.quantization is None:
        return values[0]
    shape = [1] * values[0].ndim
    if x.quantization.axis is not None:
        shape[x.quantization.axis] = -1
    steps = values[0].astype(np.int64) - x.quantization.zero_point.reshape(shape)
    real: np.ndarray = steps.astype(np.float32) * x.quantization.scale.astype(np.float32).reshape(shape)
    return real


def _quantize(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    x, y = node.inputs[0], node.output
    if y.dtype not in ("int8", "int16") or y.quantization is None or y.quantization.per_channel or x.dtype != "float32":
        raise Unsupported(f"quantizes a constant of {x.dtype} to {y.dtype}; store the result in the file")
    return quantized(values[0], y.quantization, y.dtype)


EDGES: dict[str, Fold] = {"DEQUANTIZE": _dequantize, "QUANTIZE": _quantize}


# Operators on plain numbers.


def _binary(function: Callable[[Any, Any], Any], table: str | None = None) -> Fold:
    def compute(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
        if table is not None and importer.options(node, table).FusedActivationFunction():
            raise Unsupported("has a fused activation on constants, which is not supported")
        importer.reserve(math.prod(np.broadcast_shapes(values[0].shape, values[1].shape)), values[0].dtype)
        return np.asarray(function(values[0], values[1]))

    return compute


def _unary(function: Callable[[Any], Any]) -> Fold:
    return lambda importer, node, values: np.asarray(function(values[0]))


def _checked(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A division, whose divisor must not be 0."""

    def divide(a: np.ndarray, b: np.ndarray) -> Any:
        if not b.all():
            raise Unsupported("divides by 0")
        return function(a, b)

    return divide


def _truncated(a: np.ndarray, b: np.ndarray) -> Any:
    """The quotient as in C: integers are rounded towards 0."""
    if a.dtype.kind == "f":
        return a / b
    quotient = np.abs(a) // np.abs(b)
    return np.where((a < 0) != (b < 0), -quotient, quotient)


def _reduced(function: Callable[..., Any]) -> Fold:
    def compute(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
        axes = tuple(int(axis) for axis in values[1].reshape(-1))
        keepdims = bool(importer.options(node, "ReducerOptions").KeepDims())
        return np.asarray(function(values[0], axis=axes, keepdims=keepdims))

    return compute


def _range(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    start, limit, step = (value.reshape(()).item() for value in values)
    if not step:
        raise Unsupported("has a step of 0")
    importer.reserve(max(0, math.ceil((limit - start) / step)), values[0].dtype)
    return np.arange(start, limit, step)


def _select(importer: Importer, node: Node, values: Arrays) -> np.ndarray:
    importer.reserve(math.prod(np.broadcast_shapes(*(value.shape for value in values))), values[1].dtype)
    return np.where(*values)


COMPUTING: dict[str, Fold] = {
    "ABS": _unary(np.abs),
    "ADD": _binary(np.add, "AddOptions"),
    "CAST": _same,
    "DIV": _binary(_checked(_truncated), "DivOptions"),
    "EQUAL": _binary(np.equal),
    "FLOOR_DIV": _binary(_checked(np.floor_divide)),
    "FLOOR_MOD": _binary(_checked(np.mod)),
    "GREATER": _binary(np.greater),
    "GREATER_EQUAL": _binary(np.greater_equal),
    "LESS": _binary(np.less),
    "LESS_EQUAL": _binary(np.less_equal),
    "LOGICAL_AND": _binary(np.logical_and),
    "LOGICAL_NOT": _unary(np.logical_not),
    "LOGICAL_OR": _binary(np.logical_or),
    "MAXIMUM": _binary(np.maximum),
    "MINIMUM": _binary(np.minimum),
    "MUL": _binary(np.multiply, "MulOptions"),
    "NEG": _unary(np.negative),
    "NOT_EQUAL": _binary(np.not_equal),
    "RANGE": _range,
    "REDUCE_MAX": _reduced(np.max),
    "REDUCE_MIN": _reduced(np.min),
    "REDUCE_PROD": _reduced(np.prod),
    "SELECT": _select,
    "SELECT_V2": _select,
    "SUB": _binary(np.subtract, "SubOptions"),
    "SUM": _reduced(np.sum),
    "ZEROS_LIKE": _unary(np.zeros_like),
}
