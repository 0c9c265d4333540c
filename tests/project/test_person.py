"""The example of person detection says what its README shows, on the photos of scikit-image."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest
from command_line import qrt_in_process
from places import ROOT, SHARED

EXAMPLE = ROOT / "examples" / "person"
MODEL = SHARED / "models" / "person_detect.tflite"


def test_readme_shows_what_the_network_says(tmp_path: Path) -> None:
    for package in ("skimage", "tflite", "PIL"):
        pytest.importorskip(package)
    if not MODEL.exists():
        pytest.skip("person_detect.tflite is not here")
    photos, path = tmp_path / "photos", tmp_path / "person.qfb"
    runpy.run_path(str(EXAMPLE / "photos.py"))["write_photos"](photos)
    options = ["--labels", str(EXAMPLE / "labels.txt"), "--preprocess", str(EXAMPLE / "preprocess.toml"), "--quiet"]
    assert qrt_in_process("compile", str(MODEL), "-o", str(path), *options).exit_code == 0
    printed = qrt_in_process("run", str(path), str(photos), "--top", "1", "--dequantize").stdout
    shown = re.findall(r"```text\n(.*?)```", (EXAMPLE / "README.md").read_text(encoding="utf-8"), re.DOTALL)[1]
    assert printed.endswith(shown)
