"""Shared by the translators of ONNX nodes: the values by name, and how operators are added."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from qrt.compiler.errors import Problem
from qrt.compiler.frontends.importer import Unsupported, add_dequantize, check_scales
from qrt.compiler.ir import Edge, Graph, Op, Quantization, Tensor
from qrt.compiler.untrusted import MAX_RANK

if TYPE_CHECKING:
    import onnx

Translator = Callable[["Importer", "onnx.NodeProto"], None]

# Node types that stay in the graph even if all of their inputs are constant.
KEPT = frozenset({"DequantizeLinear"})
# Node types that a later pass moves in front of the dequantize of constant codes.
MOVES_OF_CODES = frozenset({"QuantizeLinear", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Identity"})
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
    unknown : set of str
        Values that depend on unsupported nodes, so that nothing is known about them.
    problems : list of Problem
        Unsupported nodes.
    opset : int
        Version of the default operator set.
    per_channel : dict of Tensor to Quantization
        What the source states of codes of an activation with a scale for each channel.
    scaled : dict of Tensor to (Tensor, Tensor)
        For their real values, the ones with a single scale and the factors of the channels.
    allowance : int
        Bytes left for constants that are still to be computed.
    """

    def __init__(self, name: str) -> None:
        self.graph = Graph(name)
        # Names of initializers of 4 bits, which are int8 or uint8 here.
        self.four_bits: set[str] = set()
        self.values: dict[str, Tensor] = {}
        self.unknown: set[str] = set()
        self.problems: list[Problem] = []
        self.opset = 1
        self.per_channel: dict[Tensor, Quantization] = {}
        self.scaled: dict[Tensor, tuple[Tensor, Tensor]] = {}
        self.allowance = FOLDED
        self._constants: dict[Tensor, Tensor] = {}  # the codes of constants, by their real values

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
        """The value called `name`."""
        if name not in self.values:
            raise Unsupported(f"reads {name!r}, which no node writes")
        return self.values[name]

    def has(self, node: onnx.NodeProto, index: int) -> bool:
        return len(node.input) > index and bool(node.input[index])

    def input(self, node: onnx.NodeProto, index: int = 0) -> Tensor:
        return self.tensor(node.input[index])

    def known(self, tensor: Tensor) -> np.ndarray | None:
        """The array of a constant, in float32 if it is dequantized from codes; None for an activation."""
        codes = self._constants.get(tensor)
        return tensor.data if codes is None else codes.real().astype(np.float32)

    def is_known(self, tensor: Tensor) -> bool:
        return tensor.is_constant or tensor in self._constants

    def codes(self, tensor: Tensor) -> Tensor | None:
        """The constant codes whose real values `tensor` holds, if there are any."""
        return self._constants.get(tensor)

    def constant(self, node: onnx.NodeProto, index: int, what: str) -> np.ndarray:
        """The array of an input that must be constant; `what` names it in the error."""
        data = self.known(self.input(node, index))
        if data is None:
            raise Unsupported(f"its {what} is not constant")
        return data

    def number(self, node: onnx.NodeProto, index: int, what: str) -> float:
        """The number of an input that must be a constant of one element."""
        data = self.constant(node, index, what)
        if data.size != 1:
            raise Unsupported(f"its {what} has {data.size} elements instead of one")
        return float(data.reshape(()))

    def integers(self, node: onnx.NodeProto, index: int, what: str) -> list[int]:
        """The integers of an input that must be constant."""
        return [int(n) for n in self.constant(node, index, what).reshape(-1)]

    def parameter(self, name: str, data: np.ndarray) -> Tensor:
        """A constant of the graph that is no value of the model."""
        data = np.asarray(data, np.float32)
        return Tensor(name, data.shape, "float32", None, data)

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
        dtype: str = "float32",
        **attrs: Any,
    ) -> Tensor:
        """Adds an operator with a float32 output, called `name` or like the node's first output.

        A scalar becomes a vector of one entry, because the format has none.
        """
        if len(shape) > MAX_RANK:
            raise Unsupported(f"has a tensor of rank {len(shape)}; at most {MAX_RANK} axes are supported")
        output = Tensor(name or node.output[0], tuple(int(n) for n in shape) or (1,), dtype)
        self.graph.ops.append(Op(kind, node.name or node.output[0], inputs, output, {**attrs, "source": node.op_type}))
        if name is None:
            self.values[node.output[0]] = output
        if (
            inputs[0] in self._constants
            and (codes := _moved(self._constants[inputs[0]], kind, output, attrs)) is not None
        ):
            self._constants[output] = codes
        return output

    def quantize(
        self, node: onnx.NodeProto, x: Tensor, quantization: Quantization, dtype: str, name: str | None = None
    ) -> Tensor:
        """Codes of `x`, the value called `name` or the node's first output."""
        output = Tensor(name or node.output[0], x.shape, dtype, quantization)
        self.graph.ops.append(Op("quantize", node.name or output.name, [x], output, {"source": node.op_type}))
        self.values[output.name] = output
        return output

    def dequantize(self, node: onnx.NodeProto, codes: Tensor, quantization: Quantization, name: str) -> Tensor:
        """The real values of `codes`; codes without quantization get `quantization`."""
        real = add_dequantize(self.graph, node.name or name, node.op_type, codes, quantization, name)
        if codes.is_constant:
            self._constants[real] = self.graph.ops[-1].inputs[0]
        return real

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
        """Records the problem; nothing is known about the node's outputs."""
        self.problems.append(Problem(node.name or node.output[0], node.op_type, reason))
        self.unknown.update(node.output)

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
        is_move = node.op_type in MOVES_OF_CODES
        given: dict[str, np.ndarray] = {}
        for name in filter(None, node.input):
            tensor = self.tensor(name)
            data = tensor.data if is_move else self.known(tensor)
            if data is None:
                return False
            given[name] = data
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

    def refuse_four_bits(self, node: onnx.NodeProto) -> None:
        """Refuses a QuantizeLinear to codes of 4 bits."""
        if self.has(node, 2) and node.input[2] in self.four_bits:
            raise Unsupported("quantizes to 4 bits; only constants that are stored with 4 bits are supported")

    def _fold_quantize(self, node: onnx.NodeProto, given: dict[str, np.ndarray]) -> bool:
        """QuantizeLinear of a constant: codes with their quantization parameters."""
        self.refuse_four_bits(node)
        axis = self.attributes(node).get("axis", 1)
        quantization = self.quantization(node, 1, 2, axis)
        values = given[node.input[0]].astype(np.float32)
        zeros = self.constant(node, 2, "zero point") if self.has(node, 2) else np.zeros(1, np.uint8)
        if zeros.dtype.kind not in "iu" or zeros.dtype.itemsize > 4:
            raise Unsupported(f"quantizes to {zeros.dtype}; only int8, uint8, int16 and uint16 are supported")
        shape = [1] * values.ndim
        if quantization.axis is not None:
            shape[quantization.axis] = -1
        low, high = np.iinfo(zeros.dtype).min, np.iinfo(zeros.dtype).max
        codes = np.rint(values / quantization.scale.reshape(shape)) + quantization.zero_point.reshape(shape)
        data = np.clip(codes, low, high).astype(zeros.dtype)
        name = node.output[0]
        self.values[name] = Tensor(name, data.shape, str(data.dtype), quantization, data)
        return True


def _moved(codes: Tensor, kind: str, output: Tensor, attrs: dict[str, Any]) -> Tensor | None:
    """Constant codes after a reshape or transpose, if this keeps their channels; else None."""
    assert codes.data is not None
    axis = None if codes.quantization is None else codes.quantization.axis
    if kind == "transpose":
        data = codes.data.transpose(attrs["permutation"])
        axis = None if axis is None else attrs["permutation"].index(axis)
    elif kind == "reshape" and (axis is None or codes.shape[: axis + 1] == output.shape[: axis + 1]):
        data = codes.data.reshape(output.shape)
    else:
        return None
    quantization = None if codes.quantization is None else replace(codes.quantization, axis=axis)
    return Tensor(f"{output.name}_codes", output.shape, codes.dtype, quantization, data)
