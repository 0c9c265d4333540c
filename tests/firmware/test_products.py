"""conv2d, dwconv2d and linear of the dsp set on random shapes and parameters, against the portable kernels."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from c_programs import ARM, FLAGS, PORTABLE, SANITIZED, build_program, compiler, need_options
from device_programs import place
from sanitizers import ENVIRONMENT

from qrt.firmware.emulators import Call, execute
from qrt.firmware.generate.sources import KERNELS
from qrt.firmware.toolchain.compilers import find_compiler, link

PROGRAM = Path(__file__).parent / "products.c"
SOURCES = [PROGRAM, *sorted(KERNELS.glob("arm/dsp/*.c")), *sorted(KERNELS.glob("portable/*.c"))]
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Werror"]


def test_in_c_without_warnings() -> None:
    subprocess.run([compiler(), *STRICT, "-fsyntax-only", "-DHOST", f"-I{KERNELS}", *SOURCES], check=True)


def test_in_c_on_this_machine(shared: Path, tmp_path: Path) -> None:
    """What takes the place of instructions, and no access beyond a buffer."""
    need_options(*SANITIZED)
    sources = [PROGRAM, *ARM["dsp"], *PORTABLE]
    command = [compiler(), *SANITIZED, *FLAGS]
    program = build_program(shared, tmp_path / "products", command, sources, {PROGRAM: ["-DHOST"]})
    done = subprocess.run([program], capture_output=True, text=True, env=ENVIRONMENT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("core", "option"), [("cortex-m4", "-Os"), ("cortex-m33", "-O2")])
def test_in_assembly(core: str, option: str) -> None:
    target = place(core, "unicorn")
    image = link(target, find_compiler(target), SOURCES, include=[KERNELS], roots=["compare"], options=[option])
    assert execute(image, target, [Call("compare", (2463534242, 180))]).returned == [0]
