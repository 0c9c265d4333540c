"""What exporters and quantizers write around the operators: casts that change nothing, and fake quantization of QAT."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import qrt
from qrt.compiler import compile as qrt_compile

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
qdq = pytest.importorskip("qdq")

UINT8, INT32 = onnx.TensorProto.UINT8, onnx.TensorProto.INT32


def quantized_weights(n: Any, shape: tuple[int, ...]) -> str:
    """Float weights behind quantize and dequantize per channel, as QAT leaves them."""
    values = n.rng.normal(size=shape) * 0.1
    scale = n.constant(np.abs(values).reshape(shape[0], -1).max(axis=1) / 127)
    parameters = scale, n.constant(np.zeros(shape[0]), np.int8)
    codes = n.node("QuantizeLinear", n.constant(values), *parameters, axis=0)
    return str(n.node("DequantizeLinear", codes, *parameters, axis=0))


def fake_quantized(n: Any) -> str:
    """Conv, Div, Add and BatchNormalization of a QAT network that was exported before its conversion."""
    weights, zeros = quantized_weights(n, (8, 3, 3, 3)), n.constant(np.zeros(8))
    y = n.node("Conv", n.input("x", (1, 3, 9, 7)), weights, zeros)
    y = n.node("Div", y, n.constant(n.rng.uniform(0.8, 1.3, (1, 8, 1, 1))))
    y = n.node("Add", y, n.constant(n.rng.normal(size=(1, 8, 1, 1)) * 0.1))
    statistics = [n.constant(n.rng.uniform(0.5, 1.5, 8)) for _ in range(4)]
    y = n.qdq(n.node("Relu", n.node("BatchNormalization", y, *statistics)), 0.013)
    return str(n.qdq(n.node("Conv", y, quantized_weights(n, (4, 8, 1, 1)), n.constant(n.rng.normal(size=4))), 0.021))


def converted_module(n: Any) -> str:
    """As torch.onnx.export writes an int8 module: Cast of uint8 to uint8, zero points behind Identity and Cast."""

    def pair(x: str, scale: float, zero_point: int) -> str:
        parameters = n.constant(scale), n.node("Identity", n.constant(zero_point, np.uint8))
        codes = n.node("Cast", n.node("QuantizeLinear", x, *parameters), to=UINT8)
        return str(n.node("DequantizeLinear", codes, *parameters))

    def layer(x: str, x_scale: float, shape: tuple[int, ...]) -> str:
        scales = n.rng.uniform(0.002, 0.01, shape[0]).astype(np.float32)
        codes, zeros = n.constant(n.rng.integers(-127, 128, shape), np.int8), n.constant(np.zeros(shape[0]), np.int8)
        w = n.node("DequantizeLinear", codes, n.constant(scales), zeros, axis=0)
        lengths = n.constant([shape[0]], np.int64)
        zeros = n.node("Cast", n.node("ConstantOfShape", lengths), to=INT32)
        bias = n.constant(n.rng.integers(-2000, 2000, shape[0]), np.int32)
        b = n.node("DequantizeLinear", bias, n.constant(scales * np.float32(x_scale)), zeros, axis=0)
        return str(n.node("Conv", x, w, b))

    y = pair(n.float_input("x", (1, 3, 9, 7)), 0.049, 67)
    y = pair(n.node("Relu", layer(y, 0.049, (8, 3, 3, 3))), 0.031, 0)
    return pair(layer(y, 0.031, (4, 8, 1, 1)), 0.083, 120)


@pytest.mark.parametrize("make", [fake_quantized, converted_module])
def test_codes_of_onnxruntime(make: Callable[[Any], str]) -> None:
    n = qdq.Net()
    model = n.model(make(n))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    runtime = qrt.load(qrt_compile(model).to_bytes())
    for _ in range(4):
        x = n.rng.normal(size=(1, 3, 9, 7)).astype(np.float32)
        (theirs,) = session.run(None, {"x": x})
        assert len(np.unique(theirs)) > 10
        ours = runtime.run(x, dequantize=True, layout="NCHW").transpose(0, 3, 1, 2)
        np.testing.assert_allclose(ours, theirs, atol=0.01 * runtime.outputs[0].scale)
