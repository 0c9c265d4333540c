"""What a .qfb file states of its own size, to tell a file that was cut off from one that breaks a rule."""

from __future__ import annotations

import struct


def size_fault(content: bytes, rule: int | None) -> str:
    """What is wrong with the size of content that is refused for a rule of SPEC.md; "" if nothing."""
    size = len(content)
    if size == 0:
        return "is empty; compile a model with 'qrt compile'"
    if rule is None:
        return ""
    stated = _stated(content)
    remedy = "copy it again, or compile it again"
    if stated is None:
        return f"is truncated: it has only {size:,} bytes; {remedy}" if rule == 1 else ""
    if size == stated:
        return ""
    fault = "is truncated" if size < stated else "goes on behind its end"
    return f"{fault}: it has {size:,} bytes and states {stated:,}; {remedy}"


def _stated(content: bytes) -> int | None:
    """The size in the seal (SPEC.md, section 4), which need not be right; None if the content ends before that."""
    try:
        (model,) = struct.unpack_from("<I", content)
        (vtable,) = struct.unpack_from("<i", content, model)
        (seal,) = struct.unpack_from("<H", content, model - vtable + 6)
        return int(struct.unpack_from("<I", content, model + seal)[0]) if seal else None
    except struct.error:
        return None
