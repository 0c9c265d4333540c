"""Source entries and bilinear weights of resize2d, as TensorFlow Lite's kernels compute them."""

from __future__ import annotations

import numpy as np

# Weights of bilinear interpolation are in units of 1 / ONE.
ONE = 1024
# Entries that the format's 16-bit indices can number.
MOST_ENTRIES = 2**16


def nearest(size: int, out_size: int, align_corners: bool, half_pixel: bool) -> np.ndarray:
    """The source entry of each result, computed in float32 like the engines."""
    f = np.float32
    scale = f(size - 1) / f(out_size - 1) if align_corners and out_size > 1 else f(size) / f(out_size)
    places = (np.arange(out_size, dtype=np.float32) + f(0.5 if half_pixel else 0)) * scale
    rounded = np.floor(places + f(0.5)) if align_corners else np.floor(places)
    result: np.ndarray = np.clip(rounded, 0, size - 1).astype(np.uint16)
    return result


def bilinear(size: int, out_size: int, align_corners: bool, half_pixel: bool) -> tuple[np.ndarray, np.ndarray]:
    """The entry before each result and the weight of the entry after it, in units of 2^-10."""
    if align_corners and out_size > 1:
        step = (ONE * (size - 1) + (out_size - 1) // 2) // (out_size - 1)
    else:
        step = (ONE * size + out_size // 2) // out_size
    places = np.arange(out_size) * step + (step // 2 - ONE // 2 if half_pixel else 0)
    first = np.clip(places // ONE, 0, size - 1)
    weight = np.where((places > 0) & (first < size - 1), places - first * ONE, 0)
    return first.astype(np.uint16), weight.astype(np.uint16)
