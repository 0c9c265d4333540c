"""The kernels compute with integers only and are freestanding: proven on their machine code.

They are compiled here with the flags of setup.py as code of a machine without an operating system, disassembled, and
searched for any instruction that calculates with floats or converts them. Instructions that only move, combine or
shuffle bits are allowed whatever their name: compilers use them on integers.
"""

from __future__ import annotations

import ast
import ctypes
import platform
import random
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from places import ROOT

from qrt import _reference

FLOAT_INSTRUCTION = re.compile(
    r"""
      f\w+                      # x87, all of it
    | v?cvt\w+                  # conversions
    | v?u?comis[sd]             # comparisons that set the flags
    | (?! v? (?: p              # integer instructions of SSE and AVX, and push
               | mov | and | or | xor
               | shuf | unpck | blend | insert | extract | perm | broadcast )
           | tdpb[su][su]d )      # AMX on bytes
      \w+ [sp][sdh]             # the rest that ends in ss, sd, sh, ps, pd, ph: addss, vmulpd, cmpltps, vfmadd231ps
    """,
    re.VERBOSE,
)

# On 64-bit Arm. fmov moves bits, which compilers do with integers; bfi and its like are of bit fields.
FLOAT_INSTRUCTION_ARM = re.compile(r"(?!fmov)f\w+|[su]cvtf\w*|bfdot|bfmmla|bfmlal\w|bfcvt\w*")

# Of a disassembly: the name of a function, or an instruction.
LINE = re.compile(r"^[0-9a-f]+ <(.+)>:$|^ +[0-9a-f]+:\s+(\S+)", re.MULTILINE)
FLOAT_MNEMONICS = "vfmadd231ps vmulpd cmpltps sqrtss vroundsd vaddph vcvtdq2ps tdpbf16ps fld"
INTEGER_MNEMONICS = (
    "paddd pmaddwd pminsd vpmaxsd pxor movaps movsd vmovups xorps andnps shufps unpcklps push imul sar tdpbssd"
)

