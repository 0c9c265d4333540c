"""A recipe as an ONNX file in QDQ form: uint8 or int8 activations, NHWC, codes as inputs and outputs, so that no engine
spends time on quantizing or transposing."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bench.recipes import Array, Layer, Recipe, Value

OPSET = 17
TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


class File:
    """Nodes and constants under construction."""

    def __init__(self, signed: bool) -> None:
        self.signed = signed
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Array) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def node(self, kind: str, inputs: list[str], output: str | None = None, **attributes: Any) -> str:
        name = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=f"node_{len(self.nodes)}", **attributes))
        return name

    def parameters(self, value: Value) -> list[str]:
        """Scale and zero point of an activation."""
        point = np.int8(value.zero_point - 128) if self.signed else np.uint8(value.zero_point)
        return [self.constant(np.float32(value.scale)), self.constant(np.asarray(point))]

    def real(self, value: Value, codes: str) -> str:
        return self.node("DequantizeLinear", [codes, *self.parameters(value)])

    def codes(self, value: Value, real: str) -> str:
        return self.node("QuantizeLinear", [real, *self.parameters(value)])

    def turned(self, value: Value, codes: str, axes: tuple[int, ...]) -> str:
        """An image with its axes permuted; other tensors unchanged."""
        if len(value.shape) != 3:
            return codes
        return self.codes(value, self.node("Transpose", [self.real(value, codes)], perm=axes))

    def weights(self, codes: Array, scales: Array) -> str:
        zeros = np.zeros(len(scales), codes.dtype)
        return self.node(
            "DequantizeLinear", [self.constant(codes), self.constant(scales), self.constant(zeros)], axis=0
        )

    def content(self, recipe: Recipe, dtype: int, operators: list[onnx.OperatorSetIdProto]) -> bytes:
        """The whole file, with codes as its input and output."""
        graph = helper.make_graph(
            self.nodes,
            recipe.name,
            [helper.make_tensor_value_info("input", dtype, [1, *recipe.input.shape])],
            [helper.make_tensor_value_info("output", dtype, [1, *recipe.output.shape])],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=operators, ir_version=10)
        onnx.checker.check_model(model)
        content: bytes = model.SerializeToString()
        return content


def pads(layer: Layer) -> list[int]:
    before, after = layer.padding
    return [before, before, after, after]


def _weighted(file: File, layer: Layer, x: str) -> str:
    assert layer.weights is not None and layer.weight_scales is not None and layer.bias is not None
    bias = file.weights(layer.bias, np.float32(layer.inputs[0].scale) * layer.weight_scales)
    if layer.kind == "linear":
        return file.node("Gemm", [x, file.weights(layer.weights, layer.weight_scales), bias], transB=1)
    weights = file.weights(np.ascontiguousarray(layer.weights.transpose(0, 3, 1, 2)), layer.weight_scales)
    return file.node(
        "Conv",
        [x, weights, bias],
        kernel_shape=[layer.size] * 2,
        strides=[layer.stride] * 2,
        pads=pads(layer),
        group=layer.groups,
    )


def _compute(file: File, layer: Layer, reals: list[str]) -> str:
    match layer.kind:
        case "conv" | "linear":
            y = _weighted(file, layer, reals[0])
        case "add":
            y = file.node("Add", reals)
        case "max_pool":
            window = {"kernel_shape": [layer.size] * 2, "strides": [layer.stride] * 2, "pads": pads(layer)}
            y = file.node("MaxPool", reals, **window)
        case "softmax":
            y = file.node("Softmax", reals, axis=-1)
        case _:
            y = file.node("Flatten", [file.node("GlobalAveragePool", reals)])
    if layer.activation == "relu":
        return file.node("Relu", [y])
    if layer.activation == "relu6":
        return file.node("Clip", [y, file.constant(np.float32(0)), file.constant(np.float32(6))])
    return y


def to_onnx(recipe: Recipe, *, signed: bool = False) -> bytes:
    """The content of the file; with `signed`, activations are int8, with codes 128 lower."""
    file = File(signed)
    dtype = TensorProto.INT8 if signed else TensorProto.UINT8
    codes = {recipe.input.name: file.turned(recipe.input, "input", TO_NCHW)}
    for layer in recipe.layers:
        reals = [file.real(value, codes[value.name]) for value in layer.inputs]
        codes[layer.output.name] = file.codes(layer.output, _compute(file, layer, reals))
    last = file.turned(recipe.output, codes[recipe.output.name], TO_NHWC)
    file.node("Identity", [last], "output")
    return file.content(recipe, dtype, [helper.make_opsetid("", OPSET)])
