"""The reference kernels against SPEC.md: its arithmetic on unbounded integers, and its exact wording."""

from __future__ import annotations

import re
from collections.abc import Iterator

import bigint
import numpy as np
import pytest
from cases import CASES, Case
from graphs import run, to_bytes
from places import ROOT

import qrt


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_computes_what_the_specification_says(case: Case) -> None:
    graph = case.graph()
    model, states = qrt.load(to_bytes(graph), kernels="reference"), {}
    for inputs in case.inputs(graph):
        for got, expected in zip(run(model, inputs), bigint.run(graph, inputs, states), strict=True):
            np.testing.assert_array_equal(got, expected)


def plain(markdown: str) -> str:
    """Without marks of emphasis and code, and with single spaces."""
    return " ".join(re.sub(r"\*+(\w+)\*+", r"\1", markdown.replace("`", "")).split())


def quotations() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "runtime").glob("_reference*.p[yx][xi]")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            _, found, quotation = line.partition("# SPEC: ")
            if found:
                yield f"{path.name}, line {number}", quotation


def test_quotes_the_specification_word_for_word() -> None:
    specification = plain((ROOT / "schema" / "SPEC.md").read_text(encoding="utf-8"))
    assert len(list(quotations())) > 80
    wrong = [f"{place}: {text}" for place, text in quotations() if plain(text) not in specification]
    assert not wrong, "\n".join(wrong)


def test_the_cases_move_the_outputs() -> None:
    """Guards the cases themselves: on random inputs, few of them may give one code everywhere."""
    still = 0
    for case in CASES:
        graph = case.graph()
        *_, inputs = case.inputs(graph)
        outputs = run(qrt.load(to_bytes(graph)), inputs)
        still += all((y == y.flat[0]).all() for y in outputs)
    assert still < len(CASES) // 6
