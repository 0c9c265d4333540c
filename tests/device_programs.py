"""Programs for the tests: program.c, built for a target by a compiler, and the targets and compilers that there are."""

from __future__ import annotations

import functools
import importlib.util
import shutil
from dataclasses import replace

import pytest
from places import ROOT

from qrt.firmware.targets import TARGETS, Target
from qrt.firmware.toolchain.compilers import find_compiler, link
from qrt.firmware.toolchain.image import Image

PROGRAM = ROOT / "tests" / "firmware" / "program.c"
ROOTS = [
    *(
        "sum",
        "product_high",
        "quotient",
        "copy",
        "move",
        "fill",
        "deep",
        "load_word",
        "load_half",
        "store_word",
        "next",
    ),
    "next",
    *("constant", "call_at", "steps", "count_down", "undefined"),
]
COMPILERS = {"zig": None, "gcc": "arm-none-eabi-gcc", "clang": "clang"}
# A core of each kernel set, and its emulator: QEMU refuses the unaligned accesses that the processor refuses, those to
# several registers.
SET_CORES = {"portable": ("cortex-m3", "unicorn"), "dsp": ("cortex-m4", "qemu"), "mve": ("cortex-m55", "qemu")}
# For each target the emulators that have it.
PLACES = [
    *((name, "unicorn") for name, target in TARGETS.items() if target.emulator == "unicorn"),
    *((name, "qemu") for name, target in TARGETS.items() if target.board and name != "generic"),
]


def place(name: str, emulator: str) -> Target:
    """A target on an emulator; skips the test where that is not installed."""
    if emulator == "qemu" and shutil.which("qemu-system-arm") is None:
        pytest.skip("qemu-system-arm is not installed")
    for module in ("unicorn", "elftools"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    return replace(TARGETS[name], emulator=emulator)


@functools.cache
def image(target: Target, compiler: str = "zig", options: tuple[str, ...] = ("-Oz",)) -> Image:
    """program.c for a target; skips the test where the compiler is not installed or does not know the target."""
    command = COMPILERS[compiler]
    if command is None and importlib.util.find_spec("ziglang") is None:
        pytest.skip("ziglang is not installed")
    if command is not None and shutil.which(command) is None:
        pytest.skip(f"{command} is not installed")
    if compiler == "gcc" and (not target.is_arm or target.core == "cortex-m85"):
        pytest.skip(f"{command} of Debian 12 does not know {target.title}")
    more = ["conditional", "load_pair", "load_under_condition"] if target.is_arm and not target.aligned else []
    return link(target, find_compiler(target, command), [PROGRAM], roots=[*ROOTS, *more], options=options)
