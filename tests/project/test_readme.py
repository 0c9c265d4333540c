"""README.md is true: its Python runs, and its table of kernel sets is what the code says.

python tests/project/test_readme.py        # rewrites the table
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from places import ROOT

import qrt
from qrt.compiler import build

README = ROOT / "README.md"
MARK = re.compile(r"(<!-- kernel table: begin -->\n)(.*?)(<!-- kernel table: end -->)", re.DOTALL)
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def kernel_table() -> str:
    """The operators as rows, the kernel sets of this machine as columns."""
    table = qrt.kernel_table()
    sets = list(table)
    lines = ["| operator | " + " | ".join(sets) + " |", "|---|" + "---|" * len(sets)]
    for op in next(iter(table.values())):
        lines.append(f"| {op} | " + " | ".join(table[name][op] for name in sets) + " |")
    return "\n".join(lines) + "\n"


def columns(table: str) -> dict[str, list[str]]:
    """The columns of a table by title."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {title: cells for title, *cells in zip(*rows, strict=True)}


def with_table(text: str) -> str:
    return MARK.sub(lambda match: match[1] + kernel_table() + match[3], text)


def test_kernel_table_is_what_the_code_says() -> None:
    """The columns of the sets that this machine has; which others there are is for a machine that has them."""
    found = MARK.search(README.read_text(encoding="utf-8"))
    assert found
    shown = columns(found[2])
    assert {title: shown.get(title) for title in columns(kernel_table())} == columns(kernel_table()), (
        "run: python tests/project/test_readme.py"
    )
    assert set(shown) == {"operator", *qrt.kernel_sets(), *qrt.absent_kernel_sets()}


def test_shows_both_commands() -> None:
    text = README.read_text(encoding="utf-8")
    assert "make demo" in text
    assert "make test" in text


@pytest.mark.parametrize(("word", "printed"), [("digits", "accuracy 0.99"), ("GraphBuilder", "(1, 1, 4)\n")])
def test_python_runs(
    word: str, printed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = [block for block in BLOCKS if word in block]
    if "onnx" in code:
        pytest.importorskip("onnx")
    monkeypatch.chdir(ROOT)
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith(printed)


def test_quantizing_gives_a_network_that_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    from onnx_models import Net, samples

    (code,) = [block for block in BLOCKS if "quantize_static" in block]
    monkeypatch.chdir(tmp_path)
    net = Net((1, 2, 6, 6))
    (tmp_path / "float.onnx").write_bytes(net.model(net.conv("x", 4, 2)).SerializeToString())
    np.save("samples.npy", samples(net.shape))
    exec(compile(code, "README.md", "exec"), {})
    assert [op.kind for op in build("model.onnx").graph.ops] == ["conv2d"]


def test_every_block_of_python_is_run() -> None:
    assert len(BLOCKS) == 3


if __name__ == "__main__":
    if qrt.absent_kernel_sets():
        sys.exit(
            f"the table needs a machine with all kernel sets; this one lacks {', '.join(qrt.absent_kernel_sets())}"
        )
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
