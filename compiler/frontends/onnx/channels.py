"""Activations that are quantized per channel, as NNCF does in front of depthwise layers.

Codes have one scale here. The scales of the channels go to both sides of them: what is quantized is multiplied by
scale / scales, and what is dequantized by scales / scale. The first goes into the layer before, the second into the
weights of a depthwise layer behind.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.onnx.importer import Importer
from qrt.compiler.ir import Op, Quantization, Tensor

if TYPE_CHECKING:
    import onnx


def one_scale(quantization: Quantization) -> Quantization:
    """The largest of the scales of channels, with their zero point."""
    zeros = np.unique(quantization.zero_point)
    if len(zeros) > 1:
        raise Unsupported("quantizes channels of an activation with different zero points; use one for all")
    return Quantization(quantization.scale.max(), zeros.astype(np.int32).reshape(()))


def _factors(importer: Importer, name: str, quantization: Quantization, rank: int, inverse: bool) -> Tensor:
    """The scales of the channels in units of the one scale, or the inverse, as a constant that broadcasts."""
    ratio = quantization.scale.astype(np.float64) / float(one_scale(quantization).scale)
    assert quantization.axis is not None
    shape = [-1 if k == quantization.axis else 1 for k in range(rank)]
    return importer.parameter(name, (1 / ratio if inverse else ratio).reshape(shape))


def quantize_channels(importer: Importer, node: onnx.NodeProto, quantization: Quantization, dtype: str) -> None:
    """Multiplies in front of activations, which keep their sign, so that the layer before them takes the factors."""
    x, name = importer.input(node), node.output[0]
    passed: list[Op] = []
    while (op := importer.graph.producer(x)) is not None and op.kind in ("relu", "clip"):
        if op.kind == "clip" and not _is_relu(op, quantization, dtype):
            break
        passed.append(op)
        x = op.inputs[0]
    factors = _factors(importer, f"{name}_factors", quantization, len(x.shape), True)
    y = importer.emit("mul", node, [x, factors], x.shape, f"{name}_scaled")
    for op in reversed(passed):
        y = importer.emit("relu", node, [y], y.shape, f"{name}_{op.output.name}")
    codes = importer.quantize(node, y, one_scale(quantization), dtype)
    importer.per_channel[codes] = quantization


def _is_relu(clip: Op, quantization: Quantization, dtype: str) -> bool:
    """Whether codes hold no more than the upper bound of a clip from 0, so that it is a relu."""
    highest = 255 if dtype == "uint8" else 127
    largest = quantization.scale.astype(np.float64) * (highest - quantization.zero_point)
    bound = clip.attrs.get("max")
    # The last code may stand for the bound itself, rounded.
    return clip.attrs.get("min") == 0 and (bound is None or bool((largest <= bound * (1 + 2.0**-20)).all()))


def dequantize_channels(importer: Importer, node: onnx.NodeProto, codes: Tensor, quantization: Quantization) -> None:
    """The real values of codes that have a scale for each channel."""
    if codes.quantization is None:
        importer.per_channel.setdefault(codes, quantization)
    if not quantization.same_as(importer.per_channel.get(codes)):
        raise Unsupported(f"reads {codes.name!r} with a different scale or zero point than it was written with")
    name = node.output[0]
    plain = importer.dequantize(node, codes, one_scale(quantization), f"{name}_plain")
    factors = _factors(importer, f"{name}_factors", quantization, len(codes.shape), False)
    y = importer.emit("mul", node, [plain, factors], codes.shape)
    importer.scaled[y] = (plain, factors)


def into_weights(
    importer: Importer, node: onnx.NodeProto, x: Tensor, weights: Tensor, groups: int
) -> tuple[Tensor, Tensor]:
    """Input and weights of a convolution; a depthwise one takes the factors of its input's channels."""
    if x not in importer.scaled:
        return x, weights
    plain, factors = importer.scaled[x]
    codes = importer.codes(weights)
    is_depthwise = groups == x.shape[1] == factors.size and factors.shape[1] == groups
    if codes is None or codes.quantization is None or codes.quantization.axis not in (None, 0) or not is_depthwise:
        raise Unsupported("reads an activation that is quantized per channel; quantize it per tensor")
    assert factors.data is not None
    count = weights.shape[0]
    scale = np.broadcast_to(codes.quantization.scale, (count,)) * np.repeat(factors.data.reshape(-1), count // groups)
    zeros = np.broadcast_to(codes.quantization.zero_point, (count,)).copy()
    scaled = replace(
        codes, name=f"{node.output[0]}_weights", quantization=Quantization(scale.astype(np.float32), zeros, 0)
    )
    assert scaled.quantization is not None
    return plain, importer.dequantize(node, scaled, scaled.quantization, f"{node.output[0]}_scaled_weights")
