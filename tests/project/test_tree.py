"""The files of the project: text, and only the binary files listed here."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest
from places import ROOT

SOURCES = ROOT / "qrt.egg-info" / "SOURCES.txt"
# The folders that may hold binary files, and of which kinds.
MAY_HOLD = {
    "docs/images": {".png"},
    "examples/digits": {".npz", ".onnx"},
    "examples/forum": {".npz"},
    "examples/wakeword": {".npz", ".wav"},
    "tests/fuzz/corpus": {".zip"},
    "tests/fuzz/found": {".npy", ".onnx", ".pt2", ".tflite"},
    "tests/vectors/bad": {".qfb"},
    "tests/vectors/good": {".qfb"},
}

# Text files that are named without a kind.
PLAIN = {".clang-format", ".gitignore", ".ci/run", "LICENSE", "Makefile", "NOTICE"}


def names() -> list[str]:
    """What git tracks in a checkout; in an unpacked sdist, what was packed."""
    if (ROOT / ".git").exists():
        command = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "ls-files", "-z"]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]
        except FileNotFoundError:
            pytest.skip("git is not installed")
    if not SOURCES.is_file():
        pytest.skip("neither a checkout nor an unpacked sdist")
    return SOURCES.read_text(encoding="utf-8").splitlines()


def is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def binary_files() -> Iterator[PurePosixPath]:
    for name in names():
        path = ROOT / name
        # A file that has just been removed is tracked until the next commit.
        if path.is_file() and not is_text(path.read_bytes()):
            yield PurePosixPath(name)


def test_binary_files_lie_where_they_are_listed() -> None:
    found: dict[str, set[str]] = {}
    for path in binary_files():
        folder = str(path.parent)
        assert path.suffix in MAY_HOLD.get(folder, ()), f"{path} is a binary file; MAY_HOLD does not list its kind"
        found.setdefault(folder, set()).add(path.suffix)
    assert found == MAY_HOLD


def test_every_file_has_a_kind() -> None:
    """What a tool wrote by accident, for instance to a file named "-", has none."""
    if not (ROOT / ".git").exists():
        pytest.skip("an unpacked sdist has files of the build too")
    assert {name for name in names() if not PurePosixPath(name).suffix} == PLAIN
