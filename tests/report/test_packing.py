"""Numbers of a page: packed without loss, small, and the bundle that reads them is what its source gives."""

from __future__ import annotations

import base64
import json
import random
import re
import shutil
import subprocess
import zlib
from pathlib import Path
from typing import Any

import pytest
from command_line import residual
from places import ROOT
from report_documents import NUMBERS, Document, drawn_channels

from qrt.compiler.backends.qfb.reader import read
from qrt.compiler.study.explain import explain
from qrt.report import page
from qrt.report.packing import FOLLOWING, channel_table, pack

SOURCE = ROOT / "report" / "page"
EMPTY = {"name": "", "operators": [], "tensors": []}


def unpacked(text: str) -> Any:
    return json.loads(zlib.decompress(base64.b64decode(text)))


def test_numbers_that_javascript_would_round_are_strings() -> None:
    given = {
        "a": 2**53,
        "b": 2**53 + 1,
        "c": -(2**62),
        "d": [float("inf"), float("-inf"), float("nan"), 0.1, None, True],
    }
    wanted = {
        "a": 2**53,
        "b": str(2**53 + 1),
        "c": str(-(2**62)),
        "d": ["Infinity", "-Infinity", "NaN", 0.1, None, True],
    }
    assert unpacked(pack(given)) == wanted


def kept(layer: Document) -> set[str]:
    """The columns that are written, each of which has the numbers of the rows."""
    columns = {name: column for name, column in channel_table(layer)["columns"].items() if column is not None}
    for name, column in columns.items():
        assert column == [row[name] for row in layer["channels"]]
    return set(columns)


def test_columns_that_follow_are_left_out_only_where_they_do() -> None:
    always = {"multiplier", "shift", "acc_min", "acc_max", "all_zero"}
    rows = drawn_channels(random.Random(4), 20)
    layer = {"numbers": NUMBERS, "channels": rows}
    assert kept(layer) == {*always, "addend"}
    # The addends follow from the biases, which are needed then.
    for row in rows:
        row["addend"] = FOLLOWING["addend"].value(row, 0, NUMBERS)
    assert kept(layer) == {*always, "bias", "bias_float"}
    rows[7]["addend"] += 1
    rows[7]["real_multiplier"] *= 1.001
    assert kept(layer) >= {*always, "addend", "real_multiplier", "w_scale", "bias_float", "bias_error"}


def test_int32_biases_are_written_and_their_addends_follow() -> None:
    layer = explain(read(residual().compile()), 1).as_dict()
    for row in layer["channels"]:
        assert row["bias_float"] is None
    columns = channel_table(layer)["columns"]
    assert columns["bias"] == [row["bias"] for row in layer["channels"]]
    assert {name for name, column in columns.items() if column is None} == {
        *("channel", "real_multiplier", "w_scale", "addend")
    }


def test_page_knows_the_same_columns() -> None:
    text = (SOURCE / "src" / "contents.js").read_text(encoding="utf-8")
    body = text.split("const FOLLOWING = {")[1].split("\n};")[0]
    assert re.findall(r"^  (\w+): ", body, re.MULTILINE) == list(FOLLOWING)


def test_channels_of_a_large_network_stay_below_a_megabyte() -> None:
    """As many as MobileNetV2 has."""
    draw = random.Random(3)
    layers = [{"index": index, "numbers": NUMBERS, "channels": drawn_channels(draw, 300)} for index in range(60)]
    assert len(page({"model": EMPTY, "layers": layers})) < 1_000_000


def test_title_is_escaped() -> None:
    text = page({"model": {**EMPTY, "name": "</title><script>broken()</script>"}})
    assert "<title>&lt;/title&gt;&lt;script&gt;broken()&lt;/script&gt; - qrt report</title>" in text


def test_nothing_of_the_bundle_ends_its_element() -> None:
    for path in (SOURCE / "built").iterdir():
        assert not re.search(r"</(script|style)|<!--", path.read_text(encoding="utf-8"), re.IGNORECASE)


def test_licences_of_the_bundle_are_in_the_page() -> None:
    text = page({"model": EMPTY})
    packages = json.loads((SOURCE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    for name, version in packages.items():
        assert f"{name} {version}, " in text
    assert text.count("Permission to use, copy, modify") + text.count("Permission is hereby granted") >= len(packages)


def test_bundle_is_what_its_source_gives(tmp_path: Path) -> None:
    if not (SOURCE / "package-lock.json").is_file():
        pytest.skip("not a source tree")
    if shutil.which("npm") is None:
        pytest.skip("needs npm")
    shutil.copytree(SOURCE, tmp_path / "page", ignore=shutil.ignore_patterns("node_modules", "built"))
    install = ["npm", "ci", "--no-audit", "--no-fund", "--prefer-offline"]
    try:
        subprocess.run(install, cwd=tmp_path / "page", check=True, capture_output=True, timeout=120)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("npm cannot install the libraries here")
    subprocess.run(["npm", "run", "build"], cwd=tmp_path / "page", check=True, capture_output=True)
    for path in sorted((SOURCE / "built").iterdir()):
        assert (tmp_path / "page" / "built" / path.name).read_bytes() == path.read_bytes(), (
            f"run make page: {path.name}"
        )
