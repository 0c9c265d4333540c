"""Every operator is in every part of the project that knows operators by name."""

from __future__ import annotations

import re

import bigint
from cases import CASES
from places import ROOT

import qrt
from qrt.compiler import GraphBuilder
from qrt.compiler.study.program_kernels import KINDS
from qrt.schema.operators import OPERATORS


def cases(file: str) -> set[str]:
    """The operators that a C file has a `case` for."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return {name.lower() for name in re.findall(r"case QRT_(\w+):", text)}


def test_every_operator_is_in_every_part() -> None:
    operators = set(OPERATORS)
    assert all(set(row) == operators for row in qrt.kernel_table().values())
    assert set(KINDS) == operators
    assert set(bigint.OPERATORS) == operators
    assert {op.kind for case in CASES for op in case.graph().ops} == operators
    specification = (ROOT / "schema/SPEC.md").read_text(encoding="utf-8")
    assert all(re.search(rf"\*\*{name}\*\*", specification) for name in operators)
    special = {name for name, operator in OPERATORS.items() if not operator.elementwise or operator.fields}
    assert all(callable(getattr(GraphBuilder, name)) for name in special)


def test_what_is_not_elementwise_is_checked_by_its_kind() -> None:
    special = {name for name, operator in OPERATORS.items() if not operator.elementwise}
    assert special <= cases("schema/qrt_operators.c") <= set(OPERATORS)
