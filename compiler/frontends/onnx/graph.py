"""ONNX -> source graph: QDQ and QOperator models as onnxruntime's quantizer and PyTorch's exporters write them.

A QLinear operator becomes dequantize, the float operator and quantize, so that both styles share one path. Nodes
that depend only on constants and static shapes are evaluated here with ONNX's reference evaluator. A symbolic batch
becomes 1.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qrt.compiler.errors import CompileError, Problem, understanding
from qrt.compiler.frontends.importer import Unsupported, unquantized
from qrt.compiler.frontends.onnx.dynamic import is_dynamic, is_float
from qrt.compiler.frontends.onnx.importer import Importer
from qrt.compiler.frontends.onnx.kernels import state_kernels
from qrt.compiler.frontends.onnx.nodes import NODES, REASONS
from qrt.compiler.frontends.onnx.pairs import merge_pairs
from qrt.compiler.frontends.onnx.qlinear import QLINEAR_NODES
from qrt.compiler.ir import Edge, Graph
from qrt.compiler.libraries import load
from qrt.compiler.untrusted import RATIO

if TYPE_CHECKING:
    import onnx

TRANSLATORS = NODES | QLINEAR_NODES
# Whose operators are known: ONNX's, and onnxruntime's own.
DOMAINS = ("", "ai.onnx", "com.microsoft")
DTYPES = {1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16"}
# Types of constants of 4 bits, which are read as those of 8 bits.
FOUR_BITS = {21: np.dtype(np.uint8), 22: np.dtype(np.int8)}
REMEDY = "save the model again, with its weights in the model or in one file next to it"


def to_graph(
    source: str | os.PathLike[str] | bytes | onnx.ModelProto, match: str = "onnxruntime", *, calibrating: bool = False
) -> Graph:
    """The source graph of an ONNX model.

    Parameters
    ----------
    source : path, bytes or ModelProto
        A quantized model; external weight files are read from the folder of the path.
    match : {"onnxruntime"}
        The engine to match bit for bit.
    calibrating : bool
        Whether a float network is what is wanted. Otherwise its problem is that it is float, not what its nodes are.

    Raises
    ------
    CompileError
        Not an ONNX model, inputs of unknown shape, or unsupported operators; lists all of them.
    ImportError
        The package onnx is missing.
    """
    model, where = load_model(source)
    with understanding(where, "export it again"):
        graph = _import(model, where, calibrating)
    if isinstance(source, str | os.PathLike):
        graph.name = Path(source).stem
    return graph


def _import(model: onnx.ModelProto, where: str, calibrating: bool) -> Graph:
    file = "FILE.onnx" if where == "model" else where
    if is_dynamic(model):
        reason = unquantized("is quantized dynamically, with float activations", file, partly=True)
        raise CompileError([Problem(where, "file", reason)])
    graph = model.graph
    importer = Importer(graph.name or "model")
    importer.opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=1)
    for initializer in graph.initializer:
        tensor = importer.add_constant(initializer.name, _array(initializer))
        assert tensor.data is not None
        if initializer.data_type in FOUR_BITS:
            importer.four_bits.add(initializer.name)
        importer.allowance += RATIO * tensor.data.nbytes
    problems = _inputs(importer, graph)
    if len(graph.node) == 0:
        problems.append(Problem(where, "file", "has no operators"))
    if problems:
        raise CompileError(problems)
    for node in graph.node:
        _translate(importer, node)
    _outputs(importer, graph)
    if importer.problems:
        if len(importer.problems) > 1 and not calibrating and is_float(model):
            raise CompileError([Problem(where, "file", unquantized("is a float network", file))])
        raise CompileError(importer.problems)
    importer.graph.engine = "onnxruntime"
    merge_pairs(importer.graph)
    importer.graph.int4 = bool(importer.four_bits)
    state_kernels(importer.graph, importer.four_bits)
    _labels(importer.graph, model)
    return importer.graph


def load_model(source: str | os.PathLike[str] | bytes | onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    """A model with the tensors of its external files, checked, and its name for messages."""
    onnx = load("onnx")
    if isinstance(source, onnx.ModelProto):
        _load_external(source, None)
        return source, "model"
    where = "model" if isinstance(source, bytes) else os.fspath(source)
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    try:
        model = onnx.load_model_from_string(content)
        _load_external(model, None if isinstance(source, bytes) else Path(source).parent)
        onnx.checker.check_model(_without_foreign_nodes(model))
    except CompileError:
        raise
    except Exception as error:
        first = str(error).strip().splitlines()
        reason = f"is not a valid ONNX model: {first[0] if first else type(error).__name__}"
        raise CompileError([Problem(where, "file", reason)]) from None
    return model, where


def _load_external(model: onnx.ModelProto, folder: Path | None) -> None:
    """Reads the tensors of external files in `folder`, which is None for a model in memory."""
    import onnx

    helper = onnx.external_data_helper
    attributes = [attribute for node in model.graph.node for attribute in node.attribute]
    tensors = [*model.graph.initializer, *(a.t for a in attributes), *(t for a in attributes for t in a.tensors)]
    sizes: dict[Path, int] = {}
    taken = 0
    for tensor in filter(helper.uses_external_data, tensors):
        if folder is None:
            reason = "is in an external file, which cannot be found for a model in memory; compile the model's file"
            raise CompileError([Problem(tensor.name, "tensor", reason)])
        stated = {entry.key: entry.value for entry in tensor.external_data}
        path = (folder / stated.get("location", "")).resolve()
        if not path.is_relative_to(folder.resolve()) or not path.is_file():
            raise CompileError([Problem(tensor.name, "tensor", f"is not in a file of the model's folder; {REMEDY}")])
        sizes[path] = path.stat().st_size
        taken += int(stated.get("length") or sizes[path])
        if taken > RATIO * sum(sizes.values()):
            raise CompileError([Problem(tensor.name, "tensor", f"is larger than its file; {REMEDY}")])
        helper.load_external_data_for_tensor(tensor, os.fspath(folder))


def _without_foreign_nodes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model in a form that ONNX's checker accepts: it does not know operators of other domains."""
    import onnx

    if all(node.domain in ("", "ai.onnx") for node in model.graph.node):
        return model
    checked = onnx.ModelProto()
    checked.CopyFrom(model)
    del checked.graph.node[:]
    del checked.graph.output[:]
    return checked


