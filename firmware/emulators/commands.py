"""What an emulator does with a program, one command after another, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from qrt.firmware.emulators.counts import Segment


@dataclass(frozen=True)
class Write:
    """Writes bytes to memory.

    Attributes
    ----------
    address : int
        Where to.
    data : bytes
        What.
    """

    address: int
    data: bytes


@dataclass(frozen=True)
class Call:
    """Calls a function.

    Attributes
    ----------
    symbol : str
        Its name.
    arguments : tuple of int
        Up to four integers or addresses of 32 bits.
    """

    symbol: str
    arguments: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if len(self.arguments) > 4:
            raise ValueError(f"{self.symbol}: {len(self.arguments)} arguments; at most 4 fit in registers")


@dataclass(frozen=True)
class Read:
    """Reads bytes from memory.

    Attributes
    ----------
    address : int
        Where from.
    size : int
        How many bytes.
    """

    address: int
    size: int


Command = Write | Call | Read


@dataclass(frozen=True)
class Settings:
    """How to execute.

    Attributes
    ----------
    count : bool
        Whether instructions are counted, which takes longer.
    memory : int
        Bytes of RAM from ``image.free`` on that the commands and the functions use.
    stack : int
        Bytes of stack. A function that needs more fails.
    aligned : bool
        Whether an unaligned access is an error, even where the processor allows it.
    wait_states : int
        Cycles by which the flash delays each fetch of a line of 16 bytes, for the estimate of cycles.
    on_call : callable, optional
        Told, after each call, how many calls are done.
    """

    count: bool = False
    memory: int = 1 << 20
    stack: int = 16 << 10
    aligned: bool = False
    wait_states: int = 0
    on_call: Callable[[int], None] | None = None


@dataclass
class Execution:
    """What came of the commands.

    Attributes
    ----------
    reads : list of bytes
        For each ``Read``.
    returned : list of int
        For each ``Call``, the first result register, as an unsigned number of 32 bits.
    stack : int
        Bytes of stack that the deepest call used.
    calls : list of list of Segment
        For each ``Call`` its counts, cut where ``qrt_on_step`` is entered; empty without ``count``.
    """

    reads: list[bytes] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    stack: int = 0
    calls: list[list[Segment]] = field(default_factory=list)
