"""The results of a run as tables: for a terminal, for README.md and for docs/benchmark.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from bench.device import recorded
from bench.report import NOTHING, README, Table

DOCS = README.parent / "docs" / "benchmark.md"
MARK = re.compile(r"(<!-- bench device table: begin -->\n).*?(<!-- bench device table: end -->)", re.DOTALL)
Document = Mapping[str, Any]
Race = Mapping[str, Any]
# The contestants of README.md, by the beginning of their names, on processors with kernels of their own.
PUBLISHED = ("cortex-m4", "cortex-m55")


def show(document: Document) -> None:
    """Prints the results."""
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    click.echo(f"{document['date']}, emulated processors; {versions}; {', '.join(document['compilers'].values())}")
    for name, title in document["targets"].items():
        table = target_table(document, name, title)
        if table.rows:
            click.echo()
            click.secho(table.title, bold=True)
            first, *rest = table.lines()
            click.secho(first, underline=True)
            for line in (*rest, *table.notes):
                click.echo(line)
    missing = list(not_run(document))
    if missing:
        click.echo()
        click.secho("Not run", bold=True)
    for line in missing:
        click.echo(line)
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
        base = first(race)
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
    notes = [
        "ratio: instructions / those of a network's first line. Flash is code and constants; RAM is without stack.",
        "All in bytes. Cycles are estimated. Each with the compiler and the level with which it is the fastest.",
    ]
    return Table(title, columns, rows, notes)


def first(race: Race) -> int | None:
    """The instructions of qrt's generated C on the best kernels: the first contestant, if it ran."""
    return next((of["instructions"] for name, of in race["results"].items() if name.startswith("qrt ")), None)


def _of(race: Race, contestant: str) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = race["results"].get(contestant)
    return found


def _best_qrt(race: Race, ending: str = "") -> Mapping[str, Any] | None:
    """qrt's generated C, or the interpreter, on the kernels of the target's own set."""
    return next(
        (of for name, of in race["results"].items() if name.startswith("qrt ") and name.partition(",")[2] == ending),
        None,
    )


def _instructions(of: Mapping[str, Any] | None) -> str:
    return millions(of["instructions"] if of else None)


def readme_text(document: Document) -> str:
    """The table of README.md: instructions of an inference on two processors, beside others."""
    columns, cells = ["network", "MMACs"], {}
    names = list(dict.fromkeys(race["network"] for race in document["races"]))
    for race in document["races"]:
        cells.setdefault(race["network"], [race["network"], f"{race['macs'] / 1e6:,.2f}"])
    for target in PUBLISHED:
        if target not in document["targets"]:
            continue
        short = document["targets"][target].removeprefix("Arm Cortex-")
        columns += [f"{short}: qrt", "BakeNN, CMSIS-NN", "BakeNN, own", "TFLM + CMSIS-NN, recorded"]
        for race in races_of(document, target):
            others = (_of(race, name) for name in ("BakeNN, CMSIS-NN", "BakeNN, own kernels"))
            cells[race["network"]] += [
                f"**{_instructions(_best_qrt(race))}**",
                *map(_instructions, others),
                millions(race["recorded"]),
            ]
    table = Table("", columns, [cells[name] for name in names])
    return f"{made_by(document)}\n\n{table.markdown()}"


def made_by(document: Document) -> str:
    """How and with what the figures were measured."""
    versions = document["versions"]
    others = f" BakeNN {versions['bakenn']}." if "bakenn" in versions else ""
    compilers, levels = " and ".join(document["compilers"].values()), " or ".join(document["optimize"])
    return (
        f"{document['date']}; million instructions per inference, counted by emulators, all in one run of"
        f" `make bench-device`.{others}\nEach with the compiler that makes it the fastest: {compilers}; -O{levels}."
    )


def docs_text(document: Document) -> str:
    """The tables of docs/benchmark.md: instructions on all processors, and all figures of the first published one."""
    names = list(dict.fromkeys(race["network"] for race in document["races"]))
    columns = ["network", *document["targets"]]
    by = {(race["network"], race["target"]): race for race in document["races"]}
    rows = [[name, *(_instructions(_best_qrt(by[name, target])) for target in document["targets"])] for name in names]
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
        if not MARK.search(old):
            raise click.ClickException(f"{path}: has no markers for the table of devices")
        path.write_text(MARK.sub(lambda match, text=text: match[1] + text + match[2], old), encoding="utf-8")
