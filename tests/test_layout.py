"""The law of the rooms, held over the source text: who may know whom, and how files are written."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import qrt
from qrt.cli import contents
from qrt.compiler import GraphBuilder, ir, writer

ROOT = Path(__file__).parent.parent
ROOMS = ("schema", "runtime", "compiler", "cli")

# What each room's Python may import beyond the standard library; compiler never imports the runtime, "qrt" itself.
MAY_IMPORT = {
    "schema": {"flatbuffers", "numpy"},
    "runtime": {"numpy", "qrt"},
    "compiler": {"numpy", "flatbuffers", "onnx", "tflite", "qrt.compiler", "qrt.schema"},
    "cli": {"numpy", "click", "rich", "flatbuffers", "qrt", "qrt.compiler", "qrt.schema", "qrt.cli"},
}
# Verbs that need the compiler, and import it only when they run.
COMPILING_VERBS = {"compile.py"}
C_HEADERS = {"stdint.h", "stddef.h", "string.h"}
MAX_LINES = 600


def files(*patterns: str, rooms: tuple[str, ...] = ROOMS) -> Iterator[Path]:
    for room in rooms:
        for pattern in patterns:
            for path in sorted((ROOT / room).rglob(pattern)):
                if path.name not in ("_executor.c", "_reference.c", "generated.py"):
                    yield path


def imports(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node, node.module


@pytest.mark.parametrize("room", ROOMS)
def test_imports(room: str) -> None:
    for path in files("*.py", rooms=(room,)):
        for _, name in imports(ast.parse(path.read_text(encoding="utf-8"))):
            if name.split(".")[0] in sys.stdlib_module_names:
                continue
            parts = name.split(".")
            package = (
                ".".join(parts[:2])
                if parts[0] == "qrt" and parts[1:2] in (["compiler"], ["schema"], ["cli"])
                else parts[0]
            )
            assert package in MAY_IMPORT[room], f"{path.relative_to(ROOT)} imports {name}"


def test_runtime_knows_neither_compiler_nor_cli() -> None:
    for path in files("*.py", "*.pyx", rooms=("runtime",)):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"(from|import) +qrt\.(compiler|cli)", text), path.name


def test_cli_imports_the_compiler_only_where_it_compiles() -> None:
    for path in files("*.py", rooms=("cli",)):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        top = {node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)}
        for node, name in imports(tree):
            if name.startswith("qrt.compiler"):
                assert path.name in COMPILING_VERBS, f"{path.name} imports {name}"
                assert node not in top, f"{path.name} imports {name} before it needs to"


def test_c_includes() -> None:
    own = {path.name for path in files("*.h")}
    for path in files("*.[ch]"):
        names = re.findall(r'#include [<"]([^>"]+)[>"]', path.read_text(encoding="utf-8"))
        allowed = C_HEADERS | {
            name for name in own if path.parent.name != "kernels" or not name.startswith("qrt_model")
        }
        for name in names:
            assert name.split("/")[-1] in allowed, f"{path.relative_to(ROOT)} includes {name}"


def test_schema_knows_nobody() -> None:
    for path in files("*.[ch]", rooms=("schema",)):
        assert "qrt_kernels" not in path.read_text(encoding="utf-8"), path.name


def test_kernels_have_no_float() -> None:
    for path in files("*.[ch]", rooms=("runtime",)):
        code = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(r"\b(float|double)\b", code), path.name


def test_files_open_with_what_they_hold() -> None:
    for path in files("*.py", "*.pyx", "*.pxd", "*.pyi", "*.[ch]", "*.fbs"):
        first = path.read_text(encoding="utf-8").lstrip()
        assert first.startswith(('"""', "/*", "//", "#")), path.relative_to(ROOT)


def test_files_are_of_a_size_to_read() -> None:
    for path in [*files("*.py", "*.pyx", "*.pxd", "*.[ch]"), *sorted((ROOT / "tests").rglob("*.py"))]:
        count = len(path.read_text(encoding="utf-8").splitlines())
        assert count <= MAX_LINES, f"{path.relative_to(ROOT)} has {count} lines"


def test_words() -> None:
    forbidden = re.compile(r"\b(input|output|filter|weights?)_offset\b|\b(TODO|FIXME|XXX)\b|NotImplementedError")
    for path in files("*.py", "*.pyx", "*.pxd", "*.[ch]", "*.fbs", "*.md"):
        found = forbidden.search(path.read_text(encoding="utf-8"))
        assert found is None, f"{path.relative_to(ROOT)}: {found}"
    names = {path.stem for path in files("*.py", "*.pyx")} | {path.name for path in ROOT.iterdir()}
    assert not names & {"utils", "common", "extra", "misc", "helpers"}


def test_every_operator_is_in_every_room() -> None:
    operators = set(ir.OPERATORS)
    assert set(writer.OPTIONS) == operators
    assert {name for name, _, _ in contents.OPTIONS.values()} == operators
    assert all(set(row) == operators for row in qrt.kernel_table().values())
    assert all(callable(getattr(GraphBuilder, name)) for name in operators)


def test_running_needs_numpy_only() -> None:
    code = "import sys, qrt; print(sorted({'flatbuffers', 'click', 'rich', 'onnx', 'qrt.compiler'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
