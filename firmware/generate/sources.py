"""The C of the kernels that a generated library takes: a kernel's file, and the headers that it includes."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from pathlib import Path

import qrt

# Paths in a generated library are relative to its src/, as they are to one of these folders.
KERNELS = Path(qrt.__file__).parent / "kernels"
ROOTS = (KERNELS, Path(__file__).parent)
# The headers that declare the kernels that a set runs.
HEADERS = {
    "portable": ("portable/portable.h",),
    "dsp": ("portable/portable.h", "arm/dsp/dsp.h"),
    "mve": ("portable/portable.h", "arm/mve/mve.h"),
}


@functools.cache
def _defined() -> dict[str, Path]:
    """The file that defines each kernel."""
    result = {}
    patterns = ("portable/*.c", "arm/*/*.c", "turns/*.c")
    for path in sorted(path for root in ROOTS for pattern in patterns for path in root.glob(pattern)):
        for name in re.findall(r"^void (qrt_\w+)\([^;]*\{$", path.read_text(encoding="utf-8"), re.MULTILINE):
            result[name] = path
    return result


def _included(path: Path) -> list[Path]:
    """The headers of the project that a file includes."""
    names = re.findall(r'^#include "(.+)"', path.read_text(encoding="utf-8"), re.MULTILINE)
    return [root / name for name in names for root in ROOTS if (root / name).exists()]


def closure(functions: Iterable[str], kernels: str) -> dict[str, str]:
    """The files that declare and define these kernels, with all that they include: path in a library's src/ to text."""
    waiting = [_defined()[name] for name in functions] + [KERNELS / header for header in HEADERS[kernels]]
    found: dict[str, str] = {}
    while waiting:
        path = waiting.pop()
        name = path.relative_to(next(root for root in ROOTS if path.is_relative_to(root))).as_posix()
        if name not in found:
            found[name] = path.read_text(encoding="utf-8")
            waiting += _included(path)
            # What a header declares for several kernels is defined beside it.
            beside = path.with_suffix(".c")
            waiting += [beside] if path.suffix == ".h" and beside.exists() else []
    return dict(sorted(found.items()))
