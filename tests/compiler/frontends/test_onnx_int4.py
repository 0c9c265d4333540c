"""Weights of 4 bits in ONNX files: INT4 and UINT4, beside onnxruntime; what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from qdq import Net

import qrt
from qrt.compiler import CompileError, compile

TYPES = {"int4": TensorProto.INT4, "uint4": TensorProto.UINT4}


class FourBits(Net):
    def codes(self, values: Any, kind: str) -> str:
        name = f"c{len(self.constants)}"
        array = np.asarray(values)
        self.constants.append(helper.make_tensor(name, TYPES[kind], array.shape, array.reshape(-1)))
        return name

    def weights_of(self, shape: tuple[int, ...], kind: str, zero_point: int = 0, **attrs: Any) -> str:
        """Dequantized; with a scale for each entry of axis 0 where the zero point is 0."""
        low = -8 if kind == "int4" else 0
        codes = self.codes(self.rng.integers(low, low + 16, shape), kind)
        count = shape[0] if zero_point == 0 and kind == "int4" else 1
        scale = self.constant(self.rng.uniform(0.02, 0.1, count) if count > 1 else 0.05)
        zero = self.codes(np.full(count, zero_point) if count > 1 else zero_point, kind)
        return self.node("DequantizeLinear", codes, scale, zero, **({"axis": 0} if count > 1 else {}), **attrs)

    def model(self, *outputs: str) -> onnx.ModelProto:
        model = super().model(*outputs)
        model.opset_import[0].version = 21
        return model


@pytest.mark.parametrize(("kind", "zero_point"), [("int4", 0), ("int4", 1), ("uint4", 8), ("uint4", 3)])
@pytest.mark.parametrize("layer", ["Conv", "Gemm", "depthwise"])
def test_beside_onnxruntime(layer: str, kind: str, zero_point: int) -> None:
    """onnxruntime computes such layers in float32."""
    onnxruntime = pytest.importorskip("onnxruntime")
    net = FourBits(seed=7)
    shape = (1, 6) if layer == "Gemm" else (1, 6, 5, 5)
    weights = {"Conv": (7, 6, 3, 3), "Gemm": (7, 6), "depthwise": (6, 1, 3, 3)}[layer]
    attrs: dict[str, Any] = {"Gemm": {"transB": 1}, "depthwise": {"group": 6}}.get(layer, {})
    x = net.input("x", shape)
    made = net.op("Gemm" if layer == "Gemm" else "Conv", x, net.weights_of(weights, kind, zero_point), **attrs)
    model = net.model(made)
    compiled = compile(model)
    (op,) = [op for op in compiled.graph.ops if op.kind in ("conv2d", "dwconv2d", "linear")]
    # Less the zero point, all codes of 4 bits are from -8 to 7 for these.
    assert op.inputs[1].dtype == ("int4" if zero_point in (0, 8) else "int8")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    ours = qrt.load(compiled.to_bytes())
    for _ in range(5):
        given = net.rng.normal(0, 2, shape).astype(np.float32)
        (expected,) = session.run(None, {"x": given})
        got = ours.run(given, layout="NCHW", dequantize=True)
        got = np.moveaxis(got, -1, 1) if got.ndim == 4 else got
        np.testing.assert_allclose(got, expected, atol=1.01 * ours.outputs[0].scale)
        assert np.mean(np.isclose(got, expected, atol=1e-5)) > 0.99


def test_activations_of_four_bits_are_refused() -> None:
    net = FourBits()
    x = net.float_input("x", (1, 6))
    scale, zero = net.constant(0.1), net.codes(0, "int4")
    y = net.node("DequantizeLinear", net.node("QuantizeLinear", x, scale, zero), scale, zero)
    with pytest.raises(CompileError, match="quantizes to 4 bits"):
        compile(net.model(y))


def test_scales_of_blocks_are_refused() -> None:
    net = FourBits()
    x = net.input("x", (1, 6))
    codes = net.codes(net.rng.integers(-8, 8, (4, 6)), "int4")
    scales, zeros = net.constant(np.full((4, 2), 0.1)), net.codes(np.zeros((4, 2), int), "int4")
    w = net.node("DequantizeLinear", codes, scales, zeros, axis=1, block_size=3)
    with pytest.raises(CompileError, match="a scale for each block"):
        compile(net.model(net.op("Gemm", x, w, transB=1)))
