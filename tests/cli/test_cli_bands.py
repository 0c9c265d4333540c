"""The command line on files whose operators take turns."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from banded import TURNS, banded, network
from command_line import Cli, assert_refused, text
from marked_tables import between_marks
from places import ROOT

from qrt.cli.alive import alive_lines
from qrt.cli.contents import read_contents
from qrt.cli.drawing import WRITTEN, draw, tenant_spans
from qrt.cli.summary import turns_rows
from qrt.cli.turns import Tenant, arena_without_bands, read_peak, read_turns
from qrt.compiler import GraphBuilder, compile
from qrt.compiler.backends.qfb.reader import read
from qrt.compiler.study.layers import exposed_file


@pytest.fixture
def fed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "fed.qfb"
    path.write_bytes(banded(fed=True))
    return path


def shown_from(shown: str, first: str, until: str = "") -> str:
    """The lines of what a command prints from `first` on, to `until`."""
    start = shown.index(f"\n{first}\n")
    return shown[start + 1 : shown.index(f"\n{until}\n", start) if until else None]


def test_inspect_says_what_a_band_does(cli: Cli, fed: Path) -> None:
    shown = cli("inspect", fed.name, "--tensors").stdout
    assert "\narena          192 bytes; lower bound 124, gap 54.8 %\n" in shown
    assert "\nmost live      layers 0 to 2, in turns: a 72 + x 36 + mean 16\n" in shown
    assert "\nwithout bands  432 bytes of arena\n" in shown
    assert "\nA  1x16x6x2    192  real = 0.5 * (code + 3)  0 to 36     inputs to 0   x\n" in shown
    assert "\nD  1x1x1x4       4  real = 0.125 * code      144 to 160  2 to 3        mean\n" in shown
    band = shown_from(shown, "Band", "Memory plan")
    assert between_marks(ROOT / "docs" / "rows.md", "band shown") == f"```text\n{band.rstrip()}\n```\n"


def test_inspect_draws_turns(cli: Cli, fed: Path) -> None:
    drawn = shown_from(cli("inspect", fed.name).stdout, "Memory plan").splitlines()
    assert "\n".join([*drawn[:5], *drawn[17:]]) + "\n" == text("""
Memory plan
  #  operator  writes  bytes  │0                                            192│
     inputs                   │                                                │
0-2  turn 0    A-B        48  │A█████      B█████                              │
     turn 1    A-D        64  │A▒▒░░░███   B▒▒▒▒▒██████        C██ D███        │
     turn 14   A-B        36  │A▒▒░░░███   B░░░░░██████            D░░░        │
     turn 15   B-C        36  │A▒▒▒▒▒      B▒▒▒▒▒▒▒▒▒▒▒██████  C██ D░░░        │
  3  reshape   E           4  │                                    D▒▒▒E       │
  4  linear    F           3  │                                        E   F   │
     outputs                  │                                            F   │