def _array(initializer: onnx.TensorProto) -> np.ndarray:
    import onnx

    array = np.asarray(onnx.numpy_helper.to_array(initializer))
    return array.astype(FOUR_BITS[initializer.data_type]) if initializer.data_type in FOUR_BITS else array


def _inputs(importer: Importer, graph: onnx.GraphProto) -> list[Problem]:
    problems = []
    for value in graph.input:
        if value.name in importer.values:
            continue
        tensor_type = value.type.tensor_type
        if tensor_type.elem_type not in DTYPES:
            problems.append(Problem(value.name, "input", "has a type other than float32, int8, uint8, int16 or uint16"))
            continue
        dims = [d.dim_value if d.HasField("dim_value") and d.dim_value > 0 else None for d in tensor_type.shape.dim]
        if dims and dims[0] is None:
            dims[0] = 1
        if not dims or None in dims:
            remedy = "give it a static shape (python -m onnxruntime.tools.make_dynamic_shape_fixed)"
            problems.append(Problem(value.name, "input", f"has an unknown shape beyond the batch; {remedy}"))
            continue
        importer.add_input(value.name, tuple(d for d in dims if d is not None), DTYPES[tensor_type.elem_type])
    return problems


def _outputs(importer: Importer, graph: onnx.GraphProto) -> None:
    """Adds the outputs that are known, and records a problem for those that no input reaches."""
    for name in (output.name for output in graph.output if output.name not in importer.unknown):
        tensor = importer.values.get(name)
        if tensor is None:
            importer.problems.append(Problem(name, "output", "is written by no node; export it again"))
        elif importer.is_known(tensor):
            reason = "is constant: it depends on no input; remove it from the outputs"
            importer.problems.append(Problem(name, "output", reason))
        else:
            importer.graph.outputs.append(Edge(tensor))


def _translate(importer: Importer, node: onnx.NodeProto) -> None:
    try:
        translate = TRANSLATORS.get(node.op_type)
        if node.domain not in DOMAINS:
            remedy = "replace it, or end the network before it"
            raise Unsupported(f"is an operator of the domain {node.domain!r}, which is not supported; {remedy}")
        if node.op_type in REASONS:
            raise Unsupported(REASONS[node.op_type])
        if importer.unknown.intersection(node.input) and translate is not None:
            importer.unknown.update(node.output)
            return
        if importer.unknown.intersection(node.input) or not importer.fold(node):
            if translate is None:
                raise Unsupported("this operator is not supported")
            translate(importer, node)
    except Unsupported as reason:
        importer.refuse(node, str(reason))
    except (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError) as error:
        importer.refuse(node, f"cannot be read: {type(error).__name__}: {error}")


def _labels(graph: Graph, model: onnx.ModelProto) -> None:
    """Labels from the model's metadata entry ``labels``: a JSON list, or names separated by commas or lines."""
    text = next((entry.value for entry in model.metadata_props if entry.key == "labels"), None)
    if text is None or len(graph.outputs) != 1:
        return
    labels: Any
    try:
        labels = json.loads(text)
    except json.JSONDecodeError:
        labels = [part.strip() for part in text.replace("\n", ",").split(",")]
    if isinstance(labels, list) and len(labels) == graph.outputs[0].tensor.shape[-1]:
        graph.outputs[0].labels = [str(label) for label in labels]
