"""docs/data.md says which keys a preprocessing has, and its examples are such."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest
from places import ROOT

from qrt.data import DataError, Preprocess
from qrt.data.preprocess import ImageSteps, SoundSteps

PAGE = (ROOT / "docs/data.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL))
def test_examples(text: str) -> None:
    assert Preprocess.parse(text, "page").text == text


NEEDED = {"Images": {}, "Recordings": {"rate": "16000", "window": "480", "hop": "160", "n_mels": "40"}}


@pytest.mark.parametrize(
    ("title", "table", "steps"), [("Images", "image", ImageSteps), ("Recordings", "audio", SoundSteps)]
)
def test_keys(title: str, table: str, steps: type) -> None:
    section = PAGE.partition(f"### {title}\n")[2].partition("\n#")[0]
    rows = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
    described = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert described == {field.name for field in fields(steps)}
    for key in described:
        given = {**NEEDED[title], key: "{}"}
        with pytest.raises(DataError) as caught:
            Preprocess.parse("\n".join([f"[{table}]", *(f"{name} = {value}" for name, value in given.items())]), "page")
        assert f"{key} takes" in str(caught.value)
