"""Arenas of networks that run row by row, for docs/rows.md.

python -m bench.rows                    # prints the table
python -m bench.rows --write-tables     # puts it into docs/rows.md
"""

from __future__ import annotations

import re
from pathlib import Path

import click

import qrt
from bench.networks import PUBLISHED
from bench.report import Table
from qrt.cli.contents import read_contents
from qrt.cli.turns import read_turns
from qrt.compiler import build
from qrt.compiler.backends.qfb.writer import write
from qrt.compiler.ir import Graph
from qrt.compiler.plan.memory import plan

NAMES = ("ic_resnet8", "kws_dscnn", "vww_mobilenet", "person_detect", "mobilenet_v2_224")
PAGE = Path(__file__).resolve().parents[1] / "docs" / "rows.md"
TITLE = "row arenas"


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
    return Table(TITLE, columns, [row(name, build(PUBLISHED / f"{name}.tflite").graph) for name in NAMES]).markdown()


@click.command()
@click.option("--write-tables", "write_it", is_flag=True, help="Put the table into docs/rows.md.")
def main(write_it: bool) -> None:
    """Prints the arenas of networks that run row by row."""
    found = table()
    click.echo(found, nl=False)
    if write_it:
        text = PAGE.read_text(encoding="utf-8")
        marks = re.compile(rf"(<!-- {TITLE}: begin -->\n).*?(<!-- {TITLE}: end -->)", re.DOTALL)
        PAGE.write_text(marks.sub(lambda match: match[1] + found + match[2], text), encoding="utf-8")


if __name__ == "__main__":
    main()
