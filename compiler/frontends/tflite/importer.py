"""Converts a .tflite file to the IR: tensors, read when they are needed, and operators made from nodes."""

from __future__ import annotations

from collections import Counter
from types import ModuleType
from typing import Any

import flatbuffers
import numpy as np

from qrt.compiler.errors import Problem
from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.frontends.tflite.tensors import as_int8, read
from qrt.compiler.integers.functions import double
from qrt.compiler.ir import Edge, Graph, Op, Tensor
from qrt.compiler.untrusted import RATIO
from qrt.compiler.verify import RULES, implied_shape
from qrt.schema.operators import OPERATORS

# Bytes of constants that a file of any size may make the compiler compute.
ROOM = 1 << 26


class Importer:
    """Converts one subgraph to the IR."""

    def __init__(self, tflite: ModuleType, content: bytes, name: str, match: str) -> None:
        self.tflite = tflite
        self.model = tflite.Model.GetRootAsModel(content, 0)
        self.match = match
        self.graph = Graph(name)
        # How many nodes and outputs read a tensor.
        self.readers: Counter[Tensor] = Counter()
        self.problems: list[Problem] = []
        self.tensors: dict[int, Tensor] = {}
        # For each float result of a DEQUANTIZE, the edge that it makes of a model output.
        self.leaving: dict[Tensor, Edge] = {}
        # Tensors that are uint8 in the file, and those of rank 0, which have rank 1 here.
        self.unsigned: set[Tensor] = set()
        self.scalars: set[Tensor] = set()
        # Positions that ARG_MAX and ARG_MIN find, and what only changes their type or shape.
        self.positions: set[Tensor] = set()
        # Tensors whose shape depends on that of the inputs, which the file leaves open.
        self.dynamic: set[Tensor] = set()
        # Results of nodes that cannot be converted, and such nodes by the type that is not supported.
        self.refused: set[Tensor] = set()
        self.other_types: dict[str, list[Node]] = {}
        self.room = max(ROOM, RATIO * len(content))
        self.kinds: dict[int, str] = {k: name for name, k in vars(tflite.BuiltinOperator).items() if isinstance(k, int)}

    def kind(self, source: Any) -> str:
        """The kind of an operator of the file, spelled as in the schema."""
        code = self.model.OperatorCodes(source.OpcodeIndex())
        # The package's BuiltinCode() answers from the older field below 127; litert-quantizer writes only the newer.
        place = code._tab.Offset(10)
        newer = code._tab.Get(flatbuffers.number_types.Int32Flags, place + code._tab.Pos) if place else 0
        number = max(int(newer), code.DeprecatedBuiltinCode())
        return self.kinds.get(number, f"builtin operator {number}")

    def tensor(self, index: int) -> Tensor:
        """Tensor `index` of the file, always the same object."""
        if index not in self.tensors:
            self.tensors[index] = self._read(index)
        return self.tensors[index]

    def _read(self, index: int) -> Tensor:
        source = self.model.Subgraphs(0).Tensors(index)
        tensor = read(self.tflite, self.model, source)
        self.graph.int4 |= source.Type() == self.tflite.TensorType.INT4
        if tensor.dtype == "uint8" and tensor.quantization is not None:
            tensor = as_int8(tensor)
            self.unsigned.add(tensor)
        if tensor.dtype in ("int8", "int16") and not tensor.shape and tensor.data is None:
            tensor.shape = (1,)
            self.scalars.add(tensor)
        if source.ShapeSignatureLength() and -1 in source.ShapeSignatureAsNumpy():
            self.dynamic.add(tensor)
        return tensor

    def reserve(self, count: int, dtype: np.dtype[Any]) -> None:
        """Raises `Unsupported` if constants that are computed here would take far more memory than the file."""
        self.room -= count * dtype.itemsize
        if self.room < 0:
            raise Unsupported("computes constants that are far larger than the file; store them in the file")

    def refuse(self, node: Node, reason: str) -> None:
        """Records why a node cannot be converted; the nodes behind it are not checked."""
        self.problems.append(Problem(node.name, node.title, reason))
        self.refused.update(node.outputs)

    def options(self, node: Node, name: str) -> Any:
        """The operator's option table, called `name` in the schema."""
        options = getattr(self.tflite, name)()
        table = node.source.BuiltinOptions()
        if table is None:
            raise Unsupported(f"its {name} are missing")
        options.Init(table.Bytes, table.Pos)
        return options

    def emit(self, kind: str, node: Node, inputs: list[Tensor], output: Tensor | None = None, **attrs: Any) -> Tensor:
        y = output if output is not None else node.output
        if OPERATORS[kind].keeps_numbers:
            inputs = [self.recoded(node, tensor, y) for tensor in inputs]
        op = Op(kind, node.name, inputs, y, attrs)
        self.check(op)
        self.graph.ops.append(op)
        return y

    def recoded(self, node: Node, tensor: Tensor, like: Tensor) -> Tensor:
        """The codes of `tensor` as those of `like`: kernels that move or compare codes ignore what they mean."""
        assert like.quantization is not None
        if like.quantization.same_as(tensor.quantization):
            return tensor
        recoded = Tensor(f"{node.name}_of_{tensor.name}", tensor.shape, tensor.dtype, like.quantization, tensor.data)
        if tensor.is_constant:
            return recoded
        return self.recode(node, tensor, recoded)

    def recode(self, node: Node, x: Tensor, y: Tensor) -> Tensor:
        """Writes the codes of `x` to `y`, whatever they mean."""
        if x.dtype != "int16":
            return self.emit("lut", node, [x], y, table=np.arange(-128, 128).astype(np.int8))
        if x.zero_point != y.zero_point:
            raise Unsupported("moves int16 codes to another zero point; convert the network again")
        return self.emit("requantize", node, [x], y, requant=double(1.0, "int16"))

    def check(self, op: Op) -> None:
        """Raises `Unsupported` if an operator is not valid; a shape that the file leaves open is that which follows."""
        try:
            shape = implied_shape(op)
        except (ValueError, IndexError):
            raise Unsupported(
                f"its inputs have shapes {_shapes(op)}, which do not fit; convert the file again"
            ) from None
        if op.output in self.dynamic and shape:
            op.output.shape = shape
        if shape != op.output.shape:
            reason = f"its output has shape {list(op.output.shape)}, which does not follow from {_shapes(op)}"
            raise Unsupported(f"{reason}; convert the file again")
        if broken := next((rule for rule in RULES if "quantized" in rule.stages and rule.broken(op)), None):
            raise Unsupported(f"breaks the rule that {broken.message}; convert the file again")

    def new(self, node: Node, suffix: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A tensor that the file does not have, with the quantization of `like`."""
        return Tensor(f"{node.name}_{suffix}", shape, like.dtype, like.quantization)

    def transposed(self, node: Node, tensor: Tensor, order: tuple[int, ...], suffix: str) -> Tensor:
        """`tensor` with its axes in another order, for an operator that needs it so."""
        if order == tuple(range(len(order))):
            return tensor
        name, shape = f"{tensor.name}_{suffix}", tuple(tensor.shape[k] for k in order)
        if tensor.data is not None:
            data = np.ascontiguousarray(tensor.data.transpose(order))
            return Tensor(name, shape, tensor.dtype, tensor.quantization, data)
        turned = Tensor(name, shape, tensor.dtype, tensor.quantization)
        return self.emit("transpose", node, [tensor], turned, permutation=order)

    def between(self, node: Node, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        """`tensor` reshaped for an operator that needs another rank."""
        if tensor.shape == shape:
            return tensor
        name = f"{tensor.name}_as_{'x'.join(map(str, shape))}"
        if tensor.data is not None:
            return Tensor(name, shape, tensor.dtype, tensor.quantization, tensor.data.reshape(shape))
        return self.emit("reshape", node, [tensor], Tensor(name, shape, tensor.dtype, tensor.quantization))


def _shapes(op: Op) -> str:
    """The shapes of an operator's inputs, for messages."""
    return " and ".join(str(list(tensor.shape)) for tensor in op.inputs)
