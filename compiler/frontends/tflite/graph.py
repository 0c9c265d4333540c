"""TensorFlow Lite -> quantized graph: int8 models as the TFLite converter writes them.

The operators are already quantized, so they map one to one to those of the IR, with the rounding modes of the engine
to match:

- ``tflm``: TensorFlow Lite Micro's reference kernels, equal to CMSIS-NN's. All operators round twice (DOUBLE).
- ``litert``: LiteRT's reference kernels. As TFLM, but fully-connected layers round once; LOGISTIC, TANH, and the
  factors of MUL, BATCH_MATMUL, HARD_SWISH and standalone ReLUs are computed in float32.
- ``xnnpack``: the kernels that LiteRT uses on most machines. They compute in float; integers that round once match
  all but a few codes in a million. Operators that may differ are named in the report, and counted where every case
  can be checked.

TensorFlow 1's uint8 networks run on LiteRT only. Their codes become int8, and ``tflm`` means ``litert`` for them.

`qrt.compiler.frontends.tflite.operators` has a function for each operator.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from qrt.compiler.errors import CompileError, Problem, understanding
from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite import folding, int16
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.frontends.tflite.operators import MOVING_INT16, OF_INT16, OF_OTHER_TYPES, ON_CODES, OPERATORS
from qrt.compiler.frontends.tflite.reductions import moved_position
from qrt.compiler.frontends.tflite.refusals import each_once, of_file, of_kind, of_subgraphs, of_types
from qrt.compiler.frontends.tflite.shapes import check_stated
from qrt.compiler.frontends.tflite.tensors import check_numbers
from qrt.compiler.frontends.tflite.variables import Variables
from qrt.compiler.ir import Edge, Graph, Quantization, Tensor
from qrt.compiler.libraries import load

# The types of activations.
CODES = ("int8", "int16")


def to_graph(source: str | os.PathLike[str] | bytes, match: str = "tflm") -> Graph:
    """The quantized graph of a .tflite file.

    Parameters
    ----------
    source : path or bytes
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
    path = Path("network" if isinstance(source, bytes) else source)
    content = source if isinstance(source, bytes) else path.read_bytes()
    if len(content) < 8 or content[4:8] != b"TFL3":
        raise CompileError([Problem(str(path), "file", "is not a TensorFlow Lite file")])
    with understanding(str(path), "convert it again"):
        importer = Importer(tflite, content, path.stem, match)
        if importer.model.SubgraphsLength() == 0:
            raise CompileError([Problem(str(path), "file", of_subgraphs([]))])
        return _translated(importer, str(path))


def _kinds(importer: Importer, subgraph: int) -> set[str]:
    source = importer.model.Subgraphs(subgraph)
    return {importer.kind(source.Operators(i)) for i in range(source.OperatorsLength())}


def _translated(importer: Importer, path: str) -> Graph:
    """Converts the whole first subgraph; others only give variables their initial values."""
    graph, subgraph, variables = importer.graph, importer.model.Subgraphs(0), Variables(importer)
    operators = [subgraph.Operators(i) for i in range(subgraph.OperatorsLength())]
    computing = [(i, source) for i, source in enumerate(operators) if not variables.take(i, source)]
    if (count := importer.model.SubgraphsLength()) != 1 + len(variables.initializers):
        raise CompileError([Problem(path, "file", of_subgraphs([_kinds(importer, k) for k in range(count)]))])
    inputs, outputs = (
        [importer.tensor(entry(k)) for k in range(count)]
        for entry, count in ((subgraph.Inputs, subgraph.InputsLength()), (subgraph.Outputs, subgraph.OutputsLength()))
    )
    graph.inputs += [_edge(importer, tensor) for tensor in inputs]
    variables.add_inputs()
    nodes = [_node(importer, i, source) for i, source in computing]
    if reason := of_file(nodes, path):
        raise CompileError([Problem(path, "file", reason)])
    if importer.match == "tflm" and any(_is_uint8(importer, node) for node in nodes):
        importer.match = "litert"  # TFLM has no kernels for uint8
    importer.readers.update(tensor for node in nodes for tensor in node.inputs)
    importer.readers.update(outputs)
    for node in nodes:
        _translate(importer, node)
    graph.outputs += [importer.leaving.get(tensor) or _edge(importer, tensor) for tensor in outputs]
    variables.add_outputs()
    for tensor in outputs:
        if tensor.is_constant and not importer.problems:
            importer.problems.append(Problem(tensor.name, "output", "is a constant; remove it from the outputs"))
    importer.problems += of_types(importer.other_types, path)
    for edge in (*graph.inputs, *graph.outputs):
        if edge.tensor.dtype not in CODES and not importer.problems:
            reason = f"is {edge.tensor.dtype}, and no QUANTIZE or DEQUANTIZE converts between it and int8 or int16"
            importer.problems.append(Problem(edge.tensor.name, "tensor", reason))
    if importer.problems:
        raise CompileError(each_once(importer.problems))
    return graph


