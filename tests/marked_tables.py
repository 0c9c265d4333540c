"""Tables in pages of docs/ that are written from the code, between marks with their title."""

from __future__ import annotations

import re
from pathlib import Path


def columns(table: str) -> dict[str, list[str]]:
    """The columns of a table by title."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {title: cells for title, *cells in zip(*rows, strict=True)}


def mark(title: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- {title}: begin -->\n)(.*?)(<!-- {title}: end -->)", re.DOTALL)


def between_marks(page: Path, title: str) -> str:
    found = mark(title).search(page.read_text(encoding="utf-8"))
    assert found, f"{page.name} lacks the marks of its {title}"
    return found[2]


def write_table(page: Path, title: str, table: str) -> None:
    text = page.read_text(encoding="utf-8")
    page.write_text(mark(title).sub(lambda match: match[1] + table + match[3], text), encoding="utf-8")
