"""The table of arenas in docs/rows.md."""

from __future__ import annotations

import pytest
from banded import network
from marked_tables import between_marks, columns

from bench.rows import CORE, DEVICE_COLUMNS, DEVICE_TITLE, NAMES, PAGE, RUNS, TITLE, device_rows, row
from qrt.compiler import compile
from qrt.firmware.errors import DeviceError
from qrt.firmware.generate.network import generate
from qrt.firmware.targets import TARGETS


def test_a_row_has_what_the_compiler_reports() -> None:
    name, *cells = row("small", compile(network()).graph)
    reports = [compile(network(), ram="least", feed=feed).report for feed in (False, True)]
    expected = [compile(network()).report.arena_size]
    for report in reports:
        assert report.row_by_row is not None
        expected += [report.arena_size, report.row_by_row.moved_bytes]
    assert (name, cells) == ("small", [f"{number:,}" for number in expected])


def test_the_page_has_the_networks() -> None:
    assert columns(between_marks(PAGE, TITLE))["network"][1:] == list(NAMES)


def test_a_row_has_what_the_network_takes_on_the_device() -> None:
    try:
        rows, _ = device_rows("small", compile(network()).graph, ["least", "200 --feed"])
    except DeviceError as error:
        pytest.skip(str(error))
    chosen: list[tuple[str | int, bool]] = [("fast", False), ("least", False), (200, True)]
    files = [compile(network(), ram=ram, feed=feed).to_bytes() for ram, feed in chosen]
    whole, least, fed = (f"{generate(content, TARGETS[CORE], 'net').memory_size:,}" for content in files)
    assert [cells[:4] for cells in rows] == [["small", "`least`", whole, least], ["small", "`200 --feed`", whole, fed]]
    assert all(float(cells[4]) > 1 for cells in rows)


def test_the_page_has_the_networks_on_the_device() -> None:
    found = columns(between_marks(PAGE, DEVICE_TITLE).split("\n\n")[0])
    assert tuple(found) == DEVICE_COLUMNS
    expected = [(name, f"`{options}`") for name, runs in RUNS.items() for options in runs]
    assert list(zip(found["network"][1:], found["`--ram`"][1:], strict=True)) == expected
