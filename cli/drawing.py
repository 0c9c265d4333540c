"""The memory plan drawn as text: a row for each step, a bar across the arena, a letter for each tensor.

#  operator   writes     bytes  |0                            96|
   inputs     A             40  |A██████████                    |
0  conv2d     B             48  |A▒▒▒▒▒▒▒▒▒▒▒B██████████████████|
1  clamp      C = B         48  |            C██████████████████|

States come first, from the start of the arena to its end in every row: they survive a run.
A band has rows for its turns instead: as many of them, evenly spaced, as there is room for.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qrt.cli.contents import Contents, OperatorEntry, TensorEntry
from qrt.cli.turns import Tenant, Turns
from qrt.schema.operators import OPERATORS

if TYPE_CHECKING:
    from rich.text import Text

# What a row does with bytes, in the order of drawing: kept for the next run, for later, read, written.
STATE, KEPT, READ, WRITTEN = 0, 1, 2, 3
SHADES = {STATE: "▚", KEPT: "░", READ: "▒", WRITTEN: "█"}
SHADES_ASCII = {STATE: ":", KEPT: ".", READ: "=", WRITTEN: "#"}
STYLES = {STATE: "magenta", KEPT: "dim", READ: "cyan", WRITTEN: "green"}
# Cells of a bar on a terminal that is too narrow.
NARROWEST = 20
LETTERS = string.ascii_uppercase + string.ascii_lowercase


@dataclass(frozen=True)
class Span:
    """Bytes of the arena, of one tensor and in one role; the letter begins what the tensor has."""

    start: int
    stop: int
    letter: str
    role: int


@dataclass(frozen=True)
class Row:
    """A step, or a turn of a band: the caption (number, operator, letters written, bytes), and what is in the arena."""

    caption: tuple[str, str, str, str]
    spans: list[Span]


def letters(contents: Contents) -> dict[int, str]:
    """A letter for each arena tensor, in the order of writing; after the last letter they start again."""
    arena = [t for t in contents.tensors if t.first is not None]
    arena.sort(key=lambda t: (not t.is_state, t.first, t.index))
    return {tensor.index: LETTERS[i % len(LETTERS)] for i, tensor in enumerate(arena)}


def rows(contents: Contents, bands: Sequence[Turns], height: int) -> Iterator[Row]:
    """The steps: the inputs are given, each operator runs, the outputs are taken. A band has at most `height` rows."""
    names = letters(contents)
    starts = {turns.band.first + 1: turns for turns in bands}
    last = len(contents.operators) + 1
    step = 0
    while step <= last:
        if step in starts:
            yield from band_rows(starts[step], names, height)
            step = starts[step].band.stop + 1
        else:
            yield step_row(contents, step, names)
            step += 1


def step_row(contents: Contents, step: int, names: dict[int, str]) -> Row:
    """A step that is not in a band."""
    alive = contents.alive(step)
    if 0 < step <= len(contents.operators):
        operator = contents.operators[step - 1]
        number, title = str(operator.index), operator.kind
        read, writes = set(operator.inputs), {operator.output, *states_of(operator)}
    else:
        number = ""
        title, read = ("outputs", set(contents.outputs)) if step else ("inputs", set())
        writes = set() if step else set(contents.inputs)
    written = [t for t in alive if t.index in writes]
    kept = {t: STATE if t.is_state else KEPT for t in alive}
    roles = [(t, WRITTEN if t in written else READ if t.index in read else kept[t]) for t in alive]
    roles.sort(key=lambda pair: pair[1])
    over = place_of(written[0], roles) if written else None
    text = " ".join(names[t.index] for t in written) + (f" = {names[over.index]}" if over else "")
    size = f"{sum(t.size for t in written):,}" if written else ""
    return Row((number, title, text, size), [whole(t, names, role) for t, role in roles])


def whole(tensor: TensorEntry, names: dict[int, str], role: int) -> Span:
    offset = tensor.arena_offset or 0
    return Span(offset, offset + tensor.room, names[tensor.index], role)


def states_of(operator: OperatorEntry) -> tuple[int, ...]:
    """The states among an operator's inputs, which it updates."""
    count = OPERATORS[operator.kind].states
    return operator.inputs[len(operator.inputs) - count :]


