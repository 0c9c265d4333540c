"""The part of absorb_qdq that turns float averages over windows and over whole images into operators on codes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from qrt.compiler.ir import Op, Quantization, Tensor
from qrt.compiler.passes.absorb.emitter import NCHW_TO_NHWC, NHWC_TO_NCHW, Emitter
from qrt.compiler.passes.absorb.regions import averaged_by_region


def float32(op: Op) -> dict[str, Any]:
    """How the engine computes `op` between codes, if known (`qrt.compiler.integers.singles`)."""
    return {"float32": op.attrs["float32"]} if "float32" in op.attrs else {}


def mean(a: Emitter, op: Op, inputs: list[Tensor], quantization: Quantization, name: str) -> Tensor:
    """The mean or the sum over any axes."""
    x = inputs[0]
    rank = len(x.shape)
    axes = tuple(sorted(axis % rank for axis in op.attrs["axes"]))
    is_sum = op.kind == "sum"
    if not is_sum and rank == 4 and axes in ((2, 3), (1, 2)):
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
            y = a.image("mean", whole, [x], quantization, float32(op), kept_name)
        return y if same else a.emit("reshape", name, [y], op.output.shape, quantization, {}, op)
    extra = a.unmodeled() | {"total": True} if is_sum else float32(op)
    flat = a.together(x, axes)
    shape = (flat.shape[0], 1, 1, flat.shape[3])
    if not is_sum and "rounding" in op.attrs and quantization.same_as(x.quantization):
        size = (flat.shape[1], 1)
        window = {"filter": size, "stride": size, "padding": (0, 0, 0, 0)}
        whole = replace(op, output=Tensor(f"{name}_kept", shape))
        y = _averaged(a, whole, flat, window, a.fresh(f"{name}_kept"))
    else:
        y = a.emit("mean", a.fresh(f"{name}_kept"), [flat], shape, quantization, extra, op)
    return a.called(a.apart(y, x, axes, op.output.shape), name)


def average_pool2d(a: Emitter, op: Op, inputs: list[Tensor], quantization: Quantization, name: str) -> Tensor | None:
    """Padding that the divisor counts is added around x as codes of zero; the rest stays padding of the pool."""
    x = inputs[0]
    nchw = op.attrs["layout"] == "NCHW"
    size, padding, counted = op.attrs["filter"], op.attrs["padding"], op.attrs["counted"]
    divisor = op.attrs.get("divisor")
    if divisor == size[0] * size[1]:
        divisor, counted = None, padding
    if divisor is None and tuple(size) == (x.shape[2:4] if nchw else x.shape[1:3]) and not any(padding):
        axes = (2, 3) if nchw else (1, 2)
        whole = replace(op, kind="mean", attrs={**op.attrs, "axes": axes, "keepdims": True})
        return mean(a, whole, inputs, quantization, name)
    same = quantization.same_as(x.quantization)
    if same and divisor is None:
        window = {key: op.attrs[key] for key in ("filter", "stride", "padding")}
        if any(counted):
            x = _padded(a, op, x, counted)
            window["padding"] = tuple(p - c for p, c in zip(padding, counted, strict=True))
        return _averaged(a, op, x, window, name)
    if divisor is None and counted != padding:
        return averaged_by_region(a, op, x, float32(op), quantization, name)
    if same and divisor is not None and divisor % 2 == 0:
        reason = "whose rounding of ties is not supported; use an odd divisor, or the size of the window"
        a.refuse(op, f"divides by {divisor}, {reason}")
        return None
    return _summed(a, op, x, divisor or size[0] * size[1], quantization, name)


def _summed(a: Emitter, op: Op, x: Tensor, divisor: int, quantization: Quantization, name: str) -> Tensor:
    """Sums over windows as a convolution with ones; its weight scale is 1 / `divisor`."""
    channels = x.shape[1 if op.attrs["layout"] == "NCHW" else 3]
    ones = np.ones((1, *op.attrs["filter"], channels), np.int8)
    scale = Quantization(np.array(1 / divisor), np.array(0, np.int32))
    weights = Tensor(a.fresh(f"{op.name}_ones"), ones.shape, "int8", scale, ones)
    attrs = {"stride": op.attrs["stride"], "dilation": (1, 1), "padding": op.attrs["padding"]} | float32(op)
    return a.image("dwconv2d", op, [x, weights], quantization, attrs, name)


def _padded(a: Emitter, op: Op, x: Tensor, sides: tuple[int, int, int, int]) -> Tensor:
    """`x` padded with codes of zero; `sides` as the attribute padding."""
    top, bottom, left, right = sides
    nchw = op.attrs["layout"] == "NCHW"
    before = (0, 0, top, left) if nchw else (0, top, left, 0)
    after = (0, 0, bottom, right) if nchw else (0, bottom, right, 0)
    shape = tuple(b + n + e for b, n, e in zip(before, x.shape, after, strict=True))
    attrs = {"before": before, "after": after, "value": x.zero_point}
    return a.emit("pad", a.fresh(f"{op.name}_padded"), [x], shape, x.quantization, attrs, op)


def _averaged(a: Emitter, op: Op, x: Tensor, window: dict[str, Any], name: str) -> Tensor:
    """An average of codes without change of scale; ties are rounded as the attributes of `op` say.

    If these have a `vector`, channels in full vectors of that size round ties as HALF_EVEN, the rest as `rounding`.
    With an even zero point both are equal, otherwise each part gets its own pool.
    """
    rounding = op.attrs.get("rounding", "HALF_EVEN_RAW")
    window = window | float32(op)
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
