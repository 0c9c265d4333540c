"""The table of arenas in docs/rows.md."""

from __future__ import annotations

from banded import network
from marked_tables import between_marks, columns

from bench.rows import NAMES, PAGE, TITLE, row
from qrt.compiler import build


def test_a_row_has_what_the_compiler_reports() -> None:
    name, *cells = row("small", build(network()).graph)
    reports = [build(network(), ram="least", feed=feed).report for feed in (False, True)]
    expected = [build(network()).report.arena_size]
    for report in reports:
        assert report.row_by_row is not None
        expected += [report.arena_size, report.row_by_row.moved_bytes]
    assert (name, cells) == ("small", [f"{number:,}" for number in expected])


def test_the_page_has_the_networks() -> None:
    assert columns(between_marks(PAGE, TITLE))["network"][1:] == list(NAMES)
