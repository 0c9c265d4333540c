"""PyTorch modules in memory -> source graph: eager static quantization, FX, and FX's reference models.

`torch.fx` traces the module; each call becomes one or several calls of the translators in
`qrt.compiler.frontends.torch.nodes`. Operators on quantized tensors are written as dequantize, the float operator
and quantize.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.torch.importer import Importer, Node, quantization
from qrt.compiler.frontends.torch.modules import (
    MODULE_CALLS,
    MODULES,
    QUANTIZED,
    WEIGHTED,
    Call,
    constant_codes,
    is_leaf,
)
from qrt.compiler.frontends.torch.nodes import ATEN
from qrt.compiler.integers.thresholds import TORCH
from qrt.compiler.ir import Graph, Tensor

# Functions whose output on a quantized tensor has a fixed scale and zero point, by the type of its codes.
FIXED_OUTPUTS = {
    "sigmoid": {"uint8": (1 / 256, 0), "int8": (1 / 256, -128)},
    "tanh": {"uint8": (2 / 256, 128), "int8": (2 / 256, 0)},
    "hardsigmoid": {"uint8": (1 / 256, 0), "int8": (1 / 256, -128)},
}
# Python's operators and PyTorch's functions whose names differ from ATen's.
FUNCTIONS = {operator.add: "add", operator.mul: "mul", operator.sub: "sub", operator.truediv: "div"}
ALIASES = {"swapaxes": "transpose"}
# Packages of modules whose weights are packed for an engine.
QUANTIZED_MODULES = ("torch.ao.nn.quantized.modules", "torch.ao.nn.intrinsic.quantized")


class _Tracer(fx.Tracer):  # type: ignore[misc]
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return is_leaf(m) or super().is_leaf_module(m, module_qualified_name)


def to_graph(module: nn.Module, example_inputs: Sequence[torch.Tensor], name: str, match: str | None) -> Graph:
    """The source graph of a module that static quantization has converted.

    Raises
    ------
    CompileError
        The module cannot be traced, or has unsupported operators; lists all of them.
    """
    return _Reader(traced(module), example_inputs, name).read(match)


def traced(module: nn.Module) -> fx.GraphModule:
    """The module's calls as a graph; a GraphModule is returned as it is."""
    if isinstance(module, fx.GraphModule):
        return module
    try:
        return fx.GraphModule(module, _Tracer().trace(module))
    except Exception as error:
        reason = f"torch.fx cannot trace it: {error}; trace it manually, or quantize it with PT2E and export it"
        raise CompileError([Problem(type(module).__name__, "module", reason)]) from None


