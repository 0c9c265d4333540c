"""What is said of files and operators that cannot be converted: the cause, once, and the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from qrt.compiler.errors import Problem
from qrt.compiler.frontends.importer import unquantized
from qrt.compiler.frontends.tflite.node import Node

CONTROL = frozenset({"WHILE", "IF", "CALL", "STABLEHLO_WHILE", "STABLEHLO_COMPOSITE"})
RECURRENT = frozenset(
    {
        "BIDIRECTIONAL_SEQUENCE_LSTM",
        "BIDIRECTIONAL_SEQUENCE_RNN",
        "LSTM",
        "RNN",
        "UNIDIRECTIONAL_SEQUENCE_RNN",
    }
)
LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
# Custom operators that other tools make of a network.
COMPILED = {
    "ethos-u": "was compiled by Vela for an NPU; give the file before Vela",
    "edgetpu-custom-op": "was compiled for the Edge TPU; give the file before the Edge TPU compiler",
}
# What messages call activations of a type, and what to do about them.
WHOLE = "quantize the whole network to int8"
TYPES = {
    "float32": ("floats", WHOLE),
    "float16": ("floats", WHOLE),
    **dict.fromkeys(("int32", "int64", "bool"), ("integers", "compute them outside of it, or make them constants")),
}


def of_kind(node: Node) -> str | None:
    """Why no node of this kind can be converted, whatever its tensors are; None for other kinds."""
    if node.kind == "CUSTOM":
        if node.custom in COMPILED:
            return COMPILED[node.custom]
        if node.custom.startswith("Flex"):
            return "is an operator of TensorFlow (Flex), not of TensorFlow Lite; replace it in the model"
        return "is a custom operator, which only its own code can compute; end the network before it"
    if node.kind in RECURRENT:
        return f"is recurrent, and TFLite Micro has no kernel for it; use {LSTM}, or unroll it when converting"
    if node.kind in CONTROL:
        return "is a loop, a branch or a call, which is not supported; unroll it when converting (Keras: unroll=True)"
    return None


def of_subgraphs(kinds: Sequence[Iterable[str]]) -> str:
    """Why a file with these kinds of operators in its subgraphs is refused: there are more than CALL_ONCE calls."""
    found = sorted({kind for subgraph in kinds for kind in subgraph})
    what = f"has {len(kinds)} subgraphs"
    if control := [kind for kind in found if kind in CONTROL]:
        return f"{what} for {' and '.join(control)}; loops and branches are not supported, unroll them when converting"
    return f"{what}; only one is supported, and those that CALL_ONCE calls: convert each signature to a file of its own"


def of_file(nodes: Sequence[Node], path: str) -> str | None:
    """Why a network without any int8 or int16 activations is refused."""
    activations = [tensor for node in nodes for tensor in (*node.inputs, *node.outputs) if tensor.data is None]
    constants = [tensor for node in nodes for tensor in node.inputs if tensor.data is not None]
    types = {tensor.dtype for tensor in activations}
    if types & {"int8", "int16"} or any(node.kind == "CUSTOM" and node.custom in COMPILED for node in nodes):
        return None
    if "float32" not in types:
        return None
    if any(tensor.dtype == "int8" and tensor.quantization is not None for tensor in constants):
        what = "has int8 weights but float activations (dynamic-range quantization)"
    elif any(tensor.dtype == "float16" for tensor in constants):
        what = "is a float network with float16 weights"
    else:
        what = "is a float network"
    return unquantized(what, path, partly="dynamic" in what)


def of_types(others: dict[str, list[Node]], path: str) -> list[Problem]:
    """One problem for each type of tensors that is not supported; `others` lists the nodes that have them."""
    problems = []
    for dtype, nodes in others.items():
        named = ", ".join(f"{node.name} ({node.title})" for node in nodes[:3]) + (", ..." if len(nodes) > 3 else "")
        count = "1 operator computes" if len(nodes) == 1 else f"{len(nodes)} operators compute"
        what, remedy = TYPES.get(dtype, (dtype, WHOLE))
        problems.append(Problem(path, "file", f"{count} {what} inside of the network: {named}; {remedy}"))
    return problems


def each_once(problems: Sequence[Problem]) -> list[Problem]:
    """The problems with those of one reason as one."""
    same: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        same.setdefault((problem.kind, problem.reason), []).append(problem)
    result = []
    for first, *rest in same.values():
        more = f"; {len(rest)} more of this kind" if rest else ""
        result.append(replace(first, reason=first.reason + more))
    return result
