"""to_nhwc: removes the transposes around the operators of a channels-first (NCHW) network.

Every transpose moves down the graph, past elementwise operators, until it meets its inverse, a model output, or the
weights of a linear layer. This changes the layout of tensors and of their readers, but no code.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qrt.compiler.ir import Graph, Op, Tensor
from qrt.compiler.report import Report
from qrt.schema.operators import OPERATORS

Permutation = tuple[int, ...]

NCHW_TO_NHWC = (0, 2, 3, 1)
NHWC_TO_NCHW = (0, 3, 1, 2)
UNARY = {kind for kind, facts in OPERATORS.items() if facts.elementwise and facts.inputs == (1, 1)}
# Operators on rows along the last axis.
ROWS = {"softmax", "log_softmax", "layer_norm", "l2_norm"}
BINARY = {kind for kind, facts in OPERATORS.items() if facts.elementwise and facts.inputs == (2, 2)}


def to_nhwc(graph: Graph, report: Report) -> Graph:
    """Removes transposes wherever the same codes can be computed without them."""
    before = _count(graph)
    if before == 0:
        return graph
    turned = graph.copy()
    _turn_inputs(turned)
    graph = min((_sunk(turned), _sunk(graph)), key=_count)
    report.note("to_nhwc", f"{before} transposes became {_count(graph)}")
    return graph


def _sunk(graph: Graph) -> Graph:
    """The graph after every transpose has moved as far down as it can."""
    changed = True
    while changed:
        changed = any(_sink(graph, op) for op in list(graph.ops) if op in graph.ops)
        changed = _at_outputs(graph) or changed
        _drop_unread(graph)
    for op in graph.ops:
        if op.kind == "transpose" and moves_nothing(op):
            op.kind, op.attrs = "reshape", {}
    return graph


def _count(graph: Graph) -> int:
    return sum(op.kind == "transpose" for op in graph.ops)


def inverse(permutation: Permutation) -> Permutation:
    return tuple(int(k) for k in np.argsort(permutation))


def moves_nothing(op: Op) -> bool:
    """Whether only axes of length 1 move, so that the codes keep their order."""
    shape = op.inputs[0].shape
    long = [k for k in op.attrs["permutation"] if shape[k] != 1]
    return long == sorted(long)


def _permuted(tensor: Tensor, permutation: Permutation, name: str) -> Tensor:
    """A tensor of the same quantization whose axis k is axis permutation[k] of `tensor`."""
    data = None if tensor.data is None else np.ascontiguousarray(tensor.data.transpose(permutation))
    return replace(tensor, name=name, shape=tuple(tensor.shape[k] for k in permutation), data=data)


def _called(name: str, permutation: Permutation) -> str:
    """Name of the tensor whose transpose by `permutation` is called `name`."""
    return f"{name}_nhwc" if permutation == NHWC_TO_NCHW else f"{name}_{'_'.join(map(str, permutation))}"


def _turn_inputs(graph: Graph) -> None:
    """Makes every rank-4 input NHWC, followed by a transpose to the source's NCHW."""
    for edge in graph.inputs:
        if len(edge.tensor.shape) != 4 or edge.source_layout == "NCHW" or graph.is_output(edge.tensor):
            continue
        source = edge.tensor
        edge.tensor = _permuted(source, NCHW_TO_NHWC, source.name)
        edge.source_layout = "NCHW"
        source.name = f"{source.name}_nchw"
        turn = Op("transpose", source.name, [edge.tensor], source, {"permutation": NHWC_TO_NCHW})
        graph.ops.insert(0, turn)


def _at_outputs(graph: Graph) -> bool:
    """Replaces a model output that is the transpose of NHWC codes by those codes, once for each output."""
    changed = False
    for edge in graph.outputs:
        if edge.source_layout == "NCHW":
            continue
        op = graph.producer(edge.tensor)
        if op is None or op.kind != "transpose" or op.attrs["permutation"] != NHWC_TO_NCHW:
            continue
        source = op.inputs[0]
        if graph.producer(source) is None or graph.is_output(source):
            continue
        name = edge.tensor.name
        edge.tensor.name, source.name = f"{name}_nchw", name
        edge.tensor, edge.source_layout = source, "NCHW"
        changed = True
    return changed


def _drop_unread(graph: Graph) -> None:
    for op in reversed(list(graph.ops)):
        if not graph.consumers(op.output) and not graph.is_output(op.output):
            graph.ops.remove(op)


def _sink(graph: Graph, transpose: Op) -> bool:
    """Moves one transpose past one of its readers, or cancels it; returns whether anything changed."""
    if transpose.kind != "transpose":
        return False
    if transpose.attrs["permutation"] == tuple(range(len(transpose.output.shape))):
        if graph.is_output(transpose.output):
            return False
        graph.redirect(transpose.output, transpose.inputs[0])
        return True
    return any(_sink_past(graph, transpose, reader) for reader in graph.consumers(transpose.output))


