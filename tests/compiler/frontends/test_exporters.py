"""What exporters and quantizers write around the operators: casts that change nothing, and fake quantization of QAT.

Also kinds of .tflite files that are refused as a whole, each in one line that says why.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, build
from qrt.compiler import compile as qrt_compile

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("tflite")
qdq = pytest.importorskip("qdq")

from qrt.compiler.backends.tflite.file import TfliteFile  # noqa: E402

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
    runtime = qrt.load(qrt_compile(model))
    for _ in range(4):
        x = n.rng.normal(size=(1, 3, 9, 7)).astype(np.float32)
        (theirs,) = session.run(None, {"x": x})
        assert len(np.unique(theirs)) > 10
        ours = runtime.run(x, dequantize=True, layout="NCHW").transpose(0, 3, 1, 2)
        np.testing.assert_allclose(ours, theirs, atol=0.01 * runtime.outputs[0].scale)


# .tflite files


def recurrent(kind: str, table: str) -> Callable[[TfliteFile], list[int]]:
    def make(file: TfliteFile) -> list[int]:
        y = file.tensor("y", (1, 3), scale=0.1)
        file.operator(kind, [file.tensor("x", (1, 4), scale=0.1)], [y], table)
        return [0, y]

    return make


def layer_16x8(file: TfliteFile) -> list[int]:
    x = file.tensor("x", (1, 4), "int16", scale=0.01)
    w = file.tensor("w", (3, 4), scale=0.01, data=np.ones((3, 4), np.int8))
    y = file.tensor("y", (1, 3), "int16", scale=0.02)
    file.operator("FULLY_CONNECTED", [x, w, -1], [y], "FullyConnectedOptions")
    return [x, y]


def layer_16x8_inside(file: TfliteFile) -> list[int]:
    x, wide = file.tensor("x", (1, 4), scale=0.1), file.tensor("wide", (1, 4), "int16", scale=0.01)
    file.operator("QUANTIZE", [x], [wide], "QuantizeOptions")
    w = file.tensor("w", (3, 4), scale=0.01, data=np.ones((3, 4), np.int8))
    y = file.tensor("y", (1, 3), "int16", scale=0.02)
    file.operator("FULLY_CONNECTED", [wide, w, -1], [y], "FullyConnectedOptions")
    return [x, y]


def variable(file: TfliteFile) -> list[int]:
    x, handle = file.tensor("x", (1, 4), scale=0.1), file.tensor("handle", (1,), "int32")
    y = file.tensor("y", (1, 4), scale=0.1)
    file.operator("VAR_HANDLE", [], [handle], "VarHandleOptions")
    file.operator("ASSIGN_VARIABLE", [handle, x], [], "AssignVariableOptions")
    file.operator("READ_VARIABLE", [handle], [y], "ReadVariableOptions")
    return [x, y]


def many_outputs(file: TfliteFile) -> list[int]:
    x = file.tensor("x", (1, 4), scale=0.1)
    y = file.tensor("y", (1, 4), scale=0.1)
    file.operator("RELU", [x], [y])
    return [x, *[y] * 300]


REFUSED: dict[str, tuple[Callable[[TfliteFile], list[int]], str]] = {
    "SVDF": (recurrent("SVDF", "SVDFOptions"), r"y \(SVDF\): keeps state"),
    "LSTM": (
        recurrent("UNIDIRECTIONAL_SEQUENCE_LSTM", "UnidirectionalSequenceLSTMOptions"),
        r"y \(UNIDIRECTIONAL_SEQUENCE_LSTM\): keeps state",
    ),
    "variable": (variable, "VAR_HANDLE"),
    "16x8": (layer_16x8, "has int16 activations"),
    "16x8 inside": (layer_16x8_inside, "computes int16 activations inside of the network: wide"),
    "300 outputs": (many_outputs, "has 300 outputs; 1 to 256 are supported"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(name: str, tmp_path: Path) -> None:
    make, reason = REFUSED[name]
    file = TfliteFile(name)
    x, *outputs = make(file)
    path = tmp_path / "net.tflite"
    path.write_bytes(file.to_bytes([x], outputs))
    with pytest.raises(CompileError, match=reason) as caught:
        build(path)
    assert len(caught.value.problems) <= len(file.operators)


def test_custom_operators_are_named(tmp_path: Path) -> None:
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    flatbuffers = pytest.importorskip("flatbuffers")
    file = TfliteFile("npu")
    x, y = file.tensor("x", (1, 4), scale=0.1), file.tensor("y", (1, 4), scale=0.1)
    file.operator("RELU", [x], [y])
    model = schema.ModelT.InitFromPackedBuf(file.to_bytes([x], [y]), 0)
    (code,) = model.operatorCodes
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    for name, reason in {"ethos-u": "was compiled by Vela", "MyOp": r"y \(MyOp\)"}.items():
        code.customCode = name
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), b"TFL3")
        path = tmp_path / "npu.tflite"
        path.write_bytes(bytes(builder.Output()))
        with pytest.raises(CompileError, match=reason):
            build(path)
