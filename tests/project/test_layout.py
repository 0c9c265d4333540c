"""The law of the rooms, held over the source text: who may know whom, and how files are written."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from places import ROOT

import qrt
from qrt.cli import contents
from qrt.compiler import GraphBuilder, ir
from qrt.compiler.backends.qfb import writer

ROOMS = ("schema", "runtime", "compiler", "cli")
EVERYWHERE = (*ROOMS, "examples", "bench", "tests")

STANDARD = sys.stdlib_module_names | {"libc", "cpython", "cython"}
# What each room may import beyond the standard library. "qrt" is the runtime; compiler never imports it.
MAY_IMPORT = {
    "schema": {"flatbuffers", "numpy"},
    "runtime": {
        "numpy",
        "qrt",
        "qrt_kernels",
        "qrt_model",
        "qrt_prepare",
        "qrt_split",
        "qrt_pool",
        "crc32",
        "dispatch",
    },
    "compiler": {
        "numpy",
        "flatbuffers",
        "onnx",
        "onnxruntime",
        "tflite",
        "torch",
        "torchao",
        "qrt.compiler",
        "qrt.schema",
    },
    "cli": {
        "numpy",
        "click",
        "rich",
        "flatbuffers",
        "matplotlib",
        "onnxruntime",
        "qrt",
        "qrt.compiler",
        "qrt.schema",
        "qrt.cli",
    },
}
# What a room imports only inside of a function, and in which of its files.
ONLY_WHEN_NEEDED = {
    ("compiler", "onnx"): ("compiler/frontends/*.py", "compiler/calibrate.py"),
    ("compiler", "onnxruntime"): ("compiler/calibrate.py",),
    ("compiler", "torch"): ("compiler/frontends/torch*.py",),
    ("compiler", "torchao"): ("compiler/frontends/torch*.py",),
    ("cli", "matplotlib"): ("cli/plots.py",),
    ("cli", "onnxruntime"): ("cli/calibration.py",),
    ("compiler", "tflite"): ("compiler/frontends/*.py", "compiler/backends/*.py"),
    ("cli", "qrt.compiler"): (
        "cli/compile.py",
        "cli/export.py",
        "cli/explain.py",
        "cli/compare.py",
        "cli/calibration.py",
        "cli/summary.py",
        "cli/plots.py",
    ),
}
# Files about live modules, which only `qrt.compiler.frontends.torch` imports, in its functions.
WITH_TORCH = ("torch_live", "torch_modules", "torch_backend", "torch_quantizer")
C_HEADERS = {"stdint.h", "stddef.h", "string.h"}
# Whose headers a folder's C may include beyond these three.
MAY_INCLUDE = {
    "schema": {"schema"},
    "runtime/kernels": {"runtime/kernels"},
    "runtime": {"runtime", "runtime/kernels", "schema"},
}
# And beyond those: the instructions of a CPU, and the system, for what asks what the machine is and for threads.
MORE_HEADERS = {
    "x86.h": {"immintrin.h"},
    "dispatch.c": {"cpuid.h", "syscall.h", "unistd.h"},
    "qrt_pool.c": {"pthread.h", "signal.h", "stdlib.h", "time.h"},
}
MAX_LINES = 600


def files(*patterns: str, rooms: tuple[str, ...] = ROOMS) -> Iterator[Path]:
    for room in rooms:
        for pattern in patterns:
            for path in sorted((ROOT / room).rglob(pattern)):
                if path.name not in ("_executor.c", "_reference.c", "generated.py"):
                    yield path


def code(path: Path) -> str:
    """The text of a C file without its comments."""
    return re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def packages(module: str, names: Iterable[str]) -> set[str]:
    """Whose the imported names are: a library's, the runtime's ("qrt"), or another room's ("qrt.compiler")."""
    parts = module.split(".")
    if parts[0] != "qrt":
        return {parts[0]}
    seconds = parts[1:2] or list(names)
    return {f"qrt.{second}" if second in ROOMS else "qrt" for second in seconds} or {"qrt"}


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Each package that a file imports, and whether importing the file does so, not a call or a type checker."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        statement = r"^ *(?:from +(\S+) +c?import +(.*)|c?import +(\S+))"
        for module, names, plain in re.findall(statement, text, re.MULTILINE):
            for package in packages(module or plain, re.findall(r"\w+", names)):
                yield package, True
        return
    tree = ast.parse(text)
    later = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) or (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test))
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = {package for alias in node.names for package in packages(alias.name, [])}
        elif isinstance(node, ast.ImportFrom):
            found = packages(node.module or ".", [alias.name for alias in node.names])
        else:
            continue
        for package in found:
            yield package, node not in later


