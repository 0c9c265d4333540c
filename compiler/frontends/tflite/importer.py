"""Converts a .tflite file to the IR: tensors, read when they are needed, and operators made from nodes."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.ir import Edge, Graph, Op, Quantization, Tensor
from qrt.compiler.untrusted import too_large

DTYPES = {0: "float32", 2: "int32", 3: "uint8", 4: "int64", 7: "int16", 9: "int8"}
NUMPY = {name: np.dtype(name) for name in DTYPES.values()}


class Importer:
    """Converts one subgraph to the IR."""

    def __init__(self, tflite: ModuleType, content: bytes, name: str, match: str) -> None:
        self.tflite = tflite
        self.model = tflite.Model.GetRootAsModel(content, 0)
        self.match = match
        self.graph = Graph(name)
        self.problems: list[Problem] = []
        self.tensors: dict[int, Tensor] = {}
        # For each model output that is not int8, the edge with the int8 tensor before it.
        self.leaving: dict[Tensor, Edge] = {}
        self.subgraph = self.model.Subgraphs(0)

    def tensor(self, index: int) -> Tensor:
        """Tensor `index` of the file, always the same object."""
        if index not in self.tensors:
            self.tensors[index] = self._read(self.subgraph.Tensors(index))
        return self.tensors[index]

    def _read(self, source: Any) -> Tensor:
        name = (source.Name() or b"").decode("utf-8", "replace")
        shape = tuple(source.ShapeAsNumpy().tolist()) if source.ShapeLength() else ()
        if problems := too_large(name, shape):
            raise CompileError(problems)
        dtype = DTYPES.get(source.Type())
        if dtype is None:
            raise CompileError([Problem(name, "tensor", "has an unsupported type; only int8 networks are supported")])
        content = self.model.Buffers(source.Buffer())
        data = None
        if content.DataLength():
            # Several tensors may share one buffer, so none of them is a copy.
            data = np.frombuffer(content.DataAsNumpy(), NUMPY[dtype].newbyteorder("<")).reshape(shape)
        return Tensor(name, shape, dtype, self._quantization(source), data)

    @staticmethod
    def _quantization(source: Any) -> Quantization | None:
        stated = source.Quantization()
        if stated is None or stated.ScaleLength() == 0:
            return None
        scale = stated.ScaleAsNumpy().astype(np.float32)
        zero_point = stated.ZeroPointAsNumpy().astype(np.int32) if stated.ZeroPointLength() else np.zeros(len(scale))
        if len(scale) == 1:
            return Quantization(scale.reshape(()), np.asarray(zero_point, np.int32).reshape(()))
        return Quantization(scale, np.asarray(zero_point, np.int32), int(stated.QuantizedDimension()))

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
        self.graph.ops.append(Op(kind, node.name, inputs, y, attrs))
        return y

    def new(self, node: Node, suffix: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A tensor that the file does not have, with the quantization of `like`."""
        return Tensor(f"{node.name}_{suffix}", shape, "int8", like.quantization)

    def between(self, node: Node, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        """`tensor` reshaped for an operator that needs another rank."""
        if tensor.shape == shape:
            return tensor
        name = f"{tensor.name}_as_{'x'.join(map(str, shape))}"
        return self.emit("reshape", node, [tensor], Tensor(name, shape, "int8", tensor.quantization))
