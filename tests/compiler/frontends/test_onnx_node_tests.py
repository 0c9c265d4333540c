"""ONNX's node tests in int8 against onnxruntime: how many give its codes may only rise, and none ends in an error."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
onnx_node_tests = pytest.importorskip("onnx_node_tests")

# For each way of quantizing, the least number of tests with onnxruntime's codes, and of those with codes within one.
LEAST = {"wrapped": (323, 335), "QDQ": (324, 333), "QOperator": (81, 81)}


@pytest.mark.parametrize("way", LEAST)
def test_as_many_as_ever(way: str) -> None:
    lines = onnx_node_tests.table(ways=(way,))
    counts = onnx_node_tests.counts(lines)
    wrong = [line for line in lines if line.verdict in ("different", "internal error")]
    assert not wrong
    assert counts["exact"] >= LEAST[way][0]
    assert counts["exact"] + counts["within one"] >= LEAST[way][1]
