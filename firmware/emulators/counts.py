"""Counts of instructions: from what an emulator counted to instructions of each function, and cycles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from qrt.firmware.emulators.cycles import cycles
from qrt.firmware.targets import Target
from qrt.firmware.toolchain.image import Image


@dataclass(frozen=True)
class Segment:
    """What was executed from one call of ``qrt_on_step`` to the next.

    The instructions of ``qrt_on_step`` itself are left out; those that call it are not. A conditional instruction
    counts whether its condition holds or not, as the processor spends a cycle on it either way; an instruction that
    moves several registers counts once.

    Attributes
    ----------
    label : int or None
        The argument of ``qrt_on_step``; None before its first call.
    instructions : int
        Instructions executed.
    functions : dict of str to int
        The same for each function, the largest first.
    cycles : int or None
        An estimate; None where there is none for the target.
    executed : dict of int to int
        The same for the address of each instruction.
    """

    label: int | None
    instructions: int
    functions: dict[str, int]
    cycles: int | None
    executed: dict[int, int] = field(repr=False)


def segment(
    image: Image,
    target: Target,
    label: int | None,
    executed: dict[int, int],
    taken: Mapping[int, int] | None = None,
    entered: Mapping[int, int] | None = None,
    wait_states: int = 0,
) -> Segment:
    """A segment from the executions of each instruction's address; for cycles, from those of branches too.

    Parameters
    ----------
    image : Image
        The program.
    target : Target
        What it ran on.
    label : int or None
        Of the segment.
    executed : dict of int to int
        By the address of an instruction, its executions.
    taken, entered : mapping of int to int, optional
        By the address behind a branch, how often it was taken; by an address, how often a branch led to it. Without
        them there are no cycles.
    wait_states : int
        Cycles for each line of 16 bytes that is fetched from flash.
    """
    functions: Counter[str] = Counter()
    for address, times in executed.items():
        functions[image.function(address)] += times
    estimate = None
    if taken is not None and entered is not None:
        estimate = cycles(image, target, executed, taken, entered, wait_states)
    return Segment(label, sum(executed.values()), dict(functions.most_common()), estimate, executed)


def by_label(segments: Iterable[Segment]) -> dict[int | None, Segment]:
    """What was executed under each label: operators that take turns have a segment in each turn."""
    found: dict[int | None, list[Segment]] = {}
    for one in segments:
        found.setdefault(one.label, []).append(one)
    return {label: _sum(label, parts) if len(parts) > 1 else parts[0] for label, parts in found.items()}


def _sum(label: int | None, parts: list[Segment]) -> Segment:
    functions: Counter[str] = Counter()
    executed: Counter[int] = Counter()
    for part in parts:
        functions.update(part.functions)
        executed.update(part.executed)
    known = [part.cycles for part in parts if part.cycles is not None]
    estimate = sum(known) if len(known) == len(parts) else None
    return Segment(
        label, sum(part.instructions for part in parts), dict(functions.most_common()), estimate, dict(executed)
    )
