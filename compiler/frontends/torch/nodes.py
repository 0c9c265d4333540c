"""Translators of PyTorch's (ATen's) operators, with its names and order of arguments; `ATEN` lists them.

Each is called ``(importer, *args, **kwargs)`` with what the source passes; ``self`` is called ``input``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.torch.convolutions import CONVOLUTIONS
from qrt.compiler.frontends.torch.elementwise import ELEMENTWISE
from qrt.compiler.frontends.torch.importer import Importer, constant_array, quantization
from qrt.compiler.frontends.torch.indexing import INDEXING
from qrt.compiler.frontends.torch.movement import MOVEMENT
from qrt.compiler.frontends.torch.pools import POOLS
from qrt.compiler.frontends.torch.reductions import REDUCTIONS
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


# Others


def _same(n: Importer, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    return input


def _size(n: Importer, input: Tensor, dim: int | None = None) -> Any:
    return input.shape if dim is None else input.shape[dim]


def _nothing(n: Importer, *args: Any, **kwargs: Any) -> None:
    return None


def refusal(reason: str) -> Translator:
    """Operators that no network of qrt has, with the reason."""

    def translate(n: Importer, *args: Any, **kwargs: Any) -> Any:
        raise Unsupported(reason)

    return translate


THREE_D = "works on volumes; only images [N, C, H, W] and sequences [N, C, L] are supported"
RECURRENT = "is recurrent; networks of qrt have no state. Unroll it, or use convolutions"
SORTED = "sorts or sums up along an axis, which has no operator in qrt; compute it after the network"
LOOKED_UP = "looks up a table by integers; do this before the network, and give it the vectors"
ATTENDED = "is attention in float; quantize it with PT2E and QrtQuantizer, which splits it into products and a softmax"
REFUSED: dict[str, Translator] = {
    **dict.fromkeys(("conv3d", "conv_transpose3d", "convtranspose3d"), refusal(THREE_D)),
    **dict.fromkeys(("max_pool3d", "max_pool3d_with_indices", "maxpool3d"), refusal(THREE_D)),
    **dict.fromkeys(("avg_pool3d", "avgpool3d", "adaptive_avg_pool3d", "adaptive_max_pool3d"), refusal(THREE_D)),
    **dict.fromkeys(("upsample_nearest3d", "upsample_trilinear3d", "batchnorm3d"), refusal(THREE_D)),
    **dict.fromkeys(("reflection_pad3d", "replication_pad3d"), refusal(THREE_D)),
    **dict.fromkeys(("lstm", "gru", "rnn", "rnn_tanh", "rnn_relu"), refusal(RECURRENT)),
    **dict.fromkeys(("lstmcell", "grucell", "rnncell"), refusal(RECURRENT)),
    **dict.fromkeys(("topk", "sort", "argsort", "cumsum", "cumprod", "kthvalue", "median"), refusal(SORTED)),
    **dict.fromkeys(("embedding", "embedding_bag", "embeddingbag"), refusal(LOOKED_UP)),
    **dict.fromkeys(("multiheadattention", "multi_head_attention_forward"), refusal(ATTENDED)),
}
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
    **REFUSED,
}
