"""PyTorch modules in memory -> source graph."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.frontends.torch import pt2, unfinished
from qrt.compiler.ir import Graph
from qrt.compiler.libraries import load


def to_graph(module: Any, example_inputs: Sequence[Any], match: str | None = None) -> Graph:
    """The source graph of a quantized module.

    Parameters
    ----------
    module : torch.nn.Module or torch.export.ExportedProgram
        The result of ``torch.ao.quantization.convert``, ``convert_fx``, ``convert_to_reference_fx`` or
        ``convert_pt2e``, or an exported program of the last.
    example_inputs : sequence of torch.Tensor
        One for each argument of forward; only their shapes matter.
    match : {"pytorch", "fbgemm", "qnnpack", "x86", "onednn"}, optional
        The engine to match bit for bit; by default the one that PyTorch would run the module with.

    Raises
    ------
    CompileError
        Lists all unsupported operators.
    ImportError
        PyTorch is missing.
    """
    torch = load("torch")
    inputs = tuple(example_inputs)
    if isinstance(module, torch.jit.ScriptModule):
        reason = "is traced or scripted by torch.jit, which hides its modules; give the module that it was made from"
        raise CompileError([Problem(getattr(module, "original_name", "module"), "module", reason)])
    if isinstance(module, torch.nn.Module) and (missing := unfinished.of_module(module)):
        raise CompileError([Problem(type(module).__name__, "module", missing)])
    if isinstance(module, torch.nn.Module) and is_pt2e(module):
        module = torch.export.export(module, _of_its_batch(module, inputs))
    if isinstance(module, torch.export.ExportedProgram):
        stream = io.BytesIO()
        torch.export.save(module, stream)
        graph = pt2.to_graph(stream.getvalue(), match or "pytorch")
        graph.name = "model"
        return graph
    from qrt.compiler.frontends.torch import live

    try:
        return live.to_graph(module, inputs, type(module).__name__, match)
    except CompileError as error:
        if len(error.problems) == 1 or not unfinished.is_float_module(module, live.traced):
            raise
        reason = "is a float module; quantize it with qrt.compiler.quantize_torch"
        raise CompileError([Problem(type(module).__name__, "module", reason)]) from None


def _of_its_batch(module: Any, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Inputs with the batch that a module was exported with, if it is fixed."""
    stated = [node.meta.get("val") for node in module.graph.nodes if node.op == "placeholder"]
    if len(stated) != len(inputs):
        return inputs
    sizes = [getattr(value, "shape", ())[:1] for value in stated]
    return tuple(
        x.new_zeros((*size, *x.shape[1:])) if size and isinstance(size[0], int) else x
        for x, size in zip(inputs, sizes, strict=True)
    )


def is_pt2e(module: Any) -> bool:
    """Whether a module is a graph with PT2E's decomposed operators."""
    graph = getattr(module, "graph", None)
    nodes = getattr(graph, "nodes", ())
    return any("quantized_decomposed" in str(node.target) or "torchao" in str(node.target) for node in nodes)
