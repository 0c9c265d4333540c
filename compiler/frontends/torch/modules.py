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
from qrt.compiler.frontends.torch.importer import Importer, constant_array, quantization
from qrt.compiler.frontends.torch.nodes import ATEN
from qrt.compiler.frontends.torch.scalars import prelu, scalar
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


def _transposed(target: str) -> Callable[[nn.Module], list[Call]]:
    return _plain(target, "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")


def _pad(mode: str) -> Callable[[Any], list[Call]]:
    def calls(m: Any) -> list[Call]:
        value = float(getattr(m, "value", 0.0))
        return [Call("pad", [("pad", list(m.padding)), ("mode", mode), ("value", value)])]

    return calls


def _upsample(m: Any) -> list[Call]:
    names = ("size", "scale_factor", "mode", "align_corners", "recompute_scale_factor")
    return [Call("interpolate", [(k, getattr(m, k)) for k in names])]


def _instance_norm(m: Any) -> list[Call]:
    given = m.training or m.running_mean is None
    names = ("weight", "bias", "running_mean", "running_var")
    return [
        Call(
            "instance_norm",
            [*((k, getattr(m, k)) for k in names), ("given", given), ("momentum", m.momentum), ("eps", m.eps)],
        )
    ]


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
    "ConvTranspose1d": _transposed("conv_transpose1d"),
    "ConvTranspose2d": _transposed("conv_transpose2d"),
    "ReLU": _plain("relu"),
    "ReLU6": _plain("relu6"),
    "Hardtanh": _plain("hardtanh", "min_val", "max_val"),
    "Sigmoid": _plain("sigmoid"),
    "Tanh": _plain("tanh"),
    "Hardsigmoid": _plain("hardsigmoid"),
    "Hardswish": _plain("hardswish"),
    "SiLU": _plain("silu"),
    "LeakyReLU": _plain("leaky_relu", "negative_slope"),
    "RReLU": _plain("rrelu", "lower", "upper"),
    "PReLU": _plain("prelu", "weight"),
    "ELU": _plain("elu", "alpha"),
    "SELU": _plain("selu"),
    "CELU": _plain("celu", "alpha"),
    "GELU": _plain("gelu", "approximate"),
    "Mish": _plain("mish"),
    "Softplus": _plain("softplus", "beta", "threshold"),
    "Softsign": _plain("softsign"),
    "Tanhshrink": _plain("tanhshrink"),
    "Hardshrink": _plain("hardshrink", "lambd"),
    "Softshrink": _plain("softshrink", "lambd"),
    "LogSigmoid": _plain("log_sigmoid"),
    "Threshold": _plain("threshold", "threshold", "value"),
    "GLU": _plain("glu", "dim"),
    "Softmax": _plain("softmax", "dim"),
    "Softmin": lambda m: [Call("neg", []), Call("softmax", [("dim", m.dim)])],
    "LogSoftmax": _plain("log_softmax", "dim"),
    "MaxPool1d": _pool("max_pool1d", "dilation", "ceil_mode", "return_indices"),
    "MaxPool2d": _pool("max_pool2d", "dilation", "ceil_mode", "return_indices"),
    "AvgPool1d": _pool("avg_pool1d", "ceil_mode", "count_include_pad"),
    "AvgPool2d": _pool("avg_pool2d", "ceil_mode", "count_include_pad", "divisor_override"),
    "AdaptiveAvgPool1d": _plain("adaptive_avg_pool1d", "output_size"),
    "AdaptiveAvgPool2d": _plain("adaptive_avg_pool2d", "output_size"),
    "AdaptiveMaxPool1d": _plain("adaptive_max_pool1d", "output_size", "return_indices"),
    "AdaptiveMaxPool2d": _plain("adaptive_max_pool2d", "output_size", "return_indices"),
    "Flatten": _plain("flatten", "start_dim", "end_dim"),
    "Unflatten": _plain("unflatten", "dim", "unflattened_size"),
    "PixelShuffle": _plain("pixel_shuffle", "upscale_factor"),
    "PixelUnshuffle": _plain("pixel_unshuffle", "downscale_factor"),
    "ChannelShuffle": _plain("channel_shuffle", "groups"),
    **dict.fromkeys(("Upsample", "UpsamplingNearest2d", "UpsamplingBilinear2d"), _upsample),
    **dict.fromkeys(("ZeroPad1d", "ZeroPad2d", "ConstantPad1d", "ConstantPad2d"), _pad("constant")),
    **dict.fromkeys(("ReflectionPad1d", "ReflectionPad2d"), _pad("reflect")),
    **dict.fromkeys(("ReplicationPad1d", "ReplicationPad2d"), _pad("replicate")),
    **dict.fromkeys(("CircularPad1d", "CircularPad2d"), _pad("circular")),
    **dict.fromkeys(("BatchNorm1d", "BatchNorm2d"), _batch_norm),
    **dict.fromkeys(("InstanceNorm1d", "InstanceNorm2d"), _instance_norm),
    "LayerNorm": _plain("layer_norm", "normalized_shape", "weight", "bias", "eps"),
    "GroupNorm": _plain("group_norm", "num_groups", "weight", "bias", "eps"),
    **dict.fromkeys(("Identity", "Dropout", "Dropout1d", "Dropout2d", "AlphaDropout"), _plain("dropout")),
}


