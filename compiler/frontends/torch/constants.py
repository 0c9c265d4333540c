"""Translators of what PyTorch computes without the input: tensors that forward creates, comparisons, masks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.torch.importer import DTYPES, Importer, constant_array
from qrt.compiler.ir import Tensor
from qrt.compiler.untrusted import too_large

Translator = Callable[..., Any]


def _dtype(dtype: Any, default: str) -> str:
    name: str = default if dtype is None else DTYPES.get(dtype, str(dtype).removeprefix("torch."))
    return name


def _filled(n: Importer, size: Sequence[int], value: Any, dtype: Any) -> Tensor:
    shape = tuple(int(length) for length in size)
    if problems := too_large(n.node.name, shape):
        raise Unsupported(problems[0].reason)
    default = "bool" if isinstance(value, bool) else "int64" if isinstance(value, int) else "float32"
    return n.constant(np.full(shape, value, _dtype(dtype, default)))


def full(n: Importer, size: Sequence[int], fill_value: Any, dtype: Any = None, **rest: Any) -> Tensor:
    return _filled(n, size, fill_value, dtype)


def filled(value: float) -> Translator:
    """ones and zeros."""
    return lambda n, size, dtype=None, **rest: _filled(n, size, value, dtype)


def filled_like(value: float) -> Translator:
    return lambda n, input, dtype=None, **rest: _filled(n, input.shape, value, dtype or input.dtype)


def arange(n: Importer, *limits: Any, dtype: Any = None, **named: Any) -> Tensor:
    start, end, step = (*((0, *limits) if len(limits) == 1 else limits), None, None, None)[:3]
    start, end, step = (named.get(key, given) for key, given in (("start", start), ("end", end), ("step", step)))
    data = np.arange(start or 0, end, step or 1)
    return n.constant(data.astype(_dtype(dtype, "int64" if data.dtype.kind == "i" else "float32")))


def triangle(keep: Callable[[np.ndarray, int], np.ndarray]) -> Translator:
    """tril and triu."""
    return lambda n, input, diagonal=0: n.constant(keep(constant_array(input, "matrix"), diagonal))


def _operand(n: Importer, x: Any) -> np.ndarray:
    if not isinstance(x, Tensor) or (x.data is not None and x.quantization is None):
        return constant_array(x, "operand")
    try:
        return n.constant_value(x, "operand")
    except Unsupported:
        raise Unsupported("compares values that depend on the input; only constants can be compared") from None


def of_constants(compute: Callable[..., Any]) -> Translator:
    """A comparison or a logical function, of constants."""

    def translate(n: Importer, input: Any, *other: Any, **named: Any) -> Tensor:
        return n.constant(compute(*(_operand(n, x) for x in (input, *other, *named.values()))))

    return translate


CONSTANTS: dict[str, Translator] = {
    "full": full,
    "ones": filled(1.0),
    "zeros": filled(0.0),
    "ones_like": filled_like(1.0),
    "zeros_like": filled_like(0.0),
    "arange": arange,
    "tril": triangle(np.tril),
    "triu": triangle(np.triu),
    "eq": of_constants(np.equal),
    "ne": of_constants(np.not_equal),
    "gt": of_constants(np.greater),
    "ge": of_constants(np.greater_equal),
    "lt": of_constants(np.less),
    "le": of_constants(np.less_equal),
    "logical_not": of_constants(np.logical_not),
    "logical_and": of_constants(np.logical_and),
    "logical_or": of_constants(np.logical_or),
    "bitwise_not": of_constants(np.invert),
    "bitwise_and": of_constants(np.bitwise_and),
    "bitwise_or": of_constants(np.bitwise_or),
}
