"""set_batch: changes the batch of a network that computes every sample independently.

The batch is the leading axis of every input. The pass follows it through the graph: for each tensor it determines the
axis that holds the samples. They are outermost on it: an axis of ``rows * batch`` entries holds `rows` of each sample,
one sample after another. An operator that works along that axis mixes samples, and the network keeps its batch.
Otherwise each sample's results depend on this sample alone, for any batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.integers.elementwise import ELEMENTWISE
from qrt.compiler.ir import Graph, Op, Tensor, unique_name
from qrt.compiler.report import Report
from qrt.compiler.untrusted import too_large


def set_batch(graph: Graph, batch: int | None, report: Report) -> Graph:
    """The graph with its batch changed to `batch`.

    Parameters
    ----------
    graph : Graph
        In the source or the quantized stage.
    batch : int or None
        None: 1, or the graph's own batch if it mixes samples; the report then names the operator.
    report : Report

    Raises
    ------
    CompileError
        The network mixes samples and its batch is not `batch`.
    """
    leading = {edge.tensor.shape[0] if edge.tensor.shape else 1 for edge in graph.inputs if not edge.state}
    wanted = 1 if batch is None else batch
    if leading == {wanted}:
        return graph
    try:
        for op in graph.ops:
            if op.output.is_state or op.states:
                raise _mixed(op, "it keeps codes from one run to the next")
        for edge in graph.inputs:
            if edge.state and (wanted != 1 or edge.initial is not None):
                raise _Mixed(Problem(edge.state, "state", "belongs to one sequence of samples"))
        found = _Samples(graph)
        found.follow()
    except _Mixed as mixed:
        kept = " and ".join(map(str, sorted(leading)))
        if batch is None:
            report.note("batch", f"kept at {kept}: {mixed.problem}")
            return graph
        reason = f"{mixed.problem.reason}, so the batch stays {kept}; omit --batch"
        raise CompileError([replace(mixed.problem, reason=reason)]) from None
    found.change(wanted)
    report.note("batch", f"{found.batch} -> {wanted}" + ("; run takes any number of samples" if wanted == 1 else ""))
    return graph


class _Mixed(Exception):
    """The network does not compute every sample independently."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def _mixed(op: Op, reason: str) -> _Mixed:
    return _Mixed(Problem(op.name, str(op.attrs.get("source", op.kind)), reason))


