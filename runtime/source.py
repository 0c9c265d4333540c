"""What `load` takes, as a path or as bytes."""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO, SupportsBytes, TypeAlias

from qrt.edges import Array

# What `load` takes: the path of a file, its content, or the file, opened in binary mode.
Source: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | Array | BinaryIO | SupportsBytes


def content_of(source: Source, where: str) -> str | os.PathLike[str] | bytes:
    """The path of a file, or its content."""
    if isinstance(source, str | os.PathLike | bytes):
        return source
    if hasattr(source, "read"):
        return _read(source, where)
    if hasattr(source, "__bytes__"):
        return bytes(source)
    try:
        content = memoryview(source)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        content = None
    if content is None or content.itemsize != 1:
        numbers = "" if content is None else f" of numbers of {content.itemsize} bytes"
        raise TypeError(
            "qrt.load takes the path of a .qfb file, its bytes, or a file that is open in binary mode, "
            f"got {type(source).__name__}{numbers}"
        )
    return content.tobytes()


def _read(file: Any, where: str) -> bytes:
    """The rest of an open file."""
    remedy = "give qrt.load its path, or open it with mode 'rb'"
    if isinstance(file, io.TextIOBase):
        raise TypeError(f"{where}the file is open in text mode; {remedy}")
    try:
        content = file.read()
    except ValueError as error:
        raise ValueError(f"{where}the file cannot be read ({error}); {remedy}") from None
    if not isinstance(content, bytes | bytearray):
        raise TypeError(f"{where}read() gives {type(content).__name__}, not bytes; {remedy}")
    return bytes(content)
