"""Translators of PyTorch's (ATen's) operators, with its names and order of arguments; `ATEN` lists them.

Each is called ``(importer, *args, **kwargs)`` with what the source passes; ``self`` is called ``input``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.torch.constants import CONSTANTS
from qrt.compiler.frontends.torch.convolutions import CONVOLUTIONS
from qrt.compiler.frontends.torch.elementwise import ELEMENTWISE
from qrt.compiler.frontends.torch.importer import DTYPES, Importer, constant_array, quantization
from qrt.compiler.frontends.torch.indexing import INDEXING
from qrt.compiler.frontends.torch.movement import MOVEMENT
from qrt.compiler.frontends.torch.pools import POOLS
from qrt.compiler.frontends.torch.reductions import REDUCTIONS
from qrt.compiler.ir import Tensor

Translator = Callable[..., Any]


# Quantize and dequantize


def _dtype(dtype: Any) -> str:
    name = DTYPES.get(dtype, str(dtype).removeprefix("torch.").replace("quint", "uint").replace("qint", "int"))
    if name not in ("int8", "uint8", "int16", "int32"):
        raise Unsupported(f"quantizes to {name}; only int8, uint8 and int16 are supported")
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
        raise Unsupported("quantizes an activation to int32; only int8, uint8 and int16 are supported")
    return n.quantize(input, quantization(scale, zero_point), name, low, high)


def _note_four_bits(n: Importer, codes: Tensor, quant_min: int, quant_max: int) -> None:
    """PyTorch has constants of 4 bits as int8 whose limits say so."""
    n.graph.int4 |= codes.data is not None and quant_max - quant_min < 16


def dequantize_per_tensor(
    n: Importer, input: Tensor, scale: Any, zero_point: Any, quant_min: int, quant_max: int, dtype: Any, **rest: Any
) -> Tensor:
    _note_four_bits(n, input, quant_min, quant_max)
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
    n: Importer,
    input: Tensor,
    scales: Any,
    zero_points: Any,
    axis: int,
    quant_min: int,
    quant_max: int,
    *rest: Any,
    **more: Any,
) -> Tensor:
    _note_four_bits(n, input, quant_min, quant_max)
    zeros = np.zeros(1) if zero_points is None else constant_array(zero_points, "zero point")
    return n.dequantize(
        input, quantization(constant_array(scales, "scale"), zeros, axis % len(input.shape)), n.node.name
    )


# Others


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
    **CONVOLUTIONS,
    **POOLS,
    **REDUCTIONS,
    **ELEMENTWISE,
    **MOVEMENT,
    **INDEXING,
    **CONSTANTS,
    "contiguous": _same,
    "clone": _same,
    "alias": _same,
    "detach": _same,
    "dropout": _same,
    "dropout1d": _same,
    "dropout2d": _same,
    "alpha_dropout": _same,
    "feature_dropout": _same,
    "lift_fresh_copy": _same,
    "size": _size,
    "sym_size": _size,
    "_assert_tensor_metadata": _nothing,
}
