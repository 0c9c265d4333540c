"""Generated C: the reference's bytes on this machine and, of all cases, on a core; not a byte beside the block."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from c_programs import PORTABLE, compiler
from device_programs import SET_CORES, place
from drawn_networks import draw_network
from expected import Expected, every_case, expect
from hypothesis import given, settings
from hypothesis import strategies as st
from many_networks import (
    STRICT,
    device_image,
    differ_on_device,
    differ_on_host,
    host_program,
    networks_of,
    write_sources,
)
from places import ROOT

from qrt.compiler import compile
from qrt.compiler.backends.qfb.reader import read
from qrt.firmware.targets import TARGETS
from qrt.firmware.toolchain.compilers import find_compiler
from qrt.schema.operators import OPERATORS

BUILDS = {
    "64 bits, ASan": ["-O0", "-fsanitize=address", "-DGUARD=0u"],
    # As 32-bit Arm and RISC-V lay out their structs.
    "32 bits, UBSan": ["-O0", "-m32", "-malign-double", "-fsanitize=undefined", "-fno-sanitize-recover=all"],
}
# For programs that take long to build or to run: every so manyth case, and of its codes so many.
STRIDE = 8
CODES = 6000


@functools.cache
def selection() -> list[Expected]:
    """Small cases, and the smallest of each operator that these leave out, on random codes."""

    def size(case: Expected) -> int:
        return sum(case.input_sizes) + len(case.file)

    def kinds(case: Expected) -> set[str]:
        return {op.kind for op in read(case.file).ops}

    chosen = [case for case in every_case() if size(case) < CODES][::STRIDE]
    left_out = set(OPERATORS).difference(*map(kinds, chosen))
    chosen += [min((case for case in every_case() if kind in kinds(case)), key=size) for kind in sorted(left_out)]
    found = [Expected(c.name, c.file, c.input_sizes, c.output_sizes, c.samples[-1:]) for c in chosen]
    assert {op.kind for case in found for op in read(case.file).ops} == set(OPERATORS)
    return found


def need(*programs: str) -> None:
    for name in programs:
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")


# Of dsp and mve test_random_layers.py has AddressSanitizer look at the kernels, one by one.
@pytest.mark.parametrize(
    ("kernels", "name"), [("portable", "64 bits, ASan"), *((kernels, "32 bits, UBSan") for kernels in SET_CORES)]
)
def test_cases_on_this_machine(kernels: str, name: str, tmp_path: Path) -> None:
    """A selection, for a sanitizer to look at; the bytes of all are those on a device, below."""
    options = BUILDS[name]
    some = networks_of([case.file for case in selection()], TARGETS[SET_CORES[kernels][0]])
    done = host_program(some, tmp_path, compiler(), options)
    if done.returncode != 0 and re.search(r"cannot find|bits/|unrecognized|unsupported", done.stderr):
        pytest.skip(f"the C compiler builds nothing with {' '.join(options)}")
    assert done.returncode == 0, done.stderr
    assert differ_on_host(tmp_path / "run_networks", selection()) == []


@pytest.mark.parametrize("kernels", SET_CORES)
def test_every_case_on_a_device(kernels: str, tmp_path: Path) -> None:
    target = place(*SET_CORES[kernels])
    half = len(every_case()) // 2  # more than which a board's flash does not hold
    for part, cases in enumerate((every_case()[:half], every_case()[half:])):
        networks = networks_of([case.file for case in cases], target)
        folder = tmp_path / str(part)
        folder.mkdir()
        image = device_image(networks, folder, target, find_compiler(target))
        assert differ_on_device(image, target, networks, cases, aligned=False) == []


def test_no_access_is_unaligned(tmp_path: Path) -> None:
    """On Cortex-M0 test_models.py looks for such an access."""
    target = place("riscv32", "unicorn")
    some = networks_of([case.file for case in selection()], target)
    image = device_image(some, tmp_path, target, find_compiler(target))
    assert differ_on_device(image, target, some, selection(), aligned=True) == []


@pytest.mark.parametrize("kernels", SET_CORES)
@pytest.mark.parametrize("command", ["gcc", "clang"])
def test_c99_without_warnings(command: str, kernels: str, tmp_path: Path) -> None:
    need(command)
    some = networks_of([case.file for case in selection()], TARGETS[SET_CORES[kernels][0]])
    sources = write_sources(some, tmp_path)
    subprocess.run([command, *STRICT, "-fsyntax-only", f"-I{tmp_path}", *sources], check=True)


@pytest.mark.parametrize("command", ["g++", "clang++"])
def test_callers_in_cpp(command: str, tmp_path: Path) -> None:
    need(command)
    some = networks_of([case.file for case in selection()])
    write_sources(some, tmp_path)
    calls = "".join(
        f"    {{ static {n.name}_memory m; {n.name}_input(&m, 0)[0] = 1; {n.name}_run(&m); "
        f"sum += {n.name}_output(&m, 0)[0]; }}\n"
        for n in some
    )
    source = tmp_path / "caller.cpp"
    source.write_text(f'#include "networks.h"\nint main() {{\n    int sum = 0;\n{calls}    return sum;\n}}\n')
    flags = ["-std=c++11", *STRICT[1:]]
    subprocess.run([command, *flags, "-fsyntax-only", f"-I{tmp_path}", source], check=True)


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All portable kernels as a library for this machine."""
    need("ar")
    folder = tmp_path_factory.mktemp("kernels")
    sanitize = ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
    command = [compiler(), *STRICT, "-O1", *sanitize, f"-I{ROOT / 'runtime' / 'kernels'}", "-c", *map(str, PORTABLE)]
    subprocess.run(command, check=True, cwd=folder)
    library = folder / "libkernels.a"
    subprocess.run(["ar", "rc", library, *sorted(folder.glob("*.o"))], check=True)
    return library


def drawn(data: st.DataObject) -> Expected:
    compiled = compile(draw_network(data))
    shape = compiled.graph.inputs[0].tensor.shape
    inputs = [np.random.default_rng(1).integers(-128, 128, shape, dtype=np.int8), np.full(shape, -128, np.int8)]
    return expect("drawn", compiled.to_bytes(), [[x] for x in inputs])


@settings(max_examples=20)
@given(data=st.data())
def test_drawn_networks_on_this_machine(kernels: Path, data: st.DataObject) -> None:
    case = drawn(data)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options = ["-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all"]
        done = host_program(networks_of([case.file]), folder, compiler(), options, kernels)
        assert done.returncode == 0, done.stderr
        assert differ_on_host(folder / "run_networks", [case]) == []


@settings(max_examples=2)
@given(data=st.data())
def test_drawn_networks_on_a_device(data: st.DataObject) -> None:
    target = place(*SET_CORES["dsp"])
    case = drawn(data)
    some = networks_of([case.file], target)
    with tempfile.TemporaryDirectory() as name:
        image = device_image(some, Path(name), target, find_compiler(target))
        assert differ_on_device(image, target, some, [case], aligned=False) == []
