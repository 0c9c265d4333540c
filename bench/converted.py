"""A .tflite network as a recipe, so that engines which do not read the format can run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from bench.recipes import Layer, Recipe, Value
from qrt.compiler import CompileError, compile
from qrt.compiler.ir import Op, Tensor


class NotConverted(Exception):
    """The reason why a network is no recipe."""


def recipe_of(path: Path) -> Recipe:
    """The recipe of a network of square images, with the file's weights, scales and zero points, and all channels."""
    # Compiled for TFLM, operators keep the file's biases.
    try:
        graph = compile(path, match="tflm", skip={"remove_channels"}).graph
    except CompileError as error:
        raise NotConverted(str(error).splitlines()[0]) from None
    recipe = Recipe(path.stem)
    values: dict[Tensor, Value] = {}
    for op in graph.ops:
        for tensor in op.inputs:
            if not tensor.is_constant and tensor not in values:
                values[tensor] = _value(f"t{len(values)}", tensor, _shape(tensor))
        inputs = tuple(values[tensor] for tensor in op.inputs if not tensor.is_constant)
        if op.kind == "reshape":
            if len(inputs[0].shape) != 1:
                raise NotConverted(f"{op.name} reshapes an image")
            values[op.output] = inputs[0]
            continue
        shape = _shape(op.output)
        pooled = op.kind in ("mean", "average_pool2d")
        values[op.output] = _value(f"t{len(values)}", op.output, shape[-1:] if pooled else shape)
        recipe.layers.append(_layer(op, inputs, values[op.output]))
    return recipe


def _shape(tensor: Tensor) -> tuple[int, ...]:
    if tensor.shape[0] != 1 or len(tensor.shape) not in (2, 4):
        raise NotConverted(f"{tensor.name} has the shape {tensor.shape}")
    if len(tensor.shape) == 4 and tensor.shape[1] != tensor.shape[2]:
        raise NotConverted("its images are not square")
    return tensor.shape[1:]


def _value(name: str, tensor: Tensor, shape: tuple[int, ...]) -> Value:
    # Mean and variance serve only to draw weights.
    return Value(name, shape, tensor.scale, tensor.zero_point + 128, 0.0, 0.0)


def _layer(op: Op, inputs: tuple[Value, ...], output: Value) -> Layer:
    match op.kind:
        case "conv2d" | "dwconv2d":
            weights = op.inputs[1].data
            assert weights is not None
            depthwise = op.kind == "dwconv2d"
            if depthwise and weights.shape[3] != inputs[0].shape[2]:
                raise NotConverted(f"{op.name} has a depth multiplier")
            window = _window(op, (weights.shape[1], weights.shape[2]))
            groups = weights.shape[3] if depthwise else op.attrs["groups"]
            codes = weights.transpose(3, 1, 2, 0) if depthwise else weights
            return Layer("conv", inputs, output, _activation(op, output), *_parts(op, codes), **window, groups=groups)
        case "linear":
            weights = op.inputs[1].data
            assert weights is not None
            return Layer("linear", inputs, output, _activation(op, output), *_parts(op, weights))
        case "add" if not op.attrs["subtract"] and len(inputs) == 2:
            return Layer("add", inputs, output, _activation(op, output))
        case "max_pool2d" if (op.attrs["output_min"], op.attrs["output_max"]) == (-128, 127):
            return Layer("max_pool", inputs, output, **_window(op, op.attrs["filter"]))
        case "mean" | "average_pool2d" if op.output.shape[1:3] == (1, 1):
            return Layer("mean", inputs, output)
        case "softmax":
            return Layer("softmax", inputs, output)
    raise NotConverted(f"{op.name} is a {op.kind}")


def _parts(op: Op, codes: Any) -> tuple[Any, Any, Any]:
    """Weights, a scale for each channel, and the bias."""
    quantization, requant = op.inputs[1].quantization, op.attrs["requant"]
    assert quantization is not None and requant.bias is not None
    scales = np.broadcast_to(quantization.scale.astype(np.float32), len(codes))
    return np.ascontiguousarray(codes), np.ascontiguousarray(scales), requant.bias.astype(np.int32)


def _window(op: Op, size: tuple[int, int]) -> dict[str, Any]:
    (top, bottom, left, right), (stride, across) = op.attrs["padding"], op.attrs["stride"]
    if (top, bottom, size[0], stride) != (left, right, size[1], across) or op.attrs.get("dilation", (1, 1)) != (1, 1):
        raise NotConverted(f"the window of {op.name} is not square, or dilated")
    return {"size": size[0], "stride": stride, "padding": (top, bottom)}


def _activation(op: Op, output: Value) -> str | None:
    """The activation that clamps as the operator does; where codes end at the same value, none is needed."""
    requant = op.attrs.get("requant")
    bounds = vars(requant) if requant is not None else op.attrs
    low, high = bounds["output_min"], bounds["output_max"]
    if low + 128 != output.zero_point:
        if (low, high) != (-128, 127):
            raise NotConverted(f"{op.name} clamps to other values than relu and relu6")
        return None
    six = round(6 / output.scale) + output.zero_point - 128
    if high not in (127, six):
        raise NotConverted(f"{op.name} clamps to other values than relu and relu6")
    return "relu6" if high == six else "relu"