def place_of(tensor: TensorEntry, roles: Sequence[tuple[TensorEntry, int]]) -> TensorEntry | None:
    """The tensor that `tensor` overwrites in place, or None."""
    return next((t for t, role in roles if role == READ and t.arena_offset == tensor.arena_offset), None)


def band_rows(turns: Turns, names: dict[int, str], height: int) -> Iterator[Row]:
    """The turns of a band, or as many of them as fit, from the first to the last."""
    band = turns.band
    for turn in np.unique(np.linspace(0, band.turns - 1, max(1, min(height, band.turns))).astype(int)).tolist():
        spans = [span for tenant in turns.tenants for span in tenant_spans(tenant, turn, names)]
        spans.sort(key=lambda span: span.role)
        written = [t for t in turns.tenants if t.position is not None and t.made[turn] < t.made[turn + 1]]
        text = "-".join(dict.fromkeys(names[t.tensor.index] for t in (written[:1] + written[-1:])))
        size = sum(int(t.made[turn + 1] - t.made[turn]) * t.row for t in written)
        steps = band.steps.replace(" to ", "-") if turn == 0 else ""
        yield Row((steps, f"turn {turn}", text, f"{size:,}"), spans)


def tenant_spans(tenant: Tenant, turn: int, names: dict[int, str]) -> Iterator[Span]:
    """A tensor's rows in one turn: those that stay, those that are read for the last time, those that are new."""
    letter, offset = names[tenant.tensor.index], tenant.tensor.arena_offset or 0
    if tenant.tensor.is_state:
        yield whole(tenant.tensor, names, STATE)
        return
    before, made = (int(rows) for rows in tenant.made[turn : turn + 2])
    first, low = (int(rows) for rows in tenant.low[turn : turn + 2])
    base = int(tenant.base[turn])
    for start, stop, role in (
        (first, min(low, before), READ),
        (max(low, first), before, KEPT),
        (max(before, first), made, WRITTEN),
    ):
        if start < stop:
            yield Span(offset + (start - base) * tenant.row, offset + (stop - base) * tenant.row, letter, role)
            letter = ""


def bar(row: Row, arena_size: int, width: int) -> list[tuple[str, int] | None]:
    """`width` cells that represent the arena: None where it is free, else a letter or an empty string, and the role."""
    cells: list[tuple[str, int] | None] = [None] * width
    for span in row.spans:
        start = span.start * width // arena_size
        stop = max(start + 1, span.stop * width // arena_size)
        cells[start:stop] = [(span.letter, span.role), *[("", span.role)] * (stop - start - 1)]
    return cells


def draw(contents: Contents, bands: Sequence[Turns], width: int, height: int, ascii_only: bool) -> Iterator[Text]:
    """The lines of the drawing, at most `width` wide unless the bars need more; each band has at most `height`."""
    from rich.text import Text

    shades = SHADES_ASCII if ascii_only else SHADES
    edge = "|" if ascii_only else "│"
    drawn = list(rows(contents, bands, height))
    captions = [("#", "operator", "writes", "bytes"), *(row.caption for row in drawn)]
    widths = [max(len(texts[i]) for texts in captions) for i in range(4)]
    left = [f"{a:>{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}  " for a, b, c, d in captions]
    cell_count = max(NARROWEST, width - len(left[0]) - 2)
    yield Text(f"{left[0]}{edge}0{contents.arena_size:>{cell_count - 1},}{edge}", style="bold")
    for row, text in zip(drawn, left[1:], strict=True):
        line = Text(text + edge)
        for cell in bar(row, contents.arena_size, cell_count):
            if cell is None:
                line.append(" ")
            else:
                letter, role = cell
                line.append(letter or shades[role], STYLES[role])
        yield line.append(edge)
    legend = f"{shades[WRITTEN]} written  {shades[READ]} read  {shades[KEPT]} kept for later  (blank) free"
    if contents.state_size:
        legend += f"  {shades[STATE]} state"
    yield Text(legend, "dim")
