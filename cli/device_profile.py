"""qrt profile --target: instructions of each operator on an emulated processor, and what the network takes there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

import qrt
from qrt.cli.arrays import Array
from qrt.cli.budget import Footprint, compiled
from qrt.cli.console import Waiting, console, facts, heading, named_rows, percent, print_json, printable, show
from qrt.cli.contents import OperatorEntry, read_contents
from qrt.cli.failure import Failure
from qrt.cli.target import device_errors, emulated

DIFFERENT = 1


@dataclass(frozen=True)
class Cost:
    """What an operator takes in one run.

    Attributes
    ----------
    operator : OperatorEntry
    instructions : int
        Executed; 0 where no code runs for it.
    cycles : int or None
        An estimate; None for a processor that there is none for.
    constants : int
        Bytes of flash.
    functions : dict of str to int
        Instructions of each function.
    """

    operator: OperatorEntry
    instructions: int
    cycles: int | None
    constants: int
    functions: dict[str, int]


@dataclass(frozen=True)
class DeviceProfile:
    """What a network takes on a processor.

    Attributes
    ----------
    path : pathlib.Path
    target : str
        The processor's name for ``--target``.
    title : str
        As its maker calls it.
    optimize : str
        The compiler's level of optimization.
    given : str
        Description of the input data.
    footprint : Footprint
        RAM and flash.
    stack : int
        Bytes of stack, measured.
    costs : list of Cost
        In the order of the file.
    wait_states : int
        Of the flash, as the estimate of cycles assumes.
    differing : int
        Bytes of the outputs that are not those of the host.
    """

    path: Path
    target: str
    title: str
    optimize: str
    given: str
    footprint: Footprint
    stack: int
    costs: list[Cost]
    wait_states: int
    differing: int

    @property
    def instructions(self) -> int:
        return sum(cost.instructions for cost in self.costs)

    @property
    def cycles(self) -> int | None:
        known = [cost.cycles for cost in self.costs if cost.cycles is not None]
        return sum(known) if len(known) == len(self.costs) else None


def profile_on_device(
    path: Path,
    content: bytes,
    host: qrt.Model,
    target_name: str,
    cc: str | None,
    optimize: str,
    given: str,
    sample: Sequence[Array],
    layout: str | None,
    waits: int,
) -> DeviceProfile:
    """Runs one sample on the emulated processor and counts; `host` is the file's model on this machine."""
    try:
        codes = host.codes(*sample, layout=layout)
    except ValueError as error:
        raise Failure(f"{path}: {error}; the data is {given}") from None
    with device_errors():
        from qrt.firmware.build import run

        model = emulated(content, target_name, cc, optimize)
        network = model.network
        with Waiting("emulating"):
            outputs, execution = run(
                network,
                model.image,
                [[x.tobytes() for x in codes]],
                count=True,
                wait_states=waits,
            )
        footprint = compiled(network, model.compiler, optimize)
    expected = host.run(*codes, layout="NHWC")
    wanted = expected if isinstance(expected, list) else [expected]
    differing = sum(
        int(np.count_nonzero(np.frombuffer(got, np.uint8) != np.frombuffer(want.tobytes(), np.uint8)))
        for got, want in zip(outputs[0], wanted, strict=True)
    )
    segments = {segment.label: segment for segment in execution.calls[0]}
    costs = []
    for operator, constants in zip(read_contents(content).operators, network.constants_of, strict=True):
        segment = segments[operator.index]
        runs = bool(segment.functions.keys() - {f"{network.name}_run"})
        instructions = segment.instructions if runs else 0
        cycles = segment.cycles if runs or segment.cycles is None else 0
        costs.append(Cost(operator, instructions, cycles, constants, segment.functions))
    target = network.target
    return DeviceProfile(
        path, target.name, target.title, optimize, given, footprint, execution.stack, costs, waits, differing
    )


