"""The completion of a shell: what docs/run.md says to add to its settings, and what it is answered."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from places import ROOT
from sanitizers import ENVIRONMENT

START = [sys.executable, "-c", "from qrt.cli import main; main()"]
SHELLS = ("bash", "zsh", "fish")


def qrt(**variables: str) -> str:
    environment = {**ENVIRONMENT, **variables}
    return subprocess.run(START, capture_output=True, text=True, env=environment, check=True).stdout


def test_verbs_and_options() -> None:
    """The same words in every shell; each asks in its own way."""
    asked = {"COMP_WORDS": "qrt comp", "COMP_CWORD": "1"}
    assert {"plain,compile", "plain,compare"} <= set(qrt(_QRT_COMPLETE="bash_complete", **asked).split())
    asked = {"COMP_WORDS": "qrt profile --tar", "COMP_CWORD": "2"}
    assert qrt(_QRT_COMPLETE="bash_complete", **asked).split() == ["plain,--target"]


@pytest.mark.parametrize("shell", SHELLS)
def test_what_the_documentation_says(shell: str) -> None:
    text = (ROOT / "docs" / "run.md").read_text(encoding="utf-8")
    assert re.search(rf"_QRT_COMPLETE={shell}_source qrt\b", text)
    assert "_qrt_completion" in qrt(_QRT_COMPLETE=f"{shell}_source")
