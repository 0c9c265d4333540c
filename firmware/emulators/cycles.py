"""Estimates of cycles on Cortex-M3, M4 and M33, from how often each instruction was executed.

They follow Arm's tables of instruction timings (Cortex-M3 and Cortex-M4 Technical Reference Manuals, section 3.3) for
a processor that memory never keeps waiting: 1 cycle; a load 2, or 1 when another load or store precedes it; LDM, STM,
PUSH and POP 1 and one for each register; LDRD and STRD 3, or 2 after another; a branch that is taken REFILL more; a
division 7 (2 to 12). Arm publishes no table for the Cortex-M33; it gets that of the M4. The Cortex-M7 issues two
instructions at once, and the vector instructions of the M55 and M85 overlap, so for those, and for the M0 and RISC-V,
there is no estimate.
"""

from __future__ import annotations

from collections.abc import Mapping

from qrt.firmware.errors import DeviceError
from qrt.firmware.targets import Target
from qrt.firmware.toolchain.image import Image

# Cycles to refill the pipeline after a branch, of 1 to 3.
REFILL = 2
DIVISION = 7
# Bytes that a fetch from flash brings.
LINE = 16
_SEVERAL = ("ldm", "stm", "push", "pop", "vldm", "vstm", "vpush", "vpop")
# The M3 multiplies in several cycles where the M4 takes one; the 64-bit ones take fewer for small numbers.
_MULTIPLIES_OF_M3 = {"mla": 2, "mls": 2, "umull": 4, "smull": 4, "umlal": 5, "smlal": 5}


def cycles(
    image: Image,
    target: Target,
    executed: Mapping[int, int],
    taken: Mapping[int, int],
    entered: Mapping[int, int],
    wait_states: int = 0,
) -> int | None:
    """The estimate, or None where there is none for the target.

    Parameters
    ----------
    image : Image
        The program.
    target : Target
        What it ran on.
    executed : mapping of int to int
        By the address of an instruction, its executions.
    taken : mapping of int to int
        By the address behind a branch, how often it was taken.
    entered : mapping of int to int
        By the address of an instruction, how often a branch led to it.
    wait_states : int
        Cycles for each line of 16 bytes of code that is fetched: when execution runs into one or branches into one,
        even into the one just left. No cache and no prefetch is assumed, so it is an upper bound for code; constants
        that are read from flash are taken to cost nothing.

    Raises
    ------
    DeviceError
        capstone is not installed.
    """
    if target.core not in ("cortex-m3", "cortex-m4", "cortex-m33"):
        return None
    total = 0
    after_memory = -1
    for address, mnemonic, operands, size in _instructions(image, sorted(executed)):
        loads_or_stores = mnemonic.startswith(("ldr", "str", "vldr", "vstr", *_SEVERAL))
        each = _each(mnemonic, operands, after_memory == address, target)
        total += executed[address] * each + taken.get(address + size, 0) * REFILL
        after_memory = address + size if loads_or_stores else -1
        if wait_states and (address % LINE == 0 or (address + size - 1) // LINE > address // LINE):
            total += executed[address] * wait_states
    if wait_states:
        total += wait_states * sum(times for address, times in entered.items() if address % LINE != 0)
    return total


def _each(mnemonic: str, operands: str, after_memory: bool, target: Target) -> int:
    """Cycles of one execution of an instruction that does not branch."""
    if mnemonic.startswith(_SEVERAL):
        return 1 + operands[operands.index("{") :].count(",") + 1
    if mnemonic.startswith(("ldrd", "strd")):
        return 2 if after_memory else 3
    if mnemonic.startswith(("ldr", "vldr")):
        return 1 if after_memory else 2
    if mnemonic.startswith(("sdiv", "udiv")):
        return DIVISION
    if mnemonic.startswith(("tbb", "tbh")):
        return 2
    if target.core == "cortex-m3":
        return _MULTIPLIES_OF_M3.get(mnemonic.split(".")[0], 1)
    return 1


def _instructions(image: Image, addresses: list[int]) -> list[tuple[int, str, str, int]]:
    """Address, mnemonic, operands and size of each instruction."""
    known: dict[int, tuple[int, str, str, int]] = image.disassembled
    missing = [address for address in addresses if address not in known]
    if missing:
        try:
            import capstone
        except ImportError as error:
            raise DeviceError('capstone is not installed: pip install "qrt[device]"') from error
        reader = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
        for address in missing:
            at = address - image.code_range[0]
            size = 4 if image.is_wide(address) else 2
            found = next(reader.disasm_lite(image.text[at : at + size], address), (address, size, "?", ""))
            known[address] = (address, str(found[2]), str(found[3]), size)
    return [known[address] for address in addresses]