def finish(found: DeviceProfile, order: bool, as_json: bool) -> int:
    """Prints the profile; the exit code."""
    if as_json:
        print_json(document(found))
    else:
        report(found, order)
    if found.differing and not as_json:
        click.echo(f"{found.path}: {found.differing} bytes of the outputs differ from those of this machine", err=True)
    return DIFFERENT if found.differing else 0


def report(found: DeviceProfile, order: bool) -> None:
    out = console()
    footprint = found.footprint
    code, stack = footprint.code or 0, f"stack {found.stack:,}"
    speed = f"{found.instructions:,}"
    if found.cycles is not None:
        waits = f"{found.wait_states} flash wait states" if found.wait_states else "no wait states"
        speed += f", about {found.cycles:,} cycles, {waits}"
    same = "the same bytes as on this machine" if not found.differing else "NOT the bytes of this machine"
    rows = [
        ("file", str(found.path)),
        ("processor", f"{found.title}, emulated; {found.target}"),
        ("compiler", f"{footprint.compiler}, -O{found.optimize}"),
        ("input", f"{found.given}; {same}"),
        ("instructions", speed),
        ("start-up", "0 instructions"),
        ("flash", f"{footprint.constants + code:,} bytes: code {code:,}, constants {footprint.constants:,}"),
        ("RAM", f"{footprint.memory + found.stack:,} bytes: tensors and scratch {footprint.memory:,}, {stack}"),
    ]
    show(out, facts([(title, printable(text)) for title, text in rows]))
    heading(out, "Operators, in order" if order else "Operators, most instructions first")
    costs = found.costs if order else sorted(found.costs, key=lambda cost: -cost.instructions)
    names = ["name", *(printable(cost.operator.name) for cost in costs)]
    lines = [cells(found, cost) for cost in costs]
    head = ["#", "operator", "instructions", "cycles", "share", "MACs", "per MAC", "constants"]
    if found.cycles is None:
        head.remove("cycles")
    for line in named_rows([head, *lines], names, {1}, out.width):
        click.echo(line)


def cells(found: DeviceProfile, cost: Cost) -> list[str]:
    """Step, kind, instructions, cycles where there are any, share, MACs, instructions per MAC, bytes of constants."""
    op, runs = cost.operator, cost.instructions > 0
    cycles = [] if found.cycles is None else [f"{cost.cycles:,}" if runs else ""]
    return [
        str(op.index + 1),
        op.kind,
        f"{cost.instructions:,}" if runs else "-",
        *cycles,
        percent(cost.instructions, found.instructions) if runs else "",
        f"{op.macs:,}" if op.macs else "",
        f"{cost.instructions / op.macs:.2f}" if op.macs else "",
        f"{cost.constants:,}" if cost.constants else "",
    ]


def document(found: DeviceProfile) -> dict[str, Any]:
    """The profile as plain types for JSON; sizes in bytes."""
    footprint = found.footprint
    return {
        "file": str(found.path),
        "target": found.target,
        "compiler": footprint.compiler,
        "optimize": found.optimize,
        "input": found.given,
        "instructions": found.instructions,
        "cycles": found.cycles,
        "flash_wait_states": found.wait_states,
        "startup_instructions": 0,
        "code": footprint.code,
        "constants": footprint.constants,
        "flash": footprint.constants + (footprint.code or 0),
        "memory": footprint.memory,
        "stack": found.stack,
        "ram": footprint.memory + found.stack,
        "differing_bytes": found.differing,
        "operators": [
            {
                "index": cost.operator.index,
                "kind": cost.operator.kind,
                "name": cost.operator.name,
                "instructions": cost.instructions,
                "cycles": cost.cycles,
                "share": cost.instructions / found.instructions if found.instructions else 0.0,
                "macs": cost.operator.macs,
                "constants": cost.constants,
                "functions": cost.functions,
            }
            for cost in found.costs
        ],
    }
