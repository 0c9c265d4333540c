"""The processors that qrt makes C for: their kernels, how a compiler is told of them, and what emulates them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from qrt.firmware.errors import DeviceError


@dataclass(frozen=True)
class Target:
    """A processor core, and the board and emulator on which programs for it are tried.

    Attributes
    ----------
    name : str
        What ``--target`` takes.
    title : str
        As its maker calls it.
    kernels : str
        The kernel set whose kernels and packed constants it gets.
    core : str
        The processor that it is compiled for and emulated as, as gcc spells it: ``"cortex-m4"``.
    zig : tuple of str
        Options by which ``zig cc`` compiles for it.
    gcc, clang : tuple of str
        The same for gcc and for clang as they come from elsewhere.
    board : str
        The board of ``firmware/boards`` on which its programs run in QEMU; empty when there is none.
    emulator : str
        ``"unicorn"`` or ``"qemu"``.
    aligned : bool
        Whether the processor itself refuses unaligned accesses.
    """

    name: str
    title: str
    kernels: str
    core: str
    zig: tuple[str, ...]
    gcc: tuple[str, ...]
    clang: tuple[str, ...]
    board: str
    emulator: str = "unicorn"
    aligned: bool = False

    @property
    def is_arm(self) -> bool:
        """Whether it is an Arm processor; otherwise it is RISC-V."""
        return self.core.startswith("cortex")


# The kernel sets of cores that can do more than the portable one asks for.
_KERNELS = {"m4": "dsp", "m7": "dsp", "m33": "dsp", "m55": "mve", "m85": "mve"}


def _cortex_m(core: str, board: str, name: str = "", title: str = "", aligned: bool = False) -> Target:
    cpu = f"cortex-{core}"
    # Vector instructions (MVE) are beyond unicorn. They use the registers of the floating-point unit, so functions pass
    # numbers in these.
    vectors = core in ("m55", "m85")
    # zig takes the Cortex-M33 for one without the DSP extension, gcc and clang for one with it.
    more = {"m33": "+dsp", "m55": "+mve", "m85": "+mve"}.get(core, "")
    return Target(
        name=name or cpu,
        title=title or f"Arm Cortex-{core.replace('plus', '+').upper()}",
        kernels=_KERNELS.get(core, "portable"),
        core=cpu,
        zig=(
            "-target",
            "thumb-freestanding-eabihf" if vectors else "thumb-freestanding-eabi",
            f"-mcpu={cpu.replace('-', '_')}{more}",
        ),
        gcc=("-mthumb", f"-mcpu={cpu}", *(("-mfloat-abi=hard",) if vectors else ())),
        clang=("--target=thumb-none-eabi", f"-mcpu={cpu}", f"-mfloat-abi={'hard' if vectors else 'soft'}"),
        board=board,
        emulator="qemu" if vectors else "unicorn",
        aligned=aligned,
    )


_TARGETS = (
    _cortex_m("m3", "an385", "generic", "any 32-bit processor, measured on an Arm Cortex-M3"),
    _cortex_m("m0", "microbit", aligned=True),
    _cortex_m("m0plus", "microbit", aligned=True),
    _cortex_m("m3", "an385"),
    _cortex_m("m4", "an386"),
    _cortex_m("m7", "an500"),
    _cortex_m("m33", "an505"),
    _cortex_m("m55", "an547"),
    _cortex_m("m85", "an547"),
    Target(
        name="riscv32",
        title="RISC-V RV32IMC",
        kernels="portable",
        core="rv32imc",
        zig=("-target", "riscv32-freestanding-none", "-mcpu=generic_rv32+m+c"),
        gcc=("-march=rv32imc", "-mabi=ilp32"),
        clang=("--target=riscv32-none-elf", "-march=rv32imc", "-mabi=ilp32"),
        board="",
    ),
)
TARGETS = {target.name: target for target in _TARGETS}


def target(name: str) -> Target:
    """The target of that name.

    Raises
    ------
    DeviceError
        There is none.
    """
    if name not in TARGETS:
        close = difflib.get_close_matches(name, TARGETS, 1, 0.5)
        hint = f"did you mean {close[0]}? There are" if close else "choose one of"
        raise DeviceError(f"there is no target {name!r}; {hint} {', '.join(TARGETS)}")
    return TARGETS[name]
