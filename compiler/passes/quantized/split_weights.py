"""split_weights: weights beyond int8 become sums of int8 weights, and the layer reads its input twice.

Asymmetric weights, as those of TensorFlow 1's uint8 networks and of ONNX files with uint8 weights, lie in [-255, 255]
once their zero point is subtracted.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qrt.compiler.ir import Graph, Op, Tensor, unique_name
from qrt.compiler.report import Report, macs
from qrt.schema.operators import OPERATORS

# The slices of an input that a layer may need at most for each part of its weights.
MOST_SLICES = 4


def split_weights(graph: Graph, report: Report) -> Graph:
    """Rewrites ``sum x * w`` as ``sum x * w1 + sum x * w2`` with ``w = w1 + w2``, all of them int8.

    Both parts have the sign of w, so the sum has the same bounds. A convolution without groups, a transposed
    convolution and a linear layer read those channels again that need it, behind all of them. A depthwise convolution
    reads an image with every row (or column) twice, by a filter whose rows are those of w1 and w2 in turn; a grouped
    convolution reads every channel of a group again.
    """
    splitting = _Splitting(graph, report)
    for op in graph.ops:
        weights = op.inputs[1].data if OPERATORS[op.kind].channels is not None else None
        if weights is not None and weights.dtype != np.int8:
            splitting.split(op)
        splitting.ops.append(op)
    graph.ops = splitting.ops
    return graph


class _Splitting:
    def __init__(self, graph: Graph, report: Report) -> None:
        self.ops: list[Op] = []
        self.names = {tensor.name for tensor in graph.tensors()}
        self.report = report

    def split(self, op: Op) -> None:
        data, before = op.inputs[1].data, macs(op)
        assert data is not None
        parts: list[np.ndarray] = []
        rest = data.astype(np.int64)
        while rest.any() or not parts:
            parts.append(np.clip(rest, -128, 127).astype(np.int8))
            rest = rest - parts[-1]
        if len(parts) == 1:
            self._read(op, op.inputs[0], parts[0])
            return
        if op.kind == "dwconv2d":
            what = self._repeat_lines(op, parts)
        elif op.attrs.get("groups", 1) > 1:
            what = self._repeat_groups(op, parts)
        else:
            what = self._repeat_channels(op, parts)
        text = f"{op.name} reads {what} again, because its weights minus their zero point exceed int8"
        self.report.note("split_weights", f"{text}: {macs(op) / before - 1:.1%} more products, on a copy of its input")

    def _read(self, op: Op, x: Tensor, data: np.ndarray) -> None:
        weights = op.inputs[1]
        op.inputs[:2] = [x, replace(weights, shape=data.shape, dtype="int8", data=np.ascontiguousarray(data))]

    def _emit(self, kind: str, op: Op, inputs: list[Tensor], shape: tuple[int, ...], **attrs: object) -> Tensor:
        x = op.inputs[0]
        y = Tensor(unique_name(f"{x.name}_again", self.names), shape, x.dtype, x.quantization)
        self.ops.append(Op(kind, op.name, inputs, y, attrs))
        return y

    def _repeat_channels(self, op: Op, parts: list[np.ndarray]) -> str:
        x, last = op.inputs[0], len(op.inputs[0].shape) - 1
        inputs, weights = [x], parts[:1]
        for part in parts[1:]:
            for begin, end in _runs(np.flatnonzero(part.any(axis=tuple(range(part.ndim - 1))))):
                taken = x
                if end - begin < x.shape[-1]:
                    shape, place = (*x.shape[:-1], end - begin), (*(0,) * last, begin)
                    taken = self._emit("slice", op, [x], shape, begin=place, stride=(1,) * len(shape))
                inputs.append(taken)
                weights.append(part[..., begin:end])
        data = np.concatenate(weights, axis=-1)
        shape = (*x.shape[:-1], data.shape[-1])
        self._read(op, self._emit("concat", op, inputs, shape, axis=last), data)
        return f"{data.shape[-1] - x.shape[-1]} of {x.shape[-1]} input channels"

    def _repeat_groups(self, op: Op, parts: list[np.ndarray]) -> str:
        x, groups = op.inputs[0], op.attrs["groups"]
        grouped = (*x.shape[:3], groups, x.shape[3] // groups)
        cut = self._emit("reshape", op, [x], grouped)
        shape = (*grouped[:4], grouped[4] * len(parts))
        joined = self._emit("concat", op, [cut] * len(parts), shape, axis=4)
        flat = self._emit("reshape", op, [joined], (*x.shape[:3], x.shape[3] * len(parts)))
        self._read(op, flat, np.concatenate(parts, axis=-1))
        return "every input channel"

    def _repeat_lines(self, op: Op, parts: list[np.ndarray]) -> str:
        x, (_, *size, channels) = op.inputs[0], op.inputs[1].shape
        axes = [k for k in range(2) if size[k] == 1 or op.attrs["dilation"][k] == 1]
        if not axes or x.dtype == "int16":  # resize2d has no 16-bit arithmetic
            self._to_conv2d(op)
            return self._repeat_groups(op, [part.transpose(3, 1, 2, 0) for part in parts])
        axis, times = axes[0], len(parts)
        lines = [np.arange(length, dtype=np.int32) for length in x.shape[1:3]]
        lines[axis] = np.repeat(lines[axis], times)
        shape = (x.shape[0], len(lines[0]), len(lines[1]), x.shape[3])
        image = self._emit("resize2d", op, [x], shape, rows=lines[0], columns=lines[1])
        size[axis] *= times
        self._read(op, image, np.stack(parts, axis=axis + 2).reshape(1, *size, channels))
        # A filter of length 1 may have any dilation.
        op.attrs["dilation"] = tuple(1 if k == axis else d for k, d in enumerate(op.attrs["dilation"]))
        op.attrs["stride"] = tuple(s * times if k == axis else s for k, s in enumerate(op.attrs["stride"]))
        op.attrs["padding"] = tuple(p * times if k // 2 == axis else p for k, p in enumerate(op.attrs["padding"]))
        return ("every row", "every column")[axis]

    def _to_conv2d(self, op: Op) -> None:
        """The same sums as a convolution with one input channel for each group."""
        weights = op.inputs[1]
        assert weights.data is not None and weights.quantization is not None
        axis = None if weights.quantization.axis is None else 0
        data, quantization = weights.data.transpose(3, 1, 2, 0), replace(weights.quantization, axis=axis)
        op.inputs[1] = replace(weights, shape=data.shape, data=data, quantization=quantization)
        op.kind, op.attrs["groups"] = "conv2d", op.inputs[0].shape[3]


def _runs(needed: np.ndarray) -> list[tuple[int, int]]:
    """Ranges that cover all of `needed`, which is sorted; at most MOST_SLICES, with the widest gaps between them."""
    gaps = np.diff(needed)
    widest = np.sort(np.argsort(-gaps, kind="stable")[: MOST_SLICES - 1])
    cuts = [k + 1 for k in widest.tolist() if gaps[k] > 1]
    ranges = np.split(needed, cuts)
    return [(int(one[0]), int(one[-1]) + 1) for one in ranges]
