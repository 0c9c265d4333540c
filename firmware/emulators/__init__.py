"""Emulated processors: one way to run a program's functions on them, whichever emulator it is."""

from __future__ import annotations

from collections.abc import Sequence

from qrt.firmware.emulators import qemu, unicorn_core
from qrt.firmware.emulators.commands import Call, Command, Execution, Read, Settings, Write
from qrt.firmware.targets import Target
from qrt.firmware.toolchain.image import Image

__all__ = ["Call", "Command", "Execution", "Read", "Settings", "Write", "execute"]


def execute(image: Image, target: Target, commands: Sequence[Command], settings: Settings | None = None) -> Execution:
    """Starts a program's processor and executes commands on it, in their order; memory keeps what they leave in it.

    Parameters
    ----------
    image : Image
        The program, linked for the target.
    target : Target
        The processor.
    commands : sequence of Write, Call, Read
        What to do. Free memory begins at ``image.free``.
    settings : Settings, optional
        How.

    Raises
    ------
    DeviceError
        The emulator is not installed, or a function accesses memory that is not there, executes what is no instruction,
        or uses more stack than it has.
    """
    run = qemu.execute if target.emulator == "qemu" else unicorn_core.execute
    return run(image, target, commands, settings or Settings())
