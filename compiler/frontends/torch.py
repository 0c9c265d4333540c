"""PyTorch: modules in memory -> source graph; the quantizer and the backend configuration for qrt.

``from qrt.compiler.frontends.torch import QrtQuantizer`` needs torch and torchao: ``pip install "qrt[torch]"``.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qrt.compiler.frontends import pt2
from qrt.compiler.ir import Graph

if TYPE_CHECKING:
    from torch.ao.quantization.backend_config import BackendConfig

    from qrt.compiler import Compiled
    from qrt.compiler.frontends.torch_quantizer import QrtQuantizer

__all__ = ["QrtQuantizer", "get_qrt_backend_config", "lower_to_qrt", "to_graph"]

INSTALL = 'reading PyTorch modules needs torch and torchao: pip install "qrt[torch]"'


def __getattr__(name: str) -> Any:
    if name != "QrtQuantizer":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from qrt.compiler.frontends.torch_quantizer import QrtQuantizer
    except ImportError:
        raise ImportError(INSTALL) from None
    return QrtQuantizer


def to_graph(module: Any, example_inputs: Sequence[Any], match: str | None = None) -> Graph:
    """The source graph of a quantized module.

    Parameters
    ----------
    module : torch.nn.Module or torch.export.ExportedProgram
        What ``torch.ao.quantization.convert``, ``convert_fx``, ``convert_to_reference_fx`` or ``convert_pt2e``
        gave, or an exported program of the last.
    example_inputs : sequence of torch.Tensor
        One for each argument of forward; only their shapes count, and the first axis is the batch.
    match : {"pytorch", "fbgemm", "qnnpack", "x86", "onednn"}, optional
        Whose bytes to give; by default those of what PyTorch would run the module with.

    Raises
    ------
    CompileError
        Operators that qrt does not have: all of them.
    ImportError
        PyTorch is missing.
    """
    try:
        import torch
    except ImportError:
        raise ImportError(INSTALL) from None
    inputs = tuple(example[:1] for example in example_inputs)
    if isinstance(module, torch.nn.Module) and _is_pt2e(module):
        module = torch.export.export(module, inputs)
    if isinstance(module, torch.export.ExportedProgram):
        stream = io.BytesIO()
        torch.export.save(module, stream)
        graph = pt2.to_graph(stream.getvalue(), match or "pytorch")
        graph.name = "model"
        return graph
    from qrt.compiler.frontends import torch_live

    return torch_live.to_graph(module, inputs, type(module).__name__, match)


def _is_pt2e(module: Any) -> bool:
    """Whether a module is a graph of PT2E's decomposed operators."""
    graph = getattr(module, "graph", None)
    nodes = getattr(graph, "nodes", ())
    return any("quantized_decomposed" in str(node.target) or "torchao" in str(node.target) for node in nodes)


def lower_to_qrt(module: Any, example_inputs: Sequence[Any], **options: Any) -> Compiled:
    """The last step of RFC-0019's workflow: what ``convert_to_reference_fx`` gave, for qrt.

    Parameters
    ----------
    module : torch.fx.GraphModule
    example_inputs : sequence of torch.Tensor
    **options
        Of `qrt.compiler.from_torch`.
    """
    from qrt.compiler import from_torch

    return from_torch(module, example_inputs, **options)


def get_qrt_backend_config() -> BackendConfig:
    """What qrt can run, for ``prepare_fx`` and ``convert_to_reference_fx``."""
    try:
        from qrt.compiler.frontends.torch_backend import backend_config
    except ImportError:
        raise ImportError(INSTALL) from None
    return backend_config()
