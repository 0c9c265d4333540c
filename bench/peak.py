"""The most that one core of this machine can do, for the kernel sets that have an instruction for it: see peak.c."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import qrt

SOURCE = Path(__file__).with_name("peak.c")
FLAGS = ("-std=gnu99", "-O2", "-shared", "-fPIC")
# Of peak.c's, in one call: long enough that entering and leaving does not count.
ROUNDS = 20_000


class Peaks:
    """For each kernel set with a loop in peak.c, the loop as a call, and what it does.

    Attributes
    ----------
    calls : dict of str to callable
    macs : dict of str to int
        Multiply-accumulates of one call.
    missing : str
        Why there are none; else empty.
    """

    def __init__(self, folder: Path) -> None:
        self.calls: dict[str, Callable[[], object]] = {}
        self.macs: dict[str, int] = {}
        self.missing = ""
        compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            self.missing = "no C compiler to build bench/peak.c with"
            return
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "peak.so"
        command = [*compiler.split(), *FLAGS, str(SOURCE), "-o", str(path)]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode != 0:
            lines = result.stderr.strip().splitlines()
            self.missing = f"the C compiler does not build bench/peak.c: {lines[0] if lines else command[0]}"
            return
        self._find(ctypes.CDLL(str(path)))

    def _find(self, library: ctypes.CDLL) -> None:
        for name in qrt.kernel_sets():
            loop = getattr(library, f"peak_{name}", None)
            if loop is None:
                continue
            loop.argtypes, loop.restype = [ctypes.c_int64], ctypes.c_int64
            macs = loop(1)
            if macs:
                self.calls[name] = lambda loop=loop: loop(ROUNDS)
                self.macs[name] = macs * ROUNDS
