"""The board of QEMU on which a library's test vectors run: ``make check BOARD=an386``."""

from __future__ import annotations

from qrt.firmware.emulators.qemu import MACHINES, OPTIONS, PROGRAM
from qrt.firmware.errors import DeviceError
from qrt.firmware.projects.forms import Board
from qrt.firmware.targets import TARGETS, Target
from qrt.firmware.toolchain.compilers import BOARDS


def emulated_board(name: str, target: Target) -> Board:
    """An emulated board, on which the target's library is compiled by gcc, for the board's processor, and run by QEMU.

    Raises
    ------
    DeviceError
        There is no such board, or the target is not an Arm processor.
    """
    if not target.is_arm:
        raise DeviceError(f"there is no board for {target.title}: all have an Arm processor")
    if name not in MACHINES:
        raise DeviceError(f"there is no board {name!r}; choose one of {', '.join(MACHINES)}")
    paths = [BOARDS / file for file in ("board.h", "start.c", "sections.ld", f"{name}.ld")]
    paths += [BOARDS / "freestanding" / file for file in ("string.h", "string.c")]
    processor = next(known for known in TARGETS.values() if known.board == name)
    flags = [*processor.gcc, "-Os", "-ffreestanding", "-fno-tree-loop-distribute-patterns"]
    flags += ["-ffunction-sections", "-fdata-sections"]
    link = f"-nostdlib -Lboard -T {name}.ld -Wl,--gc-sections -Wl,-e,board_reset -lgcc"
    run = [PROGRAM, "-M", MACHINES[name], *OPTIONS, "-kernel"]
    files = {path.name: path.read_text(encoding="utf-8") for path in paths}
    return Board(name, files, "arm-none-eabi-gcc", " ".join(flags), link, " ".join(run))
