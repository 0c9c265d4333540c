"""The number of positions of a window along an axis, as ONNX and PyTorch define it."""

from __future__ import annotations

from collections.abc import Sequence

from qrt.compiler.frontends.importer import Unsupported


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """A size as (height, width); a single number stands for both."""
    if isinstance(value, int):
        return value, value
    return (int(value[0]), int(value[0])) if len(value) == 1 else (int(value[0]), int(value[1]))


def out(length: int, size: int, stride: int, dilation: int, pads: int) -> int:
    """Positions of a window of `size` entries, `dilation` apart, along `length` entries plus `pads`."""
    span = (size - 1) * dilation + 1
    if length + pads < span:
        raise Unsupported(f"has a window of {span} entries for {length + pads} with padding; increase the padding")
    return (length + pads - span) // stride + 1


def ceil_out(length: int, size: int, stride: int, before: int, after: int) -> tuple[int, int]:
    """Positions of a window that may exceed the end (``ceil_mode``), and the padding at the end that makes it fit.

    A window that would begin in the padding at the end is omitted.
    """
    count = out(length, size, stride, 1, before + after + stride - 1)
    if (count - 1) * stride >= length + before:
        count -= 1
    return count, max(after, (count - 1) * stride + size - length - before)
