"""README.md is true: its Python runs, and its table of kernel sets is what the code says.

python tests/test_readme.py        # rewrites the table
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import qrt

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
MARK = re.compile(r"(<!-- kernel table: begin -->\n).*?(<!-- kernel table: end -->)", re.DOTALL)
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def kernel_table() -> str:
    """The operators as rows, the kernel sets of this machine as columns."""
    table = qrt.kernel_table()
    sets = list(table)
    lines = ["| operator | " + " | ".join(sets) + " |", "|---|" + "---|" * len(sets)]
    for op in next(iter(table.values())):
        lines.append(f"| {op} | " + " | ".join(table[name][op] for name in sets) + " |")
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    return MARK.sub(lambda match: match[1] + kernel_table() + match[2], text)


def test_kernel_table_is_what_the_code_says() -> None:
    text = README.read_text(encoding="utf-8")
    assert MARK.search(text)
    assert with_table(text) == text, "run: python tests/test_readme.py"


def test_shows_both_commands() -> None:
    text = README.read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text


@pytest.mark.parametrize("code", BLOCKS, ids=[block.splitlines()[-1][:30] for block in BLOCKS])
def test_python_runs(code: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    if "onnx" in code:
        pytest.importorskip("onnx")
    monkeypatch.chdir(ROOT)
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed.startswith("accuracy 0.99") if "digits" in code else printed == "(1, 1, 4)\n"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
