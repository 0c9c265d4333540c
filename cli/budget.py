"""--max-ram and --max-flash: limits that end a build, and the operators to blame."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from qrt.cli.console import print_json, printable, shape_text
from qrt.cli.failure import Failure, error_document
from qrt.cli.target import device_errors

if TYPE_CHECKING:
    from qrt.compiler.ir import Op
    from qrt.firmware.generate.network import Network
    from qrt.firmware.toolchain.compilers import Compiler

UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20}
# Operators named for each broken limit.
BLAMED = 3
OVER_BUDGET = 1


@dataclass(frozen=True)
class Budget:
    """Limits in bytes; None where there is none."""

    ram: int | None = None
    flash: int | None = None


def size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """The bytes that an option states: 65536, 64k or 1m."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+)([km]?)(i?b)?", value.strip().lower())
    if not found:
        raise click.BadParameter(f"{value!r} is not a number of bytes; write for example 65536, 64k or 1m", ctx, param)
    return int(found[1]) * UNITS[found[2]]


def budget_options(command: Callable[..., int]) -> Callable[..., int]:
    """Adds --max-ram and --max-flash, which become one argument `budget`."""

    def with_budget(*arguments: Any, max_ram: int | None, max_flash: int | None, **options: Any) -> int:
        return command(*arguments, budget=Budget(max_ram, max_flash), **options)

    with_budget.__doc__ = command.__doc__
    with_budget.__name__ = command.__name__
    with_budget.__dict__.update(command.__dict__)
    ram = click.option(
        "--max-ram", callback=size, metavar="SIZE", help="Limit of the RAM without the stack, such as 64k."
    )
    flash = click.option(
        "--max-flash", callback=size, metavar="SIZE", help="Limit of code and constants, such as 256k."
    )
    return ram(flash(with_budget))


@dataclass(frozen=True)
class Footprint:
    """What a network takes on its target, in bytes.

    Attributes
    ----------
    memory : int
        RAM: activations and scratch memory; without the stack.
    constants : int
        Weights, multipliers, parameters, in flash.
    code : int or None
        None where there is no compiler to find out.
    compiler : str
        What it was compiled by; "" where there is none.
    """

    memory: int
    constants: int
    code: int | None
    compiler: str


def compiled(network: Network, compiler: Compiler, optimize: str = "s") -> Footprint:
    """The footprint of a network by a compiler.

    Raises
    ------
    qrt.firmware.errors.DeviceError
        The compiler fails.
    """
    from qrt.firmware.build import sizes

    found = sizes(network, compiler, optimize)
    return Footprint(found.memory, found.constants, found.code, compiler.version)


def measure(network: Network, budget: Budget, cc: str | None) -> Footprint:
    """The footprint of a network; its code only where there is a compiler.

    Raises
    ------
    qrt.firmware.errors.DeviceError
        There is none, and the flash has a limit; or the compiler that was named fails.
    """
    from qrt.firmware.errors import DeviceError
    from qrt.firmware.toolchain.compilers import find_compiler

    unknown = Footprint(network.memory_size, network.constants, None, "")
    if budget.flash is not None and network.constants > budget.flash:
        return unknown  # too large whatever the code is
    try:
        return compiled(network, find_compiler(network.target, cc))
    except DeviceError:
        if cc is not None or budget.flash is not None:
            raise
        return unknown


def broken(network: Network, budget: Budget, footprint: Footprint) -> list[str]:
    """For each limit that the network breaks, a sentence that names the operators to blame."""
    result = []
    if budget.ram is not None and footprint.memory > budget.ram:
        result.append(f"RAM {footprint.memory:,} bytes, limit {budget.ram:,}{_ram_blame(network)}")
    flash = footprint.constants + (footprint.code or 0)
    if budget.flash is not None and flash > budget.flash:
        code = "the code" if footprint.code is None else f"{footprint.code:,} of code"
        parts = f"{footprint.constants:,} of constants and {code}"
        result.append(f"flash {flash:,} bytes ({parts}), limit {budget.flash:,}{_flash_blame(network)}")
    return result


