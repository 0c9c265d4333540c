"""A dynamically quantized ONNX network -> the float network that it stands for.

Dynamic quantization stores weights as codes and chooses the scale of each activation while the network runs:

    q, s, z = DynamicQuantizeLinear(x);  y = Mul(Cast(MatMulInteger(q, w, z, w_zero)), Mul(s, w_scale))

Here that is y = MatMul(x, (w - w_zero) * w_scale). onnxruntime's fused forms and constants behind DequantizeLinear
are undone in the same way.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

from qrt.compiler.errors import CompileError, Problem

if TYPE_CHECKING:
    import onnx

Array = np.ndarray[Any, Any]
# Products of integers, and the operator on real values.
PRODUCTS = {"MatMulInteger": "MatMul", "ConvInteger": "Conv"}
# onnxruntime's fused forms: where their scales, zero points and bias are among the inputs, of a and of b.
FUSED = {"DynamicQuantizeMatMul": (None, None, 2, 3, 4), "MatMulIntegerToFloat": (2, 4, 3, 5, 6)}
DYNAMIC = frozenset({"DynamicQuantizeLinear", *PRODUCTS, *FUSED})
REMEDY = "calibrate the float network instead"


def is_float(model: onnx.ModelProto) -> bool:
    """Whether no activation is quantized; weights may be."""
    kinds = {node.op_type for node in model.graph.node}
    return not any(kind == "QuantizeLinear" or kind.startswith(("QLinear", "QAttention", "QGemm")) for kind in kinds)


def is_dynamic(model: onnx.ModelProto) -> bool:
    """Whether activations are quantized while the network runs."""
    return any(node.op_type in DYNAMIC for node in model.graph.node)


def undone(model: onnx.ModelProto) -> onnx.ModelProto:
    """The float network: a new model, or the same one if nothing in it is quantized dynamically.

    Raises
    ------
    CompileError
        Nodes in a form that is not known; lists all of them.
    """
    kinds = {node.op_type for node in model.graph.node}
    if "QuantizeLinear" in kinds or not kinds & {"DequantizeLinear", *DYNAMIC}:
        return model
    return _Undo(model).run()


class _Strange(Exception):
    """A node in a form that is not known; the text is the reason."""


class _Undo:
    """One model on its way to float."""

    def __init__(self, model: onnx.ModelProto) -> None:
        import onnx

        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.graph = self.model.graph
        self.constants: dict[str, Array] = {
            entry.name: onnx.numpy_helper.to_array(entry) for entry in self.graph.initializer
        }
        self.makers = {name: node for node in self.graph.node for name in node.output}
        # Outputs of nodes that are part of a product, and come after it.
        self.replaced: set[str] = set()
        self.readers: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.graph.node:
            for name in node.input:
                self.readers[name].append(node)
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self.constants[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)

    def run(self) -> onnx.ModelProto:
        nodes, problems = [], []
        for node in self.graph.node:
            try:
                nodes += [] if node.output[0] in self.replaced else self._real(node)
            except _Strange as reason:
                text = f"{reason}; {REMEDY}"
                problems.append(Problem(node.name or node.output[0], node.op_type, text))
        if problems:
            raise CompileError(problems)
        self._set_nodes(nodes)
        return self.model

    def _real(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """The nodes in place of `node`, with its results as real values under the names that readers know."""
        if node.op_type in PRODUCTS:
            return self._product(node)
        if node.op_type in FUSED:
            return self._fused(node)
        if node.op_type == "DequantizeLinear":
            codes = self.constants.get(node.input[0])
            if codes is None:
                raise _Strange("dequantizes codes that nothing in the network quantizes")
            axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
            self._add_constant(node.output[0], self._weights(codes, self._input(node, 1), self._input(node, 2), axis))
            return []
        return [node]

    def _product(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """MatMulInteger or ConvInteger, and the Cast and the multiplications by scales behind it."""
        import onnx

        scales: list[str] = []
        operands: list[Any] = []
        for index in (0, 1):
            name = node.input[index]
            maker = self.makers.get(name)
            if maker is not None and maker.op_type == "DynamicQuantizeLinear":
                scales.append(maker.output[1])
                operands.append(maker.input[0])
            elif name in self.constants and index == 1:
                zero = self._input(node, 3)
                operands.append((self.constants[name], zero))
            else:
                raise _Strange("has an operand that is neither a constant nor quantized by DynamicQuantizeLinear")
        end, factor = self._scaled(node, scales)
        if isinstance(operands[1], tuple):
            (codes, zero), weights = operands[1], f"{end}_weights"
            axis = 0 if node.op_type == "ConvInteger" else codes.ndim - 1
            operands[1] = weights
            self._add_constant(weights, self._weights(codes, factor, zero, axis))
        elif not np.all(factor == 1):
            raise _Strange("scales a product of two activations by more than their scales")
        made = onnx.helper.make_node(PRODUCTS[node.op_type], operands, [end], name=node.name)
        made.attribute.extend(node.attribute)
        return [made]

    def _scaled(self, node: onnx.NodeProto, scales: list[str]) -> tuple[str, Array]:
        """The name of the real result of `node`, and the constant factor beside the scales of its operands."""
        (end,), factor, left = node.output, np.ones(1, np.float32), list(scales)
        while left:
            readers = self.readers[end]
            if len(readers) != 1 or readers[0].op_type not in ("Cast", "Mul"):
                raise _Strange("is not followed by Cast and Mul, which would make its result real")
            if readers[0].op_type == "Mul":
                names = list(readers[0].input)
                names.remove(end)
                factor = factor * self._factor(names[0], left)
            end = readers[0].output[0]
            self.replaced.add(end)
        return end, factor

    def _factor(self, name: str, left: list[str]) -> Array:
        """The constant part of a product of scales; those of activations are taken out of `left`."""
        if name in left:
            left.remove(name)
            return np.ones(1, np.float32)
        if name in self.constants:
            return self.constants[name].astype(np.float32).reshape(-1)
        maker = self.makers.get(name)
        if maker is None or maker.op_type != "Mul":
            raise _Strange(f"is multiplied by {name!r}, which is not a scale")
        return self._factor(maker.input[0], left) * self._factor(maker.input[1], left)

    def _fused(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """onnxruntime's DynamicQuantizeMatMul and MatMulIntegerToFloat."""
        import onnx

        a_scale, _, b_scale, b_zero, bias = FUSED[node.op_type]
        x, codes = node.input[0], self._input(node, 1)
        maker = self.makers.get(x)
        if a_scale is not None:
            if maker is None or maker.op_type != "DynamicQuantizeLinear":
                raise _Strange("has an operand that is not quantized by DynamicQuantizeLinear")
            x = maker.input[0]
        scale = self._input(node, b_scale)
        if codes is None or scale is None:
            raise _Strange("has weights, or scales of weights, that are not constant")
        (end,) = node.output
        weights, biased = f"{end}_weights", len(node.input) > bias and node.input[bias]
        self._add_constant(weights, self._weights(codes, scale, self._input(node, b_zero), codes.ndim - 1))
        product = f"{end}_product" if biased else end
        nodes = [onnx.helper.make_node("MatMul", [x, weights], [product], name=node.name)]
        if biased:
            nodes.append(onnx.helper.make_node("Add", [product, node.input[bias]], [end], name=f"{node.name}_bias"))
        return nodes

    def _input(self, node: onnx.NodeProto, index: int) -> Array | None:
        """A constant input; None if it is left out."""
        if len(node.input) <= index or not node.input[index]:
            return None
        if node.input[index] not in self.constants:
            raise _Strange(f"has the input {node.input[index]!r}, which is not constant")
        return self.constants[node.input[index]]

    @staticmethod
    def _weights(codes: Array, scale: Array | None, zero: Array | None, axis: int) -> Array:
        """Real weights; scales and zero points are one, or one for each entry along `axis`."""
        shape = [1] * codes.ndim
        if codes.ndim:
            shape[axis] = -1
        parts = []
        for part in (np.zeros(1) if zero is None else zero, np.ones(1) if scale is None else scale):
            flat = part.astype(np.float32).reshape(-1)
            if flat.size != 1 and flat.size != codes.shape[axis]:
                raise _Strange("has weights quantized neither per tensor nor per channel")
            parts.append(flat.reshape(shape if codes.ndim else ()))
        return np.asarray((codes.astype(np.float32) - parts[0]) * parts[1], np.float32)

    def _add_constant(self, name: str, values: Array) -> None:
        import onnx

        self.constants[name] = values
        self.graph.initializer.append(onnx.numpy_helper.from_array(values, name))

    def _set_nodes(self, nodes: list[onnx.NodeProto]) -> None:
        """The graph has `nodes`, without those that nobody reads, and the constants that they read."""
        wanted, kept = {output.name for output in self.graph.output}, []
        for node in reversed(nodes):
            if wanted.intersection(node.output):
                wanted.update(node.input)
                kept.append(node)
        constants = [entry for entry in self.graph.initializer if entry.name in wanted]
        del self.graph.node[:], self.graph.initializer[:], self.graph.value_info[:]
        self.graph.node.extend(reversed(kept))
        self.graph.initializer.extend(constants)
