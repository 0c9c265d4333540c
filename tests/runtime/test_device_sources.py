"""The portable kernels as firmware takes them: the files of the operators that a network uses, on a small stack."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from c_programs import PORTABLE, compiler
from places import ROOT
from source_text import code

from qrt.schema.operators import SCHEMA

# Those of operators: averages by rows are of two, and no kernels.
KERNELS = [path for path in PORTABLE if path.name not in {"table.c", "average_rows.c"}]
INCLUDE = f"-I{ROOT / 'runtime' / 'kernels'}"
LIBRARY = {"memcpy", "memset", "memmove"}
# Bytes on the stack of one kernel with all that it calls, on a machine of 32 bits.
STACK = 540


def need(tool: str) -> str:
    path = shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed")
    return path


def compile_to(folder: Path, command: list[str], source: Path) -> Path:
    target = folder / f"{source.stem}.o"
    subprocess.run([*command, "-std=c99", "-Os", INCLUDE, "-c", str(source), "-o", str(target)], check=True)
    return target


def kernels_of(source: Path) -> list[str]:
    """The operators whose kernel a file defines."""
    return re.findall(r"^void qrt_(\w+)_s8\(", code(source), re.MULTILINE)


def test_each_operator_has_its_kernel_in_one_file() -> None:
    assert sorted(kernel for source in PORTABLE for kernel in kernels_of(source)) == sorted(SCHEMA.rows)
    for source in KERNELS:
        kernels = kernels_of(source)
        assert kernels == [source.stem] or len(kernels) > 1, f"{source.name} defines {kernels}"


@pytest.mark.parametrize("source", KERNELS, ids=lambda path: path.stem)
def test_a_kernel_needs_no_other_file(source: Path, tmp_path: Path) -> None:
    """Whatever is extern begins with the operator's name, and what is called is of the C library, or in a header."""
    binary = compile_to(tmp_path, [compiler(), "-ffreestanding"], source)
    listing = subprocess.run([need("nm"), "-g", "-P", str(binary)], check=True, capture_output=True, text=True).stdout
    kinds = {line.split()[0]: line.split()[1] for line in listing.splitlines()}
    assert {name for name, kind in kinds.items() if kind == "U"} <= LIBRARY
    defined = {name for name, kind in kinds.items() if kind != "U"}
    own = {f"qrt_{kernel}_s8" for kernel in kernels_of(source)}
    assert own <= defined <= own | {f"{name}_scratch" for name in own}


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4"])
@pytest.mark.parametrize("source", KERNELS, ids=lambda path: path.stem)
def test_stack(source: Path, core: str, tmp_path: Path) -> None:
    """A file's frames together bound its deepest call: no function calls itself."""
    compile_to(tmp_path, [need("arm-none-eabi-gcc"), f"-mcpu={core}", "-mthumb", "-fstack-usage"], source)
    frames = [line.split("\t") for line in (tmp_path / f"{source.stem}.su").read_text().splitlines()]
    assert all(kind == "static" for _, _, kind in frames)
    assert sum(int(size) for _, size, _ in frames) <= STACK, frames


def test_headers_serve_callers_in_cpp(tmp_path: Path) -> None:
    source = tmp_path / "caller.cpp"
    source.write_text('#include "qrt_kernels.h"\n#include "qrt_math.h"\n#include "portable/portable.h"\n')
    flags = ["-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
    subprocess.run([need("g++"), *flags, INCLUDE, "-fsyntax-only", str(source)], check=True)
