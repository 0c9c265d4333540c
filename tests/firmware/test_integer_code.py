"""The code for devices computes with integers only, divides none of 64 bits, and calls no library but three functions.

Without a floating-point unit every calculation with floats is a call of a function of the compiler's library, so the
functions that objects need say it all. With one, the instructions must be read.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from c_programs import DEVICE, PORTABLE
from expected import model
from places import ROOT

from qrt.firmware.generate.network import generate
from qrt.firmware.targets import TARGETS
from qrt.firmware.toolchain.compilers import zig

COPIES = re.compile(r"memcpy|memset|memmove|__aeabi_mem(cpy|set|move|clr)[48]?")
# Of integers: 64-bit products and shifts, 32-bit divisions, and what small jumps through tables need.
INTEGERS = re.compile(
    r"__aeabi_(lmul|llsl|llsr|lasr|u?idiv(mod)?)|__(muldi3|ashldi3|ashrdi3|lshrdi3|u?divsi3|u?modsi3)"
    r"|__gnu_thumb1_case_\w+"
)
# Calculations, conversions and comparisons of the floating-point unit; moves, loads and stores are none.
FLOAT_INSTRUCTION = re.compile(
    r"v(add|sub|n?mul|div|cvt\w?|cmpe?|sqrt|fn?m[as]|n?ml[as]|neg|abs|rint\w|sel\w+|maxnm|minnm)(\.\w+)+"
)
INCLUDE = [f"-I{ROOT / folder}" for folder in ("schema", "runtime", "runtime/kernels", "firmware")]
# With a floating-point unit that functions may use.
HARD = ["-mthumb", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=softfp"]


def need(tool: str) -> str:
    path = shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed")
    return path


def command(compiler: str, core: str) -> list[str]:
    """A compiler for a core without floating-point unit; skips the test where it is not installed."""
    if compiler == "zig":
        if not zig():
            pytest.skip("ziglang is not installed")
        return [*zig(), *TARGETS[core].zig, "-fhosted", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables"]
    need(compiler)
    target = TARGETS[core]
    return [compiler, *(target.gcc if compiler == "arm-none-eabi-gcc" else target.clang)]


def compile_all(command: list[str], sources: list[Path], include: list[str], folder: Path) -> list[Path]:
    headers = ["-isystem", str(ROOT / "firmware" / "boards" / "freestanding")]
    objects = []
    for source in sources:
        objects.append(folder / f"{source.stem}.o")
        subprocess.run([*command, "-Os", *headers, *include, "-c", source, "-o", objects[-1]], check=True)
    return objects


def needed(objects: list[Path]) -> set[str]:
    """The functions and objects that these files need and do not have."""
    text = subprocess.check_output([need("arm-none-eabi-nm"), "-g", "-P", *objects], text=True)
    rows = [line.split() for line in text.splitlines() if not line.endswith(":")]
    return {row[0] for row in rows if row[1] == "U"} - {row[0] for row in rows if row[1] != "U"}


def strange(objects: list[Path], *more: str) -> set[str]:
    """What is needed but not allowed."""
    return {
        name
        for name in needed(objects)
        if not COPIES.fullmatch(name) and not INTEGERS.fullmatch(name) and name not in more
    }


def write_digits(folder: Path) -> Path:
    """Writes the digits network; the file that is the network itself."""
    network = generate(model("digits").file, TARGETS["generic"], "net")
    for path, text in network.sources.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder / "net.c"


@pytest.mark.parametrize(
    ("compiler", "core"),
    [
        ("arm-none-eabi-gcc", "cortex-m0"),
        ("arm-none-eabi-gcc", "cortex-m4"),
        ("clang", "cortex-m0"),
        ("zig", "cortex-m4"),
    ],
)
def test_what_objects_need(compiler: str, core: str, tmp_path: Path) -> None:
    compile_for = command(compiler, core)
    kernels = compile_all(compile_for, PORTABLE, INCLUDE, tmp_path)
    assert strange(kernels) == set()
    generated = compile_all(compile_for, [write_digits(tmp_path)], [f"-I{tmp_path}"], tmp_path)
    assert strange([*kernels, *generated]) == set()
    others = [path for path in DEVICE if path not in PORTABLE]
    interpreter = compile_all(compile_for, others, INCLUDE, tmp_path)
    assert strange([*kernels, *interpreter], "memcmp") == set()


def test_no_float_instruction(tmp_path: Path) -> None:
    sources = [*DEVICE, ROOT / "firmware" / "boards" / "freestanding" / "string.c"]
    objects = compile_all([need("arm-none-eabi-gcc"), *HARD], sources, INCLUDE, tmp_path)
    objects += compile_all([need("arm-none-eabi-gcc"), *HARD], [write_digits(tmp_path)], [f"-I{tmp_path}"], tmp_path)
    assert float_instructions(objects) == set()


def float_instructions(objects: list[Path]) -> set[str]:
    listing = subprocess.check_output([need("arm-none-eabi-objdump"), "-d", "--no-show-raw-insn", *objects], text=True)
    mnemonics = set(re.findall(r"^\s+[0-9a-f]+:\s+(\S+)", listing, re.MULTILINE))
    assert len(mnemonics) > 2
    return {mnemonic for mnemonic in mnemonics if FLOAT_INSTRUCTION.fullmatch(mnemonic)}


@pytest.mark.parametrize(
    ("body", "called", "instruction"),
    [
        ("float f(float a, float b) { return a * b; }", "__aeabi_fmul", "vmul.f32"),
        ("float f(int a) { return a; }", "__aeabi_i2f", "vcvt.f32.s32"),
        ("int f(float a, float b) { return a < b; }", "__aeabi_fcmplt", "vcmpe.f32"),
        ("double f(double a) { return a + 0.5; }", "__aeabi_dadd", None),
        ("long long f(long long a, long long b) { return a / b; }", "__aeabi_ldivmod", None),
        ("unsigned long long f(unsigned long long a) { return a % 1000; }", "__aeabi_uldivmod", None),
    ],
)
def test_it_would_be_caught(body: str, called: str, instruction: str | None, tmp_path: Path) -> None:
    source = tmp_path / "bad.c"
    source.write_text(body)
    for core in ("cortex-m0", "cortex-m4"):
        objects = compile_all(command("arm-none-eabi-gcc", core), [source], [], tmp_path)
        assert strange(objects) == {called}
    objects = compile_all([need("arm-none-eabi-gcc"), *HARD], [source], [], tmp_path)
    assert float_instructions(objects) == ({instruction} if instruction else set())
