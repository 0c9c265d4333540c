"""Converts codes between engines: qrt uses int8 and NHWC, others may use uint8, floats, or NCHW."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import qrt

Array = np.ndarray[Any, Any]
TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


def given(codes: Array, info: qrt.TensorInfo, shape: Sequence[int], dtype: Any) -> Array:
    """qrt's codes of an input, converted to an engine's shape and dtype."""
    turned = _turned(codes, tuple(shape), TO_NCHW)
    dtype = np.dtype(dtype)
    if dtype == np.uint8:
        return np.ascontiguousarray(turned.view(np.uint8) ^ np.uint8(128))
    if dtype.kind == "f":
        return np.ascontiguousarray(info.dequantize(turned).astype(dtype))
    return np.ascontiguousarray(turned)


def codes_of(array: Array, info: qrt.TensorInfo) -> Array:
    """An engine's output, converted to qrt's codes."""
    turned = _turned(np.asarray(array), info.shape, TO_NHWC)
    if turned.dtype == np.uint8:
        return (turned ^ np.uint8(128)).view(np.int8)
    if turned.dtype.kind == "f":
        real = turned.astype(np.float64)
        if info.scales:
            return np.rint(real / np.asarray(info.scales)).astype(np.int64)
        return np.clip(np.rint(real / info.scale) + info.zero_point, -128, 127).astype(np.int8)
    return turned


def _turned(array: Array, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    """`array` in this shape: unchanged, with axes permuted, or with axes of length 1 added or removed."""
    if array.shape == shape:
        return array
    if array.ndim == 4 and array.transpose(axes).shape == shape:
        return array.transpose(axes)
    return array.reshape(shape)
