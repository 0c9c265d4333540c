"""A band as text: which operators take turns, what memory holds of each tensor, and its rows alive over time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from qrt.cli.contents import Contents, OperatorEntry, PaceEntry
from qrt.cli.drawing import letters
from qrt.cli.turns import Numbers, Tenant, Turns
from qrt.schema.operators import OPERATORS

if TYPE_CHECKING:
    from rich.text import Text

LEVELS = " ▁▂▃▄▅▆▇█"
LEVELS_ASCII = " .:-=+*#@"
# Points of time of an operator that runs alone.
FINE = 8
# Columns of a line over time on a terminal that is too narrow.
NARROWEST = 8
WITHOUT_TURNS = "one operator after another"


def band_facts(turns: Turns) -> list[tuple[str, str]]:
    band = turns.band
    fed = ", and the input is fed by rows" if band.fed is not None else ""
    return [
        ("operators", f"{band.steps}, in {band.turns:,} turns{fed}"),
        ("live", f"{int(turns.live.max()):,} bytes at most"),
        ("moved", f"{turns.moved:,} bytes in a run"),
    ]


def pace_lines(contents: Contents, turns: Turns, width: int) -> Iterator[Text]:
    """What each operator makes in a turn, with gaps of one space where `width` has no room for two."""
    from rich.text import Text

    names = letters(contents)
    titles = ("#", "operator", "writes", "a turn", "rows", "holds", "keeps", "bytes", "whole")
    table = [titles, *(pace_row(contents, pace, names[pace.tensor]) for pace in turns.band.paces)]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    gap = "  " if sum(widths) + 2 * (len(widths) - 1) <= width else " "
    for number, row in enumerate(table):
        cells = (f"{a:<{w}}" if i in (1, 2) else f"{a:>{w}}" for i, (a, w) in enumerate(zip(row, widths, strict=True)))
        yield Text(gap.join(cells), "" if number else "bold")


def pace_row(contents: Contents, pace: PaceEntry, letter: str) -> tuple[str, ...]:
    """An operator's row: how fast it makes rows of what, how many of them the memory holds and keeps between turns."""
    number, kind = "", "fed"
    if pace.operator is not None:
        number, kind = str(pace.operator), contents.operators[pace.operator].kind
    holds, keeps = str(pace.capacity), str(pace.kept)
    if pace.is_sum or pace.is_whole:
        holds = keeps = "sums" if pace.is_sum else "all"
    sizes = f"{pace.size:,}", f"{pace.whole_size:,}"
    return number, kind, letter, str(Fraction(pace.rows, pace.per)), str(pace.height), holds, keeps, *sizes


def sparkline(values: Numbers, top: int, width: int, levels: str) -> str:
    """A character for each of `width` equal parts of time: the largest value in it, of `top`."""
    starts = np.arange(width) * len(values) // width
    stops = np.maximum((np.arange(width) + 1) * len(values) // width, starts + 1)
    largest = [int(values[a:b].max()) for a, b in zip(starts, stops, strict=True)]
    return "".join(levels[-(-value * (len(levels) - 1) // max(top, 1))] for value in largest)


def alone(contents: Contents, tenant: Tenant, turns: Turns) -> Numbers:
    """Rows of a tensor that exist while the band's operators run one after another, each until it is done.

    Rows go as they are read last, where what is written may take their place.
    """
    band, pace = turns.band, tenant.pace
    last = max((reader.position for reader in tenant.readers), default=band.count + 1)
    steps = np.arange(band.count * FINE)
    born = np.full(len(steps), tenant.height)
    if pace is not None and pace.operator is not None:
        born = np.clip((steps + 1 - (pace.operator - band.first) * FINE) * tenant.height // FINE, 0, tenant.height)
    gone = np.clip(steps - (last - 1) * FINE, 0, FINE)
    if last <= band.count and not overwrites(contents.operators[band.first + last - 1]):
        gone = gone // FINE * FINE
    return born - tenant.height * gone // FINE


def overwrites(operator: OperatorEntry) -> bool:
    """Whether what an operator writes may take the place of what it reads."""
    facts = OPERATORS[operator.kind]
    return facts.over_input or facts.in_place


def alive_lines(contents: Contents, turns: Turns, width: int, ascii_only: bool) -> Iterator[Text]:
    """For each tensor that the band touches its rows alive in each turn, and what they would be without turns."""
    from rich.text import Text

    levels, names = LEVELS_ASCII if ascii_only else LEVELS, letters(contents)
    touched = [tenant for tenant in turns.tenants if tenant.pace is not None or tenant.is_read]
    found = [(names[t.tensor.index], t.alive, alone(contents, t, turns), t.height) for t in touched]
    size_alone = np.zeros(turns.band.count * FINE, np.int64)
    for t in turns.tenants:
        size_alone += alone(contents, t, turns) * t.tensor.size // t.height
    found.append(("bytes", turns.live, size_alone, int(max(size_alone.max(), turns.live.max()))))
    texts = [(name, f"{int(with_.max()):,} of {top:,}") for name, with_, _, top in found]
    widths = [max(len(text[i]) for text in texts) for i in range(2)]
    columns = max(NARROWEST, (width - sum(widths) - 6) // 2)
    left = " " * (sum(widths) + 4)
    with_turns = f"in {turns.band.turns:,} turns"
    without_turns = WITHOUT_TURNS if len(WITHOUT_TURNS) <= columns else "one by one"
    yield Text(f"{left}{with_turns:<{columns}}  {without_turns}", "bold")
    for (name, with_, without, top), (_, most) in zip(found, texts, strict=True):
        line = Text(f"{name:<{widths[0]}}  {most:>{widths[1]}}  ")
        line.append(sparkline(with_, top, columns, levels), "green")
        yield line.append("  ").append(sparkline(without, top, columns, levels), "cyan")
