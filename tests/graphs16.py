"""Lowered graphs of 16-bit arithmetic, with random numbers that satisfy the validity rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import graphs
import numpy as np
from graphs import Array, Rng, Shape, Sum, one_operator, tensor

from qrt.compiler.integers.channels import CHANNEL_AXIS, Requant
from qrt.compiler.ir import Edge, Graph, Op, Quantization, Tensor

INT16_MIN, INT16_MAX = -(2**15), 2**15 - 1


def drawn(rng: Rng, shape: Shape, dtype: str) -> Array:
    """Codes of either type."""
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)


def with_dtype(tensor: Tensor, dtype: str, zero_point: int | None = None) -> None:
    """Makes a tensor that of a graph, of that type; `zero_point` is its own where None."""
    assert tensor.quantization is not None
    z = int(tensor.quantization.zero_point) if zero_point is None else zero_point
    tensor.dtype = dtype
    tensor.quantization = Quantization(tensor.quantization.scale, np.asarray(z, np.int32))


def with_edges(graph: Graph) -> Graph:
    """The graph, whose inputs and output have other types now."""
    for edge in (*graph.inputs, *graph.outputs):
        edge.source_dtype = "INT16" if edge.tensor.dtype == "int16" else "INT8"
    return graph


def shifted_requant(requant: Requant, factors: int, y_int16: bool, full: bool) -> Requant:
    """The same for codes 256 times as fine, so many in a product; `full`: with all bits of the multiplier."""
    x_int16 = factors > 0
    shift = requant.shift.astype(np.int64) + 8 * (factors - y_int16)
    multiplier, addend = requant.multiplier.astype(np.int64), requant.addend
    if x_int16 and requant.rounding == "SINGLE":
        bits = 0 if full else 16
        multiplier, shift = np.maximum(multiplier >> bits, multiplier.clip(0, 1)), shift - bits
        if addend is not None:
            addend = (addend.astype(object) * 2**8 // 2**bits).astype(np.int64)
    bias = requant.bias
    if bias is not None and x_int16:
        bias = (bias.astype(np.int64) << 8).clip(-(2**30), 2**30)
    low, high = requant.output_min, requant.output_max
    if y_int16:
        low, high = (INT16_MIN if low == -128 else low * 256 + 3), (INT16_MAX if high == 127 else high * 256 + 5)
    return replace(
        requant,
        multiplier=multiplier.astype(np.int32),
        shift=np.clip(shift, 0, 62).astype(np.uint8),
        bias=None if bias is None else bias.astype(np.int32),
        addend=addend,
        output_min=low,
        output_max=high,
    )


def _widened_range(attrs: dict[str, Any]) -> None:
    for key, open_end, end in (("output_min", -128, INT16_MIN), ("output_max", 127, INT16_MAX)):
        if key in attrs:
            attrs[key] = end if attrs[key] == open_end else attrs[key] * 256 + 7


def wide(
    rng: Rng,
    build: Callable[..., Graph],
    *arguments: Any,
    x: str = "int16",
    y: str = "int16",
    x_zero_point: int | None = None,
    y_zero_point: int | None = None,
    full: bool = False,
    **options: Any,
) -> Graph:
    """What `build` makes of int8, with activations of these types instead.

    Parameters
    ----------
    x, y : str
        Of all inputs but weights, and of the output.
    x_zero_point, y_zero_point : int or None
        Of all inputs, and of the output; None: as they are.
    full : bool
        Whether multipliers keep their 31 bits.
    """
    graph = build(rng, *arguments, **options)
    (op,) = graph.ops
    inputs = op.inputs[:1] if op.kind in CHANNEL_AXIS else op.inputs
    for source in inputs:
        with_dtype(source, x, x_zero_point)
        if source.data is not None:
            source.data = drawn(rng, source.shape, x)
    with_dtype(op.output, y, y_zero_point)
    if "requant" in op.attrs:
        factors = (x == "int16") * (2 if op.kind in ("mul", "matmul") else 1)
        op.attrs["requant"] = shifted_requant(op.attrs["requant"], factors, y == "int16", full)
    if y == "int16":
        _widened_range(op.attrs)
    return with_edges(graph)


def add(
    rng: Rng,
    a_shape: Shape,
    b_shape: Shape,
    numbers: Sum,
    *,
    x: str = "int16",
    y: str = "int16",
    constant: bool = False,
) -> Graph:
    """Form TFLITE has one type and zero points of 0."""
    tflite = numbers.form == "TFLITE"
    fine = 8 * ((x == "int16") - (y == "int16"))
    numbers = replace(numbers, shift=min(max(numbers.shift + fine, 0), 62), y_shift=max(numbers.y_shift - 5, 31))
    zero_point = 0 if tflite else None
    return wide(
        rng,
        graphs.add,
        a_shape,
        b_shape,
        numbers,
        x=x,
        y=y,
        x_zero_point=zero_point,
        y_zero_point=zero_point,
        constant=constant,
    )


def _tensor16(name: str, shape: Shape, zero_point: int = 0) -> Tensor:
    result = tensor(name, shape)
    with_dtype(result, "int16", zero_point)
    return result


def activation(rng: Rng, kind: str, shape: Shape, *, zero_points: tuple[int, int] = (0, 0), **attrs: Any) -> Graph:
    """sigmoid, tanh or leaky_relu with these integers."""
    x, y = _tensor16("x", shape, zero_points[0]), _tensor16("y", shape, zero_points[1])
    return with_edges(one_operator(kind, [x], y, **attrs))


def softmax(rng: Rng, shape: Shape, multiplier: int, shift: int) -> Graph:
    attrs = {"multiplier": multiplier, "shift": shift, "exponential": np.zeros(0, np.uint32), "form": "TFLITE"}
    return with_edges(one_operator("softmax", [_tensor16("x", shape, 7)], _tensor16("y", shape), **attrs))


def chain(rng: Rng, shape: Shape) -> Graph:
    """int8 to int16, operators on that in place, and back."""
    first = wide(rng, graphs.elementwise, "requantize", shape, x="int8")
    x, a = first.ops[0].inputs[0], first.ops[0].output
    with_dtype(a, "int16", 0)
    b, c, y = _tensor16("b", shape), _tensor16("c", shape), tensor("out", shape, -9)
    last = wide(rng, graphs.elementwise, "requantize", shape, y="int8").ops[0].attrs
    ops = [
        first.ops[0],
        Op("sigmoid", "sigmoid", [a], b, {"multiplier": 3, "shift": 0}),
        Op("clamp", "clamp", [b], c, {"output_min": 300, "output_max": 32000}),
        Op("requantize", "last", [c], y, last),
    ]
    return Graph("chain", ops, [Edge(x)], [Edge(y)])
