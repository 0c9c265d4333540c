"""Operators with outputs that overlap their inputs, and files of them with a given distance between the two."""

from __future__ import annotations

from dataclasses import replace

import graphs
import numpy as np
from graphs import Window
from hypothesis import assume
from hypothesis import strategies as st

from qrt.compiler.backends.qfb import writer
from qrt.compiler.ir import Graph
from qrt.compiler.plan.layout import aligned
from qrt.compiler.plan.memory import plan

sizes = st.integers(1, 4)
windows = st.builds(
    Window,
    filter=st.tuples(sizes, sizes),
    stride=st.tuples(sizes, sizes),
    padding=st.tuples(*[st.integers(0, 3)] * 4),
)
shapes = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 6), st.sampled_from([1, 3, 8, 70]))
KINDS = ("conv2d", "dwconv2d", "average_pool2d", "max_pool2d")


def drawn(kind: str, shape: tuple[int, ...], window: Window, seed: int) -> Graph:
    rng = np.random.default_rng(seed)
    assume(min(window.output_shape(shape, 1)) > 0)
    if kind == "conv2d":
        return graphs.conv2d(rng, shape, int(rng.integers(1, 9)), window)
    if kind == "dwconv2d":
        return graphs.dwconv2d(rng, shape, int(rng.integers(1, 3)), window)
    top, bottom, left, right = window.padding
    height, width = window.filter
    sides = (min(top, height - 1), min(bottom, height - 1), min(left, width - 1), min(right, width - 1))
    window = replace(window, padding=sides)
    assume(min(window.output_shape(shape, 1)) > 0)
    options = {"rounding": "HALF_AWAY"} if kind == "average_pool2d" else {}
    return graphs.pool(rng, kind, shape, window, **options)


def between_copies(graph: Graph) -> Graph:
    """The operator with a clamp in front and one behind, so that its tensors are neither input nor output."""
    (op,) = graph.ops
    front = graphs.elementwise(np.random.default_rng(0), "clamp", op.inputs[0].shape)
    back = graphs.elementwise(np.random.default_rng(0), "clamp", op.output.shape)
    for edge in (front.inputs[0], front.outputs[0]):
        edge.tensor.quantization = op.inputs[0].quantization
    for edge in (back.inputs[0], back.outputs[0]):
        edge.tensor.quantization = op.output.quantization
    op.inputs[0], back.ops[0].inputs[0] = front.ops[0].output, op.output
    return Graph("between", [front.ops[0], op, back.ops[0]], front.inputs, back.outputs)


def placed(graph: Graph, apart: int) -> bytes:
    """The file with the operator's output at 0 and its input `apart` bytes above it; the rest out of the way."""
    whole = plan(graph, overlap=False)
    first, op, last = graph.ops
    offsets = {op.output: 0, first.output: apart}
    end = aligned(max(apart + first.output.size, op.output.size))
    offsets[graph.inputs[0].tensor] = end
    offsets[last.output] = end + aligned(first.output.size)
    size = offsets[last.output] + aligned(last.output.size)
    overlaps = frozenset([op] if apart < op.output.size else [])
    return writer.write(graph, replace(whole, offsets=offsets, arena_size=size, overlaps=overlaps))
