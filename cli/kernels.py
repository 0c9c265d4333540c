"""qrt kernels: lists the kernel sets of this machine, why others are not available, and which kernels each set uses."""

from __future__ import annotations

import os

import click

import qrt
from qrt.cli.console import aligned, console, facts, heading, print_json, show
from qrt.cli.failure import Verb


@click.command(cls=Verb)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")
def list_kernels(as_json: bool) -> None:
    """Lists the kernel sets of this machine.

    For each set that is not available it shows the reason. All sets give the same bytes. The default is the fastest,
    or the one named by the environment variable QRT_KERNELS. The table shows for each operator whose kernel a set
    uses: its own, or that of the set named. Sets that have a kernel of their own for every operator get no column.

    \b
    Example:
      qrt kernels
    """
    default, absent, table = qrt.default_kernels(), qrt.absent_kernel_sets(), qrt.kernel_table()
    reason = "named by QRT_KERNELS" if os.environ.get("QRT_KERNELS") else "the fastest here"
    if as_json:
        document = {"sets": qrt.kernel_sets(), "default": default, "reason": reason, "absent": absent, "table": table}
        print_json(document)
        return
    out = console()
    named = default.split("-")[0]  # an encoding is named after its set
    states = {name: f"the default, {reason}" if name == named else "here" for name in qrt.kernel_sets()}
    states |= {name: f"absent: {why}" for name, why in absent.items()}
    show(out, facts(states.items()))
    complete = [name for name, owners in table.items() if set(owners.values()) == {"own"}]
    heading(out, f"Kernel used for each operator; {' and '.join(complete)} have their own for all")
    if mixed := {name: owners for name, owners in table.items() if name not in complete}:
        for line in operator_lines(mixed):
            click.echo(line.rstrip())


def operator_lines(table: dict[str, dict[str, str]]) -> list[str]:
    """A row for each operator, a column for each set."""
    operators = next(iter(table.values()))
    rows = [["operator", *table], *([op, *(owners[op] for owners in table.values())] for op in operators)]
    return aligned(rows, left=range(len(rows[0])))
