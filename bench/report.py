"""The results of a run as tables: for a terminal, for README.md and for docs/benchmark.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from bench.classes import CLASSES

README = Path(__file__).resolve().parent.parent / "README.md"
DOCS = README.parent / "docs" / "benchmark.md"
TITLES = {one.name: one.title for one in CLASSES}
NOTHING = "-"
Document = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """Cells are text; the first column is left-aligned, the others right-aligned."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = field(default_factory=tuple)

    def lines(self) -> Iterator[str]:
        """Rows aligned with spaces; the header first."""
        widths = [max(len(row[i]) for row in (self.columns, *self.rows)) for i in range(len(self.columns))]
        for row in (self.columns, *self.rows):
            cells = [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
            yield "  ".join(cells).rstrip()

    def markdown(self) -> str:
        head = ["| " + " | ".join(self.columns) + " |", "|---" + "|--:" * (len(self.columns) - 1) + "|"]
        return "\n".join([*head, *("| " + " | ".join(row) + " |" for row in self.rows)]) + "\n"


def tables(document: Document) -> Iterator[Table]:
    """All tables with rows."""
    yield from (table for table in _all_tables(document) if table.rows)


def _all_tables(document: Document) -> Iterator[Table]:
    own = document["class"]
    yield _networks(document["networks"], f"Networks{f', {TITLES[own]}' if own else ''}")
    for held in document["held"]:
        yield _networks(held["networks"], f"Networks, held to {TITLES[held['class']]} by {held['by']}")
    for make in (_sets, _layers, _whole, _call, _loading, _threads, _agreement):
        yield make(document)


def show(document: Document) -> None:
    """Prints the results."""
    for line in head(document):
        click.echo(line)
    for table in tables(document):
        show_table(table)
    show_not_run(list(not_run(document)))
    for one in (document, *document["held"]):
        for text in one["disagreements"]:
            click.secho(f"DISAGREES, not counted: {text}", fg="red", bold=True)
    for held in document["held"]:
        if held["wider"]:
            found = f"the process held to {TITLES[held['class']]} used {', '.join(held['wider'])}"
            click.secho(f"NOT HELD, no table is written: {found}", fg="red", bold=True)


def show_table(table: Table) -> None:
    """Prints a table with its title and notes."""
    click.echo()
    click.secho(table.title, bold=True)
    first, *rest = table.lines()
    click.secho(first, underline=True)
    for line in (*rest, *table.notes):
        click.echo(line)


def show_not_run(missing: Sequence[str]) -> None:
    """Prints what is missing, if anything is."""
    if missing:
        click.echo()
        click.secho("Not run", bold=True)
    for line in missing:
        click.echo(line)


def not_run(document: Document) -> Iterator[str]:
    """What is missing and why: of the whole run, then engines, grouped by reason with the networks concerned."""
    for entry in document["skipped"]:
        yield f"{entry['what']}: {entry['reason']}"
    for held in document["held"]:
        for entry in held["skipped"]:
            if entry not in document["skipped"]:
                yield f"{entry['what']}, held to {TITLES[held['class']]}: {entry['reason']}"
    reasons: dict[tuple[str, str], list[str]] = {}
    for race in (
        *document["networks"],
        *document["layers"],
        *(race for held in document["held"] for race in held["networks"]),
    ):
        for name, reason in race["absent"].items():
            names = reasons.setdefault((name, reason), [])
            names += [race["name"]] if race["name"] not in names else []
    for (name, reason), networks in reasons.items():
        yield f"{name} on {', '.join(networks)}: {reason}"


def head(document: Document) -> Iterator[str]:
    """The machine and the settings."""
    machine, settings = document["machine"], document["settings"]
    yield f"{machine['date']}, {machine['cpu']}, {machine['cpus']} CPUs, {machine['system']}"
    yield f"flags: {' '.join(machine['flags'])}"
    yield ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    place = f"on CPU {settings['cpu']}" if settings["cpu"] is not None else "on any CPU"
    yield (
        f"one thread {place}; {settings['rounds']} rounds in turn, {settings['seconds']} s each;"
        " the median of the rounds' medians, in microseconds"
    )
    if document["peak_gmacs"]:
        rates = ", ".join(f"{name} {rate:,.0f}" for name, rate in document["peak_gmacs"].items())
        yield f"peak of one core, GMAC/s: {rates}"
    for name, reason in machine["absent_kernel_sets"].items():
        yield f"kernel set {name} is not supported: {reason}"


def micro(timing: Mapping[str, Any] | None) -> str:
    """Microseconds, with three significant digits or all digits before the point."""
    if timing is None:
        return NOTHING
    value = timing["seconds"] * 1e6
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"


def share(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1%}".replace("%", " %")


def peers_of(races: Sequence[Document]) -> list[str]:
    """The engines that ran in any of these races."""
    return list(dict.fromkeys(name for race in races for name in race["peers"]))


def _networks(races: Sequence[Document], title: str) -> Table:
    peers = peers_of(races)
    rows = [
        [
            race["name"],
            f"{race['macs'] / 1e6:,.2f}",
            micro(race["qrt"]),
            times(race["ratio"]),
            race["best_peer"] or NOTHING,
            *(micro(race["peers"].get(name)) for name in peers),
        ]
        for race in races
    ]
    note = "ratio: the best peer's time / qrt's; inputs are set beforehand"
    return Table(title, ["network", "MMACs", "qrt", "ratio", "best peer", *peers], rows, [note])


def _sets(document: Document) -> Table:
    races = document["networks"]
    sets = [name for name in document["machine"]["kernel_sets"] if name != "reference"] or ["reference"]
    others = list(dict.fromkeys(title for race in races for title in race["others"]))
    columns = ["network"]
    for name in sets:
        columns += [name, "of peak"] if name in document["peak_gmacs"] else [name]
    columns += [*others, "LiteRT reference", "/ portable"]
    rows = []
    for race in races:
        row = [race["name"]]
        for name in sets:
            entry = race["sets"][name]
            row += [micro(entry), share(entry["peak_share"])] if name in document["peak_gmacs"] else [micro(entry)]
        reference, portable = race["litert_reference"], race["sets"].get("portable")
        gain = reference["seconds"] / portable["seconds"] if reference and portable else None
        row += [*(micro(race["others"].get(title)) for title in others), micro(reference), times(gain)]
        rows.append(row)
    notes = [
        f"{race['name']}: the compiler removes channels that are constant for every input,"
        f" and with them {share(1 - race['executed_macs'] / race['macs'])} of the MACs"
        for race in races
        if race["executed_macs"] < 0.995 * race["macs"]
    ]
    if others:
        notes.append(f"{', '.join(others)}: {sets[-1]}, compiled bit-exact to TFLM, or with the file's NCHW input")
    return Table("Kernel sets", columns, rows, notes)


def _layers(document: Document) -> Table:
    races = document["layers"]
    sets = list(document["peak_gmacs"])
    columns = ["layer", "MMACs", "qrt", "ratio", "best peer"]
    for name in sets:
        columns += [f"{name} GMAC/s", "of peak"]
    rows = []
    for race in races:
        best = race["best_peer"] or NOTHING
        row = [race["name"], f"{race['macs'] / 1e6:,.1f}", micro(race["qrt"]), times(race["ratio"]), best]
        for name in sets:
            row += [f"{race['sets'][name]['gmacs']:,.0f}", share(race["sets"][name]["peak_share"])]
        rows.append(row)
    return Table("Large single layers", columns, rows)


def _whole(document: Document) -> Table:
    races = document["networks"]
    peers = peers_of(races)
    rows = []
    for race in races:
        whole = race["whole"]
        best = min((whole[name]["seconds"] for name in race["peers"]), default=None)
        gain = best / whole["qrt"]["seconds"] if best else None
        rows.append([race["name"], micro(whole["qrt"]), times(gain), *(micro(whole.get(name)) for name in peers)])
    note = "Model.run; peers: set the inputs, run, fetch the outputs"
    return Table("Whole calls, from arrays to arrays", ["network", "qrt", "ratio", *peers], rows, [note])


def _call(document: Document) -> Table:
    call = document["call"]
    title = "Three tiny layers: overhead of a call"
    if call is None:
        return Table(title, ["call"], [])
    rows = [
        ["kernels' own time", micro({"seconds": call["kernels_seconds"]}), NOTHING],
        ["qrt", micro(call["invoke"]), micro(call["run"])],
        *([name, micro(peer["call"]), micro(peer["whole"])] for name, peer in call["peers"].items()),
    ]
    notes = [f"Model.run is {call['overhead_seconds'] * 1e6:.2f} us longer than the kernels' own time"]
    if call["peers"]:
        fastest, whole = (min(peer[key]["seconds"] for peer in call["peers"].values()) for key in ("call", "whole"))
        notes[0] += (
            f"; the fastest peer's call takes {fastest / call['invoke']['seconds']:.2f} of invoke,"
            f" its whole call {whole / call['run']['seconds']:.2f} of Model.run"
        )
    return Table(title, ["", "call", "whole call"], rows, notes)


def _loading(document: Document) -> Table:
    rows = [
        [entry["name"], micro(entry["qrt"]), micro(entry["LiteRT"]), times(entry["ratio"])]
        for entry in document["loading"]
    ]
    return Table("Loading a file", ["network", "qrt.load", "LiteRT, allocate_tensors", "ratio"], rows)


def _threads(document: Document) -> Table:
    rows = [
        [entry["name"], micro(entry["one"]), micro(entry["several"]), times(entry["ratio"])]
        for entry in document["threads"]
    ]
    count = document["threads"][0]["threads"] if rows else 0
    return Table("qrt on several threads", ["network", "1 thread", f"{count} threads", "gain"], rows)


def _agreement(document: Document) -> Table:
    rows = [
        [
            f"{race['name']}: {name}",
            share(peer["equal_share"]),
            str(peer["largest"]),
            f"{peer['mean']:.2f}",
            share(peer["spread"]),
            peer["configuration"],
        ]
        for race in (*document["networks"], *document["layers"])
        for name, peer in race["peers"].items()
    ]
    settings = document["settings"]
    largest, mean = settings["largest_difference"], settings["mean_difference"]
    note = (
        f"on {settings['samples']} random inputs; an engine counts if it differs by at most {largest} codes and"
        f" by {mean:g} on average; spread: interquartile range of the rounds"
    )
    columns = ["peer", "equal codes", "largest difference", "mean", "spread", "fastest configuration"]
    return Table("Agreement with qrt, and the fastest configuration of each peer", columns, rows, [note])


def class_texts(document: Document) -> dict[str, str]:
    """For each class of machines that ran, the text for the documents; none of a class that was not held."""
    machine, settings = document["machine"], document["settings"]
    versions = ", ".join(
        f"{name} {version}" for name, version in machine["versions"].items() if name not in ("qrt", "numpy")
    )
    runs = [(document["class"], "", document["networks"])]
    runs += [
        (held["class"], f" held to it by {held['by']}", held["networks"])
        for held in document["held"]
        if not held["wider"]
    ]
    return {
        name: (
            f"{TITLES[name]}: {machine['date']}, {machine['cpu']}{how}, one core; microseconds, one thread, one run of"
            f" `make bench`, {settings['rounds']} rounds.\n"
            f"ratio = best peer's time / qrt's time. {versions}.\n\n{_networks(races, '').markdown()}"
        )
        for name, how, races in runs
        if name and races
    }


def write_tables(document: Document, readme: Path = README, docs: Path = DOCS) -> list[str]:
    """Writes the table of each class between its marks: docs has all, README.md some. Returns the classes written."""
    texts = class_texts(document)
    for path in (readme, docs):
        text = path.read_text(encoding="utf-8")
        for name, table in texts.items():
            found = mark(name).search(text)
            if not found and path == docs:
                raise click.ClickException(f"{path}: has no marks for the table of {name}")
            if found:
                text = text[: found.start(1)] + table + text[found.end(1) :]
        path.write_text(text, encoding="utf-8")
    return list(texts)


def mark(name: str) -> re.Pattern[str]:
    """The place of a class's table."""
    return re.compile(rf"<!-- bench table {name}: begin -->\n(.*?)<!-- bench table {name}: end -->", re.DOTALL)