class _Reader:
    """One traced module: its values by the names of their nodes."""

    def __init__(self, module: fx.GraphModule, example_inputs: Sequence[torch.Tensor], name: str) -> None:
        self.module = module
        self.modules = dict(module.named_modules())
        self.examples = list(example_inputs)
        self.importer = Importer(name)
        self.values: dict[fx.Node, Any] = {}
        self.outputs: list[Tensor] = []

    def read(self, match: str | None) -> Graph:
        for node in self.module.graph.nodes:
            if node.op == "output":
                self._outputs(node)
            else:
                self.values[node] = getattr(self, f"_{node.op}")(node)
        return self.importer.finish(self.outputs, match or self._engine())

    def _engine(self) -> str:
        """The engine that PyTorch would run the module with; reference models run in float."""
        quantized = any(type(module).__module__.startswith(QUANTIZED_MODULES) for module in self.modules.values())
        engine: str = torch.backends.quantized.engine
        return engine if quantized and engine in TORCH else "pytorch"

    # Nodes of fx

    def _placeholder(self, node: fx.Node) -> Tensor:
        index = len(self.importer.graph.inputs)
        if index >= len(self.examples):
            reason = f"has no example input; example_inputs has {len(self.examples)} entries"
            raise CompileError([Problem(node.name, "input", reason)])
        return self.importer.add_input(str(node.target), tuple(self.examples[index].shape))

    def _get_attr(self, node: fx.Node) -> Any:
        value: Any = self.module
        for part in str(node.target).split("."):
            value = getattr(value, part)
        return self._constant(value, str(node.target)) if isinstance(value, torch.Tensor) else value

    def _constant(self, value: torch.Tensor, name: str) -> Tensor:
        if value.is_quantized:
            return constant_codes(self.importer, value, name)
        return self.importer.constant(value.detach().cpu().numpy(), name)

    def _call_function(self, node: fx.Node) -> Any:
        target: Any = node.target
        args, kwargs = self._arguments(node)
        if target is getattr or target is operator.getitem:
            value = args[0].shape if target is getattr and args[1] == "shape" else args[0]
            return value if target is getattr else value[args[1]]
        name = FUNCTIONS.get(target) or getattr(target, "__name__", str(target)).split(".")[0]
        label = f"{getattr(target, '__module__', '')}.{name}".replace("torch._ops.", "torch.ops.")
        return self._call(node.name, ALIASES.get(name, name), args, kwargs, label)

    def _call_method(self, node: fx.Node) -> Any:
        args, kwargs = self._arguments(node)
        return self._call(node.name, str(node.target), args, kwargs, f"Tensor.{node.target}")

    def _call_module(self, node: fx.Node) -> Any:
        args, kwargs = self._arguments(node)
        return self._module(self.modules[str(node.target)], node.name, args, kwargs)

    def _module(self, module: nn.Module, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        kind = type(module)
        label = f"{kind.__module__}.{kind.__name__}"
        calls = MODULES.get(kind.__name__) if label.startswith("torch.nn.modules.") else None
        if kind in WEIGHTED:
            return self._calls(WEIGHTED[kind](module), name, args, label)
        if calls is not None:
            return self._calls(calls(module), name, args, label)
        if isinstance(module, nn.Sequential):  # fused pairs, such as ConvReLU2d of reference layers
            for index, part in enumerate(module):
                args = [self._module(part, name if index == 0 else f"{name}_{index}", args, {})]
            return args[0]
        return self._call(name, label, args, kwargs, label)

    def _calls(self, calls: list[Call], name: str, args: list[Any], label: str) -> Any:
        """The calls of a module, each on the result of the previous one."""
        for position, call in enumerate(calls):
            last = position == len(calls) - 1
            arguments = [
                self._constant(v, f"{name}_{k}") if isinstance(v, torch.Tensor) else v for k, v in call.arguments
            ]
            args = [self._call(name if last else f"{name}_{call.target}", call.target, [*args, *arguments], {}, label)]
        return args[0]

    def _outputs(self, node: fx.Node) -> None:
        def collect(value: Any) -> None:
            if isinstance(value, fx.Node):
                self.outputs.append(self.values[value])
            elif isinstance(value, (tuple, list)):
                for one in value:
                    collect(one)
            elif isinstance(value, dict):
                collect(list(value.values()))

        collect(node.args[0])

    def _arguments(self, node: fx.Node) -> tuple[list[Any], dict[str, Any]]:
        def resolved(value: Any) -> Any:
            if isinstance(value, fx.Node):
                return self.values[value]
            if isinstance(value, (tuple, list)):
                return [resolved(one) for one in value]
            return value

        return [resolved(arg) for arg in node.args], {key: resolved(arg) for key, arg in node.kwargs.items()}

    # Calls of operators

    def _call(self, name: str, target: str, args: list[Any], kwargs: dict[str, Any], label: str) -> Any:
        table: dict[str, Callable[..., Any]] = ON_QUANTIZED if label.startswith("torch.ops.quantized.") else LIVE
        kwargs = {("input" if key == "self" else key): value for key, value in kwargs.items()}
        return self.importer.translate(table, Node(name, target, args, kwargs, label))


def _on_codes(name: str) -> Callable[..., Any]:
    """The operator `name` on floats, or on codes: dequantize, the operator, quantize with the input's scale."""
    translator = ATEN[name]

    def translate(n: Importer, *args: Any, **kwargs: Any) -> Any:
        codes = [t for t in _tensors([*args, *kwargs.values()]) if t.dtype != "float32" and not t.is_constant]
        if not codes or name.startswith(("quantize_per", "dequantize_per", "size", "sym_size")):
            return translator(n, *args, **kwargs)
        known = codes[0].quantization
        if known is None:
            raise Unsupported(f"reads the integers {codes[0].name!r}, whose scale is unknown")
        if name in FIXED_OUTPUTS:
            known = quantization(*FIXED_OUTPUTS[name][codes[0].dtype])
        y = translator(n, *_real(n, list(args)), **{key: _real(n, value) for key, value in kwargs.items()})
        if y.dtype != "float32":  # such as contiguous, which returns its input
            return y
        limits = np.iinfo(codes[0].dtype)
        return n.quantize(y, known, codes[0].dtype, limits.min, limits.max, f"{n.node.name}_codes")

    return translate


def _tensors(values: list[Any]) -> list[Tensor]:
    return [t for v in values for t in (_tensors(v) if isinstance(v, list) else [v]) if isinstance(t, Tensor)]


def _real(n: Importer, value: Any) -> Any:
    if isinstance(value, list):
        return [_real(n, one) for one in value]
    return n.real(value) if isinstance(value, Tensor) else value


def dequantize(n: Importer, input: Tensor, *rest: Any) -> Tensor:
    """`Tensor.dequantize` and the module DeQuantize."""
    return n.real(input)


LIVE: dict[str, Callable[..., Any]] = {
    **{name: _on_codes(name) for name in ATEN},
    **MODULE_CALLS,
    "dequantize": dequantize,
    "to": lambda n, input, *rest, **more: input,
}
ON_QUANTIZED = {**QUANTIZED, "relu6": LIVE["relu6"]}
