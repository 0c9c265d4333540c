"""Rules for source files: freestanding C, first lines, sizes, words."""

from __future__ import annotations

import re
from pathlib import Path

from places import ROOT
from source_text import EVERYWHERE, code, files

MAX_LINES = 600


def test_c_is_freestanding() -> None:
    words = r"\b(float|double|malloc|calloc|realloc|alloca|free|\w*printf)\b"
    for path in files("*.[ch]"):
        found = re.search(words, code(path))
        assert found is None, f"{path.relative_to(ROOT)}: {found}"


def test_files_open_with_what_they_hold() -> None:
    for path in files("*.py", "*.pyx", "*.pxd", "*.pxi", "*.pyi", "*.[ch]", "*.fbs", folders=EVERYWHERE):
        first = path.read_text(encoding="utf-8").lstrip()
        assert first.startswith(('"""', "/*", "//", "#")), path.relative_to(ROOT)


def test_files_are_of_a_size_to_read() -> None:
    for path in files("*.py", "*.pyx", "*.pxd", "*.pxi", "*.[ch]", folders=EVERYWHERE):
        count = len(path.read_text(encoding="utf-8").splitlines())
        assert count <= MAX_LINES, f"{path.relative_to(ROOT)} has {count} lines"


def test_words() -> None:
    forbidden = re.compile(
        r"\b(input|output|filter|weights?|lhs|rhs|[abxy])_offset\b|\b(TODO|FIXME|XXX)\b|NotImplementedError"
    )
    everything = [
        *files("*.py", "*.pyx", "*.pxd", "*.pxi", "*.[ch]", "*.fbs", "*.md", folders=EVERYWHERE),
        *ROOT.glob("*.md"),
    ]
    for path in everything:
        found = forbidden.search(path.read_text(encoding="utf-8"))
        assert found is None or path == Path(__file__), f"{path.relative_to(ROOT)}: {found}"
    names = {part for path in everything for part in path.relative_to(ROOT).with_suffix("").parts}
    assert not names & {"utils", "common", "extra", "misc", "helpers"}
