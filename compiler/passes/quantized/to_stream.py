"""to_stream: a network that reads a window of frames becomes one that reads the next frames of a stream in each run.

Every tensor with rows in time (`frames.Frames`) keeps only those that are new in a run. What reads more of them reads a
state, to which they are pushed. What has no rows of its own, such as a linear layer behind a flatten, is computed from
the rows of the whole window, and so is all behind it. So each number is computed as before, from the same numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.ir import Graph, Op, Tensor, unique_name
from qrt.compiler.passes.quantized.frames import HAS_STATE, Following, constant_axis, padding_code, reach_of
from qrt.compiler.passes.quantized.to_nhwc import NCHW_TO_NHWC, moves_nothing
from qrt.compiler.report import Report, Stream, macs


def to_stream(graph: Graph, axis: int, report: Report) -> Graph:
    """The streaming network of `graph`.

    Parameters
    ----------
    graph : Graph
        Quantized.
    axis : int
        That of the frames in each input, in the source's layout.
    report : Report

    Raises
    ------
    CompileError
        Lists the operators whose results a stream cannot have.
    """
    following = Following(graph, _inputs(graph, axis))
    frames, length = following.frames, following.length
    if following.problems:
        raise CompileError(list(dict.fromkeys(following.problems)))
    if following.pads and length % frames:
        reason = f"has {length} frames; a network that pads them and reads {frames} in each run needs a multiple of it"
        raise CompileError([Problem(graph.inputs[0].tensor.name, "input", reason)])
    streamed = _Streaming(graph, following).build()
    report.stream = _summary(graph, streamed, following)
    return streamed


def _inputs(graph: Graph, axis: int) -> dict[Tensor, int]:
    """The axis of the frames in each input."""
    if paired := [Problem(edge.state, "state", HAS_STATE) for edge in graph.inputs if edge.state]:
        raise CompileError(paired)
    found: dict[Tensor, int] = {}
    problems = []
    for edge in graph.inputs:
        shape = edge.tensor.shape
        own = axis + len(shape) if axis < 0 else axis
        if not 0 <= own < len(shape):
            problems.append(Problem(edge.tensor.name, "input", f"has no axis {axis}, its shape is {list(shape)}"))
            continue
        own = NCHW_TO_NHWC.index(own) if edge.source_layout == "NCHW" else own
        if shape[own] < 2:
            problems.append(Problem(edge.tensor.name, "input", f"has one entry along axis {axis}: no window of frames"))
        if own != 0 and shape[0] != 1:
            reason = f"has a batch of {shape[0]}; a network with states reads one stream: use batch 1"
            problems.append(Problem(edge.tensor.name, "input", reason))
        found[edge.tensor] = own
    lengths = {tensor.name: tensor.shape[own] for tensor, own in found.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} {count}" for name, count in lengths.items())
        problems.append(Problem(graph.name, "inputs", f"differ in their number of frames: {counts}"))
    if problems:
        raise CompileError(problems)
    return found


@dataclass(eq=False)
class _Reader:
    """A slice of a state: `count` rows, behind which there are `later` newer ones."""

    op: Op
    count: int
    later: int


class _Streaming:
    """The streaming network in the making.

    Attributes
    ----------
    new : dict of Tensor to Tensor
        For each tensor with rows the tensor of those that are new in a run.
    pushes : dict of (Tensor, int) to Op
        The push of new rows to a state, by what the state holds at first.
    readers : dict of Op to list of _Reader
        Of the states, by their push.
    """

    def __init__(self, graph: Graph, following: Following) -> None:
        self.graph = graph
        self.following = following
        self.rows = following.rows
        self.ops: list[Op] = []
        self.new: dict[Tensor, Tensor] = {}
        self.pushes: dict[tuple[Tensor, int], Op] = {}
        self.readers: dict[Op, list[_Reader]] = {}
        self.names = {tensor.name for tensor in graph.tensors()}
        self.problems: list[Problem] = []

    def build(self) -> Graph:
        for edge in self.graph.inputs:
            self.new[edge.tensor] = self._shortened(edge.tensor)
        for op in self.graph.ops:
            if op.output in self.rows:
                self._row_by_row(op)
            else:
                self._head(op)
        inputs = [replace(edge, tensor=self.new[edge.tensor]) for edge in self.graph.inputs]
        outputs = [replace(edge, tensor=self._output(edge.tensor)) for edge in self.graph.outputs]
        if self.problems:
            raise CompileError(self.problems)
        streamed = replace(self.graph, ops=self.ops, inputs=inputs, outputs=outputs)
        for push, readers in self.readers.items():
            for reader in readers:
                self._settle(streamed, push, reader)
        return streamed

    def _count(self, tensor: Tensor) -> int:
        """New rows of a tensor in a run."""
        return self.following.frames // self.rows[tensor].step

    def _shortened(self, tensor: Tensor) -> Tensor:
        return replace(tensor, shape=_with(tensor.shape, self.rows[tensor].axis, self._count(tensor)))

    def _row_by_row(self, op: Op) -> None:
        x, frames, count = op.inputs[0], self.rows[op.output], self._count(op.output)
        inputs, attrs = list(op.inputs), dict(op.attrs)
        reach = reach_of(op, self.rows[x].axis) if x in self.rows else None
        if reach is not None:
            last = frames.newest * reach.stride - reach.before + reach.size - 1
            inputs[0] = self._read(op, x, last, (count - 1) * reach.stride + reach.size)
            attrs |= _without_padding(op, frames.axis)
        elif op.kind == "pad":
            attrs |= {side: _with(op.attrs[side], frames.axis, 0) for side in ("before", "after")}
            inputs[0] = self._read(op, x, frames.newest - op.attrs["before"][frames.axis], count)
        elif op.kind == "reshape":
            inputs[0] = self.new[x]
        elif op.kind == "resize2d" and frames.axis in (1, 2):
            places = ("rows", "columns")[frames.axis - 1]
            inputs[0] = self.new[x]
            attrs[places] = attrs[places][:count]
        elif op.kind == "transpose_conv2d" and frames.axis in (1, 2):
            size, stride = op.inputs[1].shape[frames.axis], op.attrs["stride"][frames.axis - 1]
            earlier = (size - 1) // stride
            last = (frames.newest + 1 + op.attrs["padding"][2 * frames.axis - 2]) // stride - 1
            inputs[0] = self._read(op, x, last, self._count(x) + earlier)
            attrs["padding"] = _with_sides(op, frames.axis, earlier * stride, max(size - stride, 0))
        else:
            inputs = [self._operand(op, tensor) for tensor in inputs]
        output = self._shortened(op.output)
        is_all = op.kind in ("pad", "slice") and output.shape == inputs[0].shape
        if is_all and not self.graph.is_output(op.output):
            self.new[op.output] = inputs[0]
            return
        self.new[op.output] = output
        made = Op(op.kind, op.name, inputs, output, attrs)
        if op.kind == "transpose" and moves_nothing(made):
            made.kind, made.attrs = "reshape", {}
        self.ops.append(made)

    def _operand(self, op: Op, tensor: Tensor) -> Tensor:
        """What an operator that works row by row reads in place of `tensor`."""
        count = self._count(op.output)
        if tensor in self.rows:
            return self._read(op, tensor, self.rows[op.output].newest, count)
        axis = constant_axis(op, tensor, self.rows[op.output].axis)
        if axis is None or tensor.shape[axis] == 1:
            return tensor
        assert tensor.data is not None
        data = tensor.data.take([0] * count, axis)
        return replace(tensor, name=unique_name(tensor.name, self.names), shape=data.shape, data=data)

    def _head(self, op: Op) -> None:
        """An operator without rows: as it is, on rows of the whole window."""
        inputs, attrs = list(op.inputs), dict(op.attrs)
        for index, tensor in enumerate(op.inputs):
            if tensor not in self.rows:
                continue
            first, last = self.following.needed(op, tensor)
            inputs[index] = self._read(op, tensor, last, last - first + 1)
            if op.kind == "slice" and first == last:
                attrs["begin"] = _with(op.attrs["begin"], self.rows[tensor].axis, 0)
        self.ops.append(Op(op.kind, op.name, inputs, op.output, attrs))

    def _output(self, tensor: Tensor) -> Tensor:
        """What takes the place of a model output: its rows are not newer than in the window."""
        if tensor not in self.rows:
            return tensor
        frames, new = self.rows[tensor], self.new[tensor]
        last = min(frames.newest, tensor.shape[frames.axis] - 1)
        output = self._read(Op("slice", tensor.name, [], tensor), tensor, last, self._count(tensor))
        if output is not new:
            output.name, new.name = new.name, output.name
        return output

    def _read(self, op: Op, tensor: Tensor, last: int, count: int) -> Tensor:
        """The `count` rows of `tensor` up to row `last`, for `op`."""
        frames, new = self.rows[tensor], self.new[tensor]
        later, known = frames.newest - last, new.shape[frames.axis]
        if later == 0 and count == known:
            return new
        if later + count <= known:
            cut = self._slice(new, frames.axis, count)
            cut.attrs["begin"] = _with(cut.attrs["begin"], frames.axis, known - later - count)
            return cut.output
        if tensor.dtype not in ("int8", "int16"):
            reason = "needs accumulators of former runs, which only codes can keep; quantize its input"
            self.problems.append(Problem(op.name, op.kind, reason))
            return new
        initial = padding_code(op, tensor) if frames.fill is None else frames.fill
        push = self._push(new, frames.axis, later + count, initial)
        readers = self.readers[push]
        found = next((r for r in readers if (r.count, r.later) == (count, later)), None)
        if found is None:
            found = _Reader(self._slice(push.output, frames.axis, count), count, later)
            readers.append(found)
        return found.op.output

    def _slice(self, x: Tensor, axis: int, count: int) -> Op:
        """A slice of `count` rows; where it begins is still to be set."""
        shape, rank = _with(x.shape, axis, count), len(x.shape)
        output = replace(x, name=unique_name(f"{x.name}_rows", self.names), shape=shape, initial=None)
        cut = Op("slice", output.name, [x], output, {"begin": (0,) * rank, "stride": (1,) * rank})
        self.ops.append(cut)
        return cut

    def _push(self, new: Tensor, axis: int, length: int, initial: int) -> Op:
        """The push of new rows to a state of at least `length` rows."""
        push = self.pushes.get((new, initial))
        if push is None:
            state = replace(new, name=unique_name(f"{new.name}_pushed", self.names))
            push = self.pushes[new, initial] = Op("push", state.name, [new], state, {"axis": axis})
            self.ops.append(push)
            self.readers[push] = []
        state = push.output
        state.shape = _with(state.shape, axis, max(length, state.shape[axis]))
        state.initial = np.full(state.shape, initial, state.dtype)
        return push

    def _settle(self, streamed: Graph, push: Op, reader: _Reader) -> None:
        """Lets a slice begin where its rows are, or removes it where it takes all of them."""
        axis, state = push.attrs["axis"], push.output
        begin = state.shape[axis] - reader.later - reader.count
        reader.op.attrs["begin"] = _with(reader.op.attrs["begin"], axis, begin)
        if reader.op.output.shape == state.shape and not streamed.is_output(reader.op.output):
            streamed.redirect(reader.op.output, state)
            streamed.ops.remove(reader.op)


def _with(numbers: tuple[int, ...], axis: int, number: int) -> tuple[int, ...]:
    return (*numbers[:axis], number, *numbers[axis + 1 :])


def _without_padding(op: Op, axis: int) -> dict[str, tuple[int, ...]]:
    """The attributes of a window operator or a slice that reads only the rows that it needs along `axis`."""
    if op.kind == "slice":
        return {"begin": _with(op.attrs["begin"], axis, 0)}
    return {"padding": _with_sides(op, axis, 0, 0)}


def _with_sides(op: Op, axis: int, before: int, after: int) -> tuple[int, ...]:
    """The padding of `op` with other numbers along `axis`."""
    padding: tuple[int, ...] = op.attrs["padding"]
    return (*padding[: 2 * axis - 2], before, after, *padding[2 * axis :])


def _summary(window: Graph, streamed: Graph, following: Following) -> Stream:
    """What a run reads, costs and gives."""
    length, frames = following.length, following.frames
    needed, late = [], {}
    for tensor in (edge.tensor for edge in window.outputs):
        if tensor not in following.rows:
            since = following.whole.get(tensor, 0)
            needed.append(length - (since if following.pads else max(since, 0)))
            continue
        rows, last = following.rows[tensor], tensor.shape[following.rows[tensor].axis] - 1
        first = min(rows.newest, last) - frames // rows.step + 1
        needed.append(length - rows.since - first * rows.step)
        if rows.newest < last:
            late[tensor.name] = (last - rows.newest) * rows.step
    cost, before = (sum(macs(op) for op in graph.ops) for graph in (streamed, window))
    size = sum(state.nbytes for state in streamed.states())
    first_run = max(1, math.ceil(max(needed) / frames))
    heads = tuple(op.name for op in following.heads)
    return Stream(frames, length, cost, before, size, first_run, following.pads, late, heads)
