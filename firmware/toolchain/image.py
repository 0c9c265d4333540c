"""A linked program: what it holds, how much of it, and where."""

from __future__ import annotations

import bisect
import functools
import io
from dataclasses import dataclass, field
from pathlib import Path

from qrt.firmware.errors import DeviceError


@dataclass(frozen=True)
class Segment:
    """Bytes that are in memory when the program starts.

    Attributes
    ----------
    address : int
        Where they are when the program runs.
    data : bytes
        What they are.
    """

    address: int
    data: bytes


@dataclass(frozen=True)
class Function:
    """A function: its name, the address of its first instruction, and its size in bytes."""

    name: str
    address: int
    size: int


@dataclass(frozen=True)
class Image:
    """A linked program.

    Attributes
    ----------
    elf : bytes
        The file.
    is_arm : bool
        Whether its instructions are Arm's (Thumb); otherwise RISC-V's.
    entry : int
        The entry address.
    symbols : dict of str to int
        The addresses of functions and objects; of a Thumb function without the lowest bit.
    functions : tuple of Function
        By ascending address.
    segments : tuple of Segment
        What is in memory at the start; bytes of zero (.bss) excepted.
    code, constants, data, bss : int
        Sizes in bytes of .text, .rodata, .data and .bss, without what only an emulator needs.
    code_range : tuple of int
        The addresses of .text: first, and one past the last.
    free : int
        The first address of RAM, aligned to 16 bytes, that the program does not use itself.
    """

    elf: bytes = field(repr=False)
    is_arm: bool
    entry: int
    symbols: dict[str, int] = field(repr=False)
    functions: tuple[Function, ...] = field(repr=False)
    segments: tuple[Segment, ...] = field(repr=False)
    code: int
    constants: int
    data: int
    bss: int
    code_range: tuple[int, int]
    free: int

    @property
    def flash(self) -> int:
        """Bytes of flash: code, constants, and the initial values of .data."""
        return self.code + self.constants + self.data

    @functools.cached_property
    def text(self) -> bytes:
        """The bytes of .text."""
        first, last = self.code_range
        whole = next(part for part in self.segments if part.address <= first < part.address + len(part.data))
        return whole.data[first - whole.address : last - whole.address]

    @functools.cached_property
    def disassembled(self) -> dict[int, tuple[int, str, str, int]]:
        """Address, mnemonic, operands and size in bytes of instructions that somebody has asked for."""
        return {}

    def is_wide(self, address: int) -> bool:
        """Whether the instruction at this address takes four bytes, not two."""
        at = address - self.code_range[0]
        halfword = int.from_bytes(self.text[at : at + 2], "little")
        return halfword >> 11 in (0b11101, 0b11110, 0b11111) if self.is_arm else halfword & 3 == 3

    def function(self, address: int) -> str:
        """The name of the function that begins at or next before this address; ``"?"`` outside of the program."""
        if not any(part.address <= address < part.address + len(part.data) for part in self.segments):
            return "?"
        at = bisect.bisect_right(self.functions, address, key=lambda function: function.address) - 1
        return self.functions[at].name if at >= 0 else "?"

    def address(self, symbol: str) -> int:
        """The address of a symbol.

        Raises
        ------
        DeviceError
            The program has none of that name.
        """
        if symbol not in self.symbols:
            raise DeviceError(f"the program has no symbol {symbol!r}; name it among the roots")
        return self.symbols[symbol]


def read_image(path: Path) -> Image:
    """The program in an ELF file, linked by one of the scripts in ``firmware/boards``.

    Raises
    ------
    DeviceError
        pyelftools is not installed.
    """
    try:
        from elftools.elf.elffile import ELFFile
    except ImportError as error:
        raise DeviceError('pyelftools is not installed: pip install "qrt[device]"') from error
    content = path.read_bytes()
    elf = ELFFile(io.BytesIO(content))
    sections = {section.name: section for section in elf.iter_sections()}
    sizes = {name: section["sh_size"] for name, section in sections.items()}
    text = sections[".text"]
    code_range = (text["sh_addr"], text["sh_addr"] + text["sh_size"])
    symbols: dict[str, int] = {}
    functions: dict[int, Function] = {}
    is_arm = elf["e_machine"] == "EM_ARM"
    for symbol in sections[".symtab"].iter_symbols():
        kind, address = symbol["st_info"]["type"], symbol["st_value"]
        if not symbol.name or symbol.name.startswith("$") or kind in ("STT_SECTION", "STT_FILE"):
            continue
        if kind == "STT_FUNC":
            address &= ~1 if is_arm else ~0
            # Of several names for one function, one without dots reads best.
            known = functions.get(address)
            if known is None or ("." in known.name and "." not in symbol.name):
                functions[address] = Function(symbol.name, address, symbol["st_size"])
        symbols[symbol.name] = address
    return Image(
        elf=content,
        is_arm=is_arm,
        entry=elf["e_entry"],
        symbols=symbols,
        functions=tuple(functions[address] for address in sorted(functions)),
        segments=tuple(
            Segment(part["p_vaddr"], part.data())
            for part in elf.iter_segments()
            if part["p_type"] == "PT_LOAD" and part["p_filesz"] > 0
        ),
        code=sizes[".text"],
        constants=sizes.get(".rodata", 0),
        data=sizes.get(".data", 0),
        bss=sizes.get(".bss", 0),
        code_range=code_range,
        free=symbols["board_free"],
    )
