"""How tests build C programs for 64-bit Arm, and run them on emulated processors."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from guarded import build

# The least processor that has each set, as QEMU names it. Its "max" has SME, with which no program has been tried.
PROCESSORS = {"neon": "cortex-a72", "neondot": "cortex-a76", "neoni8mm": "max,sme=off"}
ZIG = [sys.executable, "-m", "ziglang", "cc"]
COMPILERS = {
    "gcc": ["aarch64-linux-gnu-gcc"],
    "zig, Linux": [*ZIG, "-target", "aarch64-linux-musl"],
    "zig, macOS": [*ZIG, "-target", "aarch64-macos"],
}


def present(name: str) -> list[str]:
    """The command of a compiler; skips where it is missing."""
    command = COMPILERS[name]
    if command[0] == sys.executable and importlib.util.find_spec("ziglang") is None:
        pytest.skip("ziglang is not installed")
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return command


def emulated(program: Path, processor: str, *arguments: str) -> list[str | Path]:
    """A command that runs a program; skips without the emulator."""
    emulator = shutil.which("qemu-aarch64")
    if emulator is None:
        pytest.skip("qemu-aarch64 is not installed")
    return [emulator, "-cpu", processor, program, *arguments]


def kernel_owners(shared: Path, folder: Path) -> dict[str, dict[str, str]]:
    """What `qrt.kernel_table()` is on a processor with all sets for 64-bit Arm."""
    program = build(shared, folder / "kernel_owners", [*present("gcc"), "-static"], ["kernel_owners.c"])
    command = emulated(program, PROCESSORS["neoni8mm"])
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    table: dict[str, dict[str, str]] = {}
    for name, op, owner in map(str.split, lines):
        table.setdefault(name, {})[op] = owner
    return {name: table[name] for name in PROCESSORS}
