"""qrt_model_open() of a shared library, for tests that ask it about files."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from vectors.encode import Table, encode

OK, ERR_ALIGNMENT, ERR_NOT_QFB, ERR_VERSION, ERR_INVALID = 0, -1, -2, -3, -4
PLACES = ("file", "tensor", "operator", "input", "output", "test vector", "band")


class Problem(ctypes.Structure):
    _fields_ = (("rule", ctypes.c_int32), ("place", ctypes.c_int32), ("index", ctypes.c_uint32))


@dataclass(frozen=True)
class Opened:
    """What qrt_model_open says of a file."""

    status: int
    rule: int
    place: str
    index: int


class Reader:
    """qrt_model_open of a shared library."""

    def __init__(self, path: Path) -> None:
        self.library = ctypes.CDLL(str(path))

    def open(self, content: bytes, shift: int = 0) -> Opened:
        """Opens a copy of `content` that starts `shift` bytes behind a multiple of 16."""
        memory = np.zeros(len(content) + 32, dtype=np.uint8)
        start = -memory.ctypes.data % 16 + shift
        memory[start : start + len(content)] = np.frombuffer(content, dtype=np.uint8)
        model = (ctypes.c_uint64 * 64)()
        problem = Problem()
        address, size = ctypes.c_void_p(memory.ctypes.data + start), ctypes.c_size_t(len(content))
        status = self.library.qrt_model_open(model, address, size, self.library.qrt_crc32, ctypes.byref(problem))
        return Opened(status, problem.rule, PLACES[problem.place], problem.index)

    def rule(self, model: Table) -> int:
        """The rule that a model breaks; 0 when it is valid."""
        opened = self.open(encode(model))
        assert opened.status == (ERR_INVALID if opened.rule else OK)
        return opened.rule