# Layers with weights


def _window(target: str) -> tuple[str, ...]:
    """The attributes of a convolution, in the order of ATen's arguments."""
    if "transpose" in target:
        return "stride", "padding", "output_padding", "groups", "dilation"
    return "stride", "padding", "dilation", "groups"


def _quantized_layer(target: str, relu: bool) -> Callable[[Any], list[Call]]:
    def calls(m: Any) -> list[Call]:
        arguments: list[tuple[str, Any]] = [("weight", m.weight()), ("bias", m.bias())]
        if target != "linear":
            arguments += [(k, getattr(m, k)) for k in _window(target)]
        arguments += [("relu", relu), ("scale", float(m.scale)), ("zero_point", int(m.zero_point))]
        layer = Call(f"quantized_{target}", arguments)
        if target == "linear" or m.padding_mode == "zeros":
            return [layer]
        # As PyTorch does, the codes are padded before a convolution without padding.
        arguments[2 + _window(target).index("padding")] = ("padding", 0)
        padding = [side for pad in reversed(m.padding) for side in (pad, pad)]
        return [Call("pad", [("pad", padding), ("mode", m.padding_mode)]), layer]

    return calls


def _reference_layer(target: str) -> Callable[[Any], list[Call]]:
    def calls(m: Any) -> list[Call]:
        arguments: list[tuple[str, Any]] = [("weight", m.get_quantized_weight()), ("bias", m.bias)]
        if target != "linear":
            arguments += [(k, getattr(m, k)) for k in _window(target)]
        return [Call(f"reference_{target}", arguments)]

    return calls


def _quantized_activation(target: str, *names: str, prefix: str = "") -> Callable[[Any], list[Call]]:
    def calls(m: Any) -> list[Call]:
        known = ("scale", float(getattr(m, f"{prefix}scale"))), ("zero_point", int(getattr(m, f"{prefix}zero_point")))
        return [Call("quantized_activation", [("target", target), *known, *((k, getattr(m, k)) for k in names)])]

    return calls


def _scaled(target: str, *names: str) -> Callable[[Any], list[Call]]:
    """A module that calls ``torch.ops.quantized``'s `target` with its attributes `names`, scale and zero point."""

    def calls(m: Any) -> list[Call]:
        known = [("scale", float(m.scale)), ("zero_point", int(m.zero_point))]
        return [Call(f"quantized_{target}", [*((k, getattr(m, k)) for k in names), *known])]

    return calls


