"""Programs of one's own on the emulated boards: start, output, exit, faults."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest
from processes import HANGS

from qrt.firmware.emulators.qemu import MACHINES, PROGRAM
from qrt.firmware.targets import TARGETS, Target
from qrt.firmware.toolchain.compilers import BOARDS, find_compiler

MAIN = """
#include "board.h"
static int32_t first = 7;
static int32_t second;
int main(void) {
    board_print("numbers ");
    board_print_number(-2147483647 - 1);
    board_print(" ");
    board_print_number(first + second);
    board_print("\\n");
    if (WHAT == 1) board_exit(5);
    if (WHAT == 2) __asm__ volatile("udf #0");
    return 3;
}
"""
BY_BOARD = {target.board: target for target in TARGETS.values() if target.board and target.core != "cortex-m85"}


def build(target: Target, cc: str | None, what: int, folder: Path) -> Path:
    """The program for a board, built as a user's Makefile does it."""
    compiler = find_compiler(target, cc)
    (folder / "main.c").write_text(MAIN, encoding="utf-8")
    program = folder / "program.elf"
    sources = [str(folder / "main.c"), str(BOARDS / "start.c")]
    command = [*compiler.command, *compiler.options(target), "-Os", f"-I{BOARDS}", f"-DWHAT={what}", *sources]
    command += [f"-Wl,-T,{target.board}.ld", "-Wl,--gc-sections", "-Wl,-e,board_vectors", "-o", str(program)]
    # Zig's -nostdlib leaves out its library of arithmetic too, which takes seconds to build and only one board needs.
    alone = ["-nostartfiles"] if target.board == "microbit" else ["-nostdlib"]
    command += ["-nostdlib", "-lgcc"] if cc else alone
    subprocess.run(command, check=True, cwd=BOARDS)
    return program


@pytest.mark.parametrize("cc", [None, "arm-none-eabi-gcc"], ids=["zig", "gcc"])
@pytest.mark.parametrize("board", MACHINES)
def test_start_output_and_exit(board: str, cc: str | None, tmp_path: Path) -> None:
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not installed")
    if cc is None and importlib.util.find_spec("ziglang") is None:
        pytest.skip("ziglang is not installed")
    if cc is not None and shutil.which(cc) is None:
        pytest.skip(f"{cc} is not installed")
    options = ["-nographic", "-monitor", "none", "-serial", "none", "-semihosting-config", "enable=on,target=native"]
    for what, status in ((0, 3), (1, 5), (2, 99)):
        program = build(BY_BOARD[board], cc, what, tmp_path)
        command = [PROGRAM, "-M", MACHINES[board], *options, "-kernel", str(program)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS)
        text = done.stdout + done.stderr
        assert (done.returncode, text[:21]) == (status, "numbers -2147483648 7"), text
        assert ("fault: exception 0000000" in text) == (what == 2)
