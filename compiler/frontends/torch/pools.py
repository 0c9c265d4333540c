"""Translators of PyTorch's pools, for `qrt.compiler.frontends.torch.nodes.ATEN`.

Attributes of average_pool2d in a source graph: `padding` places the windows, `counted` is the part of that padding that
the divisor counts, `divisor` replaces the divisor. What ceil_mode adds after the padding is never counted. `qnnpack`
says whether PyTorch calls QNNPACK for an average of uint8 codes if QNNPACK is the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.torch.importer import Importer
from qrt.compiler.frontends.windows import ceil_out, out, pair
from qrt.compiler.ir import Tensor

Sizes = int | Sequence[int]


def _pool(
    n: Importer,
    kind: str,
    x: Tensor,
    size: Sizes,
    stride: Any,
    padding: Sizes,
    ceil_mode: bool,
    name: str,
    **attrs: Any,
) -> Tensor:
    if len(x.shape) != 4:
        raise Unsupported(f"pools a rank-{len(x.shape)} tensor; only [N, C, H, W] and [N, C, L] are supported")
    filter_size, pads = pair(size), pair(padding)
    strides = filter_size if stride is None or stride == [] else pair(stride)
    spatial, sides = [], []
    for k in range(2):
        arguments = (x.shape[2 + k], filter_size[k], strides[k], pads[k], pads[k])
        count, after = ceil_out(*arguments) if ceil_mode else (out(*arguments[:3], 1, 2 * pads[k]), pads[k])
        spatial.append(count)
        sides += [pads[k], after]
    window: dict[str, Any] = {"filter": filter_size, "stride": strides, "padding": tuple(sides)}
    return n.emit(kind, [x], (*x.shape[:2], *spatial), name, layout="NCHW", **window, **attrs)


def max_pool2d(
    n: Importer,
    input: Tensor,
    kernel_size: Sizes,
    stride: Any = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
    name: str = "",
) -> Tensor:
    if pair(dilation) != (1, 1):
        raise Unsupported("has a dilated window, which is not supported for pooling; use dilation 1")
    if return_indices:
        raise Unsupported("outputs indices, which are not supported; set return_indices to False")
    return _pool(n, "max_pool2d", input, kernel_size, stride, padding, ceil_mode, name)


def avg_pool2d(
    n: Importer,
    input: Tensor,
    kernel_size: Sizes,
    stride: Any = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
    name: str = "",
) -> Tensor:
    y, x = pair(padding) if count_include_pad else (0, 0)
    attrs: dict[str, Any] = {"counted": (y, y, x, x), "qnnpack": not ceil_mode}
    if divisor_override is not None:
        if divisor_override < 1:
            raise Unsupported(f"divides by {divisor_override}; use a positive divisor_override")
        attrs["divisor"] = divisor_override
    return _pool(n, "average_pool2d", input, kernel_size, stride, padding, ceil_mode, name, **attrs)


def adaptive_avg_pool2d(n: Importer, input: Tensor, output_size: Any, name: str = "") -> Tensor:
    wanted = pair(output_size) if isinstance(output_size, int) else tuple(output_size)
    spatial = input.shape[2:4]
    target = tuple(s if w is None else int(w) for s, w in zip(spatial, wanted, strict=True))
    attrs: dict[str, Any] = {"adaptive": True, "qnnpack": True}
    if target == (1, 1):
        return n.emit("mean", [input], (*input.shape[:2], 1, 1), name, axes=(2, 3), keepdims=True, **attrs)
    if any(s % t for s, t in zip(spatial, target, strict=True)):
        raise Unsupported(f"pools {list(spatial)} to {list(target)}, with windows of several sizes; use avg_pool2d")
    size = [s // t for s, t in zip(spatial, target, strict=True)]
    return _pool(n, "average_pool2d", input, size, size, 0, False, name, counted=(0, 0, 0, 0), **attrs)


# 1-D pools: like PyTorch, these pool an image of height 1.


def _along_length(n: Importer, x: Tensor, pool: Callable[..., Tensor], *args: Any, **kwargs: Any) -> Tensor:
    if len(x.shape) != 3:
        raise Unsupported(f"pools a rank-{len(x.shape)} tensor along its length; only [N, C, L] is supported")
    y = pool(n, n.image(x), *args, name=f"{n.node.name}_pooled", **kwargs)
    return n.emit("reshape", [y], (*y.shape[:2], y.shape[3]))


def _wide(size: Sizes, other: int) -> tuple[int, int]:
    return other, pair(size)[1]


def _strides(stride: Any) -> Any:
    return stride if stride is None or stride == [] else _wide(stride, 1)


def max_pool1d(
    n: Importer,
    input: Tensor,
    kernel_size: Sizes,
    stride: Any = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    window = (_wide(kernel_size, 1), _strides(stride), _wide(padding, 0), _wide(dilation, 1))
    return _along_length(n, input, max_pool2d, *window, ceil_mode, return_indices)


def avg_pool1d(
    n: Importer,
    input: Tensor,
    kernel_size: Sizes,
    stride: Any = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    window = (_wide(kernel_size, 1), _strides(stride), _wide(padding, 0))
    return _along_length(n, input, avg_pool2d, *window, ceil_mode, count_include_pad)


def adaptive_avg_pool1d(n: Importer, input: Tensor, output_size: Sizes) -> Tensor:
    return _along_length(n, input, adaptive_avg_pool2d, _wide(output_size, 1))


POOLS: dict[str, Callable[..., Any]] = {
    "max_pool1d": max_pool1d,
    "max_pool2d": max_pool2d,
    "avg_pool1d": avg_pool1d,
    "avg_pool2d": avg_pool2d,
    "adaptive_avg_pool1d": adaptive_avg_pool1d,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
}
