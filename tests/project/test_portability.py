"""The C of the extension, and what Cython makes of the rest, compiles for other systems, by zig."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
from places import ROOT
from source_text import files

from qrt.firmware.toolchain.compilers import zig

INCLUDE = [ROOT / folder for folder in ("runtime", "runtime/kernels", "schema")]
SOURCES = sorted(
    path for folder in ("schema", "runtime") for path in (ROOT / folder).rglob("*.c") if not path.name.startswith("_")
)
# A tool of zig passes options that some of its compilers have no use for.
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-Wno-unused-command-line-argument"]
TARGETS = {
    "x86_64-macos": [],
    "aarch64-macos": [],
    # A pool's numbers of 64 bits are the compiler's library's there, as zig warns.
    "riscv32-linux-musl": ["-Wno-atomic-alignment"],
    "x86_64-windows-gnu": [],
    "aarch64-windows-gnu": [],
}
# What the headers of Python and of numpy must know of Windows, in place of what they say of this machine.
PYCONFIG = """
#define MS_WINDOWS
#define MS_WIN64
#define NT_THREADS
#define Py_ENABLE_SHARED 1
#define HAVE_DECLSPEC_DLL
#define SIZEOF_SHORT 2
#define SIZEOF_INT 4
#define SIZEOF_LONG 4
#define SIZEOF_LONG_LONG 8
#define SIZEOF_VOID_P 8
#define SIZEOF_SIZE_T 8
#define SIZEOF_TIME_T 8
#define SIZEOF_WCHAR_T 2
#define SIZEOF_DOUBLE 8
#define SIZEOF_FLOAT 4
#define HAVE_STDINT_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_SYS_STAT_H 1
#define STDC_HEADERS 1
"""
NUMPYCONFIG = {
    "#define NPY_HAVE_ENDIAN_H 1": "",
    "NPY_SIZEOF_LONG 8": "NPY_SIZEOF_LONG 4",
    "NPY_SIZEOF_LONGDOUBLE 16": "NPY_SIZEOF_LONGDOUBLE 8",
    "NPY_SIZEOF_COMPLEX_LONGDOUBLE 32": "NPY_SIZEOF_COMPLEX_LONGDOUBLE 16",
    "NPY_SIZEOF_WCHAR_T 4": "NPY_SIZEOF_WCHAR_T 2",
    "NPY_SIZEOF_OFF_T 8": "NPY_SIZEOF_OFF_T 4",
}

# What Python has on POSIX systems only: modules, and names that need a question whether they are there.
POSIX_MODULES = r"^ *(?:import|from) (fcntl|grp|posix|pty|pwd|resource|termios|tty)\b"
POSIX_NAMES = (
    r"\b(?:os\.(?:fork|getuid|geteuid|killpg|mkfifo|sched_\w+|setsid|uname)|signal\.SIG(?:ALRM|HUP|KILL|PIPE|USR\d))\b"
)
ASKED = r"hasattr\((?:os|signal), |sys\.platform|os\.name"


def command() -> tuple[str, ...]:
    """How zig's C compiler is called; skips where there is none."""
    return zig() or pytest.skip("ziglang is not installed")


def passes(*words: str | Path) -> None:
    ran = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr[-3000:]


def test_python_asks_before_it_takes_what_posix_has() -> None:
    for path in files("*.py", "*.pyx", "*.pxi"):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            assert not re.search(POSIX_MODULES, line), f"{path.relative_to(ROOT)}: {line}"
            near = "\n".join(lines[max(0, number - 1) : number + 1])
            assert not re.search(POSIX_NAMES, line) or re.search(ASKED, near), f"{path.relative_to(ROOT)}: {line}"


@pytest.mark.parametrize("target", TARGETS)
def test_c_compiles_without_a_warning(target: str, tmp_path: Path) -> None:
    """All files in one run of zig, which compiles as many at once as there are CPUs."""
    build = [command()[0], "build-lib", "-static", "-lc", "-fstrip", "-target", target, "--cache-dir", tmp_path]
    flags = ["-cflags", "-std=c99", "-O0", "-fno-sanitize=undefined", *WARNINGS, *TARGETS[target], "--"]
    include = [f"-I{folder}" for folder in INCLUDE]
    passes(*build, f"-femit-bin={tmp_path / 'all.a'}", *include, *flags, *SOURCES)


@pytest.fixture
def windows(tmp_path: Path) -> list[str]:
    """Options by which this machine's headers of Python and numpy are those of Windows."""
    if np.dtype(np.intp).itemsize != 8 or sys.platform != "linux":
        pytest.skip("takes the headers of a 64-bit Linux for those of Windows")
    for name, source in (("python", sysconfig.get_path("include")), ("numpy", f"{np.get_include()}/numpy")):
        for path in Path(source).rglob("*.h"):
            link = tmp_path / name / path.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)
    pyconfig, numpyconfig = tmp_path / "python/pyconfig.h", tmp_path / "numpy/_numpyconfig.h"
    if not pyconfig.exists() or not numpyconfig.exists():
        pytest.skip("the headers of Python or numpy are not installed")
    text = numpyconfig.read_text(encoding="utf-8")
    for here, there in NUMPYCONFIG.items():
        text = text.replace(here, there)
    for path, content in ((pyconfig, PYCONFIG), (numpyconfig, text)):
        path.unlink()
        path.write_text(content, encoding="utf-8")
    return [f"-I{tmp_path / 'python'}", f"-I{tmp_path}"]


@pytest.mark.parametrize("module", ["_executor", "_prepared", "_reference"])
def test_extension_compiles_for_windows(module: str, windows: list[str], tmp_path: Path) -> None:
    if importlib.util.find_spec("Cython") is None:
        pytest.skip("Cython is not installed")
    made = ROOT / "runtime" / f"{module}.c"
    written = [path for path in (ROOT / "runtime").rglob("_*.p*") if path.suffix in (".pyx", ".pxi")]
    if not made.exists() or made.stat().st_mtime < max(path.stat().st_mtime for path in written):
        found = [f"-I{ROOT / folder}" for folder in ("runtime/kernels", "runtime/engine", "runtime/host", "schema")]
        source, made = ROOT / "runtime" / f"{module}.pyx", tmp_path / f"{module}.c"
        passes(sys.executable, "-m", "cython", "-3", "--module-name", f"qrt.{module}", *found, source, "-o", made)
    include = [f"-I{folder}" for folder in INCLUDE]
    flags = ["-std=c99", "-O0", *WARNINGS, "-Wno-unused-parameter", "-DNPY_NO_DEPRECATED_API=NPY_1_7_API_VERSION"]
    target = ["-target", "x86_64-windows-gnu"]
    passes(*command(), *target, *flags, *windows, *include, "-c", made, "-o", tmp_path / f"{module}.o")
