"""The range of codes of each channel of each tensor, over all inputs: interval arithmetic on a lowered graph.

A channel is an index of a tensor's last axis. Each accumulator is a sum of terms whose ranges are independent, so its
interval contains every value that can occur. `requantize` and clamps are monotone, so they map the interval's ends to
bounds of the codes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from qrt.compiler.integers.arithmetic import add, requantize
from qrt.compiler.integers.channels import CHANNEL_AXIS
from qrt.compiler.integers.codes import bounds
from qrt.compiler.ir import Graph, Op, Tensor


class Interval(NamedTuple):
    """Lowest and highest code of each channel, both inclusive; int64, shape (channels,)."""

    low: np.ndarray
    high: np.ndarray

    @property
    def constant(self) -> np.ndarray:
        """For each channel, whether it has the same code for every input."""
        same: np.ndarray = self.low == self.high
        return same


def everything(tensor: Tensor) -> Interval:
    channels, limits = tensor.shape[-1], np.iinfo(tensor.dtype)
    return Interval(np.full(channels, limits.min, np.int64), np.full(channels, limits.max, np.int64))


def _hull(*corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.minimum.reduce(corners), np.maximum.reduce(corners)


def _clamped(op: Op, x: Interval) -> Interval:
    low, high = bounds(op)
    return Interval(np.clip(x.low, low, high), np.clip(x.high, low, high))


def _requantized(op: Op, low: np.ndarray, high: np.ndarray) -> Interval:
    requant, zero_point = op.attrs["requant"], op.output.zero_point
    return Interval(requantize(low, requant, zero_point), requantize(high, requant, zero_point))


def filters(op: Op) -> np.ndarray:
    """Weights as [out_channels, positions, in_channels]; in_channels is 1 for dwconv2d."""
    data = op.inputs[1].data
    assert data is not None
    if op.kind == "dwconv2d":
        return data.reshape(-1, data.shape[3]).T[:, :, np.newaxis].astype(np.int64)
    return data.reshape(data.shape[0], -1, data.shape[-1]).astype(np.int64)


def pads(op: Op) -> bool:
    """Whether windows may extend beyond the image, so that some accumulators have fewer terms."""
    return op.kind == "transpose_conv2d" or any(op.attrs.get("padding", ()))


def _weighted(op: Op, x: Interval) -> Interval:
    weights, zero_point = filters(op), op.inputs[0].zero_point
    below, above = x.low - zero_point, x.high - zero_point
    if op.kind == "dwconv2d":
        source = np.arange(len(weights)) // (len(weights) // len(below))
        below, above = below[source, np.newaxis, np.newaxis], above[source, np.newaxis, np.newaxis]
    elif op.attrs.get("groups", 1) > 1:
        groups = op.attrs["groups"]
        source = np.arange(len(weights)) // (len(weights) // groups)
        below, above = (v.reshape(groups, 1, -1)[source] for v in (below, above))
    low, high = _hull(weights * below, weights * above)
    if pads(op):
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    return _requantized(op, low.sum(axis=(1, 2)), high.sum(axis=(1, 2)))


def _add(op: Op, a: Interval, b: Interval) -> Interval:
    return Interval(*_hull(*(add(op, p, q) for p in a for q in b)))


def _mul(op: Op, a: Interval, b: Interval) -> Interval:
    za, zb = op.inputs[0].zero_point, op.inputs[1].zero_point
    return _requantized(op, *_hull(*((p - za) * (q - zb) for p in a for q in b)))


def _mean(op: Op, x: Interval) -> Interval:
    _, height, width, _ = op.inputs[0].shape
    zero_point = op.inputs[0].zero_point
    return _requantized(op, (x.low - zero_point) * height * width, (x.high - zero_point) * height * width)


def _requantize(op: Op, x: Interval) -> Interval:
    zero_point = op.inputs[0].zero_point
    return _requantized(op, x.low - zero_point, x.high - zero_point)


def _lut(op: Op, x: Interval) -> Interval:
    table = op.attrs["table"].astype(np.int64)
    ranges = [table[low + 128 : high + 129] for low, high in zip(x.low, x.high, strict=True)]
    return Interval(np.array([r.min() for r in ranges]), np.array([r.max() for r in ranges]))


def _pad(op: Op, x: Interval) -> Interval:
    if op.attrs["before"][-1] or op.attrs["after"][-1]:
        return everything(op.output)
    return Interval(*_hull(x.low, x.high, np.full_like(x.low, op.attrs["value"])))


def _concat(op: Op, *inputs: Interval) -> Interval:
    low, high = [x.low for x in inputs], [x.high for x in inputs]
    if op.attrs["axis"] == len(op.output.shape) - 1:
        return Interval(np.concatenate(low), np.concatenate(high))
    return Interval(np.minimum.reduce(low), np.maximum.reduce(high))


def _slice(op: Op, x: Interval) -> Interval:
    begin, stride = op.attrs["begin"][-1], op.attrs["stride"][-1]
    channels = begin + stride * np.arange(op.output.shape[-1])
    return Interval(x.low[channels], x.high[channels])


def _resize2d(op: Op, x: Interval) -> Interval:
    return x


def _maximum(op: Op, a: Interval, b: Interval) -> Interval:
    return Interval(np.maximum(a.low, b.low), np.maximum(a.high, b.high))


def _minimum(op: Op, a: Interval, b: Interval) -> Interval:
    return Interval(np.minimum(a.low, b.low), np.minimum(a.high, b.high))


def _reshape(op: Op, x: Interval) -> Interval:
    before, after = op.inputs[0].shape[-1], op.output.shape[-1]
    if after % before == 0:
        return Interval(np.tile(x.low, after // before), np.tile(x.high, after // before))
    if before % after == 0:
        return Interval(x.low.reshape(-1, after).min(axis=0), x.high.reshape(-1, after).max(axis=0))
    return everything(op.output)


def _transpose(op: Op, x: Interval) -> Interval:
    return x if op.attrs["permutation"][-1] == len(op.output.shape) - 1 else everything(op.output)


RULES: dict[str, Callable[..., Interval]] = {
    "conv2d": _weighted,
    "dwconv2d": _weighted,
    "linear": _weighted,
    "add": _add,
    "mul": _mul,
    "average_pool2d": _clamped,
    "max_pool2d": _clamped,
    "mean": _mean,
    "pad": _pad,
    "concat": _concat,
    "reshape": _reshape,
    "transpose": _transpose,
    "requantize": _requantize,
    "clamp": _clamped,
    "lut": _lut,
    "slice": _slice,
    "resize2d": _resize2d,
    "transpose_conv2d": _weighted,
    "maximum": _maximum,
    "minimum": _minimum,
}


def _of_constant(tensor: Tensor) -> Interval:
    assert tensor.data is not None
    rows = tensor.data.reshape(-1, tensor.shape[-1]).astype(np.int64)
    return Interval(rows.min(axis=0), rows.max(axis=0))


def intervals(graph: Graph) -> dict[Tensor, Interval]:
    """The interval of every activation of a lowered graph; of accumulators, states and 16-bit arithmetic everything."""
    known = {tensor: everything(tensor) for tensor in (*(edge.tensor for edge in graph.inputs), *graph.states())}
    for op in graph.ops:
        rule = RULES.get(op.kind)
        if rule is None or any(tensor.dtype not in ("int8", "int4") for tensor in (*op.inputs, op.output)):
            known[op.output] = everything(op.output)
            continue
        operands = op.inputs[:1] if op.kind in CHANNEL_AXIS else op.inputs
        found = rule(op, *(_of_constant(t) if t.is_constant else known[t] for t in operands))
        # If every operand broadcasts along the last axis, one entry applies to all channels.
        known[op.output] = Interval(*(np.broadcast_to(v, op.output.shape[-1:]).copy() for v in found))
    return known
