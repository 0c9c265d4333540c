"""How tests build C programs: sources of the project, flags, and the machine's compiler."""

from __future__ import annotations

import os
import shutil

import pytest
from places import ROOT

READER = sorted((ROOT / "schema").glob("*.c"))
PORTABLE = sorted((ROOT / "runtime/kernels/portable").glob("*.c"))
# What opens and runs a file, as firmware has it.
ENGINE = [*READER, *sorted((ROOT / "runtime/engine").glob("*.c")), *PORTABLE]
# The kernels of one family of processors.
ARM = {name: sorted((ROOT / "runtime/kernels/arm" / name).glob("*.c")) for name in ("dsp", "mve")}
# The same as an application of firmware/qrt_device.h links it.
DEVICE = [*READER, ROOT / "runtime/engine/qrt_params.c", *PORTABLE, ROOT / "firmware/qrt_device.c"]
FLAGS = [
    "-std=c99",
    "-g",
    "-O1",
    *(f"-I{ROOT / folder}" for folder in ("schema", "runtime", "runtime/kernels", "firmware")),
]


def compiler() -> str:
    """The name of a C compiler; skips the test where there is none."""
    for name in (os.environ.get("CC", "cc").split()[0], "gcc", "clang"):
        if shutil.which(name):
            return name
    pytest.skip("no C compiler")
