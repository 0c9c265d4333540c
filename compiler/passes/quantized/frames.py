"""Where the frames of a stream lie in each tensor of a network that reads a window of them.

A tensor that has *rows* in time holds one row for every `step` frames, and the same row again, one place further to the
front, when the window has moved by `step` frames. All else that depends on the input is computed from the *whole*
window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qrt.compiler.errors import Problem
from qrt.compiler.ir import Graph, Op, Tensor
from qrt.schema.operators import OPERATORS

HAS_STATE = "keeps codes from one run to the next already; streaming is for networks without states"
WINDOWS = ("conv2d", "dwconv2d", "average_pool2d", "max_pool2d")


@dataclass(frozen=True)
class Frames:
    """The rows of a tensor; they are numbered as in the window, those in front of it negatively.

    Attributes
    ----------
    axis : int
        Of the rows.
    step : int
        Frames from one row to the next.
    newest : int
        The last row that is known once the last frame of the window is. Less than the tensor's last row where that
        depends on padding behind the window; more where the network cuts off its last rows.
    oldest : int
        The first frame that row 0 depends on; negative if this is padding.
    started : bool
        Whether a stream has the rows from 0 on as the network has them whose window begins with the stream.
    fill : int or None
        The code of the rows in front of the first one that a stream computes, where a pad says it.
    padded : tuple of Op
        The operators before it that pad the end of the window.
    """

    axis: int
    step: int
    newest: int
    oldest: int
    started: bool = True
    fill: int | None = None
    padded: tuple[Op, ...] = ()

    @property
    def since(self) -> int:
        """The first frame that a stream must have had for row 0 to be right."""
        return max(self.oldest, 0) if self.started else self.oldest


@dataclass(frozen=True)
class Reach:
    """The rows of its input from which a window operator or a slice makes row 0, and how far it moves for the next."""

    size: int
    stride: int
    before: int
    after: int


def reach_of(op: Op, axis: int) -> Reach | None:
    """How `op` reaches along `axis` of its input; None of an operator that has no window there."""
    if op.kind == "slice":
        return Reach(1, op.attrs["stride"][axis], -op.attrs["begin"][axis], 0)
    if op.kind not in WINDOWS or axis not in (1, 2):
        return None
    size = op.attrs["filter"] if "filter" in op.attrs else op.inputs[1].shape[1:3]
    k, dilation = axis - 1, op.attrs.get("dilation", (1, 1))
    return Reach((size[k] - 1) * dilation[k] + 1, op.attrs["stride"][k], *op.attrs["padding"][2 * k : 2 * k + 2])


def _pads(op: Op, frames: Frames | None) -> bool:
    """Whether `op` pads its first input, in time."""
    if frames is None:
        return False
    if op.kind == "pad":
        return bool(op.attrs["before"][frames.axis] or op.attrs["after"][frames.axis])
    if op.kind == "transpose_conv2d" and frames.axis in (1, 2):
        return any(_transposed_pads(op, frames.axis))
    reach = reach_of(op, frames.axis)
    return reach is not None and (reach.before > 0 or reach.after > 0)


class Following:
    """The way of the frames through a graph.

    Attributes
    ----------
    length : int
        Frames of the window.
    rows : dict of Tensor to Frames
        Every tensor that has rows.
    whole : dict of Tensor to int
        Every tensor that is computed from the whole window, and the first frame of it that a stream must have had for
        the tensor to be right.
    heads : list of Op
        The operators that read rows and have none.
    pads : bool
        Whether the network pads the window.
    problems : list of Problem
        Why this network cannot read a stream.
    """

    def __init__(self, graph: Graph, inputs: dict[Tensor, int]) -> None:
        """`inputs` has the axis of the frames in every input."""
        (self.length,) = {tensor.shape[axis] for tensor, axis in inputs.items()}
        self.rows = {tensor: Frames(axis, 1, self.length - 1, 0) for tensor, axis in inputs.items()}
        self.whole: dict[Tensor, int] = {}
        self.heads: list[Op] = []
        self.pads = False
        self.problems: list[Problem] = []
        for op in graph.ops:
            self._follow(op)

    @property
    def frames(self) -> int:
        """Frames of one run: as many as give each tensor at least one new row."""
        return math.lcm(*(frames.step for frames in self.rows.values()))

    def _follow(self, op: Op) -> None:
        if op.output.is_state or op.states:
            self.problems.append(Problem(op.name, op.kind, HAS_STATE))
            return
        timed = [tensor for tensor in op.inputs if tensor in self.rows]
        known = [self.whole[tensor] for tensor in op.inputs if tensor in self.whole]
        if not timed:
            if known:
                self.whole[op.output] = min(known)
            return
        found = None if known else RULES[op.kind](self, op)
        if found is not None and op.output.shape[found.axis] > 1:
            self.rows[op.output] = found
            self.pads |= _pads(op, self.rows.get(op.inputs[0]))
            return
        self.heads.append(op)
        self.whole[op.output] = min([*known, *(self._read_whole(op, tensor) for tensor in timed)])

    def _read_whole(self, op: Op, tensor: Tensor) -> int:
        """The first frame that a head needs; none of its rows may depend on padding behind the window."""
        frames = self.rows[tensor]
        first, last = self.needed(op, tensor)
        if last > frames.newest:
            for padded in frames.padded:
                reason = (
                    f"pads the end of the window in time, and {op.name} reads all of that window, but a stream has no "
                    "end; train it with padding in front only (causal), or without padding"
                )
                self.problems.append(Problem(padded.name, padded.kind, reason))
        return frames.since + first * frames.step

    def needed(self, op: Op, tensor: Tensor) -> tuple[int, int]:
        """The first and the last row of the window that a head reads: all, or what its only output row comes from."""
        axis = self.rows[tensor].axis
        reach = reach_of(op, axis)
        if reach is None or reach.before > 0 or reach.after > 0 or op.output.shape[axis] > 1:
            return 0, tensor.shape[axis] - 1
        return -reach.before, -reach.before + reach.size - 1

    def computed_first(self, frames: Frames) -> int:
        """The first row that a stream computes, if it begins with the window."""
        return frames.newest - self.length // frames.step + 1


Rule = Callable[[Following, Op], Frames | None]


def _together(following: Following, op: Op, axes: Sequence[int | None]) -> Frames | None:
    """Rows of the output, each from the same row of the inputs; `axes` says where they lie in the output."""
    timed = [following.rows[tensor] for tensor in op.inputs if tensor in following.rows]
    if None in axes or len(set(axes)) > 1 or len({frames.step for frames in timed}) > 1:
        return None
    assert axes[0] is not None
    return Frames(
        axes[0],
        timed[0].step,
        min(frames.newest for frames in timed),
        min(frames.oldest for frames in timed),
        all(frames.started and frames.fill is None for frames in timed),
        None,
        tuple(dict.fromkeys(op for frames in timed for op in frames.padded)),
    )


def _entrywise(following: Following, op: Op) -> Frames | None:
    """Operands broadcast from the right; constants must be the same for each row."""
    rank = len(op.output.shape)
    axes = [following.rows[t].axis + rank - len(t.shape) for t in op.inputs if t in following.rows]
    constants = [tensor for tensor in op.inputs if tensor not in following.rows]
    return _together(following, op, axes) if all(_same_rows(op, t, axes[0]) for t in constants) else None


def constant_axis(op: Op, constant: Tensor, axis: int) -> int | None:
    """The axis of the rows in a constant operand, if they lie along `axis` of the output; None if it has none."""
    if not OPERATORS[op.kind].elementwise and op.kind not in ("concat", "matmul"):
        return None
    own = axis - len(op.output.shape) + len(constant.shape)
    return None if own < 0 or (op.kind == "matmul" and own >= len(constant.shape) - 2) else own


def _same_rows(op: Op, tensor: Tensor, axis: int) -> bool:
    """Whether an operand that is no sequence has the same numbers for each row."""
    own = constant_axis(op, tensor, axis)
    if own is None or tensor.shape[own] == 1:
        return True
    return tensor.data is not None and bool((tensor.data == tensor.data.take([0], own)).all())


def _concat(following: Following, op: Op) -> Frames | None:
    frames = _entrywise(following, op)
    return None if frames is None or frames.axis == op.attrs["axis"] else frames


def _except(following: Following, op: Op, *axes: int) -> Frames | None:
    """Of an operator that works along `axes`."""
    x = op.inputs[0]
    if x not in following.rows or any(tensor in following.rows for tensor in op.inputs[1:]):
        return None
    axis = following.rows[x].axis
    return None if axis in axes else _together(following, op, [axis])


def _last(following: Following, op: Op) -> Frames | None:
    return _except(following, op, len(op.inputs[0].shape) - 1)


def _mean(following: Following, op: Op) -> Frames | None:
    return _except(following, op, 1, 2)


def _window(following: Following, op: Op) -> Frames | None:
    frames = following.rows.get(op.inputs[0])
    reach = None if frames is None else reach_of(op, frames.axis)
    if frames is None or reach is None:
        return _except(following, op, 1, 2, 3)
    if reach.stride < 1:
        return None
    # Padding in front is the codes that the state has at first, if none was computed in its place.
    starts = reach.before <= 0 or (
        following.computed_first(frames) >= 0
        and op.kind != "average_pool2d"
        and frames.fill in (None, padding_code(op, op.inputs[0]))
    )
    frames = _edges(frames, op.inputs[0], front=reach.before > 0, end=reach.after > 0)
    return Frames(
        frames.axis,
        frames.step * reach.stride,
        (frames.newest + reach.before - reach.size + 1) // reach.stride,
        frames.oldest - reach.before * frames.step,
        frames.started and starts,
        frames.fill if op.kind == "slice" else None,
        (*frames.padded, op) if reach.after > 0 else frames.padded,
    )


def _edges(frames: Frames, x: Tensor, *, front: bool, end: bool) -> Frames:
    """The rows of `x` for an operator that pads it: where they were cut off, padding takes the place of others."""
    return replace(
        frames,
        newest=min(frames.newest, x.shape[frames.axis] - 1) if end else frames.newest,
        oldest=min(frames.oldest, 0) if front else frames.oldest,
    )


def padding_code(op: Op, x: Tensor) -> int:
    """What padding of `x` is to an operator: the real 0, to a maximum the lowest code, to a pad its value."""
    if op.kind == "pad":
        return int(op.attrs["value"])
    return x.zero_point if op.kind != "max_pool2d" else int(np.iinfo(x.dtype).min)


def _pad(following: Following, op: Op) -> Frames | None:
    frames = following.rows[op.inputs[0]]
    before, after = op.attrs["before"][frames.axis], op.attrs["after"][frames.axis]
    if not before and not after:
        return _together(following, op, [frames.axis])
    started = frames.started and following.computed_first(frames) == 0
    frames = _edges(frames, op.inputs[0], front=before > 0, end=after > 0)
    moved = replace(
        frames,
        newest=frames.newest + before,
        oldest=frames.oldest - before * frames.step,
        padded=(*frames.padded, op) if after else frames.padded,
    )
    if before == 0:
        return moved
    return replace(moved, started=started, fill=op.attrs["value"])


def repeats(op: Op, axis: int) -> int | None:
    """How many rows along `axis` a resize makes of each row of its input; None if not the same number of equal ones."""
    places, weight = op.attrs[("rows", "columns")[axis - 1]], ("row_weight", "column_weight")[axis - 1]
    count, rest = divmod(len(places), op.inputs[0].shape[axis])
    repeated = np.arange(op.inputs[0].shape[axis]).repeat(count)
    return None if rest or weight in op.attrs or not np.array_equal(places, repeated) else count


def _resize2d(following: Following, op: Op) -> Frames | None:
    frames = following.rows[op.inputs[0]]
    if frames.axis not in (1, 2):
        return _together(following, op, [frames.axis])
    count = repeats(op, frames.axis)
    if count is None or frames.step % count or frames.fill is not None:
        return None
    step = frames.step // count
    # Of rows that are equal, the last one depends on frames that come earlier for it.
    oldest = frames.oldest - (count - 1) * step
    return replace(frames, step=step, newest=(frames.newest + 1) * count - 1, oldest=oldest)


def _transpose_conv2d(following: Following, op: Op) -> Frames | None:
    """Row j comes from the rows i of the input for which the window has a place j + before - i * stride."""
    frames = following.rows[op.inputs[0]]
    if frames.axis not in (1, 2):
        return _except(following, op, 3)
    k = frames.axis - 1
    size, stride, before = op.inputs[1].shape[frames.axis], op.attrs["stride"][k], op.attrs["padding"][2 * k]
    if frames.step % stride:
        return None
    step = frames.step // stride
    pads_front, pads_end = _transposed_pads(op, frames.axis)
    is_filled = following.computed_first(frames) >= 0 and frames.fill in (None, op.inputs[0].zero_point)
    frames = _edges(frames, op.inputs[0], front=pads_front, end=pads_end)
    return Frames(
        frames.axis,
        step,
        stride * (frames.newest + 1) - 1 - before,
        frames.oldest - (size - 1 - before) * step,
        frames.started and (is_filled or not pads_front),
        None,
        (*frames.padded, op) if pads_end else frames.padded,
    )


def _transposed_pads(op: Op, axis: int) -> tuple[bool, bool]:
    """Whether rows of a transposed convolution depend on rows in front of its input, and behind it."""
    size, stride, before = op.inputs[1].shape[axis], op.attrs["stride"][axis - 1], op.attrs["padding"][2 * axis - 2]
    return size - before > stride, op.output.shape[axis] + before > stride * op.inputs[0].shape[axis]


def _matmul(following: Following, op: Op) -> Frames | None:
    """[..., M, K] times [..., N, K]: rows are separate along M of the first, and along the leading axes of both."""
    a, b = op.inputs
    last = len(a.shape) - 2
    if a in following.rows and b not in following.rows and following.rows[a].axis == last:
        return _together(following, op, [last])
    if any(t in following.rows and following.rows[t].axis >= last for t in op.inputs):
        return None
    return _entrywise(following, op)


def _transpose(following: Following, op: Op) -> Frames | None:
    return _together(following, op, [op.attrs["permutation"].index(following.rows[op.inputs[0]].axis)])


def _reshape(following: Following, op: Op) -> Frames | None:
    """The rows stay an axis of their own, or each becomes several, or several become one."""
    frames, shape, target = following.rows[op.inputs[0]], op.inputs[0].shape, op.output.shape
    before, length = math.prod(shape[: frames.axis]), shape[frames.axis]
    fitting = [k for k, n in enumerate(target) if math.prod(target[:k]) == before and n > 1]
    if not fitting or length % target[fitting[0]]:
        return None
    joined = length // target[fitting[0]]
    if (frames.newest + 1) % joined:
        return None
    newest = (frames.newest + 1) // joined - 1
    return replace(frames, axis=fitting[0], step=frames.step * joined, newest=newest, fill=None)


# For each kind of operator, a function that returns the rows of its output, or None if it has none. At least one of the
# operator's inputs has rows, and none is computed from the whole window.
RULES: dict[str, Rule] = {
    **{kind: _entrywise for kind, facts in OPERATORS.items() if facts.elementwise},
    **dict.fromkeys((*WINDOWS, "slice"), _window),
    **dict.fromkeys(("linear", "softmax", "log_softmax", "l2_norm", "layer_norm", "arg_max"), _last),
    "resize2d": _resize2d,
    "transpose_conv2d": _transpose_conv2d,
    "mean": _mean,
    "requantize_sum": _entrywise,
    "matmul": _matmul,
    "concat": _concat,
    "pad": _pad,
    "transpose": _transpose,
    "reshape": _reshape,
}
