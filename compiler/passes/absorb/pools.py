"""The part of absorb_qdq that turns float averages over windows and over whole images into operators on codes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from qrt.compiler.ir import Op, Quantization, Tensor
from qrt.compiler.passes.absorb.emitter import NCHW_TO_NHWC, NHWC_TO_NCHW, Emitter


def mean(a: Emitter, op: Op, inputs: list[Tensor], quantization: Quantization, name: str) -> Tensor | None:
    x = inputs[0]
    rank = len(x.shape)
    axes = tuple(sorted(axis % rank for axis in op.attrs["axes"]))
    if rank == 4 and axes in ((2, 3), (1, 2)):
        layout = "NCHW" if axes == (2, 3) else "NHWC"
        kept = tuple(1 if k in axes else length for k, length in enumerate(x.shape))
        whole = Op("mean", op.name, op.inputs, Tensor(op.output.name, kept), {"layout": layout})
        same = op.output.shape == kept
        kept_name = name if same else a.fresh(f"{name}_kept")
        if "rounding" in op.attrs and quantization.same_as(x.quantization):
            size = tuple(x.shape[k] for k in axes)
            window = {"filter": size, "stride": size, "padding": (0, 0, 0, 0)}
            y = _averaged(a, replace(whole, attrs=op.attrs | whole.attrs), x, window, kept_name)
        else:
            y = a.image("mean", whole, [x], quantization, {}, kept_name)
        return y if same else a.emit("reshape", name, [y], op.output.shape, quantization, {}, op)
    a.refuse(
        op, f"takes the mean of a rank-{rank} tensor over axes {list(axes)}; only height and width of images can be"
    )
    return None


def average_pool2d(a: Emitter, op: Op, inputs: list[Tensor], quantization: Quantization, name: str) -> Tensor | None:
    x = inputs[0]
    nchw = op.attrs["layout"] == "NCHW"
    height, width = x.shape[2:4] if nchw else x.shape[1:3]
    if tuple(op.attrs["filter"]) == (height, width) and not any(op.attrs["padding"]):
        axes = (2, 3) if nchw else (1, 2)
        return mean(a, replace(op, attrs={**op.attrs, "axes": axes, "keepdims": True}), inputs, quantization, name)
    padded = any(op.attrs["padding"])
    counted = padded and op.attrs["count_include_pad"]
    if quantization.same_as(x.quantization) and (not counted or "rounding" in op.attrs):
        window = {key: op.attrs[key] for key in ("filter", "stride", "padding")}
        if counted:  # the zero point is what the padding means
            x = _padded(a, op, x)
            window["padding"] = (0, 0, 0, 0)
        return _averaged(a, op, x, window, name)
    if padded and not op.attrs["count_include_pad"]:
        a.refuse(op, "averages without its padding and changes the scale; give its input and output the same scale")
        return None
    channels = x.shape[1] if nchw else x.shape[3]
    filter_height, filter_width = op.attrs["filter"]
    ones = np.ones((1, filter_height, filter_width, channels), np.int8)
    scale = Quantization(np.array(1 / (filter_height * filter_width)), np.array(0, np.int32))
    weights = Tensor(a.fresh(f"{op.name}_ones"), ones.shape, "int8", scale, ones)
    attrs = {"stride": op.attrs["stride"], "dilation": (1, 1), "padding": op.attrs["padding"]}
    return a.image("dwconv2d", op, [x, weights], quantization, attrs, name)


def _padded(a: Emitter, op: Op, x: Tensor) -> Tensor:
    """`x` with the padding of `op` around it, as codes."""
    top, bottom, left, right = op.attrs["padding"]
    nchw = op.attrs["layout"] == "NCHW"
    before = (0, 0, top, left) if nchw else (0, top, left, 0)
    after = (0, 0, bottom, right) if nchw else (0, bottom, right, 0)
    shape = tuple(b + n + e for b, n, e in zip(before, x.shape, after, strict=True))
    attrs = {"before": before, "after": after, "value": x.zero_point}
    return a.emit("pad", a.fresh(f"{op.name}_padded"), [x], shape, x.quantization, attrs, op)


def _averaged(a: Emitter, op: Op, x: Tensor, window: dict[str, Any], name: str) -> Tensor:
    """An average of codes under one scale, its ties broken as the attributes of `op` say.

    Where these name a `vector`, channels that fill whole vectors of that many break ties as HALF_EVEN does, the rest
    by `rounding`; at an even zero point both are the same, else each part has a pool of its own.
    """
    rounding = op.attrs.get("rounding", "HALF_EVEN_RAW")
    nchw = op.attrs.get("layout", "NHWC") == "NCHW"
    channels = x.shape[1 if nchw else 3]
    vector = op.attrs.get("vector", channels + 1)
    whole = channels if x.zero_point % 2 == 0 and "vector" in op.attrs else channels // vector * vector
    if whole in (0, channels):
        return a.image(
            "average_pool2d", op, [x], x.quantization, window | {"rounding": "HALF_EVEN" if whole else rounding}, name
        )
    x = a.transposed(x, NCHW_TO_NHWC) if nchw else x
    shape = tuple(op.output.shape[k] for k in NCHW_TO_NHWC) if nchw else op.output.shape
    parts = []
    for begin, end, ties in ((0, whole, "HALF_EVEN"), (whole, channels, rounding)):
        attrs: dict[str, Any] = {"begin": (0, 0, 0, begin), "stride": (1, 1, 1, 1)}
        taken = (*x.shape[:3], end - begin)
        part = a.emit("slice", a.fresh(f"{name}_channels"), [x], taken, x.quantization, attrs, op)
        pooled, attrs = (*shape[:3], end - begin), window | {"rounding": ties}
        parts.append(a.emit("average_pool2d", a.fresh(f"{name}_part"), [part], pooled, x.quantization, attrs, op))
    y = a.emit("concat", a.fresh(f"{name}_nhwc") if nchw else name, parts, shape, x.quantization, {"axis": 3}, op)
    return a.transposed(y, NHWC_TO_NCHW, name) if nchw else y
