"""Output on a terminal: numbers, shapes, names from files, tables, progress."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from qrt.data.errors import printable as printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table


# Minimum width in columns of names and of values in a table.
NARROWEST = 16
# Width of what is not a terminal, so that nothing is cut or wrapped there.
ENDLESS = 1 << 16
# Seconds of work after which a progress bar appears.
PATIENCE = 2.0


def shape_text(shape: Iterable[int]) -> str:
    return "x".join(str(length) for length in shape)


def percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "0.0 %"


def kinds_text(counts: dict[str, int]) -> str:
    """Number of operators, in total and of each kind, most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    kinds = ", ".join(f"{count} {kind}" for kind, count in ordered)
    return f"{sum(counts.values())}: {kinds}" if len(counts) > 1 else kinds


def print_json(document: dict[str, Any]) -> None:
    click.echo(json.dumps(document))


def note(message: str) -> None:
    """A note on stderr, separate from results."""
    click.echo(f"{click.get_current_context().command_path}: note: {message}", err=True)


def on_terminal() -> bool:
    return sys.stdout.isatty()


def console() -> Console:
    """A rich console on stdout: as wide as the terminal, plain if stdout is not a terminal or NO_COLOR is set.

    In a file or a pipe it is endlessly wide.
    """
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, width=None if on_terminal() else ENDLESS)


def columns(out: Console) -> int:
    """The width of drawings: that of the terminal; elsewhere COLUMNS, or 80."""
    return out.width if out.width < ENDLESS else shutil.get_terminal_size().columns


def show(out: Console, renderable: RenderableType) -> None:
    """Prints a rich object without trailing blanks. What is too wide is not cut."""
    with out.capture() as captured:
        out.print(renderable, crop=False)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def heading(out: Console, text: str) -> None:
    """Prints the title of a section."""
    from rich.text import Text

    click.echo()
    show(out, Text(text, style="bold"))


def facts(rows: Iterable[tuple[str, str]]) -> Table:
    """A table of names and values without a header."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold", min_width=NARROWEST)
    for name, value in rows:
        table.add_row(Text(name), Text(value))
    return table


def shortened(name: str, width: int) -> str:
    """A name in at most `width` columns.

    Its end is kept, since names of layers begin alike; of names that a converter joined with semicolons, the first.
    """
    if len(name) <= width:
        return name
    first = name.split(";")[0]
    return first if len(first) <= width else f"…{first[len(first) - width + 1 :]}"


def aligned(rows: Sequence[Sequence[str]], left: Container[int]) -> list[str]:
    """A table's lines, never cut; columns not in `left` are right-aligned."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        pairs = enumerate(zip(row, widths, strict=True))
        lines.append("  ".join(f"{text:<{w}}" if i in left else f"{text:>{w}}" for i, (text, w) in pairs))
    return lines


def named_rows(
    rows: Sequence[Sequence[str]], names: Sequence[str], left: Container[int], width: int, least: int = 0
) -> Iterator[str]:
    """A table's lines, each ending with a name in the remaining width, or in `least` columns.

    Names are left out where they would have less than NARROWEST columns.
    """
    lines = aligned(rows, left)
    rest = max(width - len(lines[0]) - 2, least)
    for line, name in zip(lines, names, strict=True):
        yield (f"{line}  {shortened(name, rest)}" if rest >= NARROWEST else line).rstrip()


def progressing(count: int, what: str) -> Iterator[int]:
    """The numbers from 0 to `count` - 1, with a progress bar on stderr once they take longer than `PATIENCE`."""
    with Progress(count, what) as progress:
        for index in range(count):
            yield index
            progress.done(index + 1)


class Waiting:
    """A context manager: a bar without a measure on stderr, shown when the work takes longer than `PATIENCE`."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.bar: Any = None
        self.timer = threading.Timer(PATIENCE, self._show)
        self.timer.daemon = True

    def __enter__(self) -> Waiting:
        self.timer.start()
        return self

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import Progress as Bar

        err = Console(stderr=True)
        self.bar = Bar(console=err, transient=True, disable=not err.is_terminal)
        self.bar.add_task(self.what, total=None)
        self.bar.start()

    def __exit__(self, *error: object) -> None:
        self.timer.cancel()
        self.timer.join()
        if self.bar is not None:
            self.bar.stop()


class Progress:
    """A context manager: a progress bar on stderr, shown when the work takes longer than `PATIENCE`.

    It has the share that is done, the time left, and how many are done in a second.
    """

    def __init__(self, total: int, what: str) -> None:
        self.total, self.what, self.start = total, what, time.monotonic()
        self.bar: Any = None

    def __enter__(self) -> Progress:
        return self

    def done(self, count: int) -> None:
        """Shows that `count` of `total` are done."""
        if self.bar is None and count < self.total and time.monotonic() - self.start >= PATIENCE:
            from rich.console import Console
            from rich.progress import Progress as Bar
            from rich.progress import TextColumn

            err = Console(stderr=True)
            columns = (*Bar.get_default_columns(), TextColumn("{task.fields[rate]}"))
            self.bar = Bar(*columns, console=err, transient=True, disable=not err.is_terminal)
            self.bar.start()
            self.task = self.bar.add_task(self.what, total=self.total, rate="")
        if self.bar is not None:
            speed = self.bar.tasks[0].speed or 0
            rate = f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.2g}/s"
            self.bar.update(self.task, completed=count, rate=rate if speed else "")

    def __exit__(self, *error: object) -> None:
        if self.bar is not None:
            self.bar.stop()
