"""PyTorch networks whose quantization is not finished, or not static: one reason, not one per node."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

# Packages of modules that PyTorch puts in place of float ones.
STATIC = ("torch.ao.nn.quantized.modules", "torch.ao.nn.intrinsic.quantized.modules", "torch.ao.nn.quantized.reference")
DYNAMIC = ("torch.ao.nn.quantized.dynamic", "torch.ao.nn.intrinsic.quantized.dynamic")
# Parts of the names of observers' packages, and of operators and values that observers and fake quantization leave.
OBSERVERS = (
    ".quantization.observer",
    ".quantization.fake_quantize",
    ".quantization.pt2e.observer",
    ".pt2e.fake_quantize",
)
OBSERVED = ("activation_post_process", "fake_quant")
CHOSEN = "quantized_decomposed.choose_qparams"
STATICALLY = "quantize the float network statically"


def of_module(module: Any) -> str | None:
    """Why a module is not a statically quantized one; None where it may be."""
    kinds = {name: type(one).__module__ for name, one in module.named_modules()}
    dynamic = [name for name, kind in kinds.items() if kind.startswith(DYNAMIC)]
    if dynamic:
        more = f" and {len(dynamic) - 1} more" if len(dynamic) > 1 else ""
        remedy = f"{STATICALLY}: qrt.compiler.quantize_torch"
        return (
            f"is quantized dynamically ({dynamic[0] or type(module).__name__}{more}), with float activations; {remedy}"
        )
    observers = [kind for kind in kinds.values() if kind.endswith(OBSERVERS)]
    if not observers or any(kind.startswith(STATIC) for kind in kinds.values()) or _quantizes(module):
        return None
    if any(kind.startswith("torchao") or ".pt2e" in kind for kind in observers):
        convert = "convert_pt2e"
    elif hasattr(module, "graph"):
        convert = "convert_pt2e" if _is_exported(module) else "convert_fx"
    else:
        convert = "torch.ao.quantization.convert"
    return f"is prepared, but not converted; run samples through it and call {convert}"


def of_program(targets: Iterable[str], names: Collection[str]) -> str | None:
    """Why a program with these operators, and these names of inputs and buffers, is not statically quantized."""
    targets = list(targets)
    if any(CHOSEN in target for target in targets):
        return f"is quantized dynamically, with float activations; {STATICALLY} and export it again"
    if is_float(targets) and any(part in text for part in OBSERVED for text in (*targets, *names)):
        return "is prepared, but not converted; run samples through it, call convert_pt2e, and export it again"
    return None


def is_float(targets: Iterable[str]) -> bool:
    """Whether no operator of a program is a quantization."""
    return not any("quantized_decomposed" in target or "torchao" in target for target in targets)


def is_float_module(module: Any, traced: Callable[[Any], Any]) -> bool:
    """Whether nothing in a module is quantized; `traced` gives its calls as a graph."""
    if any(type(one).__module__.startswith("torch.ao.") for one in module.modules()):
        return False
    try:
        return not _quantizes(traced(module))
    except ValueError:  # it cannot be traced
        return False


def _quantizes(module: Any) -> bool:
    """Whether a traced module calls operators on codes, which only a converted one does."""
    nodes = getattr(getattr(module, "graph", None), "nodes", ())
    return any("quantize_per_" in str(node.target) or "quantized" in str(node.target) for node in nodes)


def _is_exported(module: Any) -> bool:
    return any("aten" in str(node.target) for node in module.graph.nodes if node.op == "call_function")
