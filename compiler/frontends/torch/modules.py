"""PyTorch's modules as calls of operators, and the operators on quantized tensors (``torch.ops.quantized``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.ao.nn import intrinsic, quantized
from torch.ao.nn.intrinsic import quantized as intrinsic_quantized
from torch.ao.nn.quantized import reference

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.torch.importer import Importer, quantization
from qrt.compiler.frontends.torch.nodes import ATEN, constant_array
from qrt.compiler.ir import Tensor


class Call(NamedTuple):
    """One operator, and its arguments after the input: (name, value) each."""

    target: str
    arguments: list[tuple[str, Any]]


def _plain(target: str, *names: str, **given: Any) -> Callable[[nn.Module], list[Call]]:
    """A module that is one operator whose arguments are its attributes `names`."""
    return lambda m: [Call(target, [(k, getattr(m, k)) for k in names] + list(given.items()))]


def _pool(target: str, *names: str) -> Callable[[nn.Module], list[Call]]:
    return _plain(target, "kernel_size", "stride", "padding", *names)


def _convolution(target: str) -> Callable[[nn.Module], list[Call]]:
    return _plain(target, "weight", "bias", "stride", "padding", "dilation", "groups")


def _batch_norm(m: Any) -> list[Call]:
    names = ("weight", "bias", "running_mean", "running_var", "training", "momentum", "eps")
    return [Call("batch_norm", [*((k, getattr(m, k)) for k in names), ("cudnn", False)])]


def _pad(m: Any) -> list[Call]:
    return [Call("pad", [("pad", list(m.padding)), ("mode", "constant"), ("value", float(getattr(m, "value", 0.0)))])]


# Float modules, which also work on quantized tensors, by name of the class.
MODULES: dict[str, Callable[[Any], list[Call]]] = {
    "Quantize": lambda m: [
        Call("quantize_per_tensor", [("s", float(m.scale)), ("z", int(m.zero_point)), ("d", m.dtype)])
    ],
    "DeQuantize": _plain("dequantize"),
    # Not supported in float; reported later, with the remedy.
    "Linear": _plain("linear", "weight", "bias"),
    "Conv1d": _convolution("conv1d"),
    "Conv2d": _convolution("conv2d"),
    "ReLU": _plain("relu"),
    "ReLU6": _plain("relu6"),
    "Hardtanh": _plain("hardtanh", "min_val", "max_val"),
    "Sigmoid": _plain("sigmoid"),
    "Tanh": _plain("tanh"),
    "Hardsigmoid": _plain("hardsigmoid"),
    "Hardswish": _plain("hardswish"),
    "SiLU": _plain("silu"),
    "LeakyReLU": _plain("leaky_relu", "negative_slope"),
    "ELU": _plain("elu", "alpha"),
    "GELU": _plain("gelu", "approximate"),
    "Softmax": _plain("softmax", "dim"),
    "MaxPool1d": _pool("max_pool1d", "dilation", "ceil_mode", "return_indices"),
    "MaxPool2d": _pool("max_pool2d", "dilation", "ceil_mode", "return_indices"),
    "AvgPool1d": _pool("avg_pool1d", "ceil_mode", "count_include_pad"),
    "AvgPool2d": _pool("avg_pool2d", "ceil_mode", "count_include_pad", "divisor_override"),
    "AdaptiveAvgPool1d": _plain("adaptive_avg_pool1d", "output_size"),
    "AdaptiveAvgPool2d": _plain("adaptive_avg_pool2d", "output_size"),
    "Flatten": _plain("flatten", "start_dim", "end_dim"),
    "ZeroPad2d": _pad,
    "ConstantPad2d": _pad,
    "BatchNorm2d": _batch_norm,
    "Identity": _plain("contiguous"),
    "Dropout": _plain("dropout"),
    "Dropout2d": _plain("dropout"),
}


# Layers with weights


def _quantized_layer(target: str, relu: bool) -> Callable[[Any], list[Call]]:
    def calls(m: Any) -> list[Call]:
        arguments: list[tuple[str, Any]] = [("weight", m.weight()), ("bias", m.bias())]
        if target != "linear":
            if m.padding_mode != "zeros":
                raise Unsupported(f"has padding mode {m.padding_mode}; only constant padding is supported")
            arguments += [(k, getattr(m, k)) for k in ("stride", "padding", "dilation", "groups")]
        arguments += [("relu", relu), ("scale", float(m.scale)), ("zero_point", int(m.zero_point))]
        return [Call(f"quantized_{target}", arguments)]

    return calls


def _reference_layer(target: str) -> Callable[[Any], list[Call]]:
    def calls(m: Any) -> list[Call]:
        arguments: list[tuple[str, Any]] = [("weight", m.get_quantized_weight()), ("bias", m.bias)]
        if target != "linear":
            arguments += [(k, getattr(m, k)) for k in ("stride", "padding", "dilation", "groups")]
        return [Call(f"reference_{target}", arguments)]

    return calls


def _quantized_activation(target: str, *names: str, prefix: str = "") -> Callable[[Any], list[Call]]:
    def calls(m: Any) -> list[Call]:
        known = ("scale", float(getattr(m, f"{prefix}scale"))), ("zero_point", int(getattr(m, f"{prefix}zero_point")))
        return [Call("quantized_activation", [("target", target), *known, *((k, getattr(m, k)) for k in names)])]

    return calls


WEIGHTED: dict[type, Callable[[Any], list[Call]]] = {
    quantized.Conv1d: _quantized_layer("conv1d", False),
    quantized.Conv2d: _quantized_layer("conv2d", False),
    quantized.Linear: _quantized_layer("linear", False),
    intrinsic_quantized.ConvReLU1d: _quantized_layer("conv1d", True),
    intrinsic_quantized.ConvReLU2d: _quantized_layer("conv2d", True),
    intrinsic_quantized.LinearReLU: _quantized_layer("linear", True),
    reference.Conv1d: _reference_layer("conv1d"),
    reference.Conv2d: _reference_layer("conv2d"),
    reference.Linear: _reference_layer("linear"),
    quantized.Quantize: MODULES["Quantize"],
    quantized.DeQuantize: MODULES["DeQuantize"],
    quantized.ReLU6: MODULES["ReLU6"],
    quantized.Hardswish: _quantized_activation("hardswish"),
    quantized.ELU: _quantized_activation("elu", "alpha"),
    quantized.LeakyReLU: _quantized_activation("leaky_relu", "negative_slope"),
    quantized.Sigmoid: _quantized_activation("sigmoid", prefix="output_"),
    quantized.Softmax: _quantized_activation("softmax", "dim"),
}


def is_leaf(module: nn.Module) -> bool:
    """Whether tracing keeps a module as one call."""
    return type(module) in WEIGHTED or (
        isinstance(module, nn.Sequential) and type(module).__module__.startswith(intrinsic.__name__)
    )


# Operators on quantized tensors: dequantize, the operator, quantize


def constant_codes(n: Importer, value: torch.Tensor, name: str) -> Tensor:
    """A quantized constant with its scale and zero point."""
    codes = value.int_repr().detach().numpy()
    if value.qscheme() in (torch.per_channel_affine, torch.per_channel_symmetric):
        known = quantization(
            value.q_per_channel_scales().numpy(), value.q_per_channel_zero_points().numpy(), value.q_per_channel_axis()
        )
    elif value.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        known = quantization(value.q_scale(), value.q_zero_point())
    else:
        raise Unsupported(f"its weights are quantized {value.qscheme()}; quantize them per channel or per tensor")
    return n.constant(codes, name, known)


def _computed(
    n: Importer, target: str, arguments: list[Any], relu: bool, scale: Any, zero_point: Any, dtype: str
) -> Tensor:
    """Codes of the float operator `target`, followed by relu if `relu`; the last is named after the node."""
    name = n.node.name
    if relu:
        n.node.name = f"{name}_{target}"
    y = ATEN[target](n, *arguments)
    n.node.name = name
    if relu:
        y = ATEN["relu"](n, y)
    limits = np.iinfo(dtype)
    known = quantization(constant_array(scale, "scale"), constant_array(zero_point, "zero point"))
    return n.quantize(y, known, dtype, limits.min, limits.max, f"{name}_codes")


def _quantized(target: str, inputs: int = 1, relu: bool = False) -> Callable[..., Tensor]:
    """``op(*inputs, ..., scale, zero_point)`` with the float operator `target`."""

    def translate(n: Importer, *args: Any, **kwargs: Any) -> Tensor:
        # Scale and zero point are last, in whatever order the caller names the arguments.
        args = (*args, *(kwargs[key] for key in sorted(kwargs, key=("scale", "zero_point").__contains__)))
        codes = [t for a in args[:inputs] for t in (a if isinstance(a, list) else [a])]
        reals = [[n.real(t) for t in a] if isinstance(a, list) else n.real(a) for a in args[:inputs]]
        return _computed(n, target, [*reals, *args[inputs:-2]], relu, args[-2], args[-1], codes[0].dtype)

    return translate


def _layer(target: str) -> Callable[..., Tensor]:
    """A module's call: x, weight, bias, ..., relu, scale, zero_point."""

    def translate(n: Importer, x: Tensor, weight: Tensor, bias: Any, *rest: Any) -> Tensor:
        *window, relu, scale, zero_point = rest
        return _computed(n, target, [n.real(x), n.real(weight), bias, *window], relu, scale, zero_point, x.dtype)

    return translate


