"""The results of a run as tables: for a terminal, for README.md and for docs/benchmark.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from bench.device import recorded
from bench.report import NOTHING, README, Table, show_not_run, show_table

DOCS = README.parent / "docs" / "benchmark.md"
MARK = re.compile(r"<!-- bench device table: begin -->\n(?P<table>.*?)<!-- bench device table: end -->", re.DOTALL)
Document = Mapping[str, Any]
Race = Mapping[str, Any]
# The processors of README.md: those with recorded figures.
PUBLISHED = tuple(recorded.INSTRUCTIONS)
NOTES = (
    "ratio: instructions / those of qrt's generated C on the processor's own kernels. Flash is code and constants;",
    "RAM is without stack; all in bytes. Cycles are estimated. Each with the compiler and level that make it fastest.",
)


def show(document: Document) -> None:
    """Prints the results."""
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    click.echo(f"{document['date']}, emulated processors; {versions}; {', '.join(document['compilers'].values())}")
    for name, title in document["targets"].items():
        table = target_table(document, name, title)
        if table.rows:
            show_table(table)
    click.echo()
    for line in NOTES:
        click.echo(line)
    show_not_run(list(not_run(document)))
    for text in document["disagreements"]:
        click.secho(f"OTHER BYTES, not counted: {text}", fg="red", bold=True)


def not_run(document: Document) -> Iterator[str]:
    """What is missing and why, grouped by reason with the networks and processors concerned."""
    for entry in document["skipped"]:
        yield f"{entry['what']}: {entry['reason']}"
    reasons: dict[tuple[str, str], dict[str, list[str]]] = {}
    for race in document["races"]:
        for name, reason in race["absent"].items():
            reasons.setdefault((name, reason), {}).setdefault(race["target"], []).append(race["network"])
    for (name, reason), places in reasons.items():
        concerned = list(dict.fromkeys(network for networks in places.values() for network in networks))
        yield f"{name} on {', '.join(places)}: {', '.join(concerned)}: {reason}"


def races_of(document: Document, target: str) -> list[Race]:
    return [race for race in document["races"] if race["target"] == target]


def millions(instructions: float | None) -> str:
    """With three significant digits, or four from a million on."""
    if instructions is None:
        return NOTHING
    value = instructions / 1e6
    return f"{value:,.1f}" if value >= 100 else f"{value:.2f}" if value >= 10 else f"{value:.3f}"


def target_table(document: Document, target: str, title: str) -> Table:
    """All figures of one processor."""
    columns = [
        "",
        "M instructions",
        "ratio",
        "M cycles",
        "code",
        "constants",
        "RAM",
        "stack",
        "start-up",
        "compiled by",
    ]
    rows = []
    for race in races_of(document, target):
        best = best_of_qrt(race)
        base = race["results"][best]["instructions"] if best else None
        for name, of in race["results"].items():
            rows.append(
                [
                    f"{race['network']}: {name}",
                    millions(of["instructions"]),
                    f"{of['instructions'] / base:.2f}" if base else NOTHING,
                    millions(of["cycles"]),
                    *(f"{of[key]:,}" for key in ("code", "constants", "memory", "stack")),
                    f"{of['startup']:,}",
                    of["configuration"] + (f", {of['variant']}" if of["variant"] else ""),
                ]
            )
        if race["recorded"]:
            ratio = f"{race['recorded'] / base:.2f}" if base else NOTHING
            blank = [NOTHING] * (len(columns) - 3)
            rows.append([f"{race['network']}: {recorded.NAME}", millions(race["recorded"]), ratio, *blank])
    return Table(title, columns, rows)


def best_of_qrt(race: Race) -> str | None:
    """qrt's generated C on the kernels of the processor's own set, if it ran."""
    return next((name for name in race["results"] if name.startswith("qrt ") and "," not in name), None)


def _instructions(race: Race, contestant: str | None) -> str:
    of = race["results"].get(contestant)
    return millions(of["instructions"] if of else None)


def _of_qrt(race: Race) -> str:
    return _instructions(race, best_of_qrt(race))


def readme_text(document: Document) -> str:
    """The table of README.md: instructions of an inference on two processors, beside others."""
    columns = ["network", "MMACs"]
    cells: dict[str, list[str]] = {}
    names = list(dict.fromkeys(race["network"] for race in document["races"]))
    for race in document["races"]:
        cells.setdefault(race["network"], [race["network"], f"{race['macs'] / 1e6:,.2f}"])
    for target in PUBLISHED:
        if target not in document["targets"]:
            continue
        short = document["targets"][target].removeprefix("Arm Cortex-")
        columns += [f"{short}: qrt", "BakeNN, CMSIS-NN", "BakeNN, own", "TFLM + CMSIS-NN, recorded"]
        for race in races_of(document, target):
            contestants = (best_of_qrt(race), "BakeNN, CMSIS-NN", "BakeNN, own kernels")
            cells[race["network"]] += [_instructions(race, name) for name in contestants]
            cells[race["network"]].append(millions(race["recorded"]))
    table = Table("", columns, [cells[name] for name in names])
    return f"{made_by(document)}\n\n{table.markdown()}"


def made_by(document: Document) -> str:
    """How and with what the figures were measured."""
    versions = document["versions"]
    others = f" BakeNN {versions['bakenn']}." if "bakenn" in versions else ""
    compilers, levels = " and ".join(document["compilers"].values()), " or ".join(document["optimize"])
    return (
        f"{document['date']}; million instructions per inference, counted by emulators, by"
        f" `make bench-device`.{others}\nEach with the compiler that makes it the fastest: {compilers}; -O{levels}."
    )


def docs_text(document: Document) -> str:
    """The tables of docs/benchmark.md: instructions on all processors, and all figures of the first published one."""
    names = list(dict.fromkeys(race["network"] for race in document["races"]))
    columns = ["network", *document["targets"]]
    by = {(race["network"], race["target"]): race for race in document["races"]}
    rows = [[name, *(_of_qrt(by[name, target]) for target in document["targets"])] for name in names]
    parts = [made_by(document), "", "qrt, generated C:", "", Table("", columns, rows).markdown()]
    target = next((name for name in PUBLISHED if name in document["targets"]), None)
    if target:
        rows = list(_memory_rows(races_of(document, target)))
        columns = ["network", "by", "M instructions", "flash: code + constants", "RAM: memory + stack", "start-up"]
        parts += [f"Flash and RAM in bytes, and instructions at start-up, {document['targets'][target]}:", ""]
        parts.append(Table("", columns, rows).markdown())
    return "\n".join(parts)


def _memory_rows(races: Sequence[Race]) -> Iterator[list[str]]:
    for race in races:
        for name, of in race["results"].items():
            yield [
                race["network"],
                name,
                millions(of["instructions"]),
                f"{of['code']:,} + {of['constants']:,}",
                f"{of['memory']:,} + {of['stack']:,}",
                f"{of['startup']:,}",
            ]


def write_tables(document: Document, readme: Path = README, docs: Path = DOCS) -> None:
    """Writes the tables between the markers of README.md and docs/benchmark.md."""
    for path, text in ((readme, readme_text(document)), (docs, docs_text(document))):
        old = path.read_text(encoding="utf-8")
        if not (found := MARK.search(old)):
            raise click.ClickException(f"{path}: has no markers for the table of devices")
        begin, end = found.span("table")
        path.write_text(old[:begin] + text + old[end:], encoding="utf-8")
