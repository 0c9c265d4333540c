"""The digits example has the stated accuracy, and ONNX Runtime's codes on every test image."""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from places import DIGITS

import qrt

pytest.importorskip("onnx")

from qrt.compiler import compile

FLOAT = json.loads((DIGITS / "float_result.json").read_text(encoding="utf-8"))
TESTED = np.load(DIGITS / "test_digits.npz")


@pytest.fixture(scope="module")
def content() -> bytes:
    return compile(DIGITS / "digits_resnet.onnx").to_bytes()


def test_float_network_is_good() -> None:
    assert FLOAT["accuracy"] > 0.98
    assert np.mean(np.array(FLOAT["predictions"]) == TESTED["labels"]) == FLOAT["accuracy"]


def test_int8_accuracy_is_within_half_a_percent(content: bytes, kernels: str) -> None:
    codes = qrt.load(content, kernels=kernels).run(TESTED["images"])
    accuracy = np.mean(codes.argmax(axis=1) == TESTED["labels"])
    assert abs(accuracy - FLOAT["accuracy"]) <= 0.005


def test_same_top_1_as_onnxruntime_on_every_image(content: bytes) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(DIGITS / "digits_resnet.onnx", providers=["CPUExecutionProvider"])
    model = qrt.load(content)
    info = model.outputs[0]
    theirs = np.concatenate([session.run(None, {"image": image[np.newaxis]})[0] for image in TESTED["images"]])
    their_codes = np.rint(theirs / np.float32(info.scale)).astype(int) + info.zero_point
    ours = model.run(TESTED["images"]).astype(int)
    assert np.array_equal(ours.argmax(axis=1), their_codes.argmax(axis=1))
    assert np.mean(ours == their_codes) >= 0.9999


def test_compiles_to_an_ordinary_network(content: bytes) -> None:
    compiled = compile(DIGITS / "digits_resnet.onnx")
    kinds = {op.kind for op in compiled.graph.ops}
    assert kinds == {"conv2d", "add", "mean", "reshape", "linear"}
    assert compiled.report.arena_size == compiled.report.arena_lower_bound
    assert compiled.to_bytes() == content
    assert qrt.load(content).outputs[0].labels == tuple("0123456789")


@pytest.mark.filterwarnings("ignore")
def test_figures_of_the_forum_page() -> None:
    """They are computed anew; what the page claims of them holds, and its accuracies are those."""
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    figures = runpy.run_path(str(DIGITS.parent / "forum" / "figures.py"))
    text = figures["figures"]()
    page = figures["PAGE"].read_text(encoding="utf-8")
    assert figures["MARK"].search(page)
    # Nothing is trained here; only a last bit of a scale can be another on another machine.
    assert re.findall(r"\d+\.\d%", text) == re.findall(r"\d+\.\d%", page)
    exact = next(line for line in text.splitlines() if line.startswith("| integers, float bias in the addend"))
    assert "| 0 of 3,970 |" in exact
    assert float(re.search(r"largest error of an int32 bias is (\S+) codes", text)[1]) < 0.005
    assert int(re.search(r"all pairs of codes, (\S+) of", text)[1].replace(",", "")) >= 13_107_000


def test_demo_prints_predictions_and_accuracy(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "digits.qfb"
    path.write_bytes(content)
    monkeypatch.setattr(sys, "argv", ["demo.py", str(path)])
    runpy.run_path(str(DIGITS / "demo.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert "accuracy: int8 99." in printed
    assert printed.count("->") == 6
