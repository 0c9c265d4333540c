"""How tests build C programs: sources of the project, flags, and the machine's compiler."""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from places import ROOT
from sanitizers import ENVIRONMENT

READER = sorted((ROOT / "schema").glob("*.c"))
PORTABLE = sorted((ROOT / "runtime/kernels/portable").glob("*.c"))
# What opens and runs a file, as firmware has it.
ENGINE = [*READER, *sorted((ROOT / "runtime/engine").glob("*.c")), *PORTABLE]
# The kernels of one family of processors.
ARM = {name: sorted((ROOT / "runtime/kernels/arm" / name).glob("*.c")) for name in ("dsp", "mve")}
# The same as an application of firmware/qrt_device.h links it.
DEVICE = [*READER, *sorted((ROOT / "runtime" / "engine").glob("*.c")), *PORTABLE, ROOT / "firmware/qrt_device.c"]
FLAGS = [
    "-std=c99",
    "-g1",
    "-O1",
    *(f"-I{ROOT / folder}" for folder in ("schema", "runtime", "runtime/kernels", "firmware")),
]
# For programs that a sanitizer looks at.
SANITIZED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def compiler() -> str:
    """The name of a C compiler; skips the test where there is none."""
    for name in (os.environ.get("CC", "cc").split()[0], "gcc", "clang"):
        if shutil.which(name):
            return name
    pytest.skip("no C compiler")


def need_options(*options: str) -> None:
    """Skips the test where the C compiler builds no program with these options."""
    command = [compiler(), *options, "-x", "c", "-", "-o", os.devnull]
    program = "#include <stdio.h>\nint main(void) { return 0; }"
    if subprocess.run(command, input=program, capture_output=True, text=True, env=ENVIRONMENT).returncode != 0:
        pytest.skip(f"{compiler()} builds nothing here with {' '.join(options)}")


def compiled(shared: Path, command: Sequence[str | Path], source: Path) -> Path:
    """An object file, which is made once for all processes of the test run, whose folder `shared` is."""
    key = hashlib.sha256(repr([*map(str, command), str(source)]).encode()).hexdigest()[:16]
    made = shared / f"{source.stem}-{key}.o"
    unfinished = made.with_suffix(".part")
    with open(made.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            subprocess.run([*command, "-c", source, "-o", unfinished], check=True, env=ENVIRONMENT)
            unfinished.rename(made)
    return made


def build_program(
    shared: Path,
    program: Path,
    command: Sequence[str | Path],
    sources: Sequence[Path],
    own: Mapping[Path, Sequence[str]] | None = None,
) -> Path:
    """Links a program, or with ``-shared`` a library.

    Parameters
    ----------
    shared : Path
        Where objects are made, for all processes of the test run.
    program : Path
    command : sequence of str or Path
        Compiles each of the sources, and links.
    sources : sequence of Path
    own : mapping of Path to sequence of str, optional
        Options of single sources.
    """
    options = own or {}
    # In another order each time, so that processes that need the same objects seldom wait for each other.
    objects = [
        compiled(shared, [*command, *options.get(source, ())], source)
        for source in random.sample(sources, len(sources))
    ]
    # Systems whose C library has no threads need the option.
    subprocess.run([*command, "-pthread", *objects, "-o", program], check=True, env=ENVIRONMENT)
    return program
