"""Every operator is in every part of the project that knows operators by name."""

from __future__ import annotations

import re

from places import ROOT

import qrt
from qrt.cli import contents
from qrt.compiler import GraphBuilder, ir
from qrt.compiler.backends.qfb import writer


def test_every_operator_is_in_every_part() -> None:
    operators = set(ir.OPERATORS)
    assert set(writer.OPTIONS) == operators
    assert {name for name, _, _ in contents.OPTIONS.values()} == operators
    assert all(set(row) == operators for row in qrt.kernel_table().values())
    assert all(callable(getattr(GraphBuilder, name)) for name in operators)
    prepared = re.findall(r"case QRT_(\w+):", (ROOT / "runtime/engine/qrt_prepare.c").read_text(encoding="utf-8"))
    assert sorted(prepared) == sorted(name.upper() for name in operators)
    proved = (ROOT / "schema/qrt_operators.c").read_text(encoding="utf-8")
    assert all(f"QRT_{name.upper()}" in proved for name in operators)
