"""conv2d, dwconv2d and linear of the dsp set on random shapes and parameters, against the portable kernels."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from c_programs import compiler
from device_programs import place

from qrt.firmware.emulators import Call, execute
from qrt.firmware.generate.sources import KERNELS
from qrt.firmware.toolchain.compilers import find_compiler, link

PROGRAM = Path(__file__).parent / "products.c"
SOURCES = [PROGRAM, *sorted(KERNELS.glob("arm/dsp/*.c")), *sorted(KERNELS.glob("portable/*.c"))]
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Wshadow", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def test_in_c_on_this_machine(tmp_path: Path) -> None:
    """What takes the place of instructions, and no access beyond a buffer."""
    command = [compiler(), *STRICT, "-O1", *SANITIZERS, "-DHOST", f"-I{KERNELS}", *map(str, SOURCES)]
    done = subprocess.run([*command, "-o", str(tmp_path / "products")], capture_output=True, text=True)
    if done.returncode != 0 and re.search(r"cannot find|unrecognized|unsupported", done.stderr):
        pytest.skip(f"the C compiler builds nothing with {' '.join(SANITIZERS)}")
    assert done.returncode == 0, done.stderr
    done = subprocess.run([str(tmp_path / "products")], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(("core", "option"), [("cortex-m4", "-Os"), ("cortex-m33", "-O2")])
def test_in_assembly(core: str, option: str) -> None:
    target = place(core, "unicorn")
    image = link(target, find_compiler(target), SOURCES, include=[KERNELS], roots=["compare"], options=[option])
    assert execute(image, target, [Call("compare", (2463534242, 180))]).returned == [0]
