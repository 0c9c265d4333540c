"""Translators of PyTorch's pools, for `qrt.compiler.frontends.torch.nodes.ATEN`.

Attributes of average_pool2d in a source graph: `padding` places the windows, `counted` is the part of that padding that
the divisor counts, `divisor` replaces the divisor. What ceil_mode adds after the padding is never counted. `qnnpack`
says whether PyTorch calls QNNPACK for an average of uint8 codes if QNNPACK is the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.torch.importer import Importer
from qrt.compiler.frontends.torch.indexing import narrow
from qrt.compiler.frontends.windows import ceil_out, out, pair
from qrt.compiler.ir import Tensor

Sizes = int | Sequence[int]
INDICES = "outputs indices, which are not supported; set return_indices to False"


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
        raise Unsupported(INDICES)
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


# Adaptive pools: windows of equal size and distance are one pool of a slice.


class Run(NamedTuple):
    """Adjacent windows along an axis: `windows` of `size` entries, `stride` apart, from entry `first`."""

    first: int
    size: int
    stride: int
    windows: int


def _runs(length: int, out: int) -> list[Run]:
    runs: list[Run] = []
    for k in range(out):
        first, size = k * length // out, -(-(k + 1) * length // out) - k * length // out
        last = runs[-1] if runs else None
        if last is not None and last.size == size:
            step = first - last.first - (last.windows - 1) * last.stride
            if last.windows == 1 or step == last.stride:
                runs[-1] = Run(last.first, size, step, last.windows + 1)
                continue
        runs.append(Run(first, size, 1, 1))
    return runs


def _target(x: Tensor, output_size: Any) -> tuple[int, int]:
    if len(x.shape) != 4:
        raise Unsupported(f"pools a rank-{len(x.shape)} tensor; only [N, C, H, W] and [N, C, L] are supported")
    wanted = pair(output_size) if isinstance(output_size, int) else tuple(output_size)
    height, width = (s if w is None else int(w) for s, w in zip(x.shape[2:4], wanted, strict=True))
    return height, width


def _adaptive(n: Importer, kind: str, x: Tensor, target: tuple[int, int], name: str, **attrs: Any) -> Tensor:
    called = name or n.node.name
    rows, columns = (_runs(length, out) for length, out in zip(x.shape[2:4], target, strict=True))
    only = len(rows) * len(columns) == 1
    bands = []
    for row in rows:
        pools = []
        for column in columns:
            part = _window_of(n, x, row, column)
            place = name if only else f"{called}_part"
            size, stride = (row.size, column.size), (row.stride, column.stride)
            pools.append(_pool(n, kind, part, size, stride, 0, False, place, **attrs))
        bands.append(_joined(n, pools, 3, name if len(rows) == 1 else f"{called}_row"))
    return _joined(n, bands, 2, name)


def _window_of(n: Importer, x: Tensor, row: Run, column: Run) -> Tensor:
    for axis, run in ((2, row), (3, column)):
        x = narrow(n, x, axis, run.first, (run.windows - 1) * run.stride + run.size, f"{n.node.name}_slice")
    return x


def _joined(n: Importer, parts: list[Tensor], axis: int, name: str) -> Tensor:
    if len(parts) == 1:
        return parts[0]
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    return n.emit("concat", parts, shape, name, axis=axis)


def adaptive_avg_pool2d(n: Importer, input: Tensor, output_size: Any, name: str = "") -> Tensor:
    target = _target(input, output_size)
    # QNNPACK has windows of one size only.
    divisible = not any(length % out for length, out in zip(input.shape[2:4], target, strict=True))
    attrs: dict[str, Any] = {"adaptive": True, "qnnpack": divisible}
    if target == (1, 1):
        return n.emit("mean", [input], (*input.shape[:2], 1, 1), name, axes=(2, 3), keepdims=True, **attrs)
    return _adaptive(n, "average_pool2d", input, target, name, counted=(0, 0, 0, 0), **attrs)


def adaptive_max_pool2d(
    n: Importer, input: Tensor, output_size: Any, return_indices: bool = False, name: str = ""
) -> Tensor:
    if return_indices:
        raise Unsupported(INDICES)
    return _adaptive(n, "max_pool2d", input, _target(input, output_size), name)


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


def adaptive_max_pool1d(n: Importer, input: Tensor, output_size: Sizes, return_indices: bool = False) -> Tensor:
    return _along_length(n, input, adaptive_max_pool2d, _wide(output_size, 1), return_indices)


POOLS: dict[str, Callable[..., Any]] = {
    "max_pool1d": max_pool1d,
    "max_pool2d": max_pool2d,
    "avg_pool1d": avg_pool1d,
    "avg_pool2d": avg_pool2d,
    "adaptive_avg_pool1d": adaptive_avg_pool1d,
    "adaptive_avg_pool2d": adaptive_avg_pool2d,
    "_adaptive_avg_pool2d": adaptive_avg_pool2d,
    "adaptive_max_pool1d": adaptive_max_pool1d,
    "adaptive_max_pool2d": adaptive_max_pool2d,
    "max_pool2d_with_indices": max_pool2d,
}
