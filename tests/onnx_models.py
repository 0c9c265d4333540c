"""Small ONNX networks with random weights, quantized by onnxruntime, and both engines' outputs for them."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

import qrt
from qrt.compiler import Compiled, compile

OPSET = 17
SAMPLES = 24


class Net:
    """A float ONNX network under construction; every method returns the name of a value."""

    def __init__(self, shape: tuple[int | str, ...], seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.shape = shape

    def constant(self, value: Any, dtype: type = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, kind: str, *inputs: str, **attrs: Any) -> str:
        name = f"{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=f"node_{name}", **attrs))
        return name

    def conv(self, x: str, out_channels: int, in_channels: int, size: tuple[int, ...] = (3, 3), **attrs: Any) -> str:
        weights = self.rng.normal(size=(out_channels, in_channels, *size)) / np.sqrt(in_channels * np.prod(size))
        bias = self.rng.normal(size=out_channels) * 0.2
        return self.node("Conv", x, self.constant(weights), self.constant(bias), kernel_shape=list(size), **attrs)

    def gemm(self, x: str, out_features: int, in_features: int) -> str:
        weights = self.rng.normal(size=(out_features, in_features)) / np.sqrt(in_features)
        bias = self.constant(self.rng.normal(size=out_features) * 0.2)
        return self.node("Gemm", x, self.constant(weights), bias, transB=1)

    def model(self, output: str) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, self.shape)],
            [helper.make_empty_tensor_value_info(output)],
            self.constants,
        )
        graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
        return onnx.shape_inference.infer_shapes(model)


class _Calibration(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, samples: np.ndarray) -> None:
        self.rest = [{"x": sample[np.newaxis]} for sample in samples]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return self.rest.pop() if self.rest else None


def samples(shape: tuple[int | str, ...], seed: int = 1) -> np.ndarray:
    fixed = [n for n in shape[1:] if isinstance(n, int)]
    return np.random.default_rng(seed).normal(size=(SAMPLES, *fixed)).astype(np.float32)


def quantized(
    model: onnx.ModelProto,
    *,
    style: str = "QDQ",
    activations: str = "QUInt8",
    weights: str = "QInt8",
    per_channel: bool = True,
) -> onnx.ModelProto:
    """What onnxruntime's static quantizer makes of `model`."""
    shape = tuple(d.dim_value or d.dim_param for d in model.graph.input[0].type.tensor_type.shape.dim)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "quantized.onnx")
        quantize_static(
            model,
            target,
            _Calibration(samples(shape)),
            quant_format=QuantFormat[style],
            activation_type=QuantType[activations],
            weight_type=QuantType[weights],
            per_channel=per_channel,
        )
        return onnx.load(target)


def both(model: onnx.ModelProto, optimized: bool = True) -> tuple[Compiled, np.ndarray, np.ndarray]:
    """The compiled network, qrt's codes and onnxruntime's, NHWC, on samples that calibration has not seen."""
    compiled = compile(model)
    runtime = qrt.load(compiled.to_bytes())
    shape = tuple(d.dim_value or d.dim_param for d in model.graph.input[0].type.tensor_type.shape.dim)
    x = samples(shape, seed=2)
    options = onnxruntime.SessionOptions()
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    theirs = np.concatenate([session.run(None, {"x": sample[np.newaxis]})[0] for sample in x])
    info = runtime.outputs[0]
    ours = runtime.run(x, layout="NCHW" if len(shape) == 4 else None)
    if info.source_layout == "NCHW":
        theirs = theirs.transpose(0, 2, 3, 1)
    codes = np.rint(theirs / np.float32(info.scale)).astype(int) + info.zero_point
    return compiled, ours.astype(int), codes
