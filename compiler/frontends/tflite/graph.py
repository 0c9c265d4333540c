"""TensorFlow Lite -> quantized graph: int8 models as the TFLite converter writes them.

The operators are already quantized, so they map one to one to those of the IR, with the rounding modes of the engine
to match:

- ``tflm``: TensorFlow Lite Micro's reference kernels, equal to CMSIS-NN's. All operators round twice (DOUBLE).
- ``litert``: LiteRT's reference kernels. As TFLM, but fully-connected layers round once; LOGISTIC, TANH, and the
  factors of MUL, BATCH_MATMUL, HARD_SWISH and standalone ReLUs are computed in float32.
- ``xnnpack``: the kernels that LiteRT uses on most machines. They compute in float; integers that round once match
  all but a few codes in a million. Operators that may differ are named in the report, and counted where every case
  can be checked.

`qrt.compiler.frontends.tflite.operators` has a function for each operator.
"""

from __future__ import annotations

import os
from pathlib import Path

from qrt.compiler.errors import CompileError, Problem, understanding
from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.frontends.tflite.operators import OF_OTHER_TYPES, OPERATORS
from qrt.compiler.ir import Edge, Graph
from qrt.compiler.libraries import load


def to_graph(source: str | os.PathLike[str], match: str = "tflm") -> Graph:
    """The quantized graph of a .tflite file.

    Parameters
    ----------
    source : path
    match : {"tflm", "litert", "xnnpack"}
        The engine to match bit for bit.

    Raises
    ------
    CompileError
        Not a .tflite file, or unsupported operators; lists all of them.
    ImportError
        The package tflite is missing.
    """
    tflite = load("tflite")
    path = Path(source)
    content = path.read_bytes()
    if len(content) < 8 or content[4:8] != b"TFL3":
        raise CompileError([Problem(str(path), "file", "is not a TensorFlow Lite file")])
    with understanding(str(path), "convert it again"):
        count = tflite.Model.GetRootAsModel(content, 0).SubgraphsLength()
        if count != 1:
            raise CompileError([Problem(str(path), "file", f"has {count} subgraphs; only one is supported")])
        return _translated(Importer(tflite, content, path.stem, match))


def _translated(importer: Importer) -> Graph:
    """Converts the whole subgraph."""
    graph, subgraph = importer.graph, importer.subgraph
    for index in subgraph.InputsAsNumpy().tolist():
        graph.inputs.append(Edge(importer.tensor(index)))
    kinds = {v: k for k, v in vars(importer.tflite.BuiltinOperator).items() if isinstance(v, int)}
    for i in range(subgraph.OperatorsLength()):
        code = importer.model.OperatorCodes(subgraph.Operators(i).OpcodeIndex())
        _translate(importer, i, kinds.get(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()), "?"))
    for index in subgraph.OutputsAsNumpy().tolist():
        tensor = importer.tensor(index)
        graph.outputs.append(importer.leaving.get(tensor) or Edge(tensor))
    for edge in (*graph.inputs, *graph.outputs):
        if edge.tensor.dtype != "int8" and not importer.problems:
            reason = f"is {edge.tensor.dtype}, and no QUANTIZE or DEQUANTIZE converts between it and int8"
            importer.problems.append(Problem(edge.tensor.name, "tensor", reason))
    if importer.problems:
        raise CompileError(importer.problems)
    return graph


def _translate(importer: Importer, index: int, kind: str) -> None:
    """Operator `index` of the file; its kind is spelled as in the schema."""
    source = importer.subgraph.Operators(index)
    inputs = [importer.tensor(i) for i in source.InputsAsNumpy().tolist() if i >= 0]
    outputs = [importer.tensor(i) for i in source.OutputsAsNumpy().tolist()]
    node = Node(kind, outputs[0].name, source, inputs, outputs)
    try:
        if kind not in OPERATORS:
            raise Unsupported("this operator is not supported yet")
        if kind not in OF_OTHER_TYPES and any(t.dtype != "int8" for t in (*node.activations, *outputs)):
            raise Unsupported("is not int8; quantize the whole network to int8")
        OPERATORS[kind](importer, node)
    except Unsupported as reason:
        importer.problems.append(Problem(node.name, kind, str(reason)))
