"""The memory plan drawn as text: a row for each step, a bar across the arena, a letter for each tensor.

step  operator   writes     bytes  |0                            96|
   0  inputs     A             40  |A██████████                    |
   1  conv2d     B             48  |A▒▒▒▒▒▒▒▒▒▒▒B██████████████████|
   2  clamp      C = B         48  |            C██████████████████|

States come first, from the start of the arena to its end in every row: they survive a run.
"""

from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qrt.cli.contents import Contents, OperatorEntry, TensorEntry
from qrt.schema.operators import OPERATORS

if TYPE_CHECKING:
    from rich.text import Text

# What a step does with a tensor, in the order of drawing: kept for the next run, for later, read, written.
STATE, KEPT, READ, WRITTEN = 0, 1, 2, 3
SHADES = {STATE: "▚", KEPT: "░", READ: "▒", WRITTEN: "█"}
SHADES_ASCII = {STATE: ":", KEPT: ".", READ: "=", WRITTEN: "#"}
STYLES = {STATE: "magenta", KEPT: "dim", READ: "cyan", WRITTEN: "green"}
# Cells of a bar on a terminal that is too narrow.
NARROWEST = 20
LETTERS = string.ascii_uppercase + string.ascii_lowercase


@dataclass(frozen=True)
class Row:
    """One step: its title, the tensors that it writes, and the role of every live tensor."""

    step: int
    title: str
    written: list[TensorEntry]
    roles: list[tuple[TensorEntry, int]]


def letters(contents: Contents) -> dict[int, str]:
    """A letter for each arena tensor, in the order of writing; after the last letter they start again."""
    arena = [t for t in contents.tensors if t.first is not None]
    arena.sort(key=lambda t: (not t.is_state, t.first, t.index))
    return {tensor.index: LETTERS[i % len(LETTERS)] for i, tensor in enumerate(arena)}


def rows(contents: Contents) -> Iterator[Row]:
    """The steps: the inputs are given, each operator runs, the outputs are taken."""
    last = len(contents.operators) + 1
    for step in range(last + 1):
        alive = contents.alive(step)
        if 0 < step < last:
            operator = contents.operators[step - 1]
            title, read, writes = operator.kind, set(operator.inputs), {operator.output, *states_of(operator)}
        else:
            title, read = ("outputs", set(contents.outputs)) if step else ("inputs", set())
            writes = set() if step else set(contents.inputs)
        written = [t for t in alive if t.index in writes]
        kept = {t: STATE if t.is_state else KEPT for t in alive}
        roles = [(t, WRITTEN if t in written else READ if t.index in read else kept[t]) for t in alive]
        yield Row(step, title, written, sorted(roles, key=lambda pair: pair[1]))


def states_of(operator: OperatorEntry) -> tuple[int, ...]:
    """The states among an operator's inputs, which it updates."""
    count = OPERATORS[operator.kind].states
    return operator.inputs[len(operator.inputs) - count :]


def place_of(tensor: TensorEntry, row: Row) -> TensorEntry | None:
    """The tensor that `tensor` overwrites in place, or None."""
    return next((t for t, role in row.roles if role == READ and t.arena_offset == tensor.arena_offset), None)


def bar(row: Row, arena_size: int, width: int, names: dict[int, str]) -> list[tuple[str, int] | None]:
    """`width` cells that represent the arena: None where it is free, else a letter or an empty string, and the role."""
    cells: list[tuple[str, int] | None] = [None] * width
    for tensor, role in row.roles:
        offset = tensor.arena_offset or 0
        start = offset * width // arena_size
        stop = max(start + 1, (offset + tensor.size) * width // arena_size)
        cells[start:stop] = [(names[tensor.index], role)] + [("", role)] * (stop - start - 1)
    return cells


def draw(contents: Contents, width: int, ascii_only: bool) -> Iterator[Text]:
    """The lines of the drawing, at most `width` wide unless the bars need more."""
    from rich.text import Text

    shades = SHADES_ASCII if ascii_only else SHADES
    edge = "|" if ascii_only else "│"
    names = letters(contents)
    steps = list(rows(contents))
    captions = [("step", "operator", "writes", "bytes"), *(caption(row, names) for row in steps)]
    widths = [max(len(texts[i]) for texts in captions) for i in range(4)]
    left = [f"{a:>{widths[0]}}  {b:<{widths[1]}}  {c:<{widths[2]}}  {d:>{widths[3]}}  " for a, b, c, d in captions]
    cell_count = max(NARROWEST, width - len(left[0]) - 2)
    yield Text(f"{left[0]}{edge}0{contents.arena_size:>{cell_count - 1},}{edge}", style="bold")
    for row, text in zip(steps, left[1:], strict=True):
        line = Text(text + edge)
        for cell in bar(row, contents.arena_size, cell_count, names):
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


def caption(row: Row, names: dict[int, str]) -> tuple[str, str, str, str]:
    """The text to the left of a row's bar: step, operator, letters written, their bytes."""
    letters_written = " ".join(names[tensor.index] for tensor in row.written)
    over = place_of(row.written[0], row) if row.written else None
    writes = letters_written + (f" = {names[over.index]}" if over else "")
    size = f"{sum(tensor.size for tensor in row.written):,}" if row.written else ""
    return str(row.step), row.title, writes, size