# What makes code that of a machine without an operating system.
STRICT = ["-std=c99", "-ffreestanding", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"]
LIBRARY = {"memcpy", "memset", "memmove"}


def setup_list(name: str) -> list[str]:
    """A list that setup.py assigns to `name`."""
    for statement in ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
            return list(ast.literal_eval(statement.value))
    raise AssertionError(f"setup.py assigns no {name}")


# Loops that show the peak of a set's instructions are no kernels.
KERNELS = [path for path in sorted((ROOT / "runtime/kernels").rglob("*.c")) if path.name != "peak.c"]
# Elsewhere they compile to nothing.
ARM = [path for path in KERNELS if "neon" in path.parts]


def need(tool: str) -> str:
    path = shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed")
    return path


def compile_to(folder: Path, compiler: str, flags: list[str], source: Path) -> Path:
    target = folder / f"{source.stem}.o"
    include = [f"-I{ROOT / 'runtime' / 'kernels'}"]
    subprocess.run([need(compiler), *flags, *include, "-c", str(source), "-o", str(target)], check=True)
    return target


def float_instructions(binary: Path, function: str = "", arm: bool = False) -> list[str]:
    """`function: instruction` for each that calculates with floats, in functions whose name begins with `function`."""
    if not arm and platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("the list of floating-point instructions is that of x86-64")
    float_instruction = FLOAT_INSTRUCTION_ARM if arm else FLOAT_INSTRUCTION
    command = [need("aarch64-linux-gnu-objdump" if arm else "objdump"), "-d", "--no-show-raw-insn", str(binary)]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found, name, seen = [], "", 0
    for label, instruction in LINE.findall(listing):
        if label:
            name = label
        elif name.startswith(function):
            seen += 1
            if float_instruction.fullmatch(instruction):
                found.append(f"{name}: {instruction}")
    assert seen > 0, f"no code of {function or 'any function'} in {binary}"
    return found


def named(path: Path) -> str:
    return path.relative_to(ROOT / "runtime/kernels").as_posix()


def needed(binary: Path, tool: str = "nm") -> set[str]:
    """What an object file needs beside other kernels, whose headers alone it includes."""
    command = [need(tool), "-g", "-P", "--undefined-only", str(binary)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {line.split()[0] for line in lines if not line.startswith("qrt_")}


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
@pytest.mark.parametrize("source", [path for path in KERNELS if path not in ARM], ids=named)
def test_kernels_are_of_integers_and_stand_alone(source: Path, compiler: str, tmp_path: Path) -> None:
    """No float instruction, no warning, and in need of no library but three functions."""
    binary = compile_to(tmp_path, compiler, [*setup_list("FLAGS"), *STRICT, "-fno-pie"], source)
    assert float_instructions(binary) == []
    assert needed(binary) <= LIBRARY


@pytest.mark.parametrize("source", ARM, ids=named)
def test_kernels_of_arm_have_no_float_instruction(source: Path, tmp_path: Path) -> None:
    binary = compile_to(tmp_path, "aarch64-linux-gnu-gcc", setup_list("FLAGS"), source)
    assert float_instructions(binary, arm=True) == []


def test_reference_kernels_have_no_float_instruction() -> None:
    binary = Path(_reference.__file__)
    symbols = subprocess.run([need("nm"), str(binary)], check=True, capture_output=True, text=True).stdout
    prefix = "__pyx_f_3qrt_10_reference_"
    if prefix not in symbols:
        pytest.skip("the reference extension is stripped of its symbols")
    assert f"{prefix}conv2d" in symbols
    assert float_instructions(binary, prefix) == []


@pytest.mark.parametrize(
    ("body", "caught"),
    [
        ("float f(float a, float b) { return a * b; }", "mulss"),
        ("double f(double a) { return a + 0.5; }", "addsd"),
        ("double f(int a) { return a; }", "cvtsi2sd"),
        ("int f(float a) { return (int)a; }", "cvttss2si"),
        ("int f(double a, double b) { return a < b; }", "comisd"),
        ("long double f(long double a) { return a * 3; }", "fmul"),
        ("void f(float *a) { for (int i = 0; i < 64; i++) a[i] /= 3; }", "divps"),
    ],
)
def test_floats_would_be_caught(body: str, caught: str, tmp_path: Path) -> None:
    source = tmp_path / "float.c"
    source.write_text(body)
    found = float_instructions(compile_to(tmp_path, "gcc", setup_list("FLAGS"), source))
    assert any(instruction.startswith(f"f: {caught}") for instruction in found), found


@pytest.mark.parametrize(
    ("body", "caught"),
    [
        ("float f(float a, float b) { return a * b; }", "fmul"),
        ("double f(int a) { return a; }", "scvtf"),
        ("int f(float a) { return (int)a; }", "fcvtzs"),
    ],
)
def test_floats_on_arm_would_be_caught(body: str, caught: str, tmp_path: Path) -> None:
    source = tmp_path / "float.c"
    source.write_text(body)
    binary = compile_to(tmp_path, "aarch64-linux-gnu-gcc", setup_list("FLAGS"), source)
    assert f"f: {caught}" in float_instructions(binary, arm=True)


@pytest.mark.parametrize("mnemonic", FLOAT_MNEMONICS.split())
def test_float_mnemonic(mnemonic: str) -> None:
    assert FLOAT_INSTRUCTION.fullmatch(mnemonic)


@pytest.mark.parametrize("mnemonic", INTEGER_MNEMONICS.split())
def test_integer_mnemonic(mnemonic: str) -> None:
    assert not FLOAT_INSTRUCTION.fullmatch(mnemonic)


def test_division_where_the_machine_has_none(tmp_path: Path) -> None:
    """Bit by bit, as on machines of 32 bits, which have no library here."""
    source, library = tmp_path / "divide.c", tmp_path / "divide.so"
    source.write_text(
        "#include <stdint.h>\n#undef UINTPTR_MAX\n#define UINTPTR_MAX UINT32_MAX\n#include <qrt_math.h>\n"
        "uint64_t divided(uint64_t a, uint64_t b) { return qrt_divide(a, b); }\n"
        "int64_t quotient(int64_t a, int32_t b) { return qrt_parts_of(a, b).quotient; }\n"
        "int64_t rest(int64_t a, int32_t b) { return qrt_parts_of(a, b).rest; }\n"
    )
    command = [need("gcc"), "-O1", f"-I{ROOT / 'runtime' / 'kernels'}", "-shared", "-fPIC", str(source)]
    subprocess.run([*command, "-o", str(library)], check=True)
    loaded = ctypes.CDLL(str(library))
    divided = loaded.divided
    divided.argtypes, divided.restype = [ctypes.c_uint64] * 2, ctypes.c_uint64
    rng = random.Random(0)
    edges = [1, 2, 3, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62 - 1, 2**62, 2**63 - 1]
    pairs = [(rng.getrandbits(rng.randint(1, 64)), rng.randint(1, 2 ** rng.randint(1, 63) - 1)) for _ in range(10_000)]
    for a, b in pairs + [(a, b) for a in [0, *edges, 2**64 - 1] for b in edges]:
        assert divided(a, b) == a // b, (a, b)
    loaded.quotient.restype = loaded.rest.restype = ctypes.c_int64
    numbers = [rng.getrandbits(rng.randint(1, 62)) * rng.choice((-1, 1)) for _ in range(2000)]
    for number, divisor in [(n, rng.randint(1, 2**31 - 1)) for n in numbers] + [(n, 7) for n in range(-20, 20)]:
        found = [part(ctypes.c_int64(number), divisor) for part in (loaded.quotient, loaded.rest)]
        assert tuple(found) == divmod(number, divisor), (number, divisor)


def test_kernels_stand_alone_on_a_core(tmp_path: Path) -> None:
    for source in KERNELS:
        binary = compile_to(tmp_path, "arm-none-eabi-gcc", [*STRICT, "-O2", "-mcpu=cortex-m4"], source)
        assert needed(binary, "arm-none-eabi-nm") <= LIBRARY, source
