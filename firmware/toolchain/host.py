"""Shared libraries that an emulator loads, built for the machine that runs this."""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from qrt.firmware.errors import DeviceError
from qrt.firmware.toolchain.compilers import INSTALL, zig


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Where the libraries are until this process ends."""
    return tempfile.TemporaryDirectory(prefix="qrt-", ignore_cleanup_errors=True)


@functools.cache
def library(source: Path) -> Path:
    """A shared library of one file of C, built with the machine's compiler or else with zig.

    Raises
    ------
    DeviceError
        There is no compiler, or it refuses.
    """
    installed = next((name for name in ("cc", "gcc", "clang") if shutil.which(name)), None)
    compiler = (installed,) if installed else zig()
    if not compiler:
        raise DeviceError(f"counting needs a C compiler for this machine: {INSTALL} brings one")
    built = Path(_folder().name) / f"{source.stem}.so"
    # Windows has no other code, and its compilers refuse the option.
    anywhere = [] if sys.platform == "win32" else ["-fPIC"]
    command = [*compiler, "-O2", "-std=c99", *anywhere, "-shared", str(source), "-o", str(built)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise DeviceError(f"{compiler[0]} cannot build {source.name}: {done.stderr.strip()}")
    return built
