"""Translators of QOperator nodes: dequantize, the float operator, quantize."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.onnx.convolutions import conv2d
from qrt.compiler.frontends.onnx.importer import Importer, Translator
from qrt.compiler.frontends.onnx.pools import pool2d
from qrt.compiler.frontends.onnx.products import matmul, product
from qrt.compiler.frontends.onnx.reductions import reduced
from qrt.compiler.ir import Quantization, Tensor

if TYPE_CHECKING:
    import onnx


def _real(importer: Importer, node: onnx.NodeProto, index: int, axis: int = 1) -> Tensor:
    """Real values of the codes at input `index`; scale and zero point are the next two inputs."""
    codes = importer.input(node, index)
    quantization = importer.quantization(node, index + 1, index + 2, axis)
    return importer.dequantize(node, codes, quantization, f"{node.output[0]}_input{index}")


def _finish(importer: Importer, node: onnx.NodeProto, y: Tensor, scale: int, zero_point: int) -> None:
    """Quantizes `y` by the output's scale and zero point, at inputs `scale` and `zero_point` of the node."""
    dtype = importer.input(node, zero_point).dtype if importer.has(node, zero_point) else "uint8"
    importer.quantize(node, y, importer.quantization(node, scale, zero_point), dtype)


def _result(node: onnx.NodeProto) -> str:
    return f"{node.output[0]}_real"


def _int32_bias(
    importer: Importer, node: onnx.NodeProto, index: int, x_scale: int, w_scale: int, factor: float = 1.0
) -> Tensor:
    """Real values of an int32 bias in steps of x_scale * w_scale * factor, of one or of each output channel."""
    bias = importer.input(node, index)
    if bias.data is None:
        raise Unsupported("its bias is not constant")
    x = importer.constant(node, x_scale, "scale").astype(np.float64).reshape(-1)
    w = importer.constant(node, w_scale, "scale").astype(np.float64).reshape(-1)
    data = bias.data.reshape(bias.data.shape or (1,)).astype(np.int32)
    steps = x * w * factor
    axis = None if len(steps) == 1 else data.ndim - 1
    scale = steps.reshape(()) if axis is None else steps
    codes = Tensor(bias.name, data.shape, "int32", None, data)
    quantization = Quantization(scale, np.zeros(scale.shape, np.int32), axis)
    return importer.dequantize(node, codes, quantization, f"{node.output[0]}_bias")


def _channels_first(importer: Importer, node: onnx.NodeProto) -> None:
    if importer.attributes(node).get("channels_last", 0):
        raise Unsupported("has channels_last, which is not supported; quantize with channels first")


def qlinear_conv(importer: Importer, node: onnx.NodeProto) -> None:
    _channels_first(importer, node)
    arguments = [_real(importer, node, 3, 0)]
    if importer.has(node, 8):
        arguments.append(_int32_bias(importer, node, 8, 1, 4))
    _finish(importer, node, conv2d(importer, node, _real(importer, node, 0), arguments), 6, 7)


def qlinear_mat_mul(importer: Importer, node: onnx.NodeProto) -> None:
    a, b = _real(importer, node, 0), _real(importer, node, 3)
    _finish(importer, node, matmul(importer, node, a, b, _result(node)), 6, 7)


def qgemm(importer: Importer, node: onnx.NodeProto) -> None:
    attrs = importer.attributes(node)
    a = _real(importer, node, 0)
    b = _real(importer, node, 3, 0 if attrs.get("transB", 0) else 1)
    if attrs.get("transA", 0):
        a = importer.emit("transpose", node, [a], a.shape[::-1], f"{node.output[0]}_turned", permutation=(1, 0))
    # onnxruntime adds the bias before it multiplies by alpha.
    bias = _int32_bias(importer, node, 6, 1, 4, attrs.get("alpha", 1.0)) if importer.has(node, 6) else None
    if not importer.has(node, 7):
        raise Unsupported("has a float output; quantize it with an output scale")
    _finish(importer, node, product(importer, node, a, b, bias, _result(node)), 7, 8)


