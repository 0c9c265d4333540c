"""Arenas of networks that run row by row, and what they take on a microcontroller, for docs/rows.md.

python -m bench.rows                            # prints the arenas
python -m bench.rows --device                   # prints what they take on an emulated Cortex-M4 (minutes)
python -m bench.rows --device --write-tables    # puts the printed table into docs/rows.md
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np

import qrt
from bench.device.programs import total
from bench.networks import PUBLISHED
from bench.report import Table
from qrt.cli.contents import read_contents
from qrt.cli.turns import read_turns
from qrt.compiler import compile
from qrt.compiler.backends.qfb.writer import write
from qrt.compiler.ir import Graph
from qrt.compiler.plan.memory import plan
from qrt.firmware.build import run
from qrt.firmware.emulated import EmulatedModel
from qrt.firmware.targets import TARGETS

NAMES = ("ic_resnet8", "kws_dscnn", "vww_mobilenet", "person_detect", "mobilenet_v2_224")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "rows.md"
TITLE = "row arenas"
CORE = "cortex-m4"
# Of each network, values of --ram; with "--feed" the input comes by rows.
RUNS: dict[str, Sequence[str]] = {
    "ic_resnet8": ("least",),
    "kws_dscnn": ("least", "8000"),
    "vww_mobilenet": ("least", "14000 --feed"),
    "person_detect": ("least",),
    "mobilenet_v2_224": ("least",),
}
DEVICE_TITLE = "row devices"
DEVICE_COLUMNS = ("network", "`--ram`", "RAM with `fast`", "RAM", "instructions")


def row(name: str, graph: Graph) -> list[str]:
    """A network's arenas in bytes: layer by layer, row by row, and fed by rows; and what the last two move in a run."""
    cells = [name, f"{plan(graph).arena_size:,}"]
    for feed in (False, True):
        content = write(graph, plan(graph, ram="least", feed=feed))
        qrt.load(content)  # proves that the rows which share memory never meet
        contents = read_contents(content)
        bands = read_turns(contents, content)
        cells += [f"{contents.arena_size:,}", f"{sum(turns.moved for turns in bands):,}"]
    return cells


def table() -> str:
    columns = ["network", "`--ram fast`", "`--ram least`", "bytes moved", "with `--feed`", "bytes moved"]
    return Table(TITLE, columns, [row(name, compile(PUBLISHED / f"{name}.tflite").graph) for name in NAMES]).markdown()


def on_device(content: bytes) -> tuple[int, int, str]:
    """Of a file on the emulated core: bytes of the block of RAM, instructions of a run, and the compiler."""
    model = EmulatedModel(content, TARGETS[CORE])
    zeros = [np.full(info.shape, info.zero_point, info.dtype).tobytes() for info in model.inputs]
    _, execution = run(model.network, model.image, [zeros], count=True)
    return model.network.memory_size, total(execution.calls[0])[0], model.compiler.version


def device_rows(name: str, graph: Graph, runs: Sequence[str]) -> tuple[list[list[str]], str]:
    """A row for each of the runs, beside the network without bands; and the compiler."""
    memory, instructions, compiler = on_device(write(graph, plan(graph)))
    rows = []
    for options in runs:
        ram, *feed = options.split()
        least = plan(graph, ram=int(ram) if ram.isdecimal() else ram, feed=bool(feed))
        smaller, more, _ = on_device(write(graph, least))
        rows.append([name, f"`{options}`", f"{memory:,}", f"{smaller:,}", f"{more / instructions:.3f}"])
    return rows, compiler


def device_table() -> str:
    rows, compiler = [], ""
    for name, runs in RUNS.items():
        of_network, compiler = device_rows(name, compile(PUBLISHED / f"{name}.tflite").graph, runs)
        rows += of_network
    made_by = f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}; {TARGETS[CORE].title}, {compiler} with -Os."
    return Table(DEVICE_TITLE, DEVICE_COLUMNS, rows).markdown() + f"\n{made_by}\n"


@click.command()
@click.option("--device", is_flag=True, help="What the networks take on an emulated Cortex-M4, in place of arenas.")
@click.option("--write-tables", "write_it", is_flag=True, help="Put the table into docs/rows.md.")
def main(device: bool, write_it: bool) -> None:
    """Prints the arenas of networks that run row by row."""
    title, found = (DEVICE_TITLE, device_table()) if device else (TITLE, table())
    click.echo(found, nl=False)
    if write_it:
        text = PAGE.read_text(encoding="utf-8")
        marks = re.compile(rf"(<!-- {title}: begin -->\n).*?(<!-- {title}: end -->)", re.DOTALL)
        PAGE.write_text(marks.sub(lambda match: match[1] + found + match[2], text), encoding="utf-8")


if __name__ == "__main__":
    main()
