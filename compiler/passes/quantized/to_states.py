"""to_states: an input that has what an output had in the run before becomes a state."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.integers.codes import input_codes
from qrt.compiler.integers.singles import dequantized
from qrt.compiler.ir import Edge, Graph, Op, Quantization, Tensor, unique_name
from qrt.compiler.passes.quantized.to_nhwc import NCHW_TO_NHWC, NHWC_TO_NCHW
from qrt.compiler.report import Report

EVERY = np.arange(-128, 128)


class Carried(NamedTuple):
    """What a run reads of the run before, and what it leaves for the next one."""

    old: Tensor
    new: Tensor


def to_states(graph: Graph, report: Report) -> Graph:
    """Replaces each pair of an input and an output with the same `Edge.state` by a state.

    Why results do not change: the input's tensor becomes the state, and after all of its readers an ``assign``
    writes the output's codes to it. Where these are a window that moves along an axis (`_window`), the whole
    concatenation is the state: ``push`` moves its entries and appends the new ones, which gives the same codes.
    """
    written = {edge.state: edge for edge in graph.outputs if edge.state}
    read = [edge for edge in graph.inputs if edge.state]
    if not read:
        return graph
    graph.inputs = [edge for edge in graph.inputs if not edge.state]
    graph.outputs = [edge for edge in graph.outputs if not edge.state]
    for what, edges in (("input", graph.inputs), ("output", graph.outputs)):
        if not edges:
            reason = f"has no {what} other than states; a network needs one"
            raise CompileError([Problem(graph.name, "file", reason)])
    pass_ = _States(graph)
    carried = [pass_.carried(edge, written[edge.state]) for edge in read]
    if pass_.problems:
        raise CompileError(pass_.problems)
    assigned = [one for one in carried if not pass_.push(one, carried)]
    pass_.copy_outputs()
    pass_.assign(assigned)
    pushed = len(carried) - len(assigned)
    count = f"{len(carried)} state{'s' if len(carried) > 1 else ''}"
    report.note("to_states", f"{count}: windows that move {pushed}, assigned as a whole {len(assigned)}")
    return graph


class _States:
    """The change of one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.problems: list[Problem] = []
        self.names = {tensor.name for tensor in graph.tensors()}

    def carried(self, read: Edge, written: Edge) -> Carried:
        """The tensors of two edges; the second in the layout of the first, and in its numbers."""
        old, new = read.tensor, written.tensor
        if reason := _misfit(read, written):
            self.problems.append(Problem(read.state, "state", reason))
            return Carried(old, new)
        if read.source_layout != written.source_layout:
            permutation = NCHW_TO_NHWC if read.source_layout == "NCHW" else NHWC_TO_NCHW
            new = self._emit("transpose", new, old.shape, new.quantization, {"permutation": permutation})
        assert old.quantization is not None and new.quantization is not None
        if not old.quantization.same_as(new.quantization):
            codes = input_codes(dequantized(EVERY, new.quantization), old.quantization, read.quantize_rule)
            new = self._emit("lut", new, new.shape, old.quantization, {"table": codes.astype(np.int8)})
        old.initial = np.full(old.shape, old.zero_point, old.dtype) if read.initial is None else _initial(read)
        return Carried(old, new)

    def _emit(
        self, kind: str, x: Tensor, shape: tuple[int, ...], numbers: Quantization | None, attrs: dict[str, Any]
    ) -> Tensor:
        """The result of a new operator behind the one that makes `x`."""
        name = unique_name(f"{x.name}_next", self.names)
        op, producer = Op(kind, name, [x], Tensor(name, shape, x.dtype, numbers), attrs), self.graph.producer(x)
        self.graph.ops.insert(0 if producer is None else self.graph.ops.index(producer) + 1, op)
        return op.output

    def push(self, one: Carried, others: list[Carried]) -> bool:
        """Makes a window that moves a state which a push writes; whether it is such a window."""
        found = None if _is_carried(one, others) else _window(self.graph, one)
        if found is None:
            return False
        concat, cut = found
        added, axis, initial = concat.inputs[1], concat.attrs["axis"], one.old.initial
        assert initial is not None
        if concat.output is not one.new:  # the entries that the next push drops
            dropped = np.repeat(initial.take([0], axis), added.shape[axis], axis)
            initial = np.concatenate([dropped, initial], axis)
        concat.output.initial = initial
        concat.kind, concat.inputs, concat.attrs = "push", [added], {"axis": axis}
        is_carried = sum(other.new is cut.output for other in others) > (cut.output is one.new)
        if not (is_carried or self.graph.consumers(cut.output) or self.graph.is_output(cut.output)):
            self.graph.ops.remove(cut)
        if not any(concat.output is other.new and other is not one for other in others):
            self.reshape_before(concat)
        return True

    def reshape_before(self, push: Op) -> None:
        """Lets a push write the reshape of its state, if that is all that reads the state: there is one copy less."""
        state, added, readers = push.output, push.inputs[0], self.graph.consumers(push.output)
        if len(readers) != 1 or readers[0].kind != "reshape" or self.graph.is_output(state):
            return
        (reshape,) = readers
        shape, outer = reshape.output.shape, push.attrs["axis"]
        axis = next((k for k, n in enumerate(shape) if n != 1), 0)
        entry = math.prod(shape[axis + 1 :])
        if math.prod(state.shape[:outer]) != 1 or added.size % entry:
            return
        assert state.initial is not None
        part = (*shape[:axis], added.size // entry, *shape[axis + 1 :])
        if part != added.shape:
            push.inputs = [self._emit("reshape", added, part, added.quantization, {})]
        push.output, push.attrs = reshape.output, {"axis": axis}
        push.output.initial = state.initial.reshape(shape)
        self.graph.ops.remove(reshape)

    def copy_outputs(self) -> None:
        """Copies what was a state before the run for the outputs, which are read after it."""
        for edge in self.graph.outputs:
            x = edge.tensor
            if x.is_state and self.graph.producer(x) is None:
                copied = self._emit("reshape", x, x.shape, x.quantization, {})
                x.name, copied.name = copied.name, x.name
                edge.tensor = copied

    def assign(self, pending: list[Carried]) -> None:
        """Adds an assign of each state, after all operators that read what the state was before."""
        pending = list(pending)
        while pending:
            k = next((k for k, one in enumerate(pending) if not _is_carried(one, pending)), None)
            if k is None:  # states that are exchanged
                old, new = pending[0]
                pending[0] = Carried(old, self._emit("reshape", new, new.shape, new.quantization, {}))
                continue
            old, new = pending.pop(k)
            op = Op("assign", unique_name(f"{old.name}_assign", self.names), [new], old)
            before = [i for i, other in enumerate(self.graph.ops) if other.output is new or old in other.inputs]
            self.graph.ops.insert(max(before, default=-1) + 1, op)


def _misfit(read: Edge, written: Edge) -> str | None:
    """Why an output cannot be the input of the next run."""
    old, new = read.tensor, written.tensor
    if new is old:
        return "has an output that is the input itself; make it a constant"
    if new.is_constant:
        return "has a constant as its output; make it the network's constant"
    if new.dtype != old.dtype:
        return f"has {old.dtype} as its input and {new.dtype} as its output; quantize both in the same way"
    assert old.quantization is not None
    if old.dtype != "int8" and not old.quantization.same_as(new.quantization):
        return f"has another scale as its output than as its input, which {old.dtype} cannot have; use the same"
    return None


def _initial(read: Edge) -> np.ndarray:
    """The codes of a state in the first run, in the layout of its tensor."""
    initial = read.initial
    assert initial is not None
    return np.ascontiguousarray(initial.transpose(NCHW_TO_NHWC) if read.source_layout == "NCHW" else initial)


def _is_carried(one: Carried, others: list[Carried]) -> bool:
    """Whether what a state was is what another one becomes."""
    return any(one.old is other.new for other in others)


def _window(graph: Graph, one: Carried) -> tuple[Op, Op] | None:
    """The concat and the slice of a window that moves along an axis, or None.

    Either the oldest entries are sliced off the state before new ones are appended, and the concatenation is the
    state's new value; or new entries are appended first, and the slice is the new value.
    """
    old, new = one
    readers, writer = graph.consumers(old), graph.producer(new)
    if len(readers) != 1 or writer is None or graph.is_output(old):
        return None
    pair = {op.kind: op for op in (readers[0], writer)}
    concat, cut = pair.get("concat"), pair.get("slice")
    if concat is None or cut is None or len(concat.inputs) != 2:
        return None
    cuts_first = cut is readers[0]
    kept, whole = (cut.output, old) if cuts_first else (old, concat.output)
    added, axis = concat.inputs[1], concat.attrs["axis"]
    if concat.inputs[0] is not kept or cut.inputs[0] is not whole or added is kept or added.is_constant:
        return None
    if cuts_first and (len(graph.consumers(kept)) != 1 or graph.is_output(kept)):
        return None
    begin = tuple(added.shape[k] if k == axis else 0 for k in range(len(old.shape)))
    is_tail = cut.attrs["begin"] == begin and set(cut.attrs["stride"]) == {1}
    return (concat, cut) if is_tail else None
