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
from qrt.compiler.frontends.torch.importer import Importer, Node, Refused, nested, quantization
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
FUNCTIONS = {
    operator.truediv: "div",
    **{getattr(operator, f"i{name}"): name for name in ("add", "sub", "mul")},
    operator.itruediv: "div",
}
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
        self.taken = 0
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

    def _placeholder(self, node: fx.Node) -> Any:
        index = self.taken
        self.taken += 1
        if index >= len(self.examples):
            if node.args:  # the default
                return node.args[0]
            reason = f"has no example input; example_inputs has {len(self.examples)} entries"
            raise CompileError([Problem(node.name, "input", reason)])
        example = self.examples[index]
        if not isinstance(example, torch.Tensor):
            return example
        return self.importer.add_input(str(node.target), tuple(example.shape))

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
        if target is getattr:
            return self._attribute(node.name, *args)
        read = [value for value in nested((*args, *kwargs.values())) if isinstance(value, (Tensor, Refused))]
        if target is operator.getitem and isinstance(args[0], Refused):
            return args[0]
        if not read or (target is operator.getitem and not isinstance(args[0], Tensor)):
            return self._plain(target(*args, **kwargs), node.name)
        name = FUNCTIONS.get(target) or getattr(target, "__name__", str(target)).split(".")[0]
        module = getattr(target, "__module__", "")
        label = f"{module}.{name}".replace("torch._ops.", "torch.ops.")
        if module == "torch.nn.functional" and name in STATISTICS:
            args = _in_atens_order(name, args, kwargs)
            kwargs = {}
        return self._call(node.name, name, args, kwargs, label)

    def _plain(self, value: Any, name: str) -> Any:
        """What Python computes from sizes and constants."""
        return self._constant(value, name) if isinstance(value, torch.Tensor) else value

    def _attribute(self, name: str, value: Any, attribute: str, *default: Any) -> Any:
        if isinstance(value, Refused):
            return value
        if not isinstance(value, Tensor):
            return getattr(value, attribute, *default)
        known = {"shape": value.shape, "ndim": len(value.shape), "is_quantized": value.dtype != "float32"}
        if attribute in ("T", "mT"):
            return self._call(name, "transpose", [value, -2, -1], {}, f"Tensor.{attribute}")
        return known.get(attribute)  # others, such as the device, do not change what is computed

    def _call_method(self, node: fx.Node) -> Any:
        args, kwargs = self._arguments(node)
        if not isinstance(args[0], (Tensor, Refused)):
            return self._plain(getattr(args[0], str(node.target))(*args[1:], **kwargs), node.name)
        return self._call(node.name, str(node.target), args, kwargs, f"Tensor.{node.target}")

    def _call_module(self, node: fx.Node) -> Any:
        args, kwargs = self._arguments(node)
        return self._module(self.modules[str(node.target)], node.name, args, kwargs)

    def _module(self, module: nn.Module, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        kind = type(module)
        label = f"{kind.__module__}.{kind.__name__}"
        args = [*args, *kwargs.values()]
        calls = MODULES.get(kind.__name__) if label.startswith("torch.nn.modules.") else None
        calls = WEIGHTED.get(kind, calls)
        if calls is not None:
            return self._calls(calls(module), name, args, label)
        if isinstance(module, nn.Sequential):  # fused pairs, such as ConvReLU2d of reference layers
            for index, part in enumerate(module):
                args = [self._module(part, name if index == 0 else f"{name}_{index}", args, {})]
            return args[0]
        return self._call(name, kind.__name__.lower(), args, kwargs, label)

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
                held = self.values[value]
                self.outputs += list(nested(held)) if isinstance(held, (tuple, list)) else [held]
            elif isinstance(value, (tuple, list)):
                for one in value:
                    collect(one)
            elif isinstance(value, dict):
                collect(list(value.values()))
            else:
                self.outputs.append(value)

        collect(node.args[0])

    def _arguments(self, node: fx.Node) -> tuple[list[Any], dict[str, Any]]:
        def resolved(value: Any) -> Any:
            if isinstance(value, fx.Node):
                return self.values[value]
            if isinstance(value, (tuple, list)):
                return tuple(map(resolved, value)) if isinstance(value, tuple) else [*map(resolved, value)]
            if isinstance(value, slice):
                return slice(resolved(value.start), resolved(value.stop), resolved(value.step))
            return value

        return [resolved(arg) for arg in node.args], {key: resolved(arg) for key, arg in node.kwargs.items()}

    # Calls of operators

    def _call(self, name: str, target: str, args: list[Any], kwargs: dict[str, Any], label: str) -> Any:
        table: dict[str, Callable[..., Any]] = ON_QUANTIZED if label.startswith("torch.ops.quantized.") else LIVE
        kwargs = {("input" if key == "self" else key): value for key, value in kwargs.items()}
        return self.importer.translate(table, Node(name, target, args, kwargs, label))


# F.batch_norm and F.instance_norm have the running statistics first, ATen has the weights first.
STATISTICS = frozenset({"batch_norm", "instance_norm"})


def _in_atens_order(name: str, args: list[Any], kwargs: dict[str, Any]) -> list[Any]:
    names = ["input", "running_mean", "running_var", "weight", "bias"]
    names += ["training" if name == "batch_norm" else "use_input_stats", "momentum", "eps"]
    given = {"weight": None, "bias": None, names[5]: name != "batch_norm", "momentum": 0.1, "eps": 1e-5}
    given |= dict(zip(names, args, strict=False)) | kwargs
    order = ["input", "weight", "bias", "running_mean", "running_var", *names[5:]]
    return [given.get(key) for key in order] + ([False] if name == "batch_norm" else [])


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
        dtype, limits = codes[0].dtype, np.iinfo(codes[0].dtype)

        def written(y: Any) -> Any:
            if isinstance(y, list):
                return [written(one) for one in y]
            if not isinstance(y, Tensor) or y.dtype != "float32":  # such as contiguous, which returns its input
                return y
            return n.quantize(y, known, dtype, limits.min, limits.max, f"{n.node.name}_codes")

        n.on_codes = True
        try:
            y = translator(n, *_real(n, args), **{key: _real(n, value) for key, value in kwargs.items()})
        finally:
            n.on_codes = False
        return written(y)

    return translate


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in nested(values) if isinstance(value, Tensor)]


def _real(n: Importer, value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_real(n, one) for one in value)
    is_codes = isinstance(value, Tensor) and value.quantization is not None
    return n.real(value) if is_codes else value


def dequantize(n: Importer, input: Tensor, *rest: Any) -> Tensor:
    """`Tensor.dequantize` and the module DeQuantize."""
    return n.real(input)


LIVE: dict[str, Callable[..., Any]] = {
    **{name: _on_codes(name) for name in ATEN},
    **MODULE_CALLS,
    "dequantize": dequantize,
    **dict.fromkeys(("to", "float", "type_as", "cpu"), lambda n, input, *rest, **more: input),
}
ON_QUANTIZED = {
    **QUANTIZED,
    **{name: LIVE[name] for name in ("relu6", "clamp", "max_pool1d", "max_pool2d", "threshold", "dropout")},
}
