"""The part of absorb_qdq for operators that only compare: maxima and minima commute with quantize and dequantize."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qrt.compiler.integers.codes import LIMITS, OPPOSITE
from qrt.compiler.ir import Op, Quantization, Tensor
from qrt.compiler.passes.absorb.emitter import Emitter


def of_two(a: Emitter, op: Op, inputs: list[Tensor]) -> Tensor:
    """maximum or minimum, with broadcasting; of constants it is a constant."""
    return a.called(_compared(a, op, op.kind, inputs[0], inputs[1]), op.output.name)


def _compared(a: Emitter, op: Op, kind: str, x: Tensor, z: Tensor) -> Tensor:
    rank = len(op.output.shape)
    x, z = a.ranked(x, rank), a.ranked(z, rank)
    name = a.fresh(f"{op.output.name}_{kind}")
    if x.data is not None and z.data is not None:
        data = (np.maximum if kind == "maximum" else np.minimum)(x.data, z.data)
        return Tensor(name, data.shape, x.dtype, x.quantization, data)
    if x.is_constant:
        x, z = z, x
    shape = tuple(np.broadcast_shapes(x.shape, z.shape))
    return a.emit(kind, name, [x, z], shape, x.quantization, {}, op)


def where(a: Emitter, op: Op, inputs: list[Tensor]) -> Tensor | None:
    """max(min(x, A), min(z, B)): A is the largest code where the condition holds, else the least; B the opposite."""
    condition = np.asarray(op.attrs["condition"], bool)
    condition = condition.reshape((1,) * (len(op.output.shape) - condition.ndim) + condition.shape)
    bounded = []
    for tensor, taken in zip(inputs, (condition, ~condition), strict=True):
        least, largest = LIMITS[tensor.dtype]
        limit = np.where(taken, largest, least).astype(tensor.dtype)
        bound = Tensor(a.fresh(f"{op.output.name}_limit"), limit.shape, tensor.dtype, tensor.quantization, limit)
        bounded.append(_compared(a, op, "minimum", tensor, bound))
    return a.called(_compared(a, op, "maximum", *bounded), op.output.name)


def _turned(a: Emitter, op: Op, x: Tensor) -> Tensor:
    """-1 - code: the real values with the opposite sign."""
    assert x.quantization is not None
    opposite = replace(x.quantization, zero_point=np.asarray(-1 - x.zero_point, np.int32))
    return a.emit("lut", a.fresh(f"{op.output.name}_turned"), [x], x.shape, opposite, {"table": OPPOSITE}, op)


def extreme_over_axes(a: Emitter, op: Op, inputs: list[Tensor]) -> Tensor:
    """The largest or least code over axes, as max pooling of [outer, reduced, 1, inner]."""
    x, axes, is_least = inputs[0], op.attrs["axes"], op.kind == "reduce_min"
    flat = a.together(_turned(a, op, x) if is_least else x, axes)
    attrs = {"filter": (flat.shape[1], 1), "stride": (1, 1), "padding": (0, 0, 0, 0)}
    shape = (flat.shape[0], 1, 1, flat.shape[3])
    y = a.emit("max_pool2d", a.fresh(f"{op.output.name}_pooled"), [flat], shape, flat.quantization, attrs, op)
    y = a.apart(_turned(a, op, y) if is_least else y, x, axes, op.output.shape)
    return a.called(y, op.output.name)


def arg_extreme(a: Emitter, op: Op, inputs: list[Tensor]) -> Tensor | None:
    """The index of the first largest or least entry; the code is index - 128."""
    x = inputs[0]
    rank = len(x.shape)
    axis = op.attrs["axis"] % rank
    if x.shape[axis] > 256:
        a.refuse(op, f"selects among {x.shape[axis]} entries; at most 256 are supported; end the network before it")
        return None
    if op.kind == "arg_min":
        x = _turned(a, op, x)
    if axis != rank - 1:
        x = a.transposed(x, (*(k for k in range(rank) if k != axis), axis))
    index = Quantization(np.array(1, np.float32), np.array(-128, np.int32))
    y = a.emit("arg_max", a.fresh(f"{op.output.name}_index"), [x], (*x.shape[:-1], 1), index, {}, op)
    return a.called(a.reshaped(y, op.output.shape), op.output.name)
