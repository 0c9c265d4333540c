"""fold_batch_norm: folds batch normalization into the layer before it, or turns it into a convolution."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.ir import Graph, Op, Quantization, Tensor
from qrt.compiler.report import Report


def fold_batch_norm(graph: Graph, report: Report) -> Graph:
    """Folds ``batch_norm(conv2d(x, w, b))`` and the same of linear into the layer.

    With ``f = gamma / sqrt(var + epsilon)`` per channel it equals the layer with weights ``f * w`` and bias
    ``(b - mean) * f + beta``. Quantized weights keep their codes: only their scale is multiplied by |f|, and
    codes change sign where f is negative, which is exact unless a code is -128.

    After anything else it becomes a 1x1 depthwise convolution with weights f, quantized exactly to codes of 1 and -1.
    A division by a constant per channel before it, which quantization-aware training writes, is folded too.
    """
    kept: list[Op] = []
    problems: list[Problem] = []
    for op in graph.ops:
        if op.kind != "batch_norm":
            kept.append(op)
            continue
        _join_division(graph, op, kept)
        layer = graph.producer(op.inputs[0])
        if layer is None or layer.kind not in ("conv2d", "linear"):
            kept += _depthwise(op)
            continue
        reason = _fold(graph, op, layer, kept)
        if reason is None:
            report.note("fold_batch_norm", f"folded {op.name} into {layer.name}")
        else:
            problems.append(Problem(op.name, op.attrs.get("source", op.kind), reason))
    if problems:
        raise CompileError(problems)
    graph.ops = kept
    return graph


def _join_division(graph: Graph, norm: Op, kept: list[Op]) -> None:
    """``(x / d - mean) * f`` is ``(x - mean * d) * (f / d)``, for a constant d of each channel."""
    division = graph.producer(norm.inputs[0])
    if division is None or division.kind != "div" or len(graph.consumers(division.output)) > 1:
        return
    x, divisor = division.inputs
    axis = 1 if norm.attrs["layout"] == "NCHW" else len(x.shape) - 1
    per_channel = tuple(length if k == axis else 1 for k, length in enumerate(x.shape))
    if divisor.data is None or divisor.dtype != "float32" or divisor.shape != per_channel or not divisor.data.all():
        return
    gamma, beta, mean, variance = norm.inputs[1:5]
    d = divisor.data.reshape(-1).astype(np.float64)
    scaled = [
        Tensor(f"{t.name}_{norm.name}", t.shape, "float32", None, t.real() * by)
        for t, by in ((gamma, 1 / d), (mean, d))
    ]
    norm.inputs = [x, scaled[0], beta, scaled[1], variance]
    kept.remove(division)


def _depthwise(norm: Op) -> list[Op]:
    """`norm` as a depthwise convolution; unchanged if its input is not an image."""
    x = norm.inputs[0]
    if len(x.shape) != 4:
        return [norm]
    gamma, beta, mean, variance = (tensor.real() for tensor in norm.inputs[1:5])
    factor = gamma / np.sqrt(variance + norm.attrs["epsilon"])
    codes = np.sign(factor).astype(np.int8).reshape(-1, 1, 1, 1)
    scale = np.where(factor == 0, 1.0, np.abs(factor))
    quantization = Quantization(scale, np.zeros(len(scale), np.int32), 0)
    weights = Tensor(f"{norm.name}_weights", codes.shape, "int8", quantization, codes)
    real = Tensor(f"{norm.name}_weights_real", codes.shape, "float32")
    bias = Tensor(f"{norm.name}_bias", factor.shape, "float32", None, beta - mean * factor)
    attrs = {"layout": norm.attrs["layout"], "stride": (1, 1), "dilation": (1, 1), "padding": (0, 0, 0, 0)}
    attrs |= {"groups": len(scale), "float_bias": True, "source": norm.attrs.get("source", norm.kind)}
    convolution = Op("conv2d", norm.name, [x, real, bias], norm.output, attrs)
    return [Op("dequantize", norm.name, [weights], real), convolution]


def _fold(graph: Graph, norm: Op, layer: Op, kept: list[Op]) -> str | None:
    """Folds `norm` into `layer`; returns the reason if that is impossible."""
    if len(graph.consumers(layer.output)) > 1 or graph.is_output(layer.output):
        return f"{layer.name} before it has other readers; give it a layer of its own"
    gamma, beta, mean, variance = (tensor.real() for tensor in norm.inputs[1:5])
    factor = gamma / np.sqrt(variance + norm.attrs["epsilon"])
    source = graph.producer(layer.inputs[1])
    bias_source = graph.producer(layer.inputs[2]) if len(layer.inputs) > 2 else None
    old_bias = (bias_source.inputs[0] if bias_source else layer.inputs[2]).real() if len(layer.inputs) > 2 else 0.0
    weights = source.inputs[0] if source is not None and source.kind == "dequantize" else layer.inputs[1]
    if weights.data is None:
        return f"the weights of {layer.name} are not constant"
    scaled = _scaled(weights, factor)
    if scaled is None:
        return f"gamma is negative where {layer.name} has a weight of -128; quantize weights to [-127, 127]"
    if scaled.quantization is not None:
        dequantized = Tensor(scaled.name + "_real", scaled.shape, "float32")
        kept.insert(kept.index(layer), Op("dequantize", layer.name, [scaled], dequantized))
        scaled = dequantized
    bias = (old_bias - mean) * factor + beta
    layer.inputs = [layer.inputs[0], scaled, Tensor(norm.name + "_bias", bias.shape, "float32", None, bias)]
    layer.output = norm.output
    return None


def _scaled(weights: Tensor, factor: np.ndarray) -> Tensor | None:
    """`weights` times `factor` along its first axis; None if the codes' signs cannot change."""
    assert weights.data is not None
    column = factor.reshape(-1, *[1] * (weights.data.ndim - 1))
    quantization = weights.quantization
    name = weights.name + "_folded"
    if quantization is None:
        return Tensor(name, weights.shape, weights.dtype, None, weights.data * column)
    if ((weights.data == -128) & (column < 0)).any() or quantization.axis not in (0, None):
        return None
    zero = np.broadcast_to(quantization.zero_point, factor.shape)
    if ((zero != 0) & (factor < 0)).any():
        return None
    scale = np.asarray(quantization.scale, np.float64) * np.abs(factor)
    codes = np.where(column < 0, -weights.data.astype(np.int16), weights.data).astype(weights.data.dtype)
    return Tensor(
        name, weights.shape, weights.dtype, replace(quantization, scale=scale, zero_point=zero.copy(), axis=0), codes
    )
