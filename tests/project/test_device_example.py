"""The firmware example predicts what `qrt run` predicts, on every test image, and shows it."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import qrt_in_process
from places import DIGITS, ROOT

import qrt
from qrt.compiler import compile

EXAMPLE = ROOT / "examples" / "firmware"
# A camera's 8-bit pixels.
PICTURES = np.rint(np.load(DIGITS / "test_digits.npz")["images"] * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def content() -> bytes:
    for package in ("onnx", "ziglang", "unicorn", "elftools", "capstone"):
        pytest.importorskip(package)
    return compile(DIGITS / "digits_resnet.onnx").to_bytes()


@pytest.fixture(scope="module")
def library(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make demo-device` gives the demo."""
    folder = tmp_path_factory.mktemp("device")
    (folder / "digits.qfb").write_bytes(content)
    written = qrt_in_process("firmware", str(folder / "digits.qfb"), "--target", "cortex-m4")
    assert written.exit_code == 0, written.stderr
    return folder / "digits"


def test_predicts_what_qrt_run_predicts(content: bytes, library: Path) -> None:
    demo: dict[str, Any] = runpy.run_path(str(EXAMPLE / "demo.py"))
    shown, execution = demo["classify"](demo["program"](library), PICTURES)
    codes = (PICTURES.astype(int) - 128).astype(np.int8)
    expected = qrt.load(content).run(codes).argmax(axis=1)
    assert execution.returned == expected.tolist()
    assert [text.split("-> ")[1] for text in shown] == [str(digit) for digit in expected]


def test_demo_prints_pictures_and_sizes(
    library: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["demo.py", str(library)])
    runpy.run_path(str(EXAMPLE / "demo.py"), run_name="__main__")
    printed = capsys.readouterr().out
    for piece in ("-> 7               -> 6", "flash ", "RAM ", "instructions ", "all 360 test pictures: 99.72%"):
        assert piece in printed
