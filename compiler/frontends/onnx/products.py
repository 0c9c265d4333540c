"""Translators of matrix products."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.onnx.importer import Importer, Translator
from qrt.compiler.ir import Quantization, Tensor

if TYPE_CHECKING:
    import onnx


def linear(
    importer: Importer, node: onnx.NodeProto, arguments: list[Tensor], transposed: bool, name: str | None
) -> Tensor:
    """x @ w (+ bias) with constant w [in, out], or [out, in] if `transposed`."""
    x, weights = arguments[:2]
    if not transposed:
        shape = (weights.shape[1], weights.shape[0])
        turned = f"{node.output[0]}_weights"
        weights = importer.emit("transpose", node, [weights], shape, turned, permutation=(1, 0))
    if x.shape[-1] != weights.shape[1]:
        raise Unsupported(f"multiplies {list(x.shape)} by a matrix of {weights.shape[1]} rows")
    return importer.emit("linear", node, [x, weights, *arguments[2:]], (*x.shape[:-1], weights.shape[0]), name)


def matmul(importer: Importer, node: onnx.NodeProto, a: Tensor, b: Tensor, name: str | None = None) -> Tensor:
    """numpy's matmul of float tensors; a layer if `b` is a constant matrix."""
    if importer.is_known(b) and len(b.shape) == 2 and not importer.is_known(a):
        return linear(importer, node, [a, b], False, name)
    shape = _product_shape(a.shape, b.shape)
    result = node.output[0]
    if len(a.shape) == 1:
        a = importer.emit("reshape", node, [a], (1, *a.shape), f"{result}_row")
    if len(b.shape) == 1:
        b = importer.emit("reshape", node, [b], (*b.shape, 1), f"{result}_column")
    full = _product_shape(a.shape, b.shape)
    if full == shape:
        return importer.emit("matmul", node, [a, b], shape, name)
    y = importer.emit("matmul", node, [a, b], full, f"{result}_matrix")
    return importer.emit("reshape", node, [y], shape, name)


def _product_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of numpy's matmul of such tensors."""
    if not a or not b or a[-1] != b[max(len(b) - 2, 0)]:
        raise Unsupported(f"multiplies {list(a)} by {list(b)}")
    leading = np.broadcast_shapes(a[:-2], b[:-2])
    return (*leading, *a[-2:-1], *(b[-1:] if len(b) > 1 else ()))


def mat_mul(importer: Importer, node: onnx.NodeProto) -> None:
    matmul(importer, node, importer.input(node, 0), importer.input(node, 1))


def gemm(importer: Importer, node: onnx.NodeProto) -> None:
    attrs = importer.attributes(node)
    a, b = importer.input(node, 0), importer.input(node, 1)
    bias = importer.input(node, 2) if importer.has(node, 2) else None
    if attrs.get("transA", 0):
        a = importer.emit("transpose", node, [a], a.shape[::-1], f"{node.output[0]}_turned", permutation=(1, 0))
    product(importer, node, a, b, bias, None)


def product(
    importer: Importer, node: onnx.NodeProto, a: Tensor, b: Tensor, bias: Tensor | None, name: str | None
) -> Tensor:
    """``alpha * a @ b + beta * bias`` by the attributes of `node`, which turn `b`; a float tensor."""
    attrs = importer.attributes(node)
    transposed = bool(attrs.get("transB", 0))
    if not importer.is_known(b):
        if attrs.get("alpha", 1.0) != 1.0 or bias is not None:
            raise Unsupported("multiplies two activations with alpha or a bias; use MatMul, Mul and Add instead")
        if transposed:
            b = importer.emit("transpose", node, [b], b.shape[::-1], f"{node.output[0]}_b", permutation=(1, 0))
        return matmul(importer, node, a, b, name)
    b = _scaled(importer, node, b, attrs.get("alpha", 1.0))
    if bias is None:
        return linear(importer, node, [a, b], transposed, name)
    rows = _bias(importer, node, bias, (a.shape[0], b.shape[0 if transposed else 1]), attrs.get("beta", 1.0))
    if len(rows) == 1:
        return linear(importer, node, [a, b, rows[0]], transposed, name)
    # Every row has a bias of its own.
    parts = []
    for k, row in enumerate(rows):
        called = f"{node.output[0]}_row{k}"
        taken = importer.emit(
            "slice", node, [a], (1, a.shape[1]), f"{called}_of", begin=(k, 0), stride=(1, 1), layout="NHWC"
        )
        parts.append(linear(importer, node, [taken, b, row], transposed, called))
    return importer.emit("concat", node, parts, (len(parts), parts[0].shape[1]), name, axis=0)


def _scaled(importer: Importer, node: onnx.NodeProto, weights: Tensor, factor: float) -> Tensor:
    """Constant weights times a number: the scale of quantized ones changes."""
    if factor == 1.0:
        return weights
    name = f"{node.output[0]}_scaled"
    codes = importer.codes(weights)
    if codes is None or codes.quantization is None:
        data = importer.known(weights)
        assert data is not None
        return importer.parameter(name, data * np.float32(factor))
    if factor <= 0:
        raise Unsupported(f"has alpha {factor}; only positive factors are supported")
    quantization = replace(codes.quantization, scale=codes.quantization.scale * np.float32(factor))
    scaled = Tensor(f"{name}_codes", codes.shape, codes.dtype, quantization, codes.data)
    return importer.dequantize(node, scaled, quantization, name)


def _bias(
    importer: Importer, node: onnx.NodeProto, bias: Tensor, shape: tuple[int, int], factor: float
) -> list[Tensor]:
    """The bias of a product of `shape`, times a number; several if rows differ."""
    data = importer.known(bias)
    if data is None:
        raise Unsupported("its bias is not constant")
    if factor == 1.0 and data.shape == shape[1:]:
        return [bias]
    name = f"{node.output[0]}_bias"
    codes = importer.codes(bias)
    if factor == 1.0 and codes is not None and codes.data is not None and codes.quantization is not None:
        spread, scale = (np.broadcast_to(each, shape) for each in (codes.data, codes.quantization.scale))
        if (spread == spread[0]).all() and (scale == scale[0]).all() and not codes.quantization.zero_point.any():
            quantization = Quantization(scale[0].copy(), np.zeros(shape[1], np.int32), 0)
            row = Tensor(f"{name}_codes", shape[1:], codes.dtype, quantization, spread[0].copy())
            return [importer.dequantize(node, row, quantization, name)]
    real = np.broadcast_to(data * np.float32(factor), shape)
    if (real == real[0]).all():
        return [importer.parameter(name, real[0].copy())]
    return [importer.parameter(f"{name}{k}", row.copy()) for k, row in enumerate(real)]


PRODUCTS: dict[str, Translator] = {"Gemm": gemm, "MatMul": mat_mul}
