"""What run returns, and what type checkers see of it: mypy, strict, on a program of a user."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from places import ROOT

import qrt
from qrt.compiler import GraphBuilder

PROGRAM = """
import numpy as np
import qrt
from qrt.compiler import Compiled, compile, from_torch
from qrt.edges import Array
from typing_extensions import assert_type

model = qrt.load("model.qfb")
x = np.zeros(model.inputs[0].shape, np.int8)
assert_type(model.run(x), Array | list[Array])
assert_type(model.run(x, as_list=False), Array)
assert_type(model.run({"x": x}, dequantize=True, as_list=True), list[Array])
assert_type(model.feed(x, as_list=False), Array | None)
assert_type(model.feed(x, as_list=True), list[Array] | None)
assert_type(compile("model.onnx", ram="least"), Compiled)
assert_type(from_torch(None, (x,), ram="least"), Compiled)
qrt.load(compile("model.onnx"))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package as it is installed."""
    folder = tmp_path_factory.mktemp("types")
    (folder / "qrt").mkdir()
    for path in (ROOT / "runtime").iterdir():
        (folder / "qrt" / path.name).symlink_to(path)
    for name in ("schema", "compiler"):
        (folder / "qrt" / name).symlink_to(ROOT / name)
    return folder


def mypy(source: Path, program: str) -> list[str]:
    """What mypy says about a program, without the place."""
    (source / "program.py").write_text(program)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "program.py"]
    result = subprocess.run(command, cwd=source, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode in (0, 1), result.stderr
    return [line.split(": ", 1)[1] for line in result.stdout.splitlines() if line.startswith("program.py")]


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_types_of_results(source: Path) -> None:
    assert mypy(source, PROGRAM) == []


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_wrong_words_are_errors(source: Path) -> None:
    program = """
import qrt
from qrt.compiler import compile, from_torch

compile("model.onnx", rams="least")
from_torch(None, (), rams="least")
qrt.load("model.qfb").run(0, as_lists=True)
"""
    pattern = r'error: (?:Unexpected keyword argument "rams" for|No overload variant of) "(\w+)"'
    found = {match[1] for line in mypy(source, program) if (match := re.match(pattern, line))}
    assert found == {"compile", "from_torch", "run"}


def loaded(outputs: int) -> qrt.Model:
    g = GraphBuilder("small")
    x = g.input("x", (1, 3), scale=0.5)
    for _ in range(outputs):
        g.output(g.relu(x))
    return qrt.load(g.compile())


@pytest.mark.parametrize("count", [None, 1, 4])
@pytest.mark.parametrize("given", [np.int8, np.float32], ids=["codes", "floats"])
@pytest.mark.parametrize("dequantize", [False, True])
def test_as_list_says_what_is_returned(count: int | None, given: type, dequantize: bool) -> None:
    model = loaded(1)
    x = np.arange(3 * (count or 1)).reshape((3,) if count is None else (count, 3)).astype(given)
    either = model.run(x, dequantize=dequantize)
    array = model.run(x, dequantize=dequantize, as_list=False)
    (listed,) = model.run(x, dequantize=dequantize, as_list=True)
    assert isinstance(either, np.ndarray)
    for one in (listed, array):
        assert one.dtype == either.dtype
        assert np.array_equal(one, either)


def test_several_outputs_are_no_array() -> None:
    model = loaded(2)
    x = np.array([[-1, 0, 5]], np.int8)
    assert [y.tolist() for y in model.run(x, as_list=True)] == [y.tolist() for y in model.run(x)]
    names = [info.name for info in model.outputs]
    with pytest.raises(ValueError, match=re.escape(f"model 'small' has 2 outputs {names}; pass as_list=True")):
        model.run(x, as_list=False)