def _packed(target: str, relu: bool = False) -> Callable[..., Tensor]:
    """``torch.ops.quantized.conv2d(x, packed, scale, zero_point)`` and similar calls."""

    def translate(n: Importer, x: Tensor, packed: Any, scale: Any, zero_point: Any) -> Tensor:
        weight, bias = packed.unpack()
        codes = constant_codes(n, weight, f"{n.node.name}_weight")
        known = None if bias is None else n.constant(bias.detach().numpy(), f"{n.node.name}_bias")
        window = [] if target == "linear" else [list(packed.stride()), list(packed.padding()), list(packed.dilation())]
        window += [] if target == "linear" else [packed.groups()]
        return _layer(target)(n, x, codes, known, *window, relu, scale, zero_point)

    return translate


def _reference(target: str) -> Callable[..., Tensor]:
    def translate(n: Importer, x: Tensor, weight: Tensor, *rest: Any) -> Tensor:
        result: Tensor = ATEN[target](n, n.real(x), n.real(weight), *rest)
        return result

    return translate


def _activation(n: Importer, x: Tensor, target: str, scale: float, zero_point: int, *rest: Any) -> Tensor:
    return _quantized(target)(n, x, *rest, scale, zero_point)


def _scalar(n: Importer, x: Tensor, other: float) -> Tensor:
    """add_scalar and mul_scalar, which PyTorch computes by changing scale and zero point only."""
    raise Unsupported("adds or multiplies a Python number, which is not supported; quantize the number")