def _sink_past(graph: Graph, transpose: Op, reader: Op) -> bool:
    permutation: Permutation = transpose.attrs["permutation"]
    if reader.kind == "transpose":
        reader.attrs["permutation"] = tuple(permutation[k] for k in reader.attrs["permutation"])
        reader.inputs = [transpose.inputs[0]]
        return True
    if reader.kind in UNARY:
        _swap(graph, reader, [transpose.inputs[0]], permutation)
        return True
    if reader.kind in ROWS and permutation[-1] == len(permutation) - 1:
        _swap(graph, reader, [transpose.inputs[0]], permutation)
        return True
    if reader.kind == "pad":
        for key in ("before", "after"):
            sides = reader.attrs[key]
            reader.attrs[key] = tuple(sides[k] for k in inverse(permutation))
        _swap(graph, reader, [transpose.inputs[0]], permutation)
        return True
    if reader.kind == "slice":
        for key in ("begin", "stride"):
            reader.attrs[key] = tuple(reader.attrs[key][k] for k in inverse(permutation))
        _swap(graph, reader, [transpose.inputs[0]], permutation)
        return True
    if reader.kind in BINARY or reader.kind == "concat":
        inputs = _aligned(graph, reader, permutation)
        if inputs is None:
            return False
        if reader.kind == "concat":
            reader.attrs["axis"] = permutation[reader.attrs["axis"]]
        _swap(graph, reader, inputs, permutation)
        return True
    if reader.kind == "reshape":
        behind = permutation_behind(transpose.output.shape, reader.output.shape, permutation)
        if behind is None:
            return _into_weights(graph, transpose, reader)
        _swap(graph, reader, [transpose.inputs[0]], behind)
        return True
    return False


def permutation_behind(shape: tuple[int, ...], target: tuple[int, ...], permutation: Permutation) -> Permutation | None:
    """The permutation that, after a reshape, equals `permutation` before a reshape to `target`.

    `shape` is the output shape of the transpose. The reshape is split into the smallest runs of axes of equal size;
    a run can be reshaped first if its axes are also adjacent before the transpose. None if any run cannot.
    """
    runs: list[tuple[range, range]] = []
    i = k = 0
    while i < len(shape) and k < len(target):
        start, first = i, k
        size, wanted = shape[i], target[k]
        i, k = i + 1, k + 1
        while size != wanted:
            if size < wanted:
                size, i = size * shape[i], i + 1
            else:
                wanted, k = wanted * target[k], k + 1
        runs.append((range(start, i), range(first, k)))
    if i < len(shape) or k < len(target):  # axes of length 1 remain
        return None
    for axes, _ in runs:
        if any(permutation[a + 1] != permutation[a] + 1 for a in axes[:-1]):
            return None
    runs.sort(key=lambda run: permutation[run[0][0]])
    order = [k for _, targets in runs for k in targets]
    return inverse(tuple(order))


def _swap(graph: Graph, op: Op, inputs: list[Tensor], permutation: Permutation) -> None:
    """Lets `op` read `inputs`, in the layout before the transpose, and puts the transpose after it."""
    after = op.output
    op.inputs = inputs
    op.output = _permuted(after, inverse(permutation), _called(after.name, permutation))
    moved = Op("transpose", op.name, [op.output], after, {"permutation": permutation})
    graph.ops.insert(graph.ops.index(op) + 1, moved)


def _aligned(graph: Graph, op: Op, permutation: Permutation) -> list[Tensor] | None:
    """The inputs of `op` in the layout before the transpose; None if that needs another transpose."""
    aligned: list[Tensor] = []
    added: list[Op] = []
    for tensor in op.inputs:
        producer = graph.producer(tensor)
        if producer is not None and producer.kind == "transpose" and producer.attrs["permutation"] == permutation:
            aligned.append(producer.inputs[0])
            continue
        back = inverse(permutation)
        turned = _permuted(tensor, back, _called(tensor.name, permutation))
        if not tensor.is_constant:
            move = Op("transpose", op.name, [tensor], turned, {"permutation": back})
            if not moves_nothing(move):
                return None
            move.kind, move.attrs = "reshape", {}
            added.append(move)
        aligned.append(turned)
    place = graph.ops.index(op)
    graph.ops[place:place] = added
    return aligned


def _into_weights(graph: Graph, transpose: Op, reshape: Op) -> bool:
    """transpose, flatten, linear: permutes the linear layer's columns instead of the transpose.

    Elementwise operators between flatten and linear first move before the flatten.
    """
    source, flat = transpose.inputs[0], reshape.output
    readers = graph.consumers(flat)
    if graph.is_output(flat) or not readers:
        return False
    unary = next((op for op in readers if op.kind in UNARY), None)
    if unary is not None:
        after = unary.output
        unary.inputs = [transpose.output]
        unary.output = replace(after, name=f"{after.name}_image", shape=transpose.output.shape)
        graph.ops.insert(graph.ops.index(unary) + 1, Op("reshape", reshape.name, [unary.output], after))
        return True
    permutation: Permutation = transpose.attrs["permutation"]
    flattens = permutation[0] == 0 and flat.shape == (source.shape[0], source.size // source.shape[0])
    if not flattens or any(op.kind != "linear" for op in readers):
        return False
    columns = np.arange(flat.shape[1]).reshape(transpose.output.shape[1:])
    order = columns.transpose([k - 1 for k in inverse(permutation)[1:]]).reshape(-1)
    for op in readers:
        weights = op.inputs[1]
        assert weights.data is not None
        op.inputs[1] = replace(weights, data=np.ascontiguousarray(weights.data[:, order]))
    reshape.inputs = [source]
    flat.name = _called(flat.name, permutation)
    return True
