"""TensorFlow Lite's operators that slide a window or have weights: convolutions, fully-connected layers, pools."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite import int16
from qrt.compiler.frontends.tflite.averages import half_up
from qrt.compiler.frontends.tflite.engine import Translation, activation, of_uint8, requantization
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.integers.codes import centered
from qrt.compiler.ir import Quantization, Tensor

# The types of biases, by that of the activations.
BIASES = {"int8": ("int32",), "int16": int16.BIASES}


def padding(
    importer: Importer, options: Any, x: Tensor, size: tuple[int, ...], dilation: tuple[int, int]
) -> tuple[int, ...]:
    """(top, bottom, left, right) of padding SAME or VALID; an odd total has one more at the end."""
    if options.Padding() == importer.tflite.Padding.VALID:
        return (0, 0, 0, 0)
    if options.Padding() != importer.tflite.Padding.SAME:
        raise Unsupported("has a padding that is neither SAME nor VALID")
    sides = []
    for k, stride in enumerate((options.StrideH(), options.StrideW())):
        length, span = x.shape[1 + k], (size[k] - 1) * dilation[k] + 1
        total = max((-(-length // stride) - 1) * stride + span - length, 0)
        sides += [total // 2, total - total // 2]
    return tuple(sides)


def weights(tensor: Tensor, axis: int) -> Tensor:
    """Constant weights with zero point 0, per channel along `axis` or per tensor."""
    quantization = tensor.quantization
    if tensor.data is None or tensor.dtype != "int8" or quantization is None:
        raise Unsupported(f"its weights {tensor.name!r} are not constant int8")
    if quantization.per_channel and quantization.axis != axis:
        raise Unsupported(f"its weights {tensor.name!r} are quantized along axis {quantization.axis}")
    return centered(tensor)


def convolved(importer: Importer, x: Tensor, tensor: Tensor, axis: int) -> Tensor:
    """The weights of a convolution, whose kernel for uint8 multiplies the scales of input and weights in float32."""
    w = weights(tensor, axis)
    assert w.quantization is not None and tensor.quantization is not None
    if tensor not in importer.unsigned:
        if np.any(tensor.quantization.zero_point):
            raise Unsupported(f"its weights {tensor.name!r} have a zero point, which kernels for int8 ignore")
        return w
    if importer.match == "xnnpack":
        return w
    product = np.float64(np.float32(x.scale) * np.float32(w.quantization.scale))
    nearest = product / x.scale
    scale = next((s for s in (nearest, *np.nextafter(nearest, (0, 1))) if s * x.scale == product), nearest)
    return replace(w, quantization=replace(w.quantization, scale=np.array(scale)))


def layer(x: Tensor, w: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """Inputs of a layer: the scale of the bias is x_scale * w_scale, regardless of the scale in the file."""
    if len(inputs) < 3:
        return [x, w]
    bias, types = inputs[2], BIASES[x.dtype]
    if bias.data is None or bias.dtype not in types:
        raise Unsupported(f"its bias {bias.name!r} is not constant {' or '.join(types)}")
    assert w.quantization is not None
    count = bias.data.size
    unit = np.broadcast_to(x.scale * np.asarray(w.quantization.scale, np.float64), (count,))
    quantization = Quantization(unit, np.zeros(count, np.int32), 0)
    return [x, w, Tensor(bias.name, (count,), bias.dtype, quantization, bias.data.reshape(-1))]


def convolution(kind: str, option_table: str, channel_axis: int) -> Translation:
    def translate(importer: Importer, node: Node) -> None:
        options = importer.options(node, option_table)
        x, w = node.inputs[0], convolved(importer, node.inputs[0], node.inputs[1], channel_axis)
        dilation = (options.DilationHFactor(), options.DilationWFactor())
        attrs = activation(importer, node, options.FusedActivationFunction())
        if kind == "conv2d":
            attrs["groups"] = x.shape[3] // w.shape[3]
        elif importer.match == "xnnpack":
            attrs |= of_uint8(importer, x)
        inputs = layer(x, w, node.inputs)
        rounding = requantization(importer) if x.dtype == "int8" else int16.layer(importer, node, inputs, options)
        importer.emit(
            kind,
            node,
            inputs,
            stride=(options.StrideH(), options.StrideW()),
            dilation=dilation,
            padding=padding(importer, options, x, w.shape[1:3], dilation),
            **rounding,
            **attrs,
        )

    return translate


def fully_connected(importer: Importer, node: Node) -> None:
    options = importer.options(node, "FullyConnectedOptions")
    x, w = node.inputs[0], weights(node.inputs[1], 0)
    rows = x.size // w.shape[1]
    flat = importer.between(node, x, (rows, w.shape[1]))
    inputs = layer(flat, w, node.inputs)
    attrs: dict[str, Any] = {"rounding": "DOUBLE"}
    if x.dtype == "int16":
        attrs = int16.layer(importer, node, inputs, options)
    elif importer.match != "tflm":  # LiteRT multiplies by a float here, unlike in convolutions
        attrs = {"rounding": "SINGLE", "engine": importer.match}
    shape = (rows, w.shape[0])
    y = node.output if node.output.shape == shape else importer.new(node, "rows", shape, node.output)
    importer.emit(
        "linear",
        node,
        inputs,
        y,
        **(attrs | activation(importer, node, options.FusedActivationFunction())),
    )
    if y is not node.output:
        importer.emit("reshape", node, [y])


def transpose_conv(importer: Importer, node: Node) -> None:
    options = importer.options(node, "TransposeConvOptions")
    x, w, y = node.inputs[2], convolved(importer, node.inputs[2], node.inputs[1], 0), node.output
    stride, size = (options.StrideH(), options.StrideW()), w.shape[1:3]
    same = options.Padding() == importer.tflite.Padding.SAME
    sides: list[int] = []
    for k in range(2):
        out = y.shape[1 + k]
        total = max((-(-out // stride[k]) - 1) * stride[k] + size[k] - out, 0) if same else 0
        before = total // 2
        after = (x.shape[1 + k] - 1) * stride[k] + size[k] - before - out
        if after <= -stride[k]:
            raise Unsupported("has a larger output than its stride and filter produce")
        sides += [before, max(after, 0)]
    inputs = layer(x, w, [x, w, *node.inputs[3:]])
    if x.dtype == "int16":
        rounding = int16.layer(importer, node, inputs, options)
    # Filters smaller than the stride are computed by LiteRT, not by XNNPACK; LiteRT rounds twice.
    elif min(size[k] - stride[k] for k in range(2)) < 0:
        rounding = {"rounding": "DOUBLE"}
    else:
        rounding = requantization(importer)
    importer.emit(
        "transpose_conv2d",
        node,
        inputs,
        stride=stride,
        padding=tuple(sides),
        **rounding,
        **activation(importer, node, options.FusedActivationFunction()),
        **(of_uint8(importer, x) if importer.match == "xnnpack" else {}),
    )


def pool(kind: str) -> Translation:
    def translate(importer: Importer, node: Node) -> None:
        options = importer.options(node, "Pool2DOptions")
        x, y = node.inputs[0], node.output
        x = importer.recoded(node, x, y)
        size = (options.FilterHeight(), options.FilterWidth())
        window: dict[str, Any] = {"filter": size, "stride": (options.StrideH(), options.StrideW())}
        window["padding"] = padding(importer, options, x, size, (1, 1))
        average = kind == "average_pool2d"
        bounds = activation(importer, node, options.FusedActivationFunction(), by_litert=average)
        if average and x in importer.unsigned:
            half_up(importer, node, window, bounds)
        else:
            importer.emit(kind, node, [x], **window, **bounds)

    return translate