MODULE_CALLS: dict[str, Callable[..., Tensor]] = {
    **{f"quantized_{name}": _layer(name) for name in ("conv1d", "conv2d", "linear")},
    **{f"reference_{name}": _reference(name) for name in ("conv1d", "conv2d", "linear")},
    "quantized_activation": _activation,
}

QUANTIZED: dict[str, Callable[..., Any]] = {
    "conv1d": _packed("conv1d"),
    "conv2d": _packed("conv2d"),
    "conv1d_relu": _packed("conv1d", True),
    "conv2d_relu": _packed("conv2d", True),
    "linear": _packed("linear"),
    "linear_relu": _packed("linear", True),
    "add": _quantized("add", 2),
    "add_relu": _quantized("add", 2, True),
    "mul": _quantized("mul", 2),
    "mul_relu": _quantized("mul", 2, True),
    "cat": _quantized("cat"),
    "cat_relu": _quantized("cat", relu=True),
    "hardswish": _quantized("hardswish"),
    "sigmoid": _quantized("sigmoid"),
    "leaky_relu": lambda n, x, slope, inplace, scale, zero_point: _quantized("leaky_relu")(
        n, x, slope, scale, zero_point
    ),
    "elu": lambda n, x, scale, zero_point, alpha=1.0, *rest: _quantized("elu")(n, x, alpha, scale, zero_point),
    "softmax": _quantized("softmax"),
    **dict.fromkeys(("add_scalar", "mul_scalar", "add_scalar_relu", "mul_scalar_relu"), _scalar),
}
