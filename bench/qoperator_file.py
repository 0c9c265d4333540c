"""A recipe as an ONNX file in ONNX Runtime's own form: quantized operators, as its quantizer writes with QOperator."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper

from bench.onnx_file import OPSET, TO_NCHW, TO_NHWC, File, pads
from bench.recipes import Array, Layer, Recipe

# The domain of ONNX Runtime's own operators.
MICROSOFT = "com.microsoft"


def to_qoperator(recipe: Recipe, *, unsigned_weights: bool = False) -> bytes:
    """The content of the file: uint8 activations, and int8 weights, or uint8 weights with codes 128 higher."""
    file = File(signed=False)
    codes = {recipe.input.name: _turned(file, recipe.input.shape, "input", TO_NCHW)}
    for layer in recipe.layers:
        y = _computed(file, layer, [codes[v.name] for v in layer.inputs], unsigned_weights)
        codes[layer.output.name] = _clamped(file, layer, y)
    file.node("Identity", [_turned(file, recipe.output.shape, codes[recipe.output.name], TO_NHWC)], "output")
    return file.content(recipe, TensorProto.UINT8, [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)])


def _turned(file: File, shape: tuple[int, ...], codes: str, axes: tuple[int, ...]) -> str:
    return file.node("Transpose", [codes], perm=axes) if len(shape) == 3 else codes


def _computed(file: File, layer: Layer, inputs: list[str], unsigned_weights: bool) -> str:
    quantized = [part for x, value in zip(inputs, layer.inputs, strict=True) for part in (x, *file.parameters(value))]
    output = file.parameters(layer.output)
    match layer.kind:
        case "conv":
            weights, bias = _weights(file, layer, unsigned_weights)
            window = {"kernel_shape": [layer.size] * 2, "strides": [layer.stride] * 2, "pads": pads(layer)}
            return file.node("QLinearConv", [*quantized, *weights, *output, bias], group=layer.groups, **window)
        case "linear":
            weights, bias = _weights(file, layer, unsigned_weights)
            return _own(file, "QGemm", [*quantized, *weights, bias, *output], transB=1)
        case "add":
            return _own(file, "QLinearAdd", [*quantized, *output])
        case "max_pool":
            window = {"kernel_shape": [layer.size] * 2, "strides": [layer.stride] * 2, "pads": pads(layer)}
            return file.node("MaxPool", inputs, **window)
        case "softmax":
            return _own(file, "QLinearSoftmax", [*quantized, *output], axis=-1, opset=OPSET)
        case _:
            pooled = _own(file, "QLinearGlobalAveragePool", [*quantized, *output], channels_last=0)
            return file.node("Flatten", [pooled])


def _clamped(file: File, layer: Layer, codes: str) -> str:
    """The activation, where the ends of the codes do not clamp as it does."""
    low = layer.output.zero_point if layer.activation else 0
    high = min(round(6 / layer.output.scale) + low, 255) if layer.activation == "relu6" else 255
    if (low, high) == (0, 255):
        return codes
    return file.node("Clip", [codes, file.constant(np.uint8(low)), file.constant(np.uint8(high))])


def _own(file: File, kind: str, inputs: list[str], **attributes: Any) -> str:
    return file.node(kind, inputs, domain=MICROSOFT, **attributes)


def _weights(file: File, layer: Layer, unsigned: bool) -> tuple[list[str], str]:
    """Weights with their scales and zero points, and the bias."""
    assert layer.weights is not None and layer.weight_scales is not None and layer.bias is not None
    codes: Array = layer.weights.transpose(0, 3, 1, 2) if layer.kind == "conv" else layer.weights
    if unsigned:
        codes = codes.view(np.uint8) ^ np.uint8(128)
    zeros = np.full(len(codes), 128 if unsigned else 0, codes.dtype)
    parts = (np.ascontiguousarray(codes), layer.weight_scales, zeros)
    return [file.constant(part) for part in parts], file.constant(layer.bias)
