"""How often a window fits along an axis, as ONNX and PyTorch count it."""

from __future__ import annotations

import math


def out(length: int, size: int, stride: int, dilation: int, pads: int) -> int:
    """Places of a window of `size` entries, `dilation` apart, on `length` entries and `pads` more."""
    return (length + pads - (size - 1) * dilation - 1) // stride + 1


def ceil_out(length: int, size: int, stride: int, before: int, after: int) -> tuple[int, int]:
    """Places of a window that may stick out behind (``ceil_mode``), and the padding behind that makes it fit.

    A window that would begin in the padding behind is left out.
    """
    count = math.ceil((length + before + after - size) / stride) + 1
    if (count - 1) * stride >= length + before:
        count -= 1
    return count, max(after, (count - 1) * stride + size - length - before)
