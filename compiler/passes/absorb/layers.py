"""The part of absorb_qdq for operators with weights: convolutions, transposed convolutions, matrix products."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from qrt.compiler.integers.channels import dense_filters
from qrt.compiler.integers.codes import centered
from qrt.compiler.ir import Op, Quantization, Tensor
from qrt.compiler.passes.absorb.emitter import Emitter


def _centered(a: Emitter, op: Op, codes: Tensor) -> Tensor | None:
    """Constant weights with zero point 0, in the source's layout."""
    if codes.data is None or codes.quantization is None:
        a.refuse(op, f"its weights {op.inputs[1].name} are not constant")
        return None
    if codes.dtype == "int16" and np.abs(codes.data + 0.5).max(initial=0) > 128:
        a.refuse(op, f"its weights {codes.name} are int16; quantize them to 8 bits")
        return None
    return centered(codes)


def _weights(a: Emitter, op: Op, codes: Tensor) -> Tensor | None:
    """Constant weights with zero point 0, in the layout of the IR."""
    weights = _centered(a, op, codes)
    if weights is None or weights.data is None or weights.quantization is None:
        return None
    data, axis = weights.data, weights.quantization.axis
    if op.kind == "conv2d" and op.attrs["layout"] == "NCHW":
        data = data.transpose(0, 2, 3, 1)
        axis = None if axis is None else (0, 3, 1, 2)[axis]
    if axis not in (None, 0):
        a.refuse(op, f"its weights {codes.name} are quantized along axis {axis}, not per output channel")
        return None
    known = replace(weights.quantization, axis=axis)
    return Tensor(a.fresh(codes.name), data.shape, weights.dtype, known, np.ascontiguousarray(data))


def _with_bias(a: Emitter, op: Op, arguments: list[Tensor]) -> list[Tensor] | None:
    """The arguments of a layer with its bias, if it has one; None if that is not constant."""
    if len(op.inputs) < 3:
        return arguments
    source = a.producers.get(op.inputs[2])
    bias = source.inputs[0] if source is not None and source.kind == "dequantize" else op.inputs[2]
    if bias.data is None:
        a.refuse(op, f"its bias {op.inputs[2].name} is not constant")
        return None
    return [*arguments, bias]


def _arithmetic(a: Emitter, op: Op, quantization: Quantization | None) -> dict[str, Any]:
    """How the engine computes the layer."""
    stated: dict[str, Any] = {key: op.attrs[key] for key in ("float_bias", "engine") if key in op.attrs}
    return stated if quantization is None or "engine" in stated else stated | a.unmodeled()


def layer(a: Emitter, op: Op, inputs: list[Tensor], quantization: Quantization | None, name: str) -> Tensor | None:
    x, codes = inputs
    weights = _weights(a, op, codes)
    arguments = None if weights is None else _with_bias(a, op, [x, weights])
    if arguments is None:
        return None
    extra = _arithmetic(a, op, quantization)
    if op.kind == "linear":
        return a.emit("linear", name, arguments, op.output.shape, quantization, extra, op)
    attrs = {key: op.attrs[key] for key in ("stride", "dilation", "padding", "groups")} | extra
    return a.image("conv2d", op, arguments, quantization, attrs, name)


def transpose_conv2d(a: Emitter, op: Op, inputs: list[Tensor], quantization: Quantization, name: str) -> Tensor | None:
    """A transposed convolution with dense filters in OHWI."""
    x, codes = inputs
    weights = _centered(a, op, codes)
    if weights is None or weights.data is None or weights.quantization is None:
        return None
    groups = op.attrs["groups"]
    data = dense_filters(weights.data, groups, op.attrs["dilation"])
    known = weights.quantization
    if known.axis not in (None, 1):
        a.refuse(op, f"its weights {codes.name} are quantized along axis {known.axis}, not per output channel")
        return None
    if known.axis == 1:
        scale = np.tile(known.scale, groups)
        known = Quantization(scale, np.zeros(len(scale), np.int32), 0)
    arguments = _with_bias(a, op, [x, Tensor(a.fresh(codes.name), data.shape, weights.dtype, known, data)])
    if arguments is None:
        return None
    top, bottom, left, right = op.attrs["padding"]
    if min(top, left) < 0:
        a.refuse(op, "begins its output before the first entry that a filter reaches; slice or pad instead")
        return None
    stride = op.attrs["stride"]
    if bottom <= -stride[0] or right <= -stride[1]:
        a.refuse(op, "has an output padding as large as its stride; use a smaller one")
        return None
    attrs = {"stride": stride, "padding": (top, max(bottom, 0), left, max(right, 0))}
    return a.image("transpose_conv2d", op, arguments, quantization, attrs | _arithmetic(a, op, quantization), name)
