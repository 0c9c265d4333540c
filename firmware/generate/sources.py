"""The C of the kernels that a generated library takes: a kernel's file, and the headers that it includes."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path

import qrt

# Paths in a generated library are relative to its src/, as they are to this folder.
KERNELS = Path(qrt.__file__).parent / "kernels"


@functools.cache
def _defined() -> dict[str, Path]:
    """The file that defines each kernel."""
    result = {}
    for path in sorted(KERNELS.glob("portable/*.c")):
        for name in re.findall(r"^void (qrt_\w+)\([^;]*\{$", path.read_text(encoding="utf-8"), re.MULTILINE):
            result[name] = path
    return result


def _included(path: Path) -> list[Path]:
    """The headers of the project that a file includes."""
    names = re.findall(r'^#include "(.+)"', path.read_text(encoding="utf-8"), re.MULTILINE)
    return [KERNELS / name for name in names]


def closure(functions: Iterable[str]) -> dict[str, str]:
    """The files that declare and define these kernels, with all that they include: path in a library's src/ to text."""
    waiting = [_defined()[name] for name in functions] + [KERNELS / "portable" / "portable.h"]
    found: dict[str, str] = {}
    while waiting:
        path = waiting.pop()
        name = path.relative_to(KERNELS).as_posix()
        if name not in found:
            found[name] = path.read_text(encoding="utf-8")
            waiting += _included(path)
    return dict(sorted(found.items()))
