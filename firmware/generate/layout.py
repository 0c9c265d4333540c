"""Sizes of the kernels' structures on a 32-bit processor, by the procedure call standards of Arm and RISC-V."""

from __future__ import annotations

from qrt.params import STRUCTS

POINTER = 4
# Bytes, and the alignment, of what a structure is made of.
NUMBERS = {"int8_t": 1, "uint8_t": 1, "uint16_t": 2, "int32_t": 4, "uint32_t": 4, "int64_t": 8, "uint64_t": 8}


def layout(ctype: str) -> tuple[int, int]:
    """Size and alignment of a C type, in bytes."""
    if ctype.endswith("*"):
        return POINTER, POINTER
    if ctype in NUMBERS:
        return NUMBERS[ctype], NUMBERS[ctype]
    size, alignment = 0, 1
    for _, member, length in STRUCTS[ctype]:
        of_member, at = layout(member)
        size = -(-size // at) * at + of_member * length
        alignment = max(alignment, at)
    return -(-size // alignment) * alignment, alignment