@dataclass(frozen=True)
class Verdict:
    """How a network as C compares with its limits.

    Attributes
    ----------
    problems : list of str
        A sentence for each limit that it breaks.
    title : str
        The processor.
    budget : Budget
    footprint : Footprint
    """

    problems: list[str]
    title: str
    budget: Budget
    footprint: Footprint

    def __str__(self) -> str:
        flash = self.footprint.constants + (self.footprint.code or 0)
        rows = (("RAM", self.footprint.memory, self.budget.ram), ("flash", flash, self.budget.flash))
        return ", ".join(f"{what} {size:,} of {limit:,} bytes" for what, size, limit in rows if limit is not None)


def check_budget(content: bytes, target_name: str | None, budget: Budget, cc: str | None) -> Verdict | None:
    """Compares a valid file as C for a target with its limits; None where there are none."""
    if budget == Budget():
        if target_name is not None or cc is not None:
            raise Failure("--target and --cc are for --max-ram and --max-flash; give a limit, or leave them out")
        return None
    with device_errors():
        from qrt.firmware.generate.network import generate
        from qrt.firmware.targets import target

        network = generate(content, target(target_name or "generic"), "net")
        footprint = measure(network, budget, cc)
        return Verdict(broken(network, budget, footprint), network.target.title, budget, footprint)


def over_budget(path: Path, problems: list[str], as_json: bool) -> int:
    """Reports broken limits; the exit code."""
    where = click.get_current_context().command_path
    lines = [f"{path}: over budget: {problem}" for problem in problems]
    if as_json:
        print_json(error_document(where, "\n".join(lines), file=str(path), over_budget=problems))
    else:
        for line in lines:
            click.echo(f"{where}: {line}", err=True)
    return OVER_BUDGET


def _title(network: Network, op: Op) -> str:
    return f"operator {network.graph.ops.index(op)} {op.kind} {printable(op.name.split(';')[0])!r}"


def _blame(what: str, texts: Iterable[str]) -> str:
    """The end of a sentence about a limit; empty for a network without operators."""
    named = "; ".join(texts)
    return f"; {what}: {named}" if named else ""


def _ram_blame(network: Network) -> str:
    """The operators while which most is live; those that take turns count together."""
    from qrt.compiler.plan.pacing import Run, Streaming
    from qrt.compiler.plan.timeline import Timeline

    graph, plan = network.graph, network.plan
    facts = Streaming(graph, plan.lifetimes)
    timeline = Timeline(facts, [Run.of(facts, band) for band in plan.bands])
    ends = {t: plan.offsets[t] + timeline.shared([t]).size for t in plan.lifetimes}
    stops = {band.first: band.stop for band in plan.bands}
    scratch = {step.op: step.scratch for step in network.steps}
    live: dict[range, int] = {}
    first = 0
    while first < len(graph.ops):
        part = range(first, stops.get(first, first + 1))
        first = part.stop
        tensors = [t for t, (begin, end) in plan.lifetimes.items() if begin <= part.stop and end > part.start]
        temporary = [plan.scratch[op] + scratch[op] for op in graph.ops[part.start : part.stop] if op in plan.scratch]
        live[part] = max([*(ends[t] for t in tensors), *temporary])
    worst = sorted(live, key=lambda part: -live[part])[:BLAMED]
    return _blame("the most memory", (f"{_part_title(network, part, scratch)} {live[part]:,}" for part in worst))


def _part_title(network: Network, part: range, scratch: Mapping[Op, int]) -> str:
    """An operator, or those of a band, and that they need memory."""
    if len(part) > 1:
        return f"operators {part.start} to {part.stop - 1}, which take turns, need"
    op = network.graph.ops[part.start]
    shapes = f"{shape_text(op.inputs[0].shape)} to {shape_text(op.output.shape)}"
    return f"{_title(network, op)} ({shapes}, scratch {scratch[op]:,}) needs"


def _flash_blame(network: Network) -> str:
    """The operators with the largest constants."""
    sizes = dict(zip(network.graph.ops, network.constants_of, strict=True))
    worst = sorted(sizes, key=lambda op: -sizes[op])[:BLAMED]
    return _blame("the largest constants", (f"{_title(network, op)} {sizes[op]:,}" for op in worst))