class _Samples:
    """The location of the samples in each tensor.

    Attributes
    ----------
    batch : int
        The leading axis of every input.
    axes : dict of Tensor to int
        For every tensor that depends on the inputs, the axis that holds the samples.
    repeated : list of (Op, int, int)
        Inputs of operators that hold the same constant once for each sample, and the axis along which.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.axes: dict[Tensor, int] = {}
        self.repeated: list[tuple[Op, int, int]] = []
        tensors = [edge.tensor for edge in graph.inputs]
        vectors = [tensor for tensor in tensors if len(tensor.shape) < 2]
        if len(vectors) == len(tensors):
            reason = "has rank 1 and so no batch axis"
            raise _Mixed(Problem(vectors[0].name if vectors else graph.name, "input", reason))
        for tensor in tensors:
            if tensor.shape[:1] != tensors[0].shape[:1]:
                reason = f"has a different leading axis than input {tensors[0].name}, {list(tensors[0].shape)}"
                raise _Mixed(Problem(tensor.name, "input", reason))
            self.axes[tensor] = 0
        self.batch = tensors[0].shape[0]

    def follow(self) -> None:
        """Proves that every operator computes samples independently; raises _Mixed at the first that does not."""
        for op in self.graph.ops:
            if any(tensor in self.axes for tensor in op.inputs):
                self.axes[op.output] = RULES[op.kind](self, op)
        for edge in self.graph.outputs:
            axis = self.axes.get(edge.tensor)
            if axis is None:
                raise _Mixed(Problem(edge.tensor.name, "output", "does not depend on the input"))
            if axis != 0:
                raise _Mixed(Problem(edge.tensor.name, "output", f"has the batch on axis {axis}"))

    def repeat(self, op: Op, index: int, axis: int) -> None:
        """Records that a constant holds the same numbers for each sample, one after another along `axis`."""
        tensor = op.inputs[index]
        source = self._constant(tensor)
        if source is None or source.data is None:
            raise _mixed(op, f"reads {tensor.name!r}, which has the batch and does not depend on the input")
        parts = self._parts(source, axis)
        per_channel = source.quantization is not None and source.quantization.axis == axis
        if per_channel or not np.array_equal(parts, np.broadcast_to(parts.take([0], axis), parts.shape)):
            raise _mixed(op, f"reads the constant {tensor.name!r}, which differs from sample to sample")
        self.repeated.append((op, index, axis))

    def _parts(self, constant: Tensor, axis: int) -> np.ndarray:
        """A constant with its `axis` split into samples and rows."""
        assert constant.data is not None
        shape = constant.shape
        return constant.data.reshape(*shape[:axis], self.batch, shape[axis] // self.batch, *shape[axis + 1 :])

    def _constant(self, tensor: Tensor) -> Tensor | None:
        """The constant `tensor`, or the codes that it is dequantized from."""
        producer = None if tensor.is_constant else self.graph.producer(tensor)
        if producer is None:
            return tensor
        return producer.inputs[0] if producer.kind == "dequantize" else None

    def change(self, batch: int) -> None:
        """Changes every tensor to `batch` samples."""
        for tensor, axis in self.axes.items():
            rows = tensor.shape[axis] // self.batch
            tensor.shape = (*tensor.shape[:axis], rows * batch, *tensor.shape[axis + 1 :])
        if problems := [problem for tensor in self.axes for problem in too_large(tensor.name, tensor.shape)]:
            raise CompileError(problems)
        names = {tensor.name for tensor in self.graph.tensors()}
        made: dict[tuple[Tensor, int], Tensor] = {}
        for op, index, axis in self.repeated:
            old = op.inputs[index]
            if (old, axis) not in made:
                made[old, axis] = self._repeated(old, axis, batch, names)
            op.inputs[index] = made[old, axis]

    def _repeated(self, tensor: Tensor, axis: int, batch: int, names: set[str]) -> Tensor:
        """The constant for `batch` samples, as a new tensor because others may read the old one."""
        source = self._constant(tensor)
        assert source is not None
        data = np.concatenate([self._parts(source, axis).take(0, axis)] * batch, axis)
        codes = replace(source, name=unique_name(source.name, names), shape=data.shape, data=data)
        if source is tensor:
            return codes
        real = replace(tensor, name=unique_name(tensor.name, names), shape=data.shape)
        producer = self.graph.producer(tensor)
        assert producer is not None
        place = self.graph.ops.index(producer) + 1
        self.graph.ops.insert(place, Op("dequantize", producer.name, [codes], real, producer.attrs))
        return real


Rule = Callable[[_Samples, Op], int]


def _entrywise(samples: _Samples, op: Op) -> int:
    """Elementwise; operands broadcast from the right."""
    rank = len(op.output.shape)
    places = {t: samples.axes[t] + rank - len(t.shape) for t in op.inputs if t in samples.axes}
    if len(set(places.values())) != 1:
        raise _mixed(op, f"reads tensors that have the batch on different axes: {sorted(places.values())}")
    axis = next(iter(places.values()))
    for index, tensor in enumerate(op.inputs):
        own = axis - rank + len(tensor.shape)
        if tensor in places and tensor.shape[own] != op.output.shape[axis]:
            raise _mixed(op, f"repeats {tensor.name!r} along axis {own}, which holds the samples")
        if tensor not in places and own >= 0 and tensor.shape[own] != 1:
            samples.repeat(op, index, own)
    return axis


def _across(samples: _Samples, op: Op, *axes: int) -> int:
    """The axis of the samples for an operator that works along `axes`, which must not include it."""
    axis = samples.axes.get(op.inputs[0])
    if axis is None or any(tensor in samples.axes for tensor in op.inputs[1:]):
        raise _mixed(op, "reads weights that are computed from the input")
    if axis in axes:
        raise _mixed(op, f"works along axis {axis}, which holds the samples")
    return axis


def _image(samples: _Samples, op: Op) -> int:
    return _across(samples, op, *range(1, len(op.output.shape)))


def _last(samples: _Samples, op: Op) -> int:
    return _across(samples, op, op.attrs.get("axis", -1) % len(op.inputs[0].shape))


def _reduced(samples: _Samples, op: Op) -> int:
    """An operator over axes, which it keeps as axes of length 1 or drops."""
    axes = (op.attrs["axis"],) if "axis" in op.attrs else op.attrs.get("axes", (1, 2))
    axes = tuple(k % len(op.inputs[0].shape) for k in axes)
    axis = _across(samples, op, *axes)
    return axis if op.attrs.get("keepdims", True) else axis - sum(k < axis for k in axes)


def _matmul(samples: _Samples, op: Op) -> int:
    """[..., M, K] times [..., N, K]: the rows of the first are independent where the second is constant."""
    a, b = op.inputs
    row = len(a.shape) - 2
    if b not in samples.axes and samples.axes[a] == row:
        return row
    if any(samples.axes.get(tensor, 0) >= row for tensor in op.inputs):
        raise _mixed(op, "multiplies along the axis that holds the samples")
    return _entrywise(samples, op)


def _arg_max(samples: _Samples, op: Op) -> int:
    """In a source graph over any axis, as the attribute says; on codes over the last, which it keeps."""
    return _reduced(samples, op) if "axis" in op.attrs else _last(samples, op)


def _where(samples: _Samples, op: Op) -> int:
    axis, condition = _entrywise(samples, op), op.attrs["condition"]
    own = axis - len(op.output.shape) + np.ndim(condition)
    if own >= 0 and condition.shape[own] != 1:
        raise _mixed(op, "has a condition for each sample")
    return axis


def _gather(samples: _Samples, op: Op) -> int:
    return _across(samples, op, op.attrs["axis"] % len(op.inputs[0].shape))


def _concat(samples: _Samples, op: Op) -> int:
    axes = {samples.axes[tensor] for tensor in op.inputs if tensor in samples.axes}
    if len(axes) > 1 or op.attrs["axis"] in axes:
        raise _mixed(op, f"concatenates along axis {op.attrs['axis']}, which holds the samples")
    (axis,) = axes
    for index, tensor in enumerate(op.inputs):
        if tensor not in samples.axes:
            samples.repeat(op, index, axis)
    return axis


def _pad(samples: _Samples, op: Op) -> int:
    axis = samples.axes[op.inputs[0]]
    if op.attrs["before"][axis] or op.attrs["after"][axis]:
        raise _mixed(op, f"pads axis {axis}, which holds the samples")
    return axis


def _slice(samples: _Samples, op: Op) -> int:
    axis = samples.axes[op.inputs[0]]
    if op.output.shape[axis] != op.inputs[0].shape[axis] or op.attrs["stride"][axis] != 1:
        raise _mixed(op, f"slices axis {axis}, which holds the samples")
    return axis


def _transpose(samples: _Samples, op: Op) -> int:
    return int(op.attrs["permutation"].index(samples.axes[op.inputs[0]]))


def _reshape(samples: _Samples, op: Op) -> int:
    """The axis that has as many entries before it as in the input, and whose length is a multiple of the batch."""
    axis, shape, target = samples.axes[op.inputs[0]], op.inputs[0].shape, op.output.shape
    before = math.prod(shape[:axis])
    fitting = [k for k, n in enumerate(target) if math.prod(target[:k]) == before and n % samples.batch == 0]
    if not fitting:
        raise _mixed(op, f"reshapes {list(shape)} to {list(target)}, which mixes axis {axis} of the samples")
    # With a batch of 1 there may be several: use the one of the same length, otherwise the first.
    return next((k for k in fitting if target[k] == shape[axis]), fitting[0])


# For each kind of operator, a function that returns the axis of its output that holds the samples.
RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, _entrywise),
    **dict.fromkeys(("quantize", "dequantize", "requantize", "requantize_sum", "clamp", "lut"), _entrywise),
    **dict.fromkeys(("maximum", "minimum", "prelu", "affine", "squared_difference"), _entrywise),
    **dict.fromkeys(("mean", "sum", "reduce_max", "reduce_min", "arg_min"), _reduced),
    **dict.fromkeys(("conv2d", "dwconv2d", "transpose_conv2d", "batch_norm"), _image),
    **dict.fromkeys(("average_pool2d", "max_pool2d", "resize2d", "resize_linear"), _image),
    **dict.fromkeys(("linear", "softmax", "log_softmax", "l2_norm", "layer_norm"), _last),
    "arg_max": _arg_max,
    "gather": _gather,
    "where": _where,
    "matmul": _matmul,
    "concat": _concat,
    "pad": _pad,
    "slice": _slice,
    "transpose": _transpose,
    "reshape": _reshape,
}
