"""Translators of PyTorch's layers and matrix products, for `qrt.compiler.frontends.torch.nodes.ATEN`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.torch.importer import Importer
from qrt.compiler.frontends.torch.pools import Sizes
from qrt.compiler.frontends.windows import out, pair
from qrt.compiler.ir import Tensor

RANKS = "only [N, C, H, W] and [N, C, L] are supported"


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
        raise Unsupported(f"convolves a rank-{len(input.shape)} tensor; {RANKS}")
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


def conv_transpose2d(
    n: Importer,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    """`padding` cuts the sides of the full output; `output_padding` cuts less at the bottom and right."""
    if len(input.shape) != 4:
        raise Unsupported(f"convolves a rank-{len(input.shape)} tensor; {RANKS}")
    if input.shape[1] != weight.shape[0]:
        raise Unsupported(f"has {input.shape[1]} input channels and weights for {weight.shape[0]}")
    size, strides, spread = weight.shape[2:4], pair(stride), pair(dilation)
    pads, more = pair(padding), pair(output_padding)
    sides = [side for k in range(2) for side in (pads[k], pads[k] - more[k])]
    spatial = [
        (input.shape[2 + k] - 1) * strides[k] + (size[k] - 1) * spread[k] + 1 - sides[2 * k] - sides[2 * k + 1]
        for k in range(2)
    ]
    return n.emit(
        "transpose_conv2d",
        [input, weight] if bias is None else [input, weight, bias],
        (input.shape[0], weight.shape[1] * groups, *spatial),
        layout="NCHW",
        stride=strides,
        dilation=spread,
        padding=tuple(sides),
        groups=groups,
    )


# 1-D layers: like PyTorch, these convolve an image of height 1.


def _wide(value: Any, other: int) -> Any:
    """A 1-D parameter as a pair for an image of height 1."""
    if isinstance(value, str):
        return value
    return (other, int(value if isinstance(value, int) else value[-1]))


def _along_length(n: Importer, layer: Callable[..., Tensor], x: Tensor, weight: Tensor, *arguments: Any) -> Tensor:
    if len(x.shape) != 3:
        raise Unsupported(f"convolves a rank-{len(x.shape)} tensor; {RANKS}")
    name = n.node.name
    window = n.emit("reshape", [weight], (*weight.shape[:2], 1, weight.shape[2]), f"{name}_filter")
    n.node.name = f"{name}_conv"
    y = layer(n, n.image(x), window, *arguments)
    n.node.name = name
    return n.emit("reshape", [y], (y.shape[0], y.shape[1], y.shape[3]))


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
    window = (_wide(stride, 1), _wide(padding, 0), _wide(dilation, 1))
    return _along_length(n, conv2d, input, weight, bias, *window, groups)


def conv_transpose1d(
    n: Importer,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sizes = 1,
    padding: Sizes = 0,
    output_padding: Sizes = 0,
    groups: int = 1,
    dilation: Sizes = 1,
) -> Tensor:
    window = (_wide(stride, 1), _wide(padding, 0), _wide(output_padding, 0))
    return _along_length(n, conv_transpose2d, input, weight, bias, *window, groups, _wide(dilation, 1))


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
    is_1d = len(input.shape) == 3
    if transposed:
        layer = conv_transpose1d if is_1d else conv_transpose2d
        return layer(n, input, weight, bias, stride, padding, output_padding, groups, dilation)
    return (conv1d if is_1d else conv2d)(n, input, weight, bias, stride, padding, dilation, groups)


# Matrix products


def linear(n: Importer, input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if len(weight.shape) != 2 or input.shape[-1] != weight.shape[1]:
        raise Unsupported(f"multiplies {list(input.shape)} by {list(weight.shape)}, which do not match")
    inputs = [input, weight] if bias is None else [input, weight, bias]
    return n.emit("linear", inputs, (*input.shape[:-1], weight.shape[0]))


def addmm(n: Importer, input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    if beta != 1 or alpha != 1:
        raise Unsupported("has alpha or beta, which are not supported for quantized layers")
    weights = n.emit("transpose", [mat2], mat2.shape[::-1], f"{n.node.name}_weights", permutation=(1, 0))
    return linear(n, mat1, weights, input)


def matmul(n: Importer, input: Tensor, other: Tensor) -> Tensor:
    """[..., M, K] times [..., K, N]; vectors and leading axes as PyTorch broadcasts them."""
    a, b = input, other
    if min(len(a.shape), len(b.shape)) < 2:
        raise Unsupported("multiplies a vector; unsqueeze it to a matrix")
    if a.shape[-1] != b.shape[-2]:
        raise Unsupported(f"multiplies {list(a.shape)} by {list(b.shape)}, which do not match")
    leading = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return n.emit("matmul", [a, b], (*leading, a.shape[-2], b.shape[-1]))


def bmm(n: Importer, input: Tensor, mat2: Tensor) -> Tensor:
    return matmul(n, input, mat2)


def attention(n: Importer, query: Tensor, key: Tensor, value: Tensor, *rest: Any, **more: Any) -> Tensor:
    raise Unsupported(
        "computes attention in float; quantize it with PT2E and QrtQuantizer, which splits attention without a mask "
        "into products and a softmax, or write these in the module"
    )


CONVOLUTIONS: dict[str, Callable[..., Any]] = {
    "conv2d": conv2d,
    "conv1d": conv1d,
    "conv_transpose1d": conv_transpose1d,
    "conv_transpose2d": conv_transpose2d,
    "convolution": convolution,
    "linear": linear,
    "addmm": addmm,
    "matmul": matmul,
    "bmm": bmm,
    "mm": bmm,
    "scaled_dot_product_attention": attention,
}