█ written  ▒ read  ░ kept for later  (blank) free
""")


@pytest.mark.parametrize(("fed", "right"), list(product((False, True), repeat=2)))
def test_rows_are_drawn_where_they_lie(fed: bool, right: bool) -> None:
    content = banded(fed, right)
    contents = read_contents(content)
    (turns,) = read_turns(contents, content)
    assert len(turns.tenants) == 4
    for tenant in turns.tenants:
        places = run(tenant)
        for turn in range(TURNS):
            spans = list(tenant_spans(tenant, turn, dict.fromkeys(range(len(contents.tensors)), "A")))
            drawn = {byte for span in spans for byte in range(span.start, span.stop)}
            assert drawn == places[turn]
            assert [span.letter for span in spans] == (["A"] + [""] * (len(spans) - 1) if spans else [])
            new = [span.stop - span.start for span in spans if span.role == WRITTEN]
            assert sum(new) == (tenant.made[turn + 1] - tenant.made[turn]) * tenant.row


def run(tenant: Tenant) -> list[set[int]]:
    """The bytes of rows of a tensor that each turn reads, keeps or makes, once they are made: as SPEC.md moves them."""
    offset, pace = tenant.tensor.arena_offset or 0, tenant.pace
    capacity = tenant.height if pace is None or pace.is_sum else pace.capacity
    place: dict[int, int] = {row: row for row in range(int(tenant.made[0]))}
    found = []
    for turn in range(TURNS):
        before, made, low = int(tenant.made[turn]), int(tenant.made[turn + 1]), int(tenant.low[turn])
        rows = [row for row in place if row >= low]
        if pace is not None and pace.slide == "RIGHT":
            place = {row: capacity - (made - row) for row in [*rows, *range(before, made)]}
        elif capacity == tenant.height:
            place = {row: row for row in [*rows, *range(before, made)]}
        else:
            # All of the buffers here keep less than they hold: the rows begin at its start in every turn.
            place = {row: at for at, row in enumerate([*rows, *range(before, made)])}
        assert all(0 <= at < capacity for at in place.values())
        found.append({offset + at * tenant.row + byte for at in place.values() for byte in range(tenant.row)})
    return found


def test_a_full_buffer_moves_when_rows_do_not_fit() -> None:
    content = banded(held=(5, 5))
    (turns,) = read_turns(read_contents(content), content)
    tenant = next(tenant for tenant in turns.tenants if tenant.tensor.name == "a")
    assert tenant.base.tolist() == [0, 0, 0, 0, 0, 3, 3, 3, 7, 7, 7, 7, 11, 11, 11, 11]
    assert tenant.moved == (2 + 1 + 1) * tenant.row


def test_inspect_draws_as_many_turns_as_fit(fed: Path) -> None:
    content = fed.read_bytes()
    contents = read_contents(content)
    lines = [str(line) for line in draw(contents, read_turns(contents, content), 60, 4, ascii_only=True)]
    assert [line.split("|")[0].split()[-3:-1] for line in lines[2:6]] == [
        ["0", "A-B"],
        ["5", "A-C"],
        ["10", "A-B"],
        ["15", "B-C"],
    ]
    assert {len(line) for line in lines[:-1]} == {60}


def test_rows_alive_without_unicode(fed: Path) -> None:
    content = fed.read_bytes()
    contents = read_contents(content)
    (turns,) = read_turns(contents, content)
    lines = [str(line) for line in alive_lines(contents, turns, 40, ascii_only=True)]
    assert lines[2].rstrip() == "B         3 of 16  ..:::::::  :+@@*-"
    assert all(line.isascii() and len(line) <= 40 for line in lines[1:])


def test_inspect_of_bands_fits_the_terminal(cli: Cli, fed: Path) -> None:
    for width in (70, 120):
        lines = cli("inspect", fed.name, COLUMNS=str(width)).stdout.splitlines()
        band = lines[lines.index("Band") : lines.index("Memory plan")]
        assert width - 4 <= max(len(line) for line in band) <= width


def test_inspect_of_bands_breaks_no_line_on_a_narrow_terminal(cli: Cli, fed: Path) -> None:
    wide, narrow = (
        shown_from(cli("inspect", fed.name, COLUMNS=str(width)).stdout, "Band", "Memory plan").splitlines()
        for width in (120, 60)
    )
    assert len(narrow) == len(wide)
    assert max(len(line) for line in narrow[4:]) <= 60
    assert "one operator after another" in "".join(wide)
    assert "one by one" in "".join(narrow)


def test_inspect_of_bands_as_json(cli: Cli, fed: Path) -> None:
    document = json.loads(cli("inspect", fed.name, "--json").stdout)
    assert (document["arena_size"], document["lower_bound"], document["whole_arena_size"]) == (192, 124, 432)
    (band,) = document["bands"]
    assert (band["first"], band["count"], band["turns"], band["live_bytes"]) == (0, 3, TURNS, 124)
    assert band["feed"] == {
        **{"operator": None, "tensor": 0, "height": 16, "rows": 1, "per": 1, "lead": 2, "capacity": 3, "kept": 2},
        **{"slide": "LEFT", "is_sum": False, "size": 36, "whole_size": 192},
    }
    assert [(pace["operator"], pace["size"], pace["is_sum"]) for pace in band["operators"]] == [
        (0, 72, False),
        (1, 12, False),
        (2, 16, True),
    ]


def test_inspect_of_a_file_without_bands(cli: Cli, pets: Path) -> None:
    document = json.loads(cli("inspect", pets.name, "--json").stdout)
    assert document["bands"] == []
    assert document["whole_arena_size"] == document["arena_size"]
    assert "bands" not in cli("inspect", pets.name).stdout


@pytest.mark.parametrize("feed", [False, True])
def test_inspect_counts_what_the_compiler_counts(feed: bool) -> None:
    compiled = compile(residual(16), ram="least", feed=feed)
    content, account = compiled.to_bytes(), compiled.report.row_by_row
    contents = read_contents(content)
    bands = read_turns(contents, content)
    assert account is not None and bands
    assert read_peak(content).size == compiled.report.arena_lower_bound
    assert sum(turns.moved for turns in bands) == account.moved_bytes
    assert arena_without_bands(content) == account.whole_arena_size


def residual(rows: int) -> GraphBuilder:
    """A residual block, as wide in memory as what is around it."""
    g = GraphBuilder("residual")
    x = g.input("x", (1, rows, 8, 4), scale=0.5)
    filters = (np.arange(16 * 9 * 4).reshape(16, 3, 3, 4) % 17 - 8).astype(np.int8)
    a = g.conv2d(x, filters, weights_scale=0.01, scale=0.25, padding=1)
    filters = (np.arange(16 * 9 * 16).reshape(16, 3, 3, 16) % 13 - 6).astype(np.int8)
    b = g.conv2d(a, filters, weights_scale=0.01, scale=0.25, padding=1)
    y = g.max_pool2d(g.add(a, b, scale=0.5), 2)
    g.output(g.mean(y, scale=0.125))
    return g


def test_the_network_is_what_it_is_without_bands(cli: Cli, fed: Path) -> None:
    Path("whole.qfb").write_bytes(network().compile())
    for name in ("fed", "whole"):
        cli("export", f"{name}.qfb", "-o", f"{name}.tflite")
    assert Path("fed.tflite").read_bytes() == Path("whole.tflite").read_bytes()
    for args in (["explain", "{}.qfb", "1", "--json"], ["explain", "{}.qfb", "2", "--python"]):
        texts = [cli(*(arg.format(name) for arg in args)).stdout for name in ("fed", "whole")]
        assert texts[0].replace("fed.qfb", "whole.qfb") == texts[1]


def test_those_that_take_turns_are_blamed_together(cli: Cli, fed: Path) -> None:
    blamed = cli("firmware", fed.name, "--max-ram", "100").stderr
    assert "; the most memory: operators 0 to 2, which take turns, need " in blamed
    assert "; operator 3 reshape 'flat' (1x1x1x4 to 1x4, scratch 0) needs " in blamed


def test_check_and_compare_run_bands(cli: Cli, fed: Path) -> None:
    np.save("x.npy", np.random.default_rng(3).integers(-128, 128, (2, 16, 6, 2), np.int8))
    Path("whole.qfb").write_bytes(network().compile())
    for name in ("fed", "whole"):
        assert cli("run", f"{name}.qfb", "x.npy", "-o", f"{name}.npy").exit_code == 0
    assert np.array_equal(np.load("fed.npy"), np.load("whole.npy"))
    assert cli("check", fed.name).exit_code == 0
    # What compare runs has every operator's result whole, and so no bands.
    assert read_contents(exposed_file(read(fed.read_bytes()))).bands == ()


@pytest.mark.parametrize("ram", ["LEAST", "-1", "1e3", "", "1.5k"])
def test_other_limits_are_refused(cli: Cli, ram: str) -> None:
    wanted = f"{ram!r} is none of fast, least and a number of bytes such as 65536, 64k or 1m"
    assert_refused(cli("compile", "model.onnx", "--ram", ram), f"qrt compile: invalid value for '--ram': {wanted}")


def test_a_limit_that_is_met_anyway_needs_no_turns() -> None:
    rows = dict(turns_rows(compile(network(), ram=1_000_000).report.row_by_row))
    assert rows["row by row"] == "no operator: the arena fits without, or would not be smaller"