NORM = ("weight", "bias", "running_mean", "running_var", "eps")
WEIGHTED: dict[type, Callable[[Any], list[Call]]] = {
    quantized.Conv1d: _quantized_layer("conv1d", False),
    quantized.Conv2d: _quantized_layer("conv2d", False),
    quantized.Linear: _quantized_layer("linear", False),
    intrinsic_quantized.ConvReLU1d: _quantized_layer("conv1d", True),
    intrinsic_quantized.ConvReLU2d: _quantized_layer("conv2d", True),
    intrinsic_quantized.LinearReLU: _quantized_layer("linear", True),
    quantized.ConvTranspose1d: _quantized_layer("conv_transpose1d", False),
    quantized.ConvTranspose2d: _quantized_layer("conv_transpose2d", False),
    reference.ConvTranspose1d: _reference_layer("conv_transpose1d"),
    reference.ConvTranspose2d: _reference_layer("conv_transpose2d"),
    quantized.BatchNorm2d: _scaled("batch_norm2d", *NORM),
    intrinsic_quantized.BNReLU2d: _scaled("batch_norm2d_relu", *NORM),
    quantized.LayerNorm: _scaled("layer_norm", "normalized_shape", "weight", "bias", "eps"),
    quantized.GroupNorm: _scaled("group_norm", "num_groups", "weight", "bias", "eps"),
    quantized.InstanceNorm1d: _scaled("instance_norm", "weight", "bias", "eps"),
    quantized.InstanceNorm2d: _scaled("instance_norm", "weight", "bias", "eps"),
    quantized.PReLU: _scaled("prelu", "weight"),
    quantized.Dropout: MODULES["Dropout"],
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
    n.on_codes = True
    if relu:
        n.node.name = f"{name}_{target}"
    y = ATEN[target](n, *arguments)
    n.node.name = name
    if relu:
        y = ATEN["relu"](n, y)
    n.on_codes = False
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
        window = [] if target == "linear" else [getattr(packed, k)() for k in _window(target)]
        if target.endswith("1d"):  # packed as an image of height 1
            codes = n.constant(constant_array(codes, "weight")[:, :, 0], f"{n.node.name}_filter", codes.quantization)
        return _layer(target)(n, x, codes, known, *window, relu, scale, zero_point)

    return translate


def _reference(target: str) -> Callable[..., Tensor]:
    def translate(n: Importer, x: Tensor, weight: Tensor, *rest: Any) -> Tensor:
        result: Tensor = ATEN[target](n, n.real(x), n.real(weight), *rest)
        return result

    return translate


def _activation(n: Importer, x: Tensor, target: str, scale: float, zero_point: int, *rest: Any) -> Tensor:
    return _quantized(target)(n, x, *rest, scale, zero_point)


def _binary(target: str, relu: bool = False) -> Callable[..., Tensor]:
    """add and mul; with a number, PyTorch changes scale and zero point only (`scalar`)."""

    def translate(n: Importer, *args: Any, **kwargs: Any) -> Tensor:
        a, b = args[:2] if len(args) > 1 else (*args, kwargs.pop("other"))
        for x, number in ((a, b), (b, a)):
            if not isinstance(number, Tensor):
                return scalar(n, target, x, float(number), relu)
        return _quantized(target, 2, relu)(n, a, b, *args[2:], **kwargs)

    return translate


def _norm(target: str, relu: bool = False) -> Callable[..., Tensor]:
    """``op(x, ..., eps, scale, zero_point)``, with names or without."""

    def translate(n: Importer, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        args = (*args, *kwargs.values())
        *window, eps, scale, zero_point = args
        more = [False, 0.1, eps, False] if target == "batch_norm" else [eps]
        if target == "instance_norm":
            more = [None, None, True, 0.1, eps]
        return _computed(n, target, [n.real(x), *window, *more], relu, scale, zero_point, x.dtype)

    return translate


def _cat(n: Importer, tensors: Any, dim: int = 0, scale: Any = None, zero_point: Any = None) -> Tensor:
    """Without scale and zero point, those of the first tensor are kept."""
    known = tensors[0].quantization
    scale, zero_point = known.scale if scale is None else scale, known.zero_point if zero_point is None else zero_point
    return _quantized("cat")(n, tensors, dim, scale, zero_point)


def _leaky_relu(
    n: Importer, input: Tensor, negative_slope: float, inplace: bool, output_scale: Any, output_zero_point: Any
) -> Tensor:
    return _quantized("leaky_relu")(n, input, negative_slope, output_scale, output_zero_point)


def _elu(
    n: Importer,
    input: Tensor,
    output_scale: Any,
    output_zero_point: Any,
    alpha: float = 1.0,
    scale: float = 1.0,
    input_scale: float = 1.0,
) -> Tensor:
    return _quantized("elu")(n, input, alpha, scale, input_scale, output_scale, output_zero_point)


LAYERS = ("conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d", "linear")
MODULE_CALLS: dict[str, Callable[..., Tensor]] = {
    **{f"quantized_{name}": _layer(name) for name in LAYERS},
    **{f"reference_{name}": _reference(name) for name in LAYERS},
    "quantized_activation": _activation,
    "quantized_batch_norm2d": _norm("batch_norm"),
    "quantized_batch_norm2d_relu": _norm("batch_norm", True),
    **{f"quantized_{name}": _norm(name) for name in ("layer_norm", "group_norm", "instance_norm")},
    "quantized_prelu": prelu,
}

QUANTIZED: dict[str, Callable[..., Any]] = {
    "conv1d": _packed("conv1d"),
    "conv2d": _packed("conv2d"),
    "conv1d_relu": _packed("conv1d", True),
    "conv2d_relu": _packed("conv2d", True),
    "linear": _packed("linear"),
    "linear_relu": _packed("linear", True),
    "conv_transpose1d": _packed("conv_transpose1d"),
    "conv_transpose2d": _packed("conv_transpose2d"),
    **{f"{name}{scalar_}": _binary(name) for name in ("add", "mul") for scalar_ in ("", "_scalar")},
    **{f"{name}{scalar_}_relu": _binary(name, True) for name in ("add", "mul") for scalar_ in ("", "_scalar")},
    "cat": _cat,
    "cat_relu": _quantized("cat", relu=True),
    "hardswish": _quantized("hardswish"),
    "sigmoid": _quantized("sigmoid"),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "softmax": _quantized("softmax"),
    "celu": lambda n, input, output_scale, output_zero_point, alpha=1.0: _quantized("celu")(
        n, input, alpha, output_scale, output_zero_point
    ),
    "prelu": prelu,
    "matmul": _quantized("matmul", 2),
    **{f"{name}_norm": _norm(f"{name}_norm") for name in ("layer", "group", "instance")},
    **{f"batch_norm{rank}": _norm("batch_norm") for rank in ("", "1d", "2d")},
    **{f"batch_norm{rank}_relu": _norm("batch_norm", True) for rank in ("", "1d", "2d")},
}
