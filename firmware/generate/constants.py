"""Arrays and structures as definitions in C."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrt.compiler.ir import unique_name
from qrt.firmware.generate.layout import NUMBERS, layout
from qrt.firmware.generate.prepared import Value
from qrt.params import STRUCTS

WIDTH = 110
CTYPES = {dtype: ctype for ctype, dtype in NUMBERS.items()}


def number(value: int, ctype: str = "int32_t") -> str:
    """A constant of that type; the lowest number of a type has no constant of its own in C."""
    if ctype == "uint64_t":
        return f"UINT64_C({value})"
    if ctype == "int64_t":
        return f"INT64_C({value})" if value > -(2**63) else f"INT64_C({value + 1}) - 1"
    if ctype == "uint32_t":
        return f"{value}u"
    return str(value) if value > -(2**31) else f"{value + 1} - 1"


def text(value: str) -> str:
    """A string of C: bytes that are not plain ASCII as octal numbers, which no following digit can lengthen."""
    plain = (chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in value.encode())
    return f'"{"".join(plain)}"'


def comment(value: str) -> str:
    """Text of a file as it may stand in a comment."""
    return (
        "".join(c if c.isprintable() and c.isascii() else "?" for c in value).replace("*/", "* /").replace("/*", "/ *")
    )


def wrapped(parts: Iterable[str], indent: str) -> str:
    """Parts with commas between them, in lines that end only between parts."""
    lines = [""]
    for part in parts:
        if lines[-1] and len(indent) + len(lines[-1]) + len(part) + 3 > WIDTH:
            lines.append("")
        lines[-1] += f"{' ' if lines[-1] else ''}{part},"
    return "\n".join(indent + line for line in lines).removesuffix(",")


class Constants:
    """The constant arrays of a source file; equal ones are one."""

    def __init__(self) -> None:
        self.definitions: list[str] = []
        self.size = 0
        self._names: dict[tuple[str, bytes], str] = {}
        self._taken: set[str] = set()

    def array(self, array: NDArray[Any], name: str) -> str:
        """The name of an array with this content; when it is new, `name`, with a number behind it if that is taken."""
        ctype = CTYPES[array.dtype]
        key = (ctype, array.tobytes())
        if key not in self._names:
            # Of an operator with several requantizations, each has a multiplier.
            name = unique_name(name, self._taken)
            self._names[key] = name
            self.size += array.nbytes
            numbers = wrapped((number(value, ctype) for value in array.ravel().tolist()), "    ")
            self.definitions.append(f"static const {ctype} {name}[{array.size}] = {{\n{numbers}}};\n")
        return self._names[key]

    def table(self, ctype: str, name: str, rows: list[str], size: int) -> str:
        """The name of an array of structures with these initializers; `size` are the bytes of one."""
        self.size += size * len(rows)
        self.definitions.append(f"static const {ctype} {name}[{len(rows)}] = {{\n{wrapped(rows, '    ')}}};\n")
        return name

    def structure(self, struct: str, values: dict[str, Value], name: str) -> None:
        """Defines a structure; its arrays before it."""
        # C has no empty initializer.
        members = self._members(struct, values, name) or [f".{STRUCTS[struct][0][0]} = 0"]
        self.size += layout(struct)[0]
        self.definitions.append(f"static const {struct} {name} = {{\n{wrapped(members, '    ')}}};\n")

    def _members(self, struct: str, values: dict[str, Value], name: str) -> list[str]:
        """An initializer of each member that is not zero."""
        result = []
        for member, ctype, _ in STRUCTS[struct]:
            value = values[member]
            if isinstance(value, np.ndarray):
                result.append(f".{member} = {self.array(value, f'{name}_{member}')}")
            elif isinstance(value, dict):
                # Most operators have one requantization.
                inner = self._members(ctype, value, name if member == "requant" else f"{name}_{member}")
                if inner:
                    result.append(f".{member} = {{{', '.join(inner)}}}")
            elif isinstance(value, tuple):
                if any(value):
                    result.append(f".{member} = {{{', '.join(number(v, ctype) for v in value)}}}")
            elif value:
                result.append(f".{member} = {number(value, ctype)}")
        return result
