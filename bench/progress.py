"""How far a run of the benchmark is."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@contextlib.contextmanager
def progress(stderr: TextIO, steps: int) -> Iterator[tuple[Callable[[str], None], Callable[[], None]]]:
    """A progress bar, on a terminal only; drawn between measurements, so that no thread disturbs them."""
    console = Console(file=stderr)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(
        *columns, console=console, transient=True, auto_refresh=False, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=steps)

        def say(text: str) -> None:
            bar.update(task, description=text, refresh=True)

        yield say, lambda: bar.update(task, advance=1, refresh=True)
