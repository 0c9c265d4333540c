"""Compilers that are found, and programs that they build."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from device_programs import PROGRAM, ROOTS, image, place

from qrt.firmware.emulators import Call, execute
from qrt.firmware.errors import DeviceError
from qrt.firmware.targets import TARGETS, target
from qrt.firmware.toolchain.compilers import Compiler, find_compiler, link
from qrt.firmware.toolchain.image import read_image

M4 = TARGETS["cortex-m4"]


def build(tmp_path: Path, text: str, **options: object) -> object:
    """A program of one file, for a Cortex-M4."""
    place("cortex-m4", "unicorn")
    pytest.importorskip("ziglang", reason="ziglang is not installed")
    source = tmp_path / "source.c"
    source.write_text(text, encoding="utf-8")
    return link(M4, find_compiler(M4), [source], roots=["run"], **options)  # type: ignore[arg-type]


def test_targets() -> None:
    assert [target(name).name for name in TARGETS] == list(TARGETS)
    with pytest.raises(DeviceError, match=r"there is no target 'z80'; choose one of generic, cortex-m0, .*, riscv32"):
        target("z80")


def test_the_compiler_that_pip_installs_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ziglang", reason="ziglang is not installed")
    found = find_compiler(M4)
    assert found.kind == "zig" and found.version.startswith("zig 0.")
    monkeypatch.setitem(sys.modules, "ziglang", None)
    if shutil.which("arm-none-eabi-gcc"):
        assert find_compiler(M4).kind == "gcc"
    with pytest.raises(DeviceError, match=r'no C compiler for RISC-V RV32IMC: pip install "qrt\[device\]" brings one'):
        find_compiler(TARGETS["riscv32"])
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(DeviceError, match=r"no C compiler for Arm Cortex-M4: .* or name yours with --cc"):
        find_compiler(M4)


def test_a_compiler_of_ones_own() -> None:
    for command, kind in (("arm-none-eabi-gcc", "gcc"), ("arm-none-eabi-gcc -pipe", "gcc"), ("clang", "clang")):
        if shutil.which(command.split()[0]):
            found = find_compiler(M4, command)
            assert (found.kind, found.command) == (kind, tuple(command.split()))
    with pytest.raises(DeviceError, match=r"cannot run no-such-compiler: No such file"):
        find_compiler(M4, "no-such-compiler")
    with pytest.raises(DeviceError, match="echo is neither gcc nor clang"):
        find_compiler(M4, "echo")
    with pytest.raises(DeviceError, match="--cc is empty"):
        find_compiler(M4, " ")


def test_zig_as_a_compiler_of_ones_own() -> None:
    pytest.importorskip("ziglang", reason="ziglang is not installed")
    assert find_compiler(M4, f"{sys.executable} -m ziglang cc").kind == "zig"


def test_errors_of_the_compiler(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"zig fails:\n.*source.c:1:24: error: use of undeclared identifier 'x'"):
        build(tmp_path, "int run(void) { return x; }\n")
    with pytest.raises(DeviceError, match=r"zig fails:\n.*undefined symbol: elsewhere"):
        build(tmp_path, "int elsewhere(void); int run(void) { return elsewhere(); }\n")
    with pytest.raises(DeviceError, match="no source defines run"):
        build(tmp_path, "int walk(void) { return 1; }\n")


def test_a_compiler_that_does_not_know_the_target(tmp_path: Path) -> None:
    host = shutil.which("gcc")
    if host is None:
        pytest.skip("gcc is not installed")
    with pytest.raises(DeviceError, match=r"gcc fails:\n"):
        link(M4, Compiler((host,), "gcc", ""), [PROGRAM], roots=ROOTS)


def test_defines_options_and_folders(tmp_path: Path) -> None:
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "number.h").write_text("#define NUMBER (FIRST + SECOND)\n", encoding="utf-8")
    text = "#include <string.h>\n#include <number.h>\nint run(void) { return NUMBER; }\n"
    program = build(tmp_path, text, include=[tmp_path / "include"], defines=["FIRST=40", "SECOND=2"])
    assert execute(program, M4, [Call("run")]).returned == [42]  # type: ignore[arg-type]


def test_sizes(tmp_path: Path) -> None:
    text = """
    static const int table[100] = {1, 2, 3};
    static int start[10] = {4, 5}; static int later[30];
    int unused(void) { return table[7]; }
    int run(int i) { later[i] = start[i]++; return table[i] + later[2 * i]; }
    """
    program = build(tmp_path, text)
    assert (program.constants, program.data, program.bss) == (400, 40, 120)  # type: ignore[attr-defined]
    assert program.flash == program.code + 440  # type: ignore[attr-defined]
    assert program.free % 16 == 0 and program.free == 0x20000000 + 176  # type: ignore[attr-defined]
    assert "unused" not in program.symbols  # type: ignore[attr-defined]


def test_an_emulator_s_own_code_is_not_counted() -> None:
    alone = image(place("cortex-m4", "unicorn"))
    on_board = image(place("cortex-m4", "qemu"))
    assert (alone.code, alone.constants, alone.data, alone.bss) == (
        on_board.code,
        on_board.constants,
        on_board.data,
        on_board.bss,
    )


def test_functions_of_addresses() -> None:
    program = image(place("cortex-m4", "unicorn"))
    for function in program.functions:
        assert program.function(function.address) == function.name
        assert program.function(function.address + max(function.size, 2) - 2) == function.name
    assert program.function(0x60000000) == "?"
    assert {function.name for function in program.functions} >= set(ROOTS)


def test_pyelftools_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "elftools.elf.elffile", None)
    with pytest.raises(DeviceError, match=r'pyelftools is not installed: pip install "qrt\[device\]"'):
        read_image(tmp_path / "none.elf")


def test_clang_is_told_how_to_make_the_smallest_code() -> None:
    pytest.importorskip("ziglang", reason="ziglang is not installed")
    target = place("cortex-m4", "unicorn")
    assert image(target, options=("-Oz",)).code <= image(target, options=("-Os",)).code
    assert Compiler((), "gcc", "").spelled(["-Oz", "-g"]) == ["-Os", "-g"]


@pytest.mark.parametrize("command", [None, "arm-none-eabi-gcc", "clang"], ids=["zig", "gcc", "clang"])
@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"])
def test_compilers_know_the_instructions_that_the_kernels_of_a_core_use(core: str, command: str | None) -> None:
    if command is None:
        pytest.importorskip("ziglang", reason="ziglang is not installed")
    elif shutil.which(command) is None:
        pytest.skip(f"{command} is not installed")
    target = TARGETS[core]
    compiler = find_compiler(target, command)
    macros = [*compiler.command, *compiler.options(target), "-dM", "-E", "-x", "c", "-"]
    defined = subprocess.run(macros, input="", capture_output=True, text=True, check=True).stdout
    wanted = {"dsp": "#define __ARM_FEATURE_DSP 1", "mve": "#define __ARM_FEATURE_MVE "}[target.kernels]
    assert wanted in defined
