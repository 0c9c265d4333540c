"""Translators of PyTorch's reductions, softmax and normalization, for `qrt.compiler.frontends.torch.nodes.ATEN`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.torch.elementwise import larger
from qrt.compiler.frontends.torch.importer import Importer
from qrt.compiler.ir import Tensor

Axes = int | Sequence[int] | None


def _given(x: Tensor, dim: Axes) -> list[int]:
    """The axes as the source gives them; all if it gives none."""
    if dim is None or dim == [] or dim == ():
        return list(range(len(x.shape)))
    return [dim] if isinstance(dim, int) else [int(axis) for axis in dim]


def _reduce(n: Importer, kind: str, x: Tensor, dim: Axes, keepdim: bool, name: str = "", **attrs: Any) -> Tensor:
    axes = tuple(sorted(axis % len(x.shape) for axis in _given(x, dim)))
    kept = [1 if k in axes else length for k, length in enumerate(x.shape)]
    shape = kept if keepdim else [length for k, length in enumerate(x.shape) if k not in axes]
    return n.emit(kind, [x], shape, name, axes=axes, keepdims=bool(keepdim), **attrs)


def mean(n: Importer, input: Tensor, dim: Axes = None, keepdim: bool = False, dtype: Any = None, **rest: Any) -> Tensor:
    # PyTorch calls QNNPACK's mean only if the axes are given as exactly these numbers.
    qnnpack = len(input.shape) == 4 and _given(input, dim) == [2, 3]
    return _reduce(n, "mean", input, dim, keepdim, qnnpack=qnnpack)


def total(
    n: Importer, input: Tensor, dim: Axes = None, keepdim: bool = False, dtype: Any = None, **rest: Any
) -> Tensor:
    return _reduce(n, "sum", input, dim, keepdim)


def extreme(kind: str) -> Callable[..., Any]:
    """amax and amin."""

    def translate(n: Importer, input: Tensor, dim: Axes = None, keepdim: bool = False) -> Tensor:
        return _reduce(n, f"reduce_{kind}", input, dim, keepdim)

    return translate


def either(kind: str) -> Callable[..., Any]:
    """torch.max and torch.min: of all entries, of two tensors, or the values and indices along an axis."""

    def translate(n: Importer, input: Tensor, dim: Any = None, keepdim: bool = False, other: Any = None) -> Any:
        other = dim if isinstance(dim, Tensor) else other
        if other is not None:
            return larger(f"{kind}imum")(n, input, other)
        values = _reduce(n, f"reduce_{kind}", input, dim, keepdim)
        if dim is None:
            return values
        return [values, _position(n, kind, input, dim, keepdim, f"{n.node.name}_indices")]

    return translate


def _position(n: Importer, kind: str, x: Tensor, dim: int, keepdim: bool, name: str) -> Tensor:
    axis = dim % len(x.shape)
    shape = (*x.shape[:axis], *([1] if keepdim else []), *x.shape[axis + 1 :])
    return n.emit(f"arg_{kind}", [x], shape, name, "int64", axis=axis, keepdims=bool(keepdim))


def position(kind: str) -> Callable[..., Any]:
    """argmax and argmin."""

    def translate(n: Importer, input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
        if dim is None:
            input, dim = n.emit("reshape", [input], (1, input.size), f"{n.node.name}_flat"), 1
            return _position(n, kind, input, dim, False, "")
        return _position(n, kind, input, dim, keepdim, "")

    return translate


def along(kind: str) -> Callable[..., Any]:
    """softmax and log_softmax."""

    def translate(n: Importer, input: Tensor, dim: int | None = None, *rest: Any, **more: Any) -> Tensor:
        if dim is None:
            raise Unsupported("states no axis; give dim")
        return n.emit(kind, [input], input.shape, axis=dim % len(input.shape))

    return translate


# Normalization


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
    if more.get("training", len(rest) == 4 and rest[0]) or running_mean is None:
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


def _affine(n: Importer, value: Tensor | None, count: int, otherwise: float) -> np.ndarray:
    given = np.full(count, otherwise) if value is None else n.constant_value(value, "affine part")
    return given.astype(np.float32).reshape(-1)


def _normalized(n: Importer, x: Tensor, gamma: np.ndarray, beta: np.ndarray, eps: float, name: str) -> Tensor:
    parts = [n.constant(gamma, f"{n.node.name}_gamma"), n.constant(beta, f"{n.node.name}_beta")]
    return n.emit("layer_norm", [x, *parts], x.shape, name, epsilon=float(eps))


def layer_norm(
    n: Importer,
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *rest: Any,
    **more: Any,
) -> Tensor:
    count = math.prod(normalized_shape)
    gamma, beta = _affine(n, weight, count, 1.0), _affine(n, bias, count, 0.0)
    if len(normalized_shape) == 1:
        return _normalized(n, input, gamma, beta, eps, "")
    leading = input.shape[: len(input.shape) - len(normalized_shape)]
    rows = n.emit("reshape", [input], (*leading, count), f"{n.node.name}_rows")
    y = _normalized(n, rows, gamma, beta, eps, f"{n.node.name}_normalized")
    return n.emit("reshape", [y], input.shape)


def group_norm(
    n: Importer,
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    *rest: Any,
    **more: Any,
) -> Tensor:
    """layer_norm over each group's entries; groups with another affine part are computed one after another."""
    name, channels = n.node.name, input.shape[1]
    each = input.size // input.shape[0] // num_groups
    repeated = each // (channels // num_groups)
    gamma, beta = (
        np.repeat(_affine(n, value, channels, otherwise), repeated).reshape(num_groups, each)
        for value, otherwise in ((weight, 1.0), (bias, 0.0))
    )
    rows = n.emit("reshape", [input], (input.shape[0], num_groups, each), f"{name}_groups")
    if (gamma == gamma[0]).all() and (beta == beta[0]).all():
        y = _normalized(n, rows, gamma[0], beta[0], eps, f"{name}_normalized")
        return n.emit("reshape", [y], input.shape)
    parts = []
    for group in range(num_groups):
        attrs: dict[str, Any] = {"begin": (0, group, 0), "stride": (1, 1, 1)}
        part = n.emit("slice", [rows], (input.shape[0], 1, each), f"{name}_group", **attrs)
        parts.append(_normalized(n, part, gamma[group], beta[group], eps, f"{name}_normalized"))
    joined = n.emit("concat", parts, rows.shape, f"{name}_joined", axis=1)
    return n.emit("reshape", [joined], input.shape)


def instance_norm(
    n: Importer,
    input: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *rest: Any,
    **more: Any,
) -> Tensor:
    if not use_input_stats:
        assert running_mean is not None and running_var is not None
        return batch_norm(n, input, weight, bias, running_mean, running_var, False, momentum, eps, False)
    return group_norm(n, input, input.shape[1], weight, bias, eps)


def native_group_norm(
    n: Importer,
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> Tensor:
    return group_norm(n, input, group, weight, bias, eps)


REDUCTIONS: dict[str, Callable[..., Any]] = {
    "mean": mean,
    "sum": total,
    "amax": extreme("max"),
    "amin": extreme("min"),
    "max": either("max"),
    "min": either("min"),
    "argmax": position("max"),
    "argmin": position("min"),
    "softmax": along("softmax"),
    "_softmax": along("softmax"),
    "log_softmax": along("log_softmax"),
    "_log_softmax": along("log_softmax"),
    "batch_norm": batch_norm,
    "_native_batch_norm_legit_no_training": batch_norm,
    "layer_norm": layer_norm,
    "native_layer_norm": layer_norm,
    "group_norm": group_norm,
    "native_group_norm": native_group_norm,
    "instance_norm": instance_norm,
}
