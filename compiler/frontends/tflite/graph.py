"""TensorFlow Lite -> quantized graph: int8 models as the TFLite converter writes them.

The operators are quantized already, so they become the IR's one for one, with the roundings of the engine
whose bytes are wanted:

- ``tflm``: TensorFlow Lite Micro's reference kernels, and so CMSIS-NN's. Everything rounds twice (DOUBLE).
- ``litert``: LiteRT's reference kernels. As TFLM, but fully-connected layers round once.
- ``xnnpack``: the kernels that LiteRT takes on most machines. They compute in float; integers that round once
  give all but a few in a million of their bytes.

`qrt.compiler.frontends.tflite.operators` has a function for each operator.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from qrt.compiler.errors import CompileError, Problem, understanding
from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.frontends.tflite.operators import OF_OTHER_TYPES, OPERATORS
from qrt.compiler.frontends.untrusted import immense
from qrt.compiler.ir import Edge, Graph, Op, Quantization, Tensor
from qrt.compiler.libraries import load

DTYPES = {0: "float32", 2: "int32", 3: "uint8", 4: "int64", 7: "int16", 9: "int8"}
NUMPY = {name: np.dtype(name) for name in DTYPES.values()}


def to_graph(source: str | os.PathLike[str], match: str = "tflm") -> Graph:
    """The quantized graph of a .tflite file.

    Parameters
    ----------
    source : path
    match : {"tflm", "litert", "xnnpack"}
        Whose bytes to give.

    Raises
    ------
    CompileError
        Not a .tflite file, or operators that qrt does not have: all of them.
    ImportError
        The package tflite is missing.
    """
    tflite = load("tflite")
    path = Path(source)
    content = path.read_bytes()
    if len(content) < 8 or content[4:8] != b"TFL3":
        raise CompileError([Problem(str(path), "file", "is not a TensorFlow Lite file")])
    with understanding(str(path), "convert it again"):
        importer = _Importer(tflite, content, path.stem, match)
        count = importer.model.SubgraphsLength()
        if count != 1:
            raise CompileError([Problem(str(path), "file", f"has {count} subgraphs, qrt takes one")])
        return importer.run()


class _Importer:
    """One subgraph on its way into the IR."""

    def __init__(self, tflite: ModuleType, content: bytes, name: str, match: str) -> None:
        self.tflite = tflite
        self.model = tflite.Model.GetRootAsModel(content, 0)
        self.match = match
        self.graph = Graph(name)
        self.problems: list[Problem] = []
        self.tensors: dict[int, Tensor] = {}
        # What stands for a model output that is not int8: the edge with the int8 tensor before it.
        self.leaving: dict[Tensor, Edge] = {}
        self.kinds = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}

    def run(self) -> Graph:
        self.subgraph = self.model.Subgraphs(0)
        for index in self.subgraph.InputsAsNumpy().tolist():
            self.graph.inputs.append(Edge(self.tensor(index)))
        for i in range(self.subgraph.OperatorsLength()):
            self._operator(i)
        for index in self.subgraph.OutputsAsNumpy().tolist():
            tensor = self.tensor(index)
            self.graph.outputs.append(self.leaving.get(tensor) or Edge(tensor))
        for edge in (*self.graph.inputs, *self.graph.outputs):
            if edge.tensor.dtype != "int8" and not self.problems:
                reason = f"is {edge.tensor.dtype}, and no QUANTIZE or DEQUANTIZE stands between it and int8"
                self.problems.append(Problem(edge.tensor.name, "tensor", reason))
        if self.problems:
            raise CompileError(self.problems)
        return self.graph

    # Tensors

    def tensor(self, index: int) -> Tensor:
        """Tensor `index` of the file, always the same object."""
        if index not in self.tensors:
            self.tensors[index] = self._read(self.subgraph.Tensors(index))
        return self.tensors[index]

    def _read(self, source: Any) -> Tensor:
        name = (source.Name() or b"").decode("utf-8", "replace")
        shape = tuple(source.ShapeAsNumpy().tolist()) if source.ShapeLength() else ()
        if problems := immense(name, shape):
            raise CompileError(problems)
        dtype = DTYPES.get(source.Type())
        if dtype is None:
            raise CompileError([Problem(name, "tensor", "has a type that qrt has not; int8 networks only")])
        content = self.model.Buffers(source.Buffer())
        data = None
        if content.DataLength():
            # Several tensors may be read from one buffer, so none has a copy of its own.
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

    # Operators

    def _operator(self, index: int) -> None:
        source = self.subgraph.Operators(index)
        code = self.model.OperatorCodes(source.OpcodeIndex())
        kind = self.kinds.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "?")
        inputs = [self.tensor(i) for i in source.InputsAsNumpy().tolist() if i >= 0]
        outputs = [self.tensor(i) for i in source.OutputsAsNumpy().tolist()]
        node = Node(kind, outputs[0].name, source, inputs, outputs)
        try:
            if kind not in OPERATORS:
                raise Unsupported("qrt has no operator for it yet")
            if kind not in OF_OTHER_TYPES and any(t.dtype != "int8" for t in (*node.activations, *outputs)):
                raise Unsupported("is not int8; quantize the whole network to int8")
            OPERATORS[kind](self, node)
        except Unsupported as reason:
            self.problems.append(Problem(node.name, kind, str(reason)))

    def options(self, node: Node, name: str) -> Any:
        """The operator's option table, called `name` in the schema."""
        options = getattr(self.tflite, name)()
        table = node.source.BuiltinOptions()
        if table is None:
            raise Unsupported(f"lacks its {name}")
        options.Init(table.Bytes, table.Pos)
        return options

    def emit(self, kind: str, node: Node, inputs: list[Tensor], output: Tensor | None = None, **attrs: Any) -> Tensor:
        y = output if output is not None else node.output
        self.graph.ops.append(Op(kind, node.name, inputs, y, attrs))
        return y

    def new(self, node: Node, suffix: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """A tensor of the numbers of `like` that the file does not have."""
        return Tensor(f"{node.name}_{suffix}", shape, "int8", like.quantization)

    def between(self, node: Node, tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
        """`tensor` reshaped for an operator that wants another rank."""
        if tensor.shape == shape:
            return tensor
        name = f"{tensor.name}_as_{'x'.join(map(str, shape))}"
        return self.emit("reshape", node, [tensor], Tensor(name, shape, "int8", tensor.quantization))
