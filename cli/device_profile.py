"""qrt profile --target: instructions of each operator on an emulated processor, and what the network takes there."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

import qrt
from qrt.cli.arrays import Array
from qrt.cli.budget import Footprint, compiled
from qrt.cli.console import (
    Waiting,
    aligned,
    columns,
    console,
    facts,
    heading,
    named_rows,
    percent,
    print_json,
    printable,
    show,
)
from qrt.cli.contents import OperatorEntry, read_contents
from qrt.cli.failure import Failure
from qrt.cli.target import device_errors, emulated, kernels_text

if TYPE_CHECKING:
    from qrt.firmware.limits import Fewest

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
    kernels : str
        The kernel set that it runs on.
    fewest : Fewest or None
        The fewest instructions that the processor allows it; None where that is not known.
    """

    operator: OperatorEntry
    instructions: int
    cycles: int | None
    constants: int
    functions: dict[str, int]
    kernels: str
    fewest: Fewest | None

    @property
    def times(self) -> float:
        """How many times the fewest instructions it executes; 0 where that is not known."""
        return self.instructions / self.fewest.instructions if self.fewest else 0.0


@dataclass(frozen=True)
class DeviceProfile:
    """What a network takes on a processor.

    Attributes
    ----------
    path : pathlib.Path
    target : str
        The processor's name for ``--target``.
    kernels : str
        Its kernel set, and which operators run on portable kernels.
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
    kernels: str
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
        from qrt.firmware.limits import fewest

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
    host.reset()
    wanted = host.run(*codes, layout="NHWC", as_list=True)
    differing = sum(
        int(np.count_nonzero(np.frombuffer(got, np.uint8) != np.frombuffer(want.tobytes(), np.uint8)))
        for got, want in zip(outputs[0], wanted, strict=True)
    )
    segments = {segment.label: segment for segment in execution.calls[0]}
    costs = []
    operators = read_contents(content).operators
    for operator, step, constants in zip(operators, network.steps, network.constants_of, strict=True):
        segment = segments[operator.index]
        runs = bool(segment.functions.keys() - {f"{network.name}_run", f"{network.name}_feed"})
        instructions = segment.instructions if runs else 0
        cycles = segment.cycles if runs or segment.cycles is None else 0
        limit = fewest(step.op, operator.macs, network.target)
        costs.append(Cost(operator, instructions, cycles, constants, segment.functions, step.kernels, limit))
    target = network.target
    chosen = path, target.name, kernels_text(network), target.title, optimize, given
    return DeviceProfile(*chosen, footprint, execution.stack, costs, waits, differing)


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
        ("kernels", found.kernels),
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
    head = ["#", "operator", "instructions", "cycles", "share", "MACs", "per MAC", "limit", "constants"]
    if found.cycles is None:
        head.remove("cycles")
    for line in named_rows([head, *lines], names, {1}, out.width):
        click.echo(line)
    if any(cost.fewest for cost in costs):
        click.echo(textwrap.fill(LIMIT, columns(out)))
    far = [cost for cost in costs if cost.times >= FAR and cost.instructions >= WORTH * found.instructions]
    if far:
        heading(out, f"{FAR} times the limit or more: what takes the instructions")
        for line in far_lines(far, columns(out)):
            click.echo(line)
        click.echo(textwrap.fill(REST, columns(out)))


LIMIT = "limit: the fewest instructions per MAC that the instruction set allows"
REST = "multiply, requantize: the parts of the limit; rest: copies of inputs, edges, loops, calls"
# An operator is far from its limit from so many times it on; it is listed if it takes that share of all instructions.
FAR, WORTH = 1.5, 0.03


def far_lines(far: Sequence[Cost], width: int) -> Iterator[str]:
    """For each operator its shares, and below them the functions that its instructions are in."""
    rows = [["#", "operator", "kernels", "times", "multiply", "requantize", "rest"], *map(shares, far)]
    indent = " " * (max(len(row[0]) for row in rows) + 2)
    first, *lines = aligned(rows, {1, 2})
    yield first
    for line, cost in zip(lines, far, strict=True):
        yield line
        # A function and its share stay together.
        found = places(cost).replace(" ", "\xa0").replace(",\xa0", ", ")
        wrapped = textwrap.wrap(found, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False)
        yield from (text.replace("\xa0", " ") for text in wrapped)


def shares(cost: Cost) -> list[str]:
    """Number, kind, kernel set, times the limit, and the shares of multiplications and requantization at their limits;
    the rest copies windows, treats edges and runs loops."""
    limit = cost.fewest
    assert limit is not None
    counts = (limit.multiply, limit.requantize, cost.instructions - limit.instructions)
    parts = (percent(part, cost.instructions) for part in counts)
    return [str(cost.operator.index), cost.operator.kind, cost.kernels, f"{cost.times:.1f}", *parts]


def places(cost: Cost) -> str:
    """The functions that its instructions are in, from 5 % on."""
    counts = sorted(cost.functions.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {percent(n, cost.instructions)}" for name, n in counts if 20 * n >= cost.instructions)


def cells(found: DeviceProfile, cost: Cost) -> list[str]:
    """Number, kind, instructions, cycles where there are any, share, MACs, instructions per MAC and the fewest, and
    bytes of constants."""
    op, runs = cost.operator, cost.instructions > 0
    cycles = [] if found.cycles is None else [f"{cost.cycles:,}" if runs else ""]
    return [
        str(op.index),
        op.kind,
        f"{cost.instructions:,}" if runs else "-",
        *cycles,
        percent(cost.instructions, found.instructions) if runs else "",
        f"{op.macs:,}" if op.macs else "",
        f"{cost.instructions / op.macs:.2f}" if op.macs else "",
        f"{cost.fewest.instructions / op.macs:.2f}" if cost.fewest else "",
        f"{cost.constants:,}" if cost.constants else "",
    ]


def document(found: DeviceProfile) -> dict[str, Any]:
    """The profile as plain types for JSON; sizes in bytes."""
    footprint = found.footprint
    return {
        "file": str(found.path),
        "target": found.target,
        "kernels": found.kernels,
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
                "fewest_instructions": cost.fewest.instructions if cost.fewest else None,
                "fewest_requantize": cost.fewest.requantize if cost.fewest else None,
                "kernels": cost.kernels,
                "constants": cost.constants,
                "functions": cost.functions,
            }
            for cost in found.costs
        ],
    }
