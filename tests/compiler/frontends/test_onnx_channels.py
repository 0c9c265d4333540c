"""Activations that are quantized per channel, as NNCF leaves them in front of depthwise layers, against onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, compile

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from qdq import Net  # noqa: E402

Array = np.ndarray[Any, Any]
CHANNELS = 6


def per_channel(n: Net, x: str, zero_point: int = -128) -> str:
    scale = n.constant(n.rng.uniform(0.01, 0.05, CHANNELS))
    zero = n.constant(np.full(CHANNELS, zero_point), np.int8)
    return n.node("DequantizeLinear", n.node("QuantizeLinear", x, scale, zero, axis=1), scale, zero, axis=1)


ACTIVATIONS: dict[str, Callable[[Net, str], str]] = {
    "none": lambda n, x: x,
    "Relu": lambda n, x: n.node("Relu", x),
    "Clip": lambda n, x: n.node("Clip", x, n.constant(0.0), n.constant(20.0)),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("multiplier", [1, 2])
def test_in_front_of_a_depthwise_layer(activation: str, multiplier: int) -> None:
    n = Net(seed=multiplier)
    y = n.node("Conv", n.input("x", (1, 4, 9, 8)), n.weights((CHANNELS, 4, 3, 3)))
    y = per_channel(n, ACTIVATIONS[activation](n, y), 7 if activation == "none" else -128)
    y = n.node("Conv", y, n.weights((CHANNELS * multiplier, 1, 3, 3)), group=CHANNELS)
    model = n.model(n.qdq(y, 0.3))
    compiled = compile(model)
    assert [op.kind for op in compiled.graph.ops] == ["conv2d", "dwconv2d"]
    x = n.rng.normal(size=(1, 4, 9, 8), scale=3).astype(np.float32)
    ours = qrt.load(compiled.to_bytes()).run(x, dequantize=True, layout="NCHW").transpose(0, 3, 1, 2)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, {"x": x})
    assert len(np.unique(theirs)) > 50
    apart = np.rint(np.abs(ours - theirs) / np.float32(0.3))
    assert apart.max() <= 1
    assert np.mean(apart) < 0.01


def test_of_an_input() -> None:
    """Codes that come in with a scale for each channel become codes with one scale, by one depthwise layer."""
    n = Net()
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.INT8, (1, CHANNELS, 4, 4))
    n.inputs.append(x)
    scale, zero = n.constant(n.rng.uniform(0.01, 0.05, CHANNELS)), n.constant(np.full(CHANNELS, 3), np.int8)
    y = n.node("Relu", n.node("DequantizeLinear", "x", scale, zero, axis=1))
    model = n.model(n.qdq(y, 0.0371))
    codes = n.rng.integers(-128, 128, (1, CHANNELS, 4, 4)).astype(np.int8)
    runtime = qrt.load(compile(model).to_bytes())
    layout = runtime.inputs[0].source_layout
    ours = runtime.run(codes if layout == "NHWC" else codes.transpose(0, 2, 3, 1), dequantize=True)
    ours = ours if runtime.outputs[0].source_layout == "NHWC" else ours.transpose(0, 3, 1, 2)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert np.abs(ours - session.run(None, {"x": codes})[0]).max() < 0.01


def test_what_no_depthwise_layer_reads_is_refused() -> None:
    n = Net()
    y = n.node("Conv", n.input("x", (1, 4, 9, 8)), n.weights((CHANNELS, 4, 3, 3)))
    y = n.node("Conv", per_channel(n, y), n.weights((3, CHANNELS, 1, 1)))
    with pytest.raises(CompileError, match="per channel"):
        compile(n.model(n.qdq(y)))
    n = Net()
    scale, zero = n.constant([0.1, 0.2]), n.constant([1, 2], np.int8)
    x = n.node("QuantizeLinear", n.float_input("x", (1, 2, 3, 3)), scale, zero, axis=1)
    with pytest.raises(CompileError, match="different zero points"):
        compile(n.model(n.node("DequantizeLinear", x, scale, zero, axis=1)))
