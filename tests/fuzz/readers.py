"""The readers of untrusted files, as users call them: each may raise one kind of error, and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from qrt.compiler import CompileError, compile
from qrt.data import DataError, arrays


def compile_file(path: Path) -> str:
    try:
        compile(path)
    except CompileError as error:
        return str(error)
    return ""


def read_arrays(path: Path) -> str:
    try:
        arrays.read(path)
    except DataError as error:
        return str(error)
    return ""


# Each gives the reason why it refuses a file, or nothing.
READERS: dict[str, Callable[[Path], str]] = {
    "onnx": compile_file,
    "tflite": compile_file,
    "pt2": compile_file,
    "npy": read_arrays,
}
