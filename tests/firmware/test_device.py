"""The interpreter of a device, firmware/qrt_device.h, built for this machine: the reference's bytes, the validator's
refusals, and not a byte of memory beside its block."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
import textwrap
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from c_programs import DEVICE, FLAGS, READER, SANITIZED, build_program, compiler, need_options
from cases import HOST_CASES, IMMENSE
from expected import every_case, of_reference
from places import ROOT, VECTORS
from sanitizers import ENVIRONMENT

import qrt
from qrt.firmware.generate.layout import layout
from qrt.firmware.generate.memory import STEP, interpreter_memory
from qrt.params import STRUCTS
from qrt.schema import generated as fb
from qrt.schema.operators import BY_NUMBER, OPERATORS

OK, ERR_INVALID, ERR_MEMORY, ERR_OPERATOR = 0, -4, -5, -6
# A device lays out its structs as 32-bit Arm does: int64 at multiples of 8.
BITS_32 = ["-m32", "-malign-double"]
BUILDS = {
    "64 bits, ASan, UBSan": SANITIZED,
    "32 bits, UBSan": [*BITS_32, "-fsanitize=undefined", "-fno-sanitize-recover=all"],
}
GOOD = sorted((VECTORS / "good").glob("*.qfb"))
BAD = sorted((VECTORS / "bad").glob("*.qfb"))


INCLUDE = [flag for flag in FLAGS if flag.startswith("-I")]


def needs(*programs: str) -> None:
    for name in programs:
        if shutil.which(name) is None:
            pytest.skip(f"no {name}")


def build(shared: Path, folder: Path, *options: str, own: Sequence[str] = ()) -> Path:
    """A program with the interpreter; `own` are options of run_device.c alone. Skips where it cannot be compiled."""
    need_options(*options)
    runner = ROOT / "tests/firmware/run_device.c"
    return build_program(
        shared, folder / "run_device", [compiler(), *options, *FLAGS], [runner, *DEVICE], {runner: own}
    )


@dataclass(frozen=True)
class Result:
    """What tests/firmware/run_device.c says of a file."""

    status: int
    rule: int
    place: int
    index: int
    kind: int
    needed: int
    wrong_vectors: int
    labels: int
    outputs: bytes


def run_files(program: Path, files: Sequence[tuple[bytes, bytes]]) -> list[Result]:
    """Runs each of these files, in one process, on the codes of its inputs."""
    stream = b"".join(struct.pack("<II", len(file), len(inputs)) + file + inputs for file, inputs in files)
    done = subprocess.run([program], input=stream, capture_output=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr.decode()
    results, at, layout = [], 0, struct.Struct("<iiiIiIIII")
    while at < len(done.stdout):
        *fields, size = layout.unpack_from(done.stdout, at)
        at += layout.size
        results.append(Result(*fields, done.stdout[at : at + size]))
        at += size
    assert len(results) == len(files)
    return results


@pytest.fixture(scope="module", params=BUILDS)
def program(request: pytest.FixtureRequest, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(shared, tmp_path_factory.mktemp("device"), *BUILDS[request.param], own=["-DGUARD=0"])


@dataclass(frozen=True)
class Expected:
    name: str
    file: bytes
    inputs: bytes
    outputs: bytes


@pytest.fixture(scope="module")
def expected() -> list[Expected]:
    """Every case on each of its inputs, by the reference."""
    found = [*every_case(), *of_reference((*HOST_CASES, *IMMENSE))]
    return [Expected(case.name, case.file, one.inputs, one.outputs) for case in found for one in case.samples]


def test_every_case_has_the_references_bytes(program: Path, expected: list[Expected]) -> None:
    results = run_files(program, [(case.file, case.inputs) for case in expected])
    assert {result.status for result in results} == {OK}
    wrong = {case.name for case, result in zip(expected, results, strict=True) if result.outputs != case.outputs}
    assert not wrong


def test_a_file_that_is_valid_gives_what_its_test_vectors_say(program: Path) -> None:
    files = [path.read_bytes() for path in GOOD]
    vectors = [qrt.load(file).test_vectors for file in files]
    inputs = [b"".join(x.tobytes() for x in of_a_file[0][0]) for of_a_file in vectors]
    labels = [
        zlib.crc32("".join(label for y in qrt.load(file).outputs for label in y.labels).encode()) for file in files
    ]
    results = run_files(program, list(zip(files, inputs, strict=True)))
    assert [(result.status, result.wrong_vectors, result.labels) for result in results] == [(OK, 0, n) for n in labels]
    assert any(labels)


def test_a_bad_file_is_refused_by_its_rule(program: Path) -> None:
    for path, result in zip(BAD, run_files(program, [(path.read_bytes(), b"") for path in BAD]), strict=True):
        assert (result.status, result.rule, result.needed) == (ERR_INVALID, int(path.stem[1:3]), 0), path.name


def test_the_host_knows_the_memory_of_a_32_bit_device(shared: Path, tmp_path: Path, expected: list[Expected]) -> None:
    files = [*{case.file: None for case in expected}, *(path.read_bytes() for path in GOOD)]
    results = run_files(build(shared, tmp_path, *BITS_32), [(file, b"") for file in files])
    assert [result.needed for result in results] == [interpreter_memory(file, "portable") for file in files]


@pytest.mark.parametrize(
    "command",
    [
        ["arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb"],
        ["clang", "--target=thumbv7em-none-eabi"],
        ["clang", "--target=riscv32-unknown-elf"],
        ["gcc", *BITS_32],
    ],
    ids=" ".join,
)
def test_the_host_knows_the_structs_of_a_32_bit_device(command: list[str]) -> None:
    needs(command[0])
    sizes = [f"sizeof({struct}) == {layout(struct)[0]}" for struct in STRUCTS]
    sizes.append(f"sizeof(qrt_device_step) == {STEP}")
    asserts = [f"typedef char size_{i}[{condition} ? 1 : -1];" for i, condition in enumerate(sizes)]
    source = "\n".join(['#include "qrt_device.h"', *asserts, ""])
    options = ["-std=c99", "-ffreestanding", "-fsyntax-only", *INCLUDE, "-x", "c", "-"]
    done = subprocess.run([*command, *options], input=source, capture_output=True, text=True)
    if re.search("unable to create target|unknown target|No such file|bits/", done.stderr):
        pytest.skip(f"no {' '.join(command)}")
    assert done.returncode == 0, done.stderr


def test_an_operator_that_is_not_listed_is_named(shared: Path, tmp_path: Path, expected: list[Expected]) -> None:
    listed = "&qrt_device_conv2d, &qrt_device_reshape"
    program = build(shared, tmp_path, own=[f"-DOPERATORS={listed}"])
    files = list({case.file: None for case in expected})
    refused = set()
    for result, file in zip(run_files(program, [(file, b"") for file in files]), files, strict=True):
        model = fb.Model.GetRootAs(file, 0)
        kinds = [BY_NUMBER[model.Operators(i).OptionsType()].name for i in range(model.OperatorsLength())]
        # A layer of int16 codes is a row of its own, which is not listed; moves of codes have the same for both.
        is_int16 = any(model.Tensors(i).Dtype() == fb.DType.INT16 for i in range(model.TensorsLength()))
        listed_kinds = ("reshape",) if is_int16 else ("conv2d", "reshape")
        strange = [i for i, kind in enumerate(kinds) if kind not in listed_kinds]
        if not strange:
            assert (result.status, result.kind) == (ERR_MEMORY, 0)
            continue
        kind = kinds[strange[0]]
        refused.add(kind)
        assert (result.status, result.kind, result.index) == (ERR_OPERATOR, OPERATORS[kind].number, strange[0])
        assert (result.rule, result.place, result.needed) == (0, 2, 0)
    assert refused == set(OPERATORS) - {"reshape"}


# -- the program of an application --

WARNINGS = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wsign-conversion", "-Werror"]
COMPILERS = {
    "gcc": ["gcc", "-O2"],
    "clang": ["clang", "-O2"],
    **{
        f"cortex-{core}": ["arm-none-eabi-gcc", "-Os", "-mthumb", f"-mcpu=cortex-{core}"] for core in ("m0", "m3", "m4")
    },
}
SOURCES = [*READER, *sorted((ROOT / "runtime/engine").glob("*.c")), ROOT / "firmware/qrt_device.c"]


def symbols(nm: str, *files: Path) -> dict[str, set[str]]:
    """The symbols of object files or programs, by what they are to the linker."""
    found: dict[str, set[str]] = {}
    for kind, name in re.findall(r" (\w) (\w+)", subprocess.check_output([nm, *files], text=True)):
        found.setdefault(kind, set()).add(name)
    return found


@pytest.mark.parametrize("name", COMPILERS)
def test_compiles_freestanding_without_warnings(tmp_path: Path, name: str) -> None:
    command = COMPILERS[name]
    nm = "arm-none-eabi-nm" if command[0].startswith("arm") else "nm"
    needs(command[0], nm)
    objects = [tmp_path / f"{path.stem}.o" for path in SOURCES]
    for source, made in zip(SOURCES, objects, strict=True):
        subprocess.run([*command, *WARNINGS, *INCLUDE, "-ffreestanding", "-c", source, "-o", made], check=True)
    undefined = {symbol for symbol in symbols(nm, *objects).get("U", ()) if not symbol.startswith("qrt_")}
    # libgcc's multiplication, division and shifts of integers; of 64 bits no division.
    integers = {"__aeabi_lmul", "__aeabi_llsl", "__aeabi_llsr", "__aeabi_lasr", "__aeabi_idiv", "__aeabi_idivmod"}
    unsigned = {"__aeabi_uidiv", "__aeabi_uidivmod", "__gnu_thumb1_case_uqi", "__gnu_thumb1_case_sqi"}
    switches = {"__gnu_thumb1_case_uhi", "__gnu_thumb1_case_shi", "__gnu_thumb1_case_si"}
    assert (
        undefined <= {"memcpy", "memset", "memmove", "memcmp", "_GLOBAL_OFFSET_TABLE_"} | integers | unsigned | switches
    )


@pytest.mark.parametrize("language", ["c", "c++"])
def test_the_example_of_the_header_compiles(tmp_path: Path, language: str) -> None:
    header = (ROOT / "firmware/qrt_device.h").read_text(encoding="utf-8")
    lines = [line.removeprefix(" *") for line in header.split("*/")[1].splitlines()]
    example = textwrap.dedent("\n".join(line for line in lines if line.startswith("     ")))
    assert "qrt_device_open" in example
    needs("g++" if language == "c++" else compiler())
    command = ["g++", *WARNINGS[1:]] if language == "c++" else [compiler(), *WARNINGS]
    command += [*INCLUDE, "-x", language, "-c", "-", "-o", str(tmp_path / "example.o")]
    subprocess.run(command, input=example, text=True, check=True)


def test_what_is_not_listed_is_not_linked(shared: Path, tmp_path: Path) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("needs a linker that drops sections as GNU's does")
    needs("nm")
    sections = ["-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections"]
    listed = "&qrt_device_linear, &qrt_device_softmax"
    linked = symbols("nm", build(shared, tmp_path, *sections, own=[f"-DOPERATORS={listed}"]))
    assert {name for name in linked["T"] if name.endswith("_s8")} == {"qrt_linear_s8", "qrt_softmax_s8"}
