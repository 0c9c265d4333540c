"""Operators in parts on threads: the bytes of one thread, in forks of models and of the process; no thread is left."""

from __future__ import annotations

import numpy as np
import pytest
from cases import CASES, Case
from graphs import to_bytes

import qrt
from qrt import _executor

THREADS = (2, 3, 5)


def outputs(executor: _executor.Executor, inputs: list[np.ndarray]) -> list[np.ndarray]:
    for view, codes in zip(executor.inputs, inputs, strict=True):
        view[...] = codes
    executor.invoke()
    return [view.copy() for view in executor.outputs]


@pytest.mark.parametrize("kernels", qrt.kernel_sets())
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_same_bytes(case: Case, kernels: str) -> None:
    graph = case.graph()
    program = _executor.Program(to_bytes(graph), kernels)
    whole = _executor.Executor(program)
    split = [_executor.Executor(program, threads, threshold=0) for threads in THREADS]
    assert whole.threads == 1
    for inputs in case.inputs(graph):
        expected = outputs(whole, inputs)
        for executor in split:
            for got, y in zip(outputs(executor, inputs), expected, strict=True):
                np.testing.assert_array_equal(got, y)
