"""Sizes of the kernels' structures on a 32-bit processor, by the procedure call standards of Arm and RISC-V."""

from __future__ import annotations

from typing import Any

import numpy as np

from qrt.params import STRUCTS

POINTER = 4
# The numbers that structures and arrays are made of; each is aligned to its own size.
NUMBERS: dict[str, np.dtype[Any]] = {
    f"{name}_t": np.dtype(name) for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
}


def layout(ctype: str) -> tuple[int, int]:
    """Size and alignment of a C type, in bytes."""
    if ctype.endswith("*"):
        return POINTER, POINTER
    if ctype in NUMBERS:
        return NUMBERS[ctype].itemsize, NUMBERS[ctype].itemsize
    size, alignment = 0, 1
    for _, member, length in STRUCTS[ctype]:
        of_member, at = layout(member)
        size = -(-size // at) * at + of_member * length
        alignment = max(alignment, at)
    return -(-size // alignment) * alignment, alignment
