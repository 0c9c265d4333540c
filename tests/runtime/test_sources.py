"""What qrt.load takes: paths, contents, open files; and what it says of anything else."""

from __future__ import annotations

import array
import io
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qrt
from qrt.compiler import GraphBuilder, compile


def network() -> GraphBuilder:
    g = GraphBuilder("small")
    g.output(g.relu(g.input("x", (1, 3), scale=0.5)))
    return g


@pytest.fixture(scope="module")
def content() -> bytes:
    return network().compile()


class Wrapped:
    """A path of another library."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


CONTENTS: dict[str, Callable[[bytes], Any]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "uint8": lambda content: np.frombuffer(content, np.uint8),
    "int8": lambda content: np.frombuffer(content, np.int8),
    "every second byte": lambda content: np.repeat(np.frombuffer(content, np.uint8), 2)[::2],
    "array": lambda content: array.array("B", content),
    "BytesIO": io.BytesIO,
    "compiled": lambda content: compile(network()),
}


@pytest.mark.parametrize("kind", CONTENTS)
def test_contents(content: bytes, kind: str) -> None:
    assert qrt.load(CONTENTS[kind](content)).run(np.int8([-1, 0, 5])).tolist() == [0, 0, 5]


def test_paths_and_files(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.qfb"
    path.write_bytes(b"head" + content)
    with path.open("rb") as file:
        file.read(4)
        assert qrt.load(file).name == "small"
    path.write_bytes(content)
    for source in (path, str(path), Wrapped(path)):
        assert qrt.load(source).name == "small"
    for buffering in (0, -1):
        with open(path, "rb", buffering=buffering) as file:
            assert qrt.load(file).name == "small"


def test_a_pipe(content: bytes) -> None:
    program = "import sys, qrt; print(qrt.load(sys.stdin.buffer).name)"
    result = subprocess.run([sys.executable, "-c", program], input=content, capture_output=True, timeout=60, check=True)
    assert result.stdout.strip() == b"small"


def test_files_that_do_not_give_bytes(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.qfb"
    path.write_bytes(content)
    with path.open(encoding="latin-1") as file:
        expected = f"{path}: the file is open in text mode; give qrt.load its path, or open it with mode 'rb'"
        with pytest.raises(TypeError, match=re.escape(expected)):
            qrt.load(file)  # type: ignore[arg-type]
    with path.open("rb") as closed:
        pass
    with pytest.raises(ValueError, match=re.escape(f"{path}: the file cannot be read (read of closed file); give")):
        qrt.load(closed)
    with (
        path.open("ab") as appended,
        pytest.raises(ValueError, match=r"cannot be read \(.*\); give qrt\.load"),
    ):
        qrt.load(appended)
    with pytest.raises(TypeError, match=r"^the file is open in text mode; give qrt\.load its path"):
        qrt.load(io.StringIO("QFB"))  # type: ignore[arg-type]

    class Strings:
        def read(self) -> str:
            return "QFB"

    with pytest.raises(TypeError, match=r"^read\(\) gives str, not bytes; give qrt\.load its path"):
        qrt.load(Strings())  # type: ignore[arg-type]
    (tmp_path / "cut.qfb").write_bytes(content[:20])
    with (tmp_path / "cut.qfb").open("rb") as file, pytest.raises(qrt.ModelError, match=r"cut\.qfb: "):
        qrt.load(file)


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        (None, "NoneType"),
        (5, "int"),
        (True, "bool"),
        ([81, 70, 66], "list"),
        ({}, "dict"),
        (qrt, "module"),
        (np.zeros(64, np.float32), "ndarray of numbers of 4 bytes"),
        (np.zeros(4, object), "ndarray"),
        (network(), "GraphBuilder"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_something_else(source: Any, kind: str) -> None:
    expected = "qrt.load takes the path of a .qfb file, its bytes, or a file that is open in binary mode, got "
    with pytest.raises(TypeError, match=re.escape(expected + kind)):
        qrt.load(source)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has no /dev/zero")
def test_a_device_that_is_open() -> None:
    with open("/dev/zero", "rb") as file, pytest.raises(OSError, match="is a device, which may have no end"):
        qrt.load(file)


def test_compiled_is_written_and_loaded(tmp_path: Path, content: bytes) -> None:
    compiled = compile(network())
    assert bytes(compiled) == compiled.to_bytes() == content
    path = tmp_path / "model.qfb"
    compiled.save(os.fspath(path))
    assert path.read_bytes() == content
    compiled.save(path, strip=True)
    assert path.read_bytes() == compiled.to_bytes(strip=True)


@pytest.mark.parametrize("option", ["rams", "test_vectors", "module"])
def test_unknown_options_are_refused(option: str) -> None:
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{option}'"):
        compile(network(), **{option: 1})