@pytest.mark.parametrize("room", ROOMS)
def test_imports(room: str) -> None:
    for path in files("*.py", "*.pyx", "*.pxd", "*.pxi", "*.pyi", rooms=(room,)):
        for package, at_once in imports(path):
            place = path.relative_to(ROOT)
            assert package in MAY_IMPORT[room] | STANDARD, f"{place} imports {package}"
            allowed = ONLY_WHEN_NEEDED.get((room, package))
            if allowed is not None:
                assert any(place.match(pattern) for pattern in allowed), f"{place} imports {package}"
                late = not at_once or path.stem in WITH_TORCH
                assert late, f"{place} imports {package} before it needs to"


def test_files_about_live_modules_are_imported_when_needed() -> None:
    for path in files("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in tree.body:
            if path.stem not in WITH_TORCH and isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[-1] not in WITH_TORCH, path.relative_to(ROOT)


def test_c_includes() -> None:
    for path in files("*.[ch]"):
        folder = path.parent.relative_to(ROOT).as_posix()
        own = {header.name for room in MAY_INCLUDE[folder] for header in (ROOT / room).glob("*.h")}
        for name in re.findall(r'# *include *[<"]([^>"]+)[>"]', code(path)):
            allowed = C_HEADERS | own | MORE_HEADERS.get(path.name, set())
            assert name.split("/")[-1] in allowed, f"{path.relative_to(ROOT)} includes {name}"


def test_c_is_freestanding() -> None:
    words = r"\b(float|double|malloc|calloc|realloc|alloca|free|\w*printf)\b"
    for path in files("*.[ch]"):
        found = re.search(words, code(path))
        assert found is None, f"{path.relative_to(ROOT)}: {found}"


def test_files_open_with_what_they_hold() -> None:
    for path in files("*.py", "*.pyx", "*.pxd", "*.pxi", "*.pyi", "*.[ch]", "*.fbs", rooms=EVERYWHERE):
        first = path.read_text(encoding="utf-8").lstrip()
        assert first.startswith(('"""', "/*", "//", "#")), path.relative_to(ROOT)


def test_files_are_of_a_size_to_read() -> None:
    for path in files("*.py", "*.pyx", "*.pxd", "*.pxi", "*.[ch]", rooms=EVERYWHERE):
        count = len(path.read_text(encoding="utf-8").splitlines())
        assert count <= MAX_LINES, f"{path.relative_to(ROOT)} has {count} lines"


def test_words() -> None:
    forbidden = re.compile(
        r"\b(input|output|filter|weights?|lhs|rhs|[abxy])_offset\b|\b(TODO|FIXME|XXX)\b|NotImplementedError"
    )
    everything = [
        *files("*.py", "*.pyx", "*.pxd", "*.pxi", "*.[ch]", "*.fbs", "*.md", rooms=EVERYWHERE),
        *ROOT.glob("*.md"),
    ]
    for path in everything:
        found = forbidden.search(path.read_text(encoding="utf-8"))
        assert found is None or path == Path(__file__), f"{path.relative_to(ROOT)}: {found}"
    names = {part for path in everything for part in path.relative_to(ROOT).with_suffix("").parts}
    assert not names & {"utils", "common", "extra", "misc", "helpers"}


def test_every_operator_is_in_every_room() -> None:
    operators = set(ir.OPERATORS)
    assert set(writer.OPTIONS) == operators
    assert {name for name, _, _ in contents.OPTIONS.values()} == operators
    assert all(set(row) == operators for row in qrt.kernel_table().values())
    assert all(callable(getattr(GraphBuilder, name)) for name in operators)
    prepared = re.findall(r"case QRT_(\w+):", (ROOT / "runtime" / "qrt_prepare.c").read_text(encoding="utf-8"))
    assert sorted(prepared) == sorted(name.upper() for name in operators)
    proved = (ROOT / "schema" / "qrt_operators.c").read_text(encoding="utf-8")
    assert all(f"QRT_{name.upper()}" in proved for name in operators)


def test_running_needs_numpy_only() -> None:
    code = "import sys, qrt; print(sorted({'flatbuffers', 'click', 'rich', 'onnx', 'qrt.compiler'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
