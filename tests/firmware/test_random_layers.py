"""The kernels of the sets for devices on random layers: the bytes of the portable kernels, here and on a core."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from c_programs import ARM, FLAGS, PORTABLE, compiler
from device_programs import COMPILERS, SET_CORES, place
from places import ROOT

from qrt.firmware.emulators import Call, Settings, execute
from qrt.firmware.toolchain.compilers import find_compiler, link

PROGRAM = ROOT / "tests/firmware/random_layers.c"
INCLUDE = [ROOT / "runtime", ROOT / "runtime/kernels"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


@pytest.mark.parametrize("kernels", ARM)
def test_here(kernels: str, tmp_path: Path) -> None:
    """Plain C stands in for the processor's instructions, and a sanitizer looks at every access."""
    program = tmp_path / "random_layers"
    command = [compiler(), *FLAGS, *SANITIZERS, f"-DKERNELS=qrt_kernels_{kernels}", PROGRAM, *ARM[kernels], *PORTABLE]
    built = subprocess.run([*command, "-o", program], capture_output=True, text=True)
    if built.returncode != 0 and "sanitize" in built.stderr:
        pytest.skip("the C compiler has no sanitizers")
    assert built.returncode == 0, built.stderr
    done = subprocess.run([program, "1", "600"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("name", "assembly"), [("zig", True), ("gcc", True), ("zig", False)])
@pytest.mark.parametrize("kernels", ARM)
def test_on_a_core(kernels: str, name: str, assembly: bool) -> None:
    target = place(*SET_CORES[kernels])
    found = find_compiler(target, COMPILERS[name])
    defines = [f"KERNELS=qrt_kernels_{kernels}", *([] if assembly else ["QRT_NO_ASSEMBLY"])]
    image = link(target, found, [PROGRAM, *ARM[kernels], *PORTABLE], INCLUDE, ["random_layers"], defines=defines)
    settings = Settings(stack=8192, aligned=False)
    (covered,) = execute(image, target, [Call("random_layers", (1, 200))], settings).returned
    assert 0 < covered <= 200, f"layer {2**32 - covered - 1}"
