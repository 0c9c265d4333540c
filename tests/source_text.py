"""The project's source text, for the tests of its layout."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from places import ROOT

# The folders of the packages, and all that hold code.
PACKAGES = ("schema", "runtime", "compiler", "cli", "firmware", "data", "evaluation", "report", "explorer")
EVERYWHERE = (*PACKAGES, "examples", "bench", "tests", "docs")
# What tools write.
MADE = ("_executor.c", "_prepared.c", "_reference.c", "generated.py")


def files(*patterns: str, folders: tuple[str, ...] = PACKAGES) -> Iterator[Path]:
    """The files of these folders that match one of the patterns."""
    for folder in folders:
        for pattern in patterns:
            for path in sorted((ROOT / folder).rglob(pattern)):
                if path.name not in MADE:
                    yield path


def name(path: Path) -> str:
    """A file's path in the project."""
    return path.relative_to(ROOT).as_posix()


def code(path: Path) -> str:
    """The text of a C file without its comments."""
    return re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
