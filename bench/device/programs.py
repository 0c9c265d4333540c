"""What a program takes on an emulated processor: linked, run and counted, the same way for every contestant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from qrt.firmware.emulators.counts import Segment
from qrt.firmware.targets import Target
from qrt.firmware.toolchain.compilers import Compiler, link
from qrt.firmware.toolchain.image import Image


@dataclass(frozen=True)
class Configuration:
    """A compiler with its level of optimization."""

    compiler: Compiler
    optimize: str

    def __str__(self) -> str:
        return f"{self.compiler.kind} -O{self.optimize}"


@dataclass(frozen=True)
class Figures:
    """What one inference takes.

    Attributes
    ----------
    instructions : int
    cycles : int or None
        An estimate; None for a processor that there is none for.
    startup : int
        Instructions once, before the first inference.
    code, constants : int
        Bytes of flash; constants with the initial values of variables, and the file that an interpreter reads.
    memory, stack : int
        Bytes of RAM: activations, scratch, inputs, outputs and variables; and the stack.
    outputs : list of list of bytes
        For each run.
    variant : str
        Which of a contestant's own options these figures are of.
    """

    instructions: int
    cycles: int | None
    startup: int
    code: int
    constants: int
    memory: int
    stack: int
    outputs: list[list[bytes]] = field(repr=False)
    variant: str = ""

    def plain(self) -> dict[str, Any]:
        """The figures for JSON."""
        fields = {key: value for key, value in asdict(self).items() if key != "outputs"}
        return fields | {"flash": self.code + self.constants, "ram": self.memory + self.stack}


@dataclass(frozen=True)
class Source:
    """A program in C: its files, where they look for headers, the functions that are called, and macros."""

    files: Sequence[Path]
    include: Sequence[Path]
    roots: Sequence[str]
    defines: Sequence[str] = ()
    options: Sequence[str] = ()

    def pair(self, target: Target, how: Configuration) -> tuple[Image, Image]:
        """The program for the target's emulator, and the one that its sizes are of: QEMU's holds what starts it."""
        image = self._linked(target, how)
        return image, image if target.emulator == "unicorn" else self._linked(replace(target, emulator="unicorn"), how)

    def _linked(self, target: Target, how: Configuration) -> Image:
        options = [f"-O{how.optimize}", *self.options]
        return link(target, how.compiler, self.files, self.include, self.roots, options, self.defines)


def total(segments: Sequence[Segment]) -> tuple[int, int | None]:
    """Instructions and cycles of a call."""
    cycles = [segment.cycles for segment in segments if segment.cycles is not None]
    known = len(cycles) == len(segments)
    return sum(segment.instructions for segment in segments), sum(cycles) if known else None


def aligned(address: int) -> int:
    """The next multiple of 16, which is enough for every contestant's memory."""
    return -(-address // 16) * 16
