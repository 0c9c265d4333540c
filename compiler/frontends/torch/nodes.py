"""Translators of PyTorch's (ATen's) operators, with its names and order of arguments; `ATEN` lists them.

Each is called ``(importer, *args, **kwargs)`` with what the source passes; ``self`` is called ``input``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.torch.importer import Importer, quantization
from qrt.compiler.frontends.torch.pools import POOLS, Sizes
from qrt.compiler.frontends.windows import out, pair
from qrt.compiler.ir import Tensor

Translator = Callable[..., Any]
# Numbers of element types in PyTorch's files (torch.export) -> numpy's names.
DTYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    12: "bool",
}


def constant_array(value: Any, what: str) -> np.ndarray:
    if isinstance(value, Tensor):
        if value.data is None:
            raise Unsupported(f"its {what} is not constant")
        return value.data
    return np.asarray(value)


# Quantize and dequantize


def _dtype(dtype: Any) -> str:
    name = DTYPES.get(dtype, str(dtype).removeprefix("torch.").replace("quint", "uint").replace("qint", "int"))
    if name not in ("int8", "uint8", "int32"):
        raise Unsupported(f"quantizes to {name}; only int8 and uint8 are supported")
    return name


def _quantized_constant(
    n: Importer, x: Tensor, scale: Any, zero_point: Any, axis: int | None, low: int, high: int, dtype: str
) -> Tensor:
    """Codes of a constant as PyTorch computes them: in float32, times the reciprocal, rounded half to even."""
    known = quantization(scale, zero_point, axis)
    shape = [1] * len(x.shape)
    if axis is not None:
        shape[axis] = -1
    assert x.data is not None
    inverse = (1.0 / np.asarray(known.scale, np.float64)).astype(np.float32).reshape(shape)
    codes = np.rint(x.data.astype(np.float32) * inverse) + known.zero_point.reshape(shape)
    return n.constant(np.clip(codes, low, high).astype(dtype), f"{x.name}_codes", known)


def quantize_per_tensor(
    n: Importer,
    input: Tensor,
    scale: Any,
    zero_point: Any,
    quant_min: Any = None,
    quant_max: Any = None,
    dtype: Any = None,
) -> Tensor:
    if dtype is None:  # torch.quantize_per_tensor(input, scale, zero_point, dtype)
        dtype, quant_min = quant_min, None
    name = _dtype(dtype)
    limits = np.iinfo(name)
    low = int(limits.min if quant_min is None else quant_min)
    high = int(limits.max if quant_max is None else quant_max)
    scale, zero_point = constant_array(scale, "scale"), constant_array(zero_point, "zero point")
    if input.data is not None:
        return _quantized_constant(n, input, scale, zero_point, None, low, high, name)
    if name == "int32":
        raise Unsupported("quantizes an activation to int32; only int8 and uint8 are supported")
    return n.quantize(input, quantization(scale, zero_point), name, low, high)


def dequantize_per_tensor(
    n: Importer, input: Tensor, scale: Any, zero_point: Any, quant_min: int, quant_max: int, dtype: Any, **rest: Any
) -> Tensor:
    return n.dequantize(
        input, quantization(constant_array(scale, "scale"), constant_array(zero_point, "zero point")), n.node.name
    )


def quantize_per_channel(
    n: Importer, input: Tensor, scales: Any, zero_points: Any, axis: int, quant_min: int, quant_max: int, dtype: Any
) -> Tensor:
    if input.data is None:
        raise Unsupported("quantizes an activation per channel; quantize activations per tensor")
    arrays = constant_array(scales, "scale"), constant_array(zero_points, "zero point")
    return _quantized_constant(n, input, *arrays, axis % len(input.shape), quant_min, quant_max, _dtype(dtype))


def dequantize_per_channel(
    n: Importer, input: Tensor, scales: Any, zero_points: Any, axis: int, *limits: Any, **rest: Any
) -> Tensor:
    zeros = np.zeros(1) if zero_points is None else constant_array(zero_points, "zero point")
    return n.dequantize(
        input, quantization(constant_array(scales, "scale"), zeros, axis % len(input.shape)), n.node.name
    )


# Convolutions


def _sides(
    padding: Any, size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> tuple[int, int, int, int]:
    if padding == "valid":
        return 0, 0, 0, 0
    if padding == "same":
        totals = [d * (s - 1) for s, d in zip(size, dilation, strict=True)]
        return totals[0] // 2, totals[0] - totals[0] // 2, totals[1] // 2, totals[1] - totals[1] // 2
    y, x = pair(padding)
    return y, y, x, x


def conv2d(
    n: Importer,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Any = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    if len(input.shape) != 4:
        raise Unsupported(f"convolves a rank-{len(input.shape)} tensor; only [N, C, H, W] and [N, C, L] are supported")
    size, strides, spread = weight.shape[2:4], pair(stride), pair(dilation)
    sides = _sides(padding, size, strides, spread)
    if input.shape[1] != weight.shape[1] * groups:
        raise Unsupported(f"has {input.shape[1]} input channels and weights for {weight.shape[1] * groups}")
    spatial = [
        out(input.shape[2 + k], size[k], strides[k], spread[k], sides[2 * k] + sides[2 * k + 1]) for k in range(2)
    ]
    return n.emit(
        "conv2d",
        [input, weight] if bias is None else [input, weight, bias],
        (input.shape[0], weight.shape[0], *spatial),
        layout="NCHW",
        stride=strides,
        dilation=spread,
        padding=sides,
        groups=groups,
    )


def _wide(value: Any, other: int) -> Any:
    """A 1-D parameter as a pair for an image of height 1."""
    if isinstance(value, str):
        return value
    return (other, value if isinstance(value, int) else int(value[0]))


def conv1d(
    n: Importer,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Any = 0,
    dilation: Sizes = 1,
    groups: int = 1,
) -> Tensor:
    if len(input.shape) != 3:
        raise Unsupported(f"convolves a rank-{len(input.shape)} tensor; only [N, C, H, W] and [N, C, L] are supported")
    name = n.node.name
    window = n.emit("reshape", [weight], (*weight.shape[:2], 1, weight.shape[2]), f"{name}_filter")
    n.node.name = f"{name}_conv"
    y = conv2d(n, n.image(input), window, bias, _wide(stride, 1), _wide(padding, 0), _wide(dilation, 1), groups)
    n.node.name = name
    return n.emit("reshape", [y], (y.shape[0], y.shape[1], y.shape[3]))


def convolution(
    n: Importer,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    transposed: bool,
    output_padding: Sizes,
    groups: int,
) -> Tensor:
    if transposed:
        raise Unsupported("is a transposed convolution, which is supported for .tflite files only")
    layer = conv1d if len(input.shape) == 3 else conv2d
    return layer(n, input, weight, bias, stride, padding, dilation, groups)


def mean(n: Importer, input: Tensor, dim: Any = None, keepdim: bool = False, dtype: Any = None, **rest: Any) -> Tensor:
    rank = len(input.shape)
    given = range(rank) if dim is None else [dim] if isinstance(dim, int) else dim
    axes = tuple(sorted(axis % rank for axis in given))
    kept = [1 if k in axes else length for k, length in enumerate(input.shape)]
    shape = kept if keepdim else [length for k, length in enumerate(input.shape) if k not in axes]
    # PyTorch calls QNNPACK's mean only if the axes are given as exactly these numbers.
    qnnpack = rank == 4 and list(given) == [2, 3]
    return n.emit("mean", [input], shape, axes=axes, keepdims=keepdim, qnnpack=qnnpack)


def linear(n: Importer, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if len(weight.shape) != 2 or input.shape[-1] != weight.shape[1]:
        raise Unsupported(f"multiplies {list(input.shape)} by {list(weight.shape)}, which do not match")
    inputs = [input, weight] if bias is None else [input, weight, bias]
    return n.emit("linear", inputs, (*input.shape[:-1], weight.shape[0]))


def addmm(n: Importer, input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    if beta != 1 or alpha != 1:
        raise Unsupported("has alpha or beta, which are not supported for quantized layers")
    return linear(n, mat1, permute(n, mat2, (1, 0), f"{n.node.name}_weights"), input)


# Elementwise


def _unary(kind: str) -> Translator:
    return lambda n, input, **rest: n.emit(kind, [input], input.shape)


def _binary(kind: str) -> Translator:
    def translate(n: Importer, input: Any, other: Any, alpha: float = 1, **rest: Any) -> Tensor:
        if alpha != 1 or rest.get("rounding_mode") is not None:
            raise Unsupported("has alpha or a rounding mode, which are not supported")
        a, b = n.value(input), n.value(other)
        return n.emit(kind, [a, b], np.broadcast_shapes(a.shape, b.shape))

    return translate


def clamp(n: Importer, input: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
    bounds: dict[str, Any] = {name: float(bound) for name, bound in (("min", min), ("max", max)) if bound is not None}
    return n.emit("clip", [input], input.shape, **bounds)


def hardtanh(n: Importer, input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    return clamp(n, input, min_val, max_val)


def relu6(n: Importer, input: Tensor, inplace: bool = False) -> Tensor:
    return clamp(n, input, 0.0, 6.0)


def hardsigmoid(n: Importer, input: Tensor, inplace: bool = False) -> Tensor:
    return n.emit("hard_sigmoid", [input], input.shape, alpha=1 / 6, beta=0.5, form="PYTORCH")


def hardswish(n: Importer, input: Tensor, inplace: bool = False) -> Tensor:
    return n.emit("hard_swish", [input], input.shape, form="PYTORCH")


def leaky_relu(n: Importer, input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    return n.emit("leaky_relu", [input], input.shape, alpha=float(negative_slope))


def elu(n: Importer, input: Tensor, alpha: float = 1.0, *scales: float, **rest: Any) -> Tensor:
    if any(scale != 1 for scale in (*scales, rest.get("scale", 1), rest.get("input_scale", 1))):
        raise Unsupported("scales its input or output (SELU, CELU), which is not supported")
    return n.emit("elu", [input], input.shape, alpha=float(alpha))


def gelu(n: Importer, input: Tensor, approximate: str = "none") -> Tensor:
    return n.emit("gelu", [input], input.shape, approximate=approximate)


def softmax(n: Importer, input: Tensor, dim: int, *rest: Any, **more: Any) -> Tensor:
    return n.emit("softmax", [input], input.shape, axis=dim % len(input.shape))


def batch_norm(
    n: Importer,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor,
    running_var: Tensor,
    *rest: Any,
    **more: Any,
) -> Tensor:
    # (training, momentum, eps, ...) or, in a variant without training, (momentum, eps).
    epsilon = more.get("eps", rest[-2] if len(rest) == 4 else rest[-1] if rest else 1e-5)
    if more.get("training", len(rest) == 4 and rest[0]):
        raise Unsupported("normalizes by batch statistics; call eval() before exporting")
    count = input.shape[1]
    inputs = [
        input,
        weight or n.constant(np.ones(count, np.float32)),
        bias or n.constant(np.zeros(count, np.float32)),
        running_mean,
        running_var,
    ]
    return n.emit("batch_norm", inputs, input.shape, epsilon=float(epsilon), layout="NCHW")


# Data movement


def view(n: Importer, input: Tensor, size: Any, *more: int) -> Tensor:
    target = [int(s) for s in ((size, *more) if isinstance(size, int) else size)]
    if -1 in target:
        target[target.index(-1)] = input.size // math.prod(s for s in target if s != -1)
    if math.prod(target) != input.size:
        raise Unsupported(f"reshapes {list(input.shape)} to {target}; if the batch is fixed, export with batch 1")
    return n.emit("reshape", [input], target)


def flatten(n: Importer, input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    rank = len(input.shape)
    start, end = start_dim % rank, end_dim % rank
    joined = math.prod(input.shape[start : end + 1])
    return n.emit("reshape", [input], (*input.shape[:start], joined, *input.shape[end + 1 :]))


def squeeze(n: Importer, input: Tensor, dim: Any = None) -> Tensor:
    rank = len(input.shape)
    given = range(rank) if dim is None else [dim] if isinstance(dim, int) else dim
    dropped = {axis % rank for axis in given}
    return n.emit("reshape", [input], [s for k, s in enumerate(input.shape) if not (k in dropped and s == 1)])


def unsqueeze(n: Importer, input: Tensor, dim: int) -> Tensor:
    place = dim % (len(input.shape) + 1)
    return n.emit("reshape", [input], (*input.shape[:place], 1, *input.shape[place:]))


def permute(n: Importer, input: Tensor, dims: Any, *more: Any) -> Tensor:
    name = more[0] if more and isinstance(more[0], str) else ""
    given = (dims, *more) if isinstance(dims, int) else dims
    order = tuple(int(axis) % len(input.shape) for axis in given)
    return n.emit("transpose", [input], [input.shape[k] for k in order], name, permutation=order)


def transpose(n: Importer, input: Tensor, dim0: int = 0, dim1: int = 1) -> Tensor:
    order = list(range(len(input.shape)))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return permute(n, input, order)


def cat(n: Importer, tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    axis = dim % len(tensors[0].shape)
    shape = list(tensors[0].shape)
    shape[axis] = sum(tensor.shape[axis] for tensor in tensors)
    return n.emit("concat", list(tensors), shape, axis=axis)


def pad(n: Importer, input: Tensor, pad: Sequence[int], mode: Any = "constant", value: float | None = None) -> Tensor:
    if not isinstance(mode, str):  # constant_pad_nd(input, pad, value)
        mode, value = "constant", mode
    if mode != "constant":
        raise Unsupported(f"has padding mode {mode}; only constant padding is supported")
    rank = len(input.shape)
    before, after = [0] * rank, [0] * rank
    for k in range(len(pad) // 2):
        before[rank - 1 - k], after[rank - 1 - k] = pad[2 * k], pad[2 * k + 1]
    if min(before + after) < 0:
        raise Unsupported("has negative padding; slice instead")
    shape = [b + s + a for b, s, a in zip(before, input.shape, after, strict=True)]
    attrs: dict[str, Any] = {"before": tuple(before), "after": tuple(after), "value": float(value or 0.0)}
    return n.emit("pad", [input], shape, **attrs)


def _same(n: Importer, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return input


def _size(n: Importer, input: Tensor, dim: int | None = None) -> Any:
    return input.shape if dim is None else input.shape[dim]


def _nothing(n: Importer, *args: Any, **kwargs: Any) -> None:
    return None


ATEN: dict[str, Translator] = {
    "quantize_per_tensor": quantize_per_tensor,
    "dequantize_per_tensor": dequantize_per_tensor,
    "quantize_per_channel": quantize_per_channel,
    "dequantize_per_channel": dequantize_per_channel,
    "conv2d": conv2d,
    "conv1d": conv1d,
    "convolution": convolution,
    **POOLS,
    "mean": mean,
    "linear": linear,
    "addmm": addmm,
    "add": _binary("add"),
    "sub": _binary("sub"),
    "mul": _binary("mul"),
    "div": _binary("div"),
    "pow": _binary("pow"),
    "relu": _unary("relu"),
    "relu6": relu6,
    "hardtanh": hardtanh,
    "clamp": clamp,
    "sigmoid": _unary("sigmoid"),
    "tanh": _unary("tanh"),
    "hardsigmoid": hardsigmoid,
    "hardswish": hardswish,
    "silu": _unary("silu"),
    "leaky_relu": leaky_relu,
    "elu": elu,
    "gelu": gelu,
    "exp": _unary("exp"),
    "log": _unary("log"),
    "sqrt": _unary("sqrt"),
    "neg": _unary("neg"),
    "abs": _unary("abs"),
    "reciprocal": _unary("reciprocal"),
    "softplus": _unary("softplus"),
    "erf": _unary("erf"),
    "softmax": softmax,
    "_softmax": softmax,
    "batch_norm": batch_norm,
    "_native_batch_norm_legit_no_training": batch_norm,
    "view": view,
    "reshape": lambda n, input, shape, *more: view(n, input, shape, *more),
    "_unsafe_view": view,
    "flatten": flatten,
    "squeeze": squeeze,
    "unsqueeze": unsqueeze,
    "permute": permute,
    "transpose": transpose,
    "t": transpose,
    "cat": cat,
    "concat": cat,
    "pad": pad,
    "constant_pad_nd": pad,
    "contiguous": _same,
    "clone": _same,
    "alias": _same,
    "detach": _same,
    "dropout": _same,
    "feature_dropout": _same,
    "lift_fresh_copy": _same,
    "size": _size,
    "sym_size": _size,
    "_assert_tensor_metadata": _nothing,
}
