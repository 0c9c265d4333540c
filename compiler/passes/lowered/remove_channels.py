"""remove_channels: removes channels that are constant for every input, and channels that are never read."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qrt.compiler.integers.channels import CHANNEL_AXIS, merged
from qrt.compiler.ir import Graph, Op, Tensor
from qrt.compiler.passes.lowered.intervals import Interval, filters, intervals, pads
from qrt.compiler.report import Report
from qrt.schema.operators import OPERATORS

# Operators whose output channel comes from the input's channel of the same index.
ENTRYWISE = {kind for kind, facts in OPERATORS.items() if facts.elementwise} | {
    "average_pool2d",
    "max_pool2d",
    "mean",
    "resize2d",
}
Mask = np.ndarray


@dataclass(frozen=True)
class _Tie:
    """Channels of two tensors that are only removed together: x[pairs_x[i]] and y[pairs_y[i]]."""

    x: Tensor
    y: Tensor
    pairs_x: np.ndarray
    pairs_y: np.ndarray


def remove_channels(graph: Graph, report: Report) -> Graph:
    """Removes channels of a lowered graph that no output depends on, or that have the same code for every input.

    Why results do not change: conv2d, transpose_conv2d and linear add ``(x[i] - x_zero_point) * w`` for each input
    channel i. If that channel always has the code v, the sum of these terms is the constant
    ``(v - x_zero_point) * sum(w)``, which moves into the bias; a sum of integers may be regrouped. With padding
    some windows have fewer terms, so v must be x_zero_point, which makes all terms 0. If all w are 0 the terms are 0
    in any case.
    All other operators compute output channel i from input channel i alone (`_ties`), so removing a channel
    before and after them does not affect the others. Operators that mix channels in another way, and the
    model's inputs and outputs, keep all of their channels. `intervals` proves what is constant. No bound of the
    validity rules grows: |bias| grows by at most the range of the removed terms.
    """
    known = intervals(graph)
    needed = _needed(graph, known)
    for op in graph.ops:
        kept = needed[op.output]
        if _is_fixed(op):
            continue
        if op.kind in CHANNEL_AXIS:
            if not kept.all():
                report.removal(op.name, op.kind, tuple(np.flatnonzero(~kept).tolist()), len(kept))
            _cut_weights(op, known, needed)
        elif not kept.all():
            op.inputs = [_cut_constant(t, kept) if t.is_constant else t for t in op.inputs]
    for tensor, kept in needed.items():
        if not kept.all():
            tensor.shape = (*tensor.shape[:-1], int(kept.sum()))
    return graph


def _mixes(op: Op) -> bool:
    """Whether each output channel is a sum over all input channels."""
    return op.kind in ("linear", "transpose_conv2d") or (op.kind == "conv2d" and op.attrs["groups"] == 1)


def _ties(op: Op) -> list[_Tie] | None:
    """Which input and output channels depend on each other; None if all must stay."""
    y = op.output
    count = y.shape[-1]
    every = np.arange(count)
    x = op.inputs[0]
    last = len(y.shape) - 1
    match op.kind:
        case "dwconv2d":
            return [_Tie(x, y, every // (count // x.shape[3]), every)]
        case "reshape":
            before = x.shape[-1]
            if count % before and before % count:
                return None
            both = np.arange(max(count, before))
            return [_Tie(x, y, both % before, both % count)]
        case "concat" if op.attrs["axis"] == last:
            starts = np.cumsum([0] + [t.shape[-1] for t in op.inputs])
            return [
                _Tie(t, y, np.arange(t.shape[-1]), np.arange(t.shape[-1]) + start)
                for t, start in zip(op.inputs, starts, strict=False)
            ]
        case "transpose" if op.attrs["permutation"][-1] != last:
            return None
        case "pad" if op.attrs["before"][-1] or op.attrs["after"][-1]:
            return None
        case "slice" if (op.attrs["begin"][-1], op.attrs["stride"][-1], count) != (0, 1, x.shape[-1]):
            return None
        case "concat" | "transpose" | "pad" | "slice":
            return [_Tie(t, y, every, every) for t in op.inputs]
    if op.kind in ENTRYWISE and all(t.shape[-1] == count for t in op.inputs):
        return [_Tie(t, y, every, every) for t in op.inputs]
    return None


def _is_fixed(op: Op) -> bool:
    """Whether a layer computes from a constant alone: it keeps all of its channels."""
    return op.kind in CHANNEL_AXIS and op.inputs[0].is_constant


def _reads(op: Op, x: Interval, kept: Mask) -> Mask:
    """Which input channels an operator that mixes them needs for the output channels `kept`."""
    foldable = x.constant
    if pads(op):
        foldable = foldable & (x.low == op.inputs[0].zero_point)
    result: Mask = (filters(op)[kept] != 0).any(axis=(0, 1)) & ~foldable
    return result


def _needed(graph: Graph, known: dict[Tensor, Interval]) -> dict[Tensor, Mask]:
    """For every activation the channels that must stay: the smallest sets that are closed under all ties."""
    needed = {tensor: np.zeros(len(interval.low), bool) for tensor, interval in known.items()}
    for edge in (*graph.inputs, *graph.outputs):
        needed[edge.tensor][:] = True
    ties: list[tuple[Op, list[_Tie]]] = []
    for op in graph.ops:
        found = None if _is_fixed(op) else [] if _mixes(op) else _ties(op)
        if found is None:
            for tensor in (*op.inputs, op.output):
                if tensor in needed:
                    needed[tensor][:] = True
        else:
            ties.append((op, [tie for tie in found if tie.x in needed]))
    while True:
        _close(ties, known, needed)
        empty = [mask for mask in needed.values() if not mask.any()]
        if not empty:
            return needed
        empty[-1][0] = True  # a tensor has at least one channel


def _close(ties: list[tuple[Op, list[_Tie]]], known: dict[Tensor, Interval], needed: dict[Tensor, Mask]) -> None:
    changed = True
    while changed:
        before = sum(int(mask.sum()) for mask in needed.values())
        for op, tied in reversed(ties):
            if _mixes(op):
                x = op.inputs[0]
                needed[x] |= _reads(op, known[x], needed[op.output])
            for tie in tied:
                needed[tie.x][tie.pairs_x[needed[tie.y][tie.pairs_y]]] = True
                needed[tie.y][tie.pairs_y[needed[tie.x][tie.pairs_x]]] = True
        changed = before != sum(int(mask.sum()) for mask in needed.values())


def _cut_constant(tensor: Tensor, kept: Mask) -> Tensor:
    assert tensor.data is not None
    data = np.ascontiguousarray(tensor.data[..., kept])
    return replace(tensor, shape=data.shape, data=data)


def _cut_weights(op: Op, known: dict[Tensor, Interval], needed: dict[Tensor, Mask]) -> None:
    """Keeps the weights, multipliers and biases of the remaining channels only."""
    x, old = op.inputs[:2]
    rows, columns = needed[op.output], needed[x]
    if rows.all() and columns.all():
        return
    assert old.data is not None
    constant = np.zeros(int(rows.sum()), np.int64)
    if op.kind == "dwconv2d":
        data = old.data[..., rows]
    else:
        gone = ~columns & known[x].constant
        constant = (filters(op)[rows][:, :, gone] * (known[x].low[gone] - x.zero_point)).sum(axis=(1, 2))
        data = old.data[rows][..., columns]
    data = np.ascontiguousarray(data)
    op.inputs[1] = replace(old, shape=data.shape, data=data)
    requant = op.attrs["requant"]
    several = len(requant.multiplier) > 1
    multiplier, shift = (v[rows] if several else v for v in (requant.multiplier, requant.shift))
    bias = None if requant.bias is None else requant.bias[rows]
    addend = requant.addend
    if addend is not None:
        addend = (addend[rows] if several else addend) + constant * multiplier
    elif constant.any():
        bias = ((0 if bias is None else bias) + constant).astype(np.int32)
    if addend is not None and len(addend) > len(multiplier):
        multiplier, shift = (np.broadcast_to(v, addend.shape).copy() for v in (multiplier, shift))
    op.attrs["requant"] = merged(replace(requant, multiplier=multiplier, shift=shift, bias=bias, addend=addend))
