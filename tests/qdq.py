"""Small quantized ONNX networks, built node by node with quantize and dequantize in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Net:
    """A network under construction; every method returns the name of a value.

    Parameters
    ----------
    quantized : bool
        Whether `qdq` adds nodes; without them the network is float.
    """

    def __init__(self, *, quantized: bool = True, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.quantized = quantized
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.constants: list[onnx.TensorProto] = []

    def float_input(self, name: str, shape: Sequence[int | str]) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def input(self, name: str, shape: Sequence[int | str]) -> str:
        return self.qdq(self.float_input(name, shape))

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(self, kind: str, *inputs: str, **attrs: Any) -> str:
        name = f"{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attrs))
        return name

    def qdq(self, x: str, scale: float | None = None, zero_point: int = 3) -> str:
        """`x` quantized and dequantized; the scale is one that makes no ties, unless it is given."""
        if not self.quantized:
            return x
        scale = float(self.rng.uniform(0.03, 0.07)) if scale is None else scale
        parameters = self.constant(scale), self.constant(zero_point, np.int8)
        return self.node("DequantizeLinear", self.node("QuantizeLinear", x, *parameters), *parameters)

    def op(self, kind: str, *inputs: str, scale: float | None = None, **attrs: Any) -> str:
        """An operator whose result is quantized."""
        return self.qdq(self.node(kind, *inputs, **attrs), scale)

    def weights(self, shape: Sequence[int]) -> str:
        codes = self.rng.integers(-127, 128, shape)
        if not self.quantized:
            return self.constant(codes * 0.01)
        scale, zero = self.constant(0.01), self.constant(0, np.int8)
        return self.node("DequantizeLinear", self.constant(codes, np.int8), scale, zero)

    def real(self, values: Any) -> str:
        """Constant values, as codes and dequantized."""
        return self.qdq(self.constant(values))

    def model(self, *outputs: str) -> onnx.ModelProto:
        infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "net", self.inputs, infos, self.constants)
        opset = [helper.make_opsetid("", 17)]
        return onnx.shape_inference.infer_shapes(helper.make_model(graph, opset_imports=opset, ir_version=10))
