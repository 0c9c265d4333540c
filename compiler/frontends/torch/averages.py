"""How PyTorch's engines average codes: their divisors and rounding of ties."""

from __future__ import annotations

from typing import Any

from qrt.compiler.integers.thresholds import TORCH
from qrt.compiler.ir import Op, Tensor

CHANNELS_LAST = (0, 2, 3, 1)
# Channels that ATen's avg_pool2d averages at once with AVX-512 if they are contiguous in memory.
VECTOR = 16


def state_averages(ops: list[Op], engine: str) -> None:
    """Sets the attributes of averages and concats to how `engine` computes them, measured on PyTorch 2.13.

    Float operators and QNNPACK round the mean of code - zero_point half to even, ATen's own kernels the mean of the
    raw codes. With channels-last memory ATen's avg_pool2d rounds like QNNPACK in every channel of a full `VECTOR`.
    QNNPACK counts padding and divides by the window's size, regardless of count_include_pad and divisor_override;
    ATen calls it for uint8 only, and never with ceil_mode.
    """
    types: dict[Tensor, str] = {}  # of the codes that each float tensor is dequantized from
    orders: dict[Tensor, tuple[int, ...]] = {}
    for op in ops:
        x = op.inputs[0]
        if op.kind in ("average_pool2d", "mean"):
            order = orders.get(x, tuple(range(len(x.shape))))
            op.attrs.update(_stated(op, engine, types.get(x) == "uint8", _is_channels_last(x, order)))
        if op.kind == "concat" and engine in TORCH:
            places = [orders.get(one, tuple(range(len(one.shape)))) for one in op.inputs]
            images = all(len(one.shape) == 4 for one in op.inputs) and op.attrs["axis"] == 1
            op.attrs["channels_last"] = images and all(map(_is_channels_last, op.inputs, places))
        types[op.output] = x.dtype if op.kind == "dequantize" else types.get(x, "")
        orders[op.output] = _memory_order(op, orders)


def _stated(op: Op, engine: str, unsigned: bool, channels_last: bool) -> dict[str, Any]:
    if engine == "pytorch":
        return {"rounding": "HALF_EVEN", "float32": "RECIPROCAL"}
    if engine == "qnnpack" and unsigned and op.attrs["qnnpack"]:
        padding = op.attrs.get("padding", (0, 0, 0, 0))
        return {"rounding": "HALF_EVEN", "counted": padding, "divisor": None, "float32": "QLINEAR_SUM"}
    vectors = op.kind == "average_pool2d" and channels_last and not op.attrs.get("adaptive", False)
    # ATen has a kernel of codes for means over axes that are innermost in memory, other means are taken in float32.
    in_float = op.kind == "mean" and not op.attrs.get("adaptive", False) and (channels_last or not _is_innermost(op))
    way = "SUMMED" if in_float else "QUANTIZED"
    return {"rounding": "HALF_EVEN_RAW", "float32": way} | ({"vector": VECTOR} if vectors else {})


def _is_innermost(mean: Op) -> bool:
    rank, axes = len(mean.inputs[0].shape), mean.attrs["axes"]
    return tuple(axes) == tuple(range(rank - len(axes), rank))


def _is_channels_last(x: Tensor, order: tuple[int, ...]) -> bool:
    long = [axis for axis in range(len(x.shape)) if x.shape[axis] != 1]
    return [axis for axis in order if axis in long] == [axis for axis in CHANNELS_LAST if axis in long]


def _memory_order(op: Op, orders: dict[Tensor, tuple[int, ...]]) -> tuple[int, ...]:
    """The axes of `op`'s output in PyTorch's memory, from the largest stride to the smallest.

    Convolutions write channels last, other operators keep the order of their first input.
    """
    plain = tuple(range(len(op.output.shape)))
    if op.kind == "conv2d":
        return CHANNELS_LAST
    known = [orders.get(x, tuple(range(len(x.shape)))) for x in op.inputs if x.data is None]
    if not known or op.kind in ("linear", "mean"):
        return plain
    order = known[0]
    if op.kind == "transpose":
        return tuple(op.attrs["permutation"].index(axis) for axis in order)
    if op.kind == "reshape":
        return _reshaped(order, op.inputs[0].shape, op.output.shape)
    alike = len(order) == len(plain) and (op.kind != "concat" or all(one == order for one in known))
    return order if alike else plain


def _reshaped(order: tuple[int, ...], before: tuple[int, ...], after: tuple[int, ...]) -> tuple[int, ...]:
    """Adding or removing axes of length 1 needs no copy; any other reshape copies to the default order."""
    old, new = ([axis for axis, n in enumerate(shape) if n != 1] for shape in (before, after))
    if [before[axis] for axis in old] != [after[axis] for axis in new]:
        return tuple(range(len(after)))
    moved = [new[old.index(axis)] for axis in order if axis in old]
    return tuple(axis for axis in range(len(after)) if axis not in moved) + tuple(moved)