def _edge(importer: Importer, tensor: Tensor) -> Edge:
    return Edge(tensor, source_dtype="UINT8" if tensor in importer.unsigned else "INT8")


def _node(importer: Importer, index: int, source: Any) -> Node:
    """Operator `index` of the file; its kind is spelled as in the schema."""
    inputs = [source.Inputs(k) for k in range(source.InputsLength())]
    outputs = [importer.tensor(source.Outputs(k)) for k in range(source.OutputsLength())]
    kind, custom = importer.kind(source), importer.model.OperatorCodes(source.OpcodeIndex()).CustomCode() or b""
    return Node(
        kind,
        outputs[0].name if outputs else f"operator {index}",
        source,
        [importer.tensor(k) for k in inputs if k >= 0],
        outputs,
        custom.decode("utf-8", "replace") if kind == "CUSTOM" else "",
    )


def _is_uint8(importer: Importer, node: Node) -> bool:
    """Whether a node computes in uint8; the edges of int8 networks only convert to it."""
    activations = [tensor for tensor in (*node.activations, *node.outputs) if tensor.data is None]
    return node.kind != "QUANTIZE" and any(tensor in importer.unsigned for tensor in activations)


def _translate(importer: Importer, node: Node) -> None:
    """Appends the operators of a node, or records why there are none.

    A node that reads the result of a refused one is refused too, and said only if its kind is not supported anyway.
    """
    reads_refused = any(tensor in importer.refused for tensor in node.inputs)
    try:
        if reason := of_kind(node):
            raise Unsupported(reason)
        if folding.fold(importer, node) or moved_position(importer, node):
            return
        is_int16 = any(tensor.dtype == "int16" for tensor in (*node.activations, *node.outputs))
        translations = OF_INT16 if is_int16 else OPERATORS
        other = _other_type(node, *CODES)
        if other is not None and not reads_refused:
            importer.other_types.setdefault(other, []).append(node)
        if other is not None or (reads_refused and node.kind in OPERATORS):
            importer.refused.update(node.outputs)
            return
        if node.kind not in OPERATORS:
            raise Unsupported("this operator is not supported; replace it, or end the network before it")
        if node.kind not in translations:
            raise Unsupported("is not supported for int16 codes; let QUANTIZE convert them to int8 before it")
        if node.kind in ON_CODES:
            _give_numbers([tensor for tensor in (*node.inputs, *node.outputs) if tensor.dtype in CODES])
        for tensor in (*node.inputs, *node.outputs):
            check_numbers(tensor)
        if _is_mixed(importer, node):
            raise Unsupported("has uint8 and int8 codes, which only QUANTIZE converts")
        check_stated(importer, node)
        if is_int16 and node.kind != "DEQUANTIZE":
            int16.check(importer, node, node.kind in MOVING_INT16)
        translations[node.kind](importer, node)
    except Unsupported as reason:
        importer.refuse(node, str(reason))
    except CompileError:
        raise
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError):
        importer.refuse(node, "its inputs, options and shapes do not fit together; convert the file again")


def _is_mixed(importer: Importer, node: Node) -> bool:
    codes = [tensor for tensor in (*node.activations, *node.outputs) if tensor.dtype == "int8"]
    return node.kind != "QUANTIZE" and len({tensor in importer.unsigned for tensor in codes}) > 1


def _other_type(node: Node, *known: str) -> str | None:
    """The type of the node's activations if it computes in another one than those that are known."""
    types = [tensor.dtype for tensor in (*node.activations, *node.outputs)]
    if node.kind not in OPERATORS:
        return None if set(known) & set(types) else next(iter(types), None)
    if node.kind in OF_OTHER_TYPES and not (node.kind == "QUANTIZE" and node.output.dtype not in (*known, "int32")):
        return None
    return next((dtype for dtype in types if dtype not in known), None)


def _give_numbers(tensors: list[Tensor]) -> None:
    """Codes without a scale that are only moved or compared get the scale of the others, or 1."""
    plain = Quantization(np.array(1, np.float32), np.array(0, np.int32))
    stated = next((tensor.quantization for tensor in tensors if tensor.quantization is not None), plain)
    for tensor in tensors:
        if tensor.quantization is None:
            tensor.quantization = stated