def _binary(kind: str) -> Translator:
    def translate(importer: Importer, node: onnx.NodeProto) -> None:
        a, b = _real(importer, node, 0), _real(importer, node, 3)
        y = importer.emit(kind, node, [a, b], np.broadcast_shapes(a.shape, b.shape), _result(node))
        _finish(importer, node, y, 6, 7)

    return translate


def _unary(emit: Callable[[Importer, onnx.NodeProto, Tensor], Tensor]) -> Translator:
    """x, x_scale, x_zero_point, y_scale, y_zero_point."""

    def translate(importer: Importer, node: onnx.NodeProto) -> None:
        _channels_first(importer, node)
        _finish(importer, node, emit(importer, node, _real(importer, node, 0)), 3, 4)

    return translate


def _global_average_pool(importer: Importer, node: onnx.NodeProto, x: Tensor) -> Tensor:
    axes = tuple(range(2, len(x.shape)))
    shape = (*x.shape[:2], *[1] * len(axes))
    return importer.emit("mean", node, [x], shape, _result(node), axes=axes, keepdims=True)


def _average_pool(importer: Importer, node: onnx.NodeProto, x: Tensor) -> Tensor:
    return pool2d(importer, node, x, "average_pool2d", _result(node))


def _sigmoid(importer: Importer, node: onnx.NodeProto, x: Tensor) -> Tensor:
    return importer.emit("sigmoid", node, [x], x.shape, _result(node))


def _leaky_relu(importer: Importer, node: onnx.NodeProto, x: Tensor) -> Tensor:
    alpha = importer.attributes(node).get("alpha", 0.01)
    return importer.emit("leaky_relu", node, [x], x.shape, _result(node), alpha=alpha)


def _softmax(importer: Importer, node: onnx.NodeProto, x: Tensor) -> Tensor:
    axis = importer.attributes(node).get("axis", -1) % len(x.shape)
    return importer.emit("softmax", node, [x], x.shape, _result(node), axis=axis)


def qlinear_concat(importer: Importer, node: onnx.NodeProto) -> None:
    """Inputs: y_scale, y_zero_point, then codes, scale, zero point for each."""
    inputs = []
    for index in range(2, len(node.input), 3):
        inputs.append(_real(importer, node, index))
    axis = importer.attributes(node)["axis"] % len(inputs[0].shape)
    shape = list(inputs[0].shape)
    shape[axis] = sum(tensor.shape[axis] for tensor in inputs)
    _finish(importer, node, importer.emit("concat", node, inputs, tuple(shape), _result(node), axis=axis), 0, 1)


def qlinear_where(importer: Importer, node: onnx.NodeProto) -> None:
    condition = importer.constant(node, 0, "condition").astype(bool)
    a, b = _real(importer, node, 1), _real(importer, node, 4)
    shape = np.broadcast_shapes(condition.shape, a.shape, b.shape)
    _finish(importer, node, importer.emit("where", node, [a, b], shape, _result(node), condition=condition), 7, 8)


def _reduce_mean(importer: Importer, node: onnx.NodeProto, x: Tensor) -> Tensor:
    return reduced(importer, node, x, "mean", importer.attributes(node).get("axes"), _result(node))


QLINEAR_NODES: dict[str, Translator] = {
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_mat_mul,
    "QGemm": qgemm,
    "QLinearAdd": _binary("add"),
    "QLinearMul": _binary("mul"),
    "QLinearGlobalAveragePool": _unary(_global_average_pool),
    "QLinearAveragePool": _unary(_average_pool),
    "QLinearSigmoid": _unary(_sigmoid),
    "QLinearLeakyRelu": _unary(_leaky_relu),
    "QLinearSoftmax": _unary(_softmax),
    "QLinearConcat": qlinear_concat,
    "QLinearWhere": qlinear_where,
    "QLinearReduceMean": _unary(_reduce_mean),
}
