"""The part of absorb_qdq for operators that compute new values and round them once.

Each function is called ``(emitter, op, inputs, quantization, name)``, where `inputs` are codes; it returns the codes of
the result, called `name`, with `quantization`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from qrt.compiler.integers.lines import constant_values
from qrt.compiler.integers.resize import ONE
from qrt.compiler.ir import Op, Quantization, Tensor
from qrt.compiler.passes.absorb import pools
from qrt.compiler.passes.absorb.affine import affine
from qrt.compiler.passes.absorb.emitter import Emitter
from qrt.compiler.passes.absorb.gathers import taken
from qrt.compiler.passes.absorb.layers import layer, transpose_conv2d


def _binary(a: Emitter, op: Op, inputs: list[Tensor], quantization: Quantization, name: str) -> Tensor | None:
    """add, sub or mul of codes, with broadcasting."""
    rank = len(op.output.shape)
    aligned = [a.ranked(tensor, rank) for tensor in inputs]
    if any(tensor.quantization is None or tensor.quantization.per_channel for tensor in aligned):
        a.refuse(op, "has a constant operand that is quantized per channel; quantize it per tensor")
        return None
    if all(tensor.is_constant for tensor in aligned):
        a.refuse(op, "both operands are constant; fold them in the source")
        return None
    extra: dict[str, Any] = {key: op.attrs[key] for key in ("engine", "float32") if key in op.attrs}
    kind = op.kind
    if kind == "sub":
        kind, extra = "add", extra | {"subtract": True}
    return a.emit(kind, name, aligned, op.output.shape, quantization, extra, op)


def matmul(a: Emitter, op: Op, inputs: list[Tensor], quantization: Quantization, name: str) -> Tensor | None:
    """a [..., M, K] times b [..., K, N]; b is transposed, and a is repeated where only its leading axes are 1."""
    rank = len(op.output.shape)
    x, z = (a.ranked(tensor, rank) for tensor in inputs)
    if any(tensor.quantization is None or tensor.quantization.per_channel for tensor in (x, z)):
        a.refuse(op, "has a constant operand that is quantized per channel; quantize it per tensor")
        return None
    leading = op.output.shape[:-2]
    x = _repeated(a, op, x, leading)
    if set(z.shape[:-2]) - {1}:
        z = _repeated(a, op, z, leading)
    order = (*range(rank - 2), rank - 1, rank - 2)
    if z.data is not None:
        turned = np.ascontiguousarray(z.data.transpose(order))
        z = replace(z, name=a.fresh(z.name), shape=turned.shape, data=turned)
    else:
        z = a.transposed(z, order)
    return a.emit("matmul", name, [x, z], op.output.shape, quantization, a.unmodeled(), op)


def _repeated(a: Emitter, op: Op, x: Tensor, leading: tuple[int, ...]) -> Tensor:
    """`x` with its leading axes of length 1 repeated."""
    if x.data is not None:
        data = np.ascontiguousarray(np.broadcast_to(x.data, (*leading, *x.shape[-2:])))
        return replace(x, name=a.fresh(x.name), shape=data.shape, data=data)
    for axis, length in enumerate(leading):
        if x.shape[axis] != length:
            x = taken(a, op, x, axis, np.zeros(length, np.int64))
    return x


def _prelu(a: Emitter, op: Op, inputs: list[Tensor], quantization: Quantization, name: str) -> Tensor | None:
    """The codes above zero requantized, plus those below zero times the slopes: one of the two is always 0."""
    x = inputs[0]
    slopes = constant_values(op.inputs[1], a.producers.get(op.inputs[1]))
    if slopes is None:
        a.refuse(op, "its slopes are not constant")
        return None
    zero = x.zero_point
    above = a.emit("clamp", a.fresh(f"{name}_above"), [x], x.shape, x.quantization, {"output_min": zero}, op)
    below = a.emit("clamp", a.fresh(f"{name}_below"), [x], x.shape, x.quantization, {"output_max": zero}, op)
    kept = a.emit("requantize", a.fresh(f"{name}_kept"), [above], x.shape, quantization, a.unmodeled(), op)
    sloped = affine(a, op, below, (slopes, np.zeros(1)), quantization, a.fresh(f"{name}_sloped"))
    if sloped is None:
        return None
    exact = {"a_multiplier": 1 << 30, "b_multiplier": 1 << 30, "shift": 30}
    return a.emit("add", name, [kept, sloped], x.shape, quantization, exact, op)


def _affine(a: Emitter, op: Op, inputs: list[Tensor], quantization: Quantization, name: str) -> Tensor | None:
    return affine(a, op, inputs[0], (op.attrs["factor"], op.attrs["summand"]), quantization, name)


def _softmax(a: Emitter, op: Op, inputs: list[Tensor], quantization: Quantization, name: str) -> Tensor | None:
    """softmax or log_softmax, which work along the last axis."""
    x = inputs[0]
    axis, last = op.attrs["axis"] % len(x.shape), len(x.shape) - 1
    if axis == last:
        return a.emit(op.kind, name, [x], x.shape, quantization, a.unmodeled(), op)
    order = (*(k for k in range(len(x.shape)) if k != axis), axis)
    moved = a.transposed(x, order)
    y = a.emit(op.kind, a.fresh(f"{name}_last"), [moved], moved.shape, quantization, a.unmodeled(), op)
    return a.transposed(y, tuple(int(k) for k in np.argsort(order)), name)


def _layer_norm(a: Emitter, op: Op, inputs: list[Tensor], quantization: Quantization, name: str) -> Tensor | None:
    x = inputs[0]
    parameters = [constant_values(tensor, a.producers.get(tensor)) for tensor in op.inputs[1:3]]
    if any(one is None for one in parameters):
        a.refuse(op, "its scale or bias is not constant")
        return None
    gamma, beta = (np.broadcast_to(np.asarray(one).reshape(-1), (x.shape[-1],)).copy() for one in parameters)
    attrs = {"gamma": gamma, "beta": beta, "epsilon": op.attrs["epsilon"]} | a.unmodeled()
    return a.emit("layer_norm", name, [x], x.shape, quantization, attrs, op)


def _resize_linear(a: Emitter, op: Op, inputs: list[Tensor], quantization: Quantization, name: str) -> Tensor | None:
    """Bilinear interpolation with weights in 1/1024, then a requantization if the scale changes."""
    x = inputs[0]
    attrs: dict[str, Any] = {key: np.asarray(op.attrs[key], np.uint16) for key in ("rows", "columns")}
    for entries, key in (("rows", "row_weight"), ("columns", "column_weight")):
        weight = np.rint(np.asarray(op.attrs[key], np.float64) * ONE).astype(np.uint16)
        attrs[entries] = attrs[entries] + weight // ONE  # a weight that rounds to 1 is the next entry
        attrs[key] = weight % ONE if (weight % ONE).any() else None
    same = quantization.same_as(x.quantization)
    y = a.image(
        "resize2d", op, [x], x.quantization, attrs | a.unmodeled(), name if same else a.fresh(f"{name}_resized")
    )
    return y if same else a.emit("requantize", name, [y], y.shape, quantization, a.unmodeled(), op)


COMPUTED: dict[str, Callable[[Emitter, Op, list[Tensor], Quantization, str], Tensor | None]] = {
    "conv2d": layer,
    "linear": layer,
    "add": _binary,
    "mul": _binary,
    "mean": pools.mean,
    "average_pool2d": pools.average_pool2d,
    "affine": _affine,
    "sum": pools.mean,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "sub": _binary,
    "matmul": matmul,
    "transpose_conv2d": transpose_conv2d,
    "prelu": _prelu,
    "layer_norm": _layer_norm,
    "resize_linear": _resize_linear,
}
# How many of an operator's inputs must be codes, if not the first alone; None stands for all.
DATA_INPUTS = {
    **dict.fromkeys(("conv2d", "linear", "transpose_conv2d", "add", "mul", "sub", "div", "matmul"), 2),
    **dict.fromkeys(("concat", "maximum", "minimum", "where"), None),
}
