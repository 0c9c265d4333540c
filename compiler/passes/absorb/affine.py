"""The part of absorb_qdq for constants of each channel: factors and summands that no codes stand for."""

from __future__ import annotations

from typing import Any

import numpy as np

from qrt.compiler.integers.lines import Line, constant_values, line_of
from qrt.compiler.ir import Op, Quantization, Tensor
from qrt.compiler.passes.absorb.emitter import Emitter


def of_constant(a: Emitter, op: Op, codes: Tensor, quantization: Quantization, name: str) -> Tensor | None:
    """add, sub, mul or div of `codes` and a constant that varies along one axis at most; None for other operands."""
    found = line_of(op, [constant_values(tensor, a.producers.get(tensor)) for tensor in op.inputs])
    return None if found is None else affine(a, op, codes, found[1], quantization, name)


def affine(a: Emitter, op: Op, x: Tensor, line: Line, quantization: Quantization, name: str) -> Tensor | None:
    """factor * x + summand as a depthwise convolution of one position, whose codes are 1 and -1.

    Both broadcast to x and vary along one axis at most, else the result is None and the reason is recorded.
    """
    rank = len(x.shape)
    parts = [part.reshape((1,) * (rank - part.ndim) + part.shape) for part in line]
    shape = np.broadcast_shapes(*(part.shape for part in parts))
    long = [k for k, length in enumerate(shape) if length != 1]
    if len(long) > 1:
        a.refuse(op, "has a constant operand that varies along several axes and is not quantized; quantize it too")
        return None
    axis = long[0] if long else rank - 1
    factors, summands = (np.broadcast_to(part, shape).reshape(-1) for part in parts)
    count = x.shape[axis]
    factors, summands = np.broadcast_to(factors, (count,)), np.broadcast_to(summands, (count,)).copy()
    scale = np.where(factors == 0, 1.0, np.abs(factors))
    weights = Tensor(
        a.fresh(f"{name}_factors"),
        (1, 1, 1, count),
        "int8",
        Quantization(scale, np.zeros(count, np.int32), 3),
        np.sign(factors).astype(np.int8).reshape(1, 1, 1, count),
    )
    arguments = [weights]
    if summands.any():
        arguments.append(Tensor(a.fresh(f"{name}_summands"), (count,), "float32", None, summands))
    attrs: dict[str, Any] = {"stride": (1, 1), "dilation": (1, 1), "padding": (0, 0, 0, 0), "float_bias": True}
    return _along(a, op, x, axis, (arguments, attrs | a.unmodeled()), quantization, name)


def _along(
    a: Emitter,
    op: Op,
    x: Tensor,
    axis: int,
    layer: tuple[list[Tensor], dict[str, Any]],
    quantization: Quantization,
    name: str,
) -> Tensor:
    """The depthwise convolution along `axis`, which is moved to the end and back."""
    arguments, attrs = layer
    rank = len(x.shape)
    order = (*(k for k in range(rank) if k != axis), axis)
    turned = x if axis == rank - 1 else a.transposed(x, order)
    flat = turned if rank == 4 else a.reshaped(turned, (turned.size // turned.shape[-1], 1, 1, turned.shape[-1]))
    y = a.emit("dwconv2d", a.fresh(f"{name}_flat"), [flat, *arguments], flat.shape, quantization, attrs, op)
    y = a.reshaped(y, turned.shape)
    if axis != rank - 1:
        y = a.transposed(y, tuple(int(k) for k in np.argsort(order)))
    return a.called(y, name)
