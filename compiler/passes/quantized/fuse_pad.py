"""fuse_pad: fuses padding with zeros into the convolution after it."""

from __future__ import annotations

from qrt.compiler.ir import Graph, Op
from qrt.compiler.report import Report


def fuse_pad(graph: Graph, report: Report) -> Graph:
    """Moves a pad of height and width with the code zero_point into conv2d and dwconv2d.

    Such an entry contributes ``(zero_point - zero_point) * weight = 0``, as padding does.
    """
    for op in graph.ops:
        if op.kind not in ("conv2d", "dwconv2d"):
            continue
        pad = graph.producer(op.inputs[0])
        if pad is None or pad.kind != "pad" or not _fits(graph, pad):
            continue
        (_, top, left, _), (_, bottom, right, _) = pad.attrs["before"], pad.attrs["after"]
        own = op.attrs["padding"]
        op.attrs["padding"] = (own[0] + top, own[1] + bottom, own[2] + left, own[3] + right)
        op.inputs[0] = pad.inputs[0]
        report.note("fuse_pad", f"made {pad.name} the padding of {op.name}")
    return graph


def _fits(graph: Graph, pad: Op) -> bool:
    before, after = pad.attrs["before"], pad.attrs["after"]
    outside = (before[0], before[-1], after[0], after[-1])
    return len(before) == 4 and not any(outside) and pad.attrs["value"] == pad.inputs[0].zero_point
