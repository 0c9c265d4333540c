"""The kernels of the sets for devices on random layers: the bytes of the portable kernels, here and on a core."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from c_programs import ARM, FLAGS, PORTABLE, SANITIZED, build_program, compiler, need_options
from device_programs import COMPILERS, SET_CORES, place
from places import ROOT
from sanitizers import ENVIRONMENT

from qrt.firmware.emulators import Call, Settings, execute
from qrt.firmware.toolchain.compilers import find_compiler, link

PROGRAM = ROOT / "tests/firmware/random_layers.c"
INCLUDE = [ROOT / "runtime", ROOT / "runtime/kernels"]


@pytest.mark.parametrize("kernels", ARM)
def test_here(kernels: str, shared: Path, tmp_path: Path) -> None:
    """Plain C stands in for the processor's instructions, and a sanitizer looks at every access."""
    need_options(*SANITIZED)
    own = {PROGRAM: [f"-DKERNELS=qrt_kernels_{kernels}"]}
    sources = [PROGRAM, *ARM[kernels], *PORTABLE]
    program = build_program(shared, tmp_path / "random_layers", [compiler(), *SANITIZED, *FLAGS], sources, own)
    done = subprocess.run([program, "1", "600"], capture_output=True, text=True, env=ENVIRONMENT)
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
