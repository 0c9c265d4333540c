"""Shared by the translators of ONNX nodes: the values by name, and how operators are added."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from qrt.compiler.errors import Problem
from qrt.compiler.frontends.importer import Unsupported, add_dequantize, check_scales
from qrt.compiler.ir import Edge, Graph, Op, Quantization, Tensor

if TYPE_CHECKING:
    import onnx

# Node types that stay in the graph even if all of their inputs are constant.
KEPT = frozenset({"DequantizeLinear"})
# Bytes of constants that may be computed from small ones, and the largest size of a constant that may define a shape.
FOLDED = 32 << 20
SHAPE_ELEMENTS = 64


class Importer:
    """A source graph under construction.

    Attributes
    ----------
    graph : Graph
    values : dict of str to Tensor
        Every value so far by its ONNX name.
    problems : list of Problem
        Unsupported nodes.
    opset : int
        Version of the default operator set.
    allowance : int
        Bytes left for constants that are still to be computed.
    """

    def __init__(self, name: str) -> None:
        self.graph = Graph(name)
        self.values: dict[str, Tensor] = {}
        self.problems: list[Problem] = []
        self.opset = 1
        self.allowance = FOLDED

    # Values

    def add_input(self, name: str, shape: tuple[int, ...], dtype: str) -> None:
        tensor = Tensor(name, shape, dtype)
        self.values[name] = tensor
        self.graph.inputs.append(Edge(tensor))

    def add_constant(self, name: str, array: np.ndarray) -> Tensor:
        tensor = Tensor(name, array.shape, str(array.dtype), None, array)
        self.values[name] = tensor
        return tensor

    def tensor(self, name: str) -> Tensor:
        """The value called `name`; for an unsupported node a placeholder, so that later nodes are checked too."""
        if name not in self.values:
            raise Unsupported(f"reads {name!r}, which no node writes")
        return self.values[name]

    def has(self, node: onnx.NodeProto, index: int) -> bool:
        return len(node.input) > index and bool(node.input[index])

    def input(self, node: onnx.NodeProto, index: int = 0) -> Tensor:
        return self.tensor(node.input[index])

    def constant(self, node: onnx.NodeProto, index: int, what: str) -> np.ndarray:
        """The array of an input that must be constant; `what` names it in the error."""
        data = self.input(node, index).data
        if data is None:
            raise Unsupported(f"its {what} is not constant")
        return data

    def attributes(self, node: onnx.NodeProto) -> dict[str, Any]:
        import onnx

        return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}

    # Operators

    def emit(
        self,
        kind: str,
        node: onnx.NodeProto,
        inputs: list[Tensor],
        shape: tuple[int, ...],
        name: str | None = None,
        **attrs: Any,
    ) -> Tensor:
        """Adds an operator with a float32 output, called `name` or like the node's first output."""
        output = Tensor(name or node.output[0], tuple(int(n) for n in shape), "float32")
        self.graph.ops.append(Op(kind, node.name or node.output[0], inputs, output, {**attrs, "source": node.op_type}))
        if name is None:
            self.values[node.output[0]] = output
        return output

    def quantize(self, node: onnx.NodeProto, x: Tensor, quantization: Quantization, dtype: str) -> Tensor:
        output = Tensor(node.output[0], x.shape, dtype, quantization)
        self.graph.ops.append(Op("quantize", node.name or output.name, [x], output, {"source": node.op_type}))
        self.values[output.name] = output
        return output

    def dequantize(self, node: onnx.NodeProto, codes: Tensor, quantization: Quantization, name: str) -> Tensor:
        """The real values of `codes`; codes without quantization get `quantization`."""
        return add_dequantize(self.graph, node.name or name, node.op_type, codes, quantization, name)

    def quantization(self, node: onnx.NodeProto, scale: int, zero_point: int, axis: int = 1) -> Quantization:
        """From two constant inputs of `node`; per channel along `axis` if the scale has several entries."""
        scales = self.constant(node, scale, "scale")
        zeros = self.constant(node, zero_point, "zero point") if self.has(node, zero_point) else np.zeros_like(scales)
        check_scales(scales)
        if scales.size == 1:
            return Quantization(
                scales.astype(np.float32).reshape(()), zeros.reshape(-1)[:1].astype(np.int32).reshape(())
            )
        if scales.ndim != 1:
            raise Unsupported("has blocked scales, which are not supported; quantize per tensor or per channel")
        zeros = np.broadcast_to(zeros.reshape(-1), scales.shape)
        return Quantization(scales.astype(np.float32), zeros.astype(np.int32), axis)

    def refuse(self, node: onnx.NodeProto, reason: str) -> None:
        """Records the problem; placeholders of the first input's shape take the place of the node's outputs."""
        self.problems.append(Problem(node.name or node.output[0], node.op_type, reason))
        known = next((self.values[name] for name in node.input if name in self.values), None)
        for name in node.output:
            self.values[name] = Tensor(name, known.shape if known is not None else (1,), "float32")

    # Constant folding

    def fold(self, node: onnx.NodeProto) -> bool:
        """Evaluates a node if all of its inputs are constant, or if it is Shape or Size; returns whether it did."""
        import onnx
        from onnx.reference import ReferenceEvaluator

        if node.op_type in ("Shape", "Size") and node.input[0] in self.values:
            self._fold_shape(node)
            return True
        if node.op_type in KEPT or node.domain not in ("", "ai.onnx"):
            return False
        tensors = {name: self.values.get(name) for name in node.input if name}
        if any(tensor is None or tensor.data is None for tensor in tensors.values()):
            return False
        given = {
            name: tensor.data for name, tensor in tensors.items() if tensor is not None and tensor.data is not None
        }
        if node.op_type == "QuantizeLinear":
            return self._fold_quantize(node, given)
        infos = [
            onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in given.items()
        ]
        outputs = [onnx.helper.make_empty_tensor_value_info(name) for name in node.output]
        model = onnx.helper.make_model(
            onnx.helper.make_graph([node], "fold", infos, outputs),
            opset_imports=[onnx.helper.make_opsetid("", self.opset)],
        )
        self._check_size(model, given)
        try:
            results = ReferenceEvaluator(model).run(None, given)
        except Exception as error:
            raise Unsupported(f"is constant but cannot be evaluated: {error}") from None
        for name, result in zip(node.output, results, strict=True):
            self.add_constant(name, np.asarray(result))
        return True

    def _fold_shape(self, node: onnx.NodeProto) -> None:
        shape, attrs = self.tensor(node.input[0]).shape, self.attributes(node)
        chosen = shape[attrs.get("start", 0) : attrs.get("end")]
        value = np.array(chosen, np.int64) if node.op_type == "Shape" else np.int64(math.prod(shape))
        self.add_constant(node.output[0], np.asarray(value))

    def _check_size(self, model: onnx.ModelProto, given: dict[str, np.ndarray]) -> None:
        """Raises before `model` is evaluated if its results would be far too large for the file."""
        import onnx

        node = model.graph.node[0]
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise Unsupported("has subgraphs, which are not supported; simplify the model with onnxsim or onnxslim")
        sized = onnx.ModelProto()
        sized.CopyFrom(model)
        small = {name: array for name, array in given.items() if array.size <= SHAPE_ELEMENTS}
        sized.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in small.items())
        try:
            sized = onnx.shape_inference.infer_shapes(sized, data_prop=True)
        except Exception as error:
            raise Unsupported(f"is constant but cannot be evaluated: {error}") from None
        # An axis whose length depends on values, as of NonZero, is at most as long as the number of values.
        longest = max(sum(array.size for array in given.values()), 1)
        for output in filter(lambda output: output.name, sized.graph.output):
            tensor = output.type.tensor_type
            if not tensor.HasField("shape"):
                raise Unsupported("is constant, but its size is unknown; simplify the model first")
            lengths = [d.dim_value if d.HasField("dim_value") else longest for d in tensor.shape.dim]
            self.allowance -= math.prod(lengths) * 8
        if self.allowance < 0:
            raise Unsupported("produces constants that are far too large for the file; save them as initializers")

    def _fold_quantize(self, node: onnx.NodeProto, given: dict[str, np.ndarray]) -> bool:
        """QuantizeLinear of a constant: codes with their quantization parameters."""
        axis = self.attributes(node).get("axis", 1)
        quantization = self.quantization(node, 1, 2, axis)
        values = given[node.input[0]].astype(np.float32)
        zeros = self.constant(node, 2, "zero point") if self.has(node, 2) else np.zeros(1, np.uint8)
        shape = [1] * values.ndim
        if quantization.axis is not None:
            shape[quantization.axis] = -1
        low, high = np.iinfo(zeros.dtype).min, np.iinfo(zeros.dtype).max
        codes = np.rint(values / quantization.scale.reshape(shape)) + quantization.zero_point.reshape(shape)
        data = np.clip(codes, low, high).astype(zeros.dtype)
        name = node.output[0]
        self.values[name] = Tensor(name, data.shape, str(data.dtype), quantization, data)
        return True
