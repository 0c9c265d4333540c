"""Spans: every sample once, runs and sequences whole, and of a length that takes the time asked for."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qrt.evaluation.spans import Spans, between, joined


@given(st.integers(1, 500), st.integers(1, 7), st.lists(st.integers(0, 500)))
def test_every_sample_is_taken_once(count: int, unit: int, edges: list[int]) -> None:
    stops = sorted({0, count, *(edge // unit * unit for edge in edges if edge < count)})
    done = list(itertools.pairwise(stops))[::2]
    spans, taken = Spans(between(joined(done), count), unit, 1.0), []
    while (span := spans.take()) is not None:
        assert span[0] % unit == 0
        taken.append(span)
        spans.took(span[1] - span[0], 0.01)
    assert joined([*done, *taken]) == [(0, count)]
    assert sum(stop - start for start, stop in [*done, *taken]) == count


def test_spans_become_as_long_as_they_should() -> None:
    spans, size = Spans([(0, 10**6)], 1, 0.1, 5000), 0
    for _ in range(10):
        start, stop = spans.take() or (0, 0)
        size = stop - start
        spans.took(size, size / 10_000)
    assert size == 1000
    spans.took(1000, 10)
    assert spans.size == 10
    for _ in range(20):
        spans.took(spans.size, 1e-9)
    assert spans.size == 5000


@pytest.mark.parametrize(
    ("spans", "whole", "rest"),
    [
        ([], [], [(0, 9)]),
        ([(4, 6), (0, 2)], [(0, 2), (4, 6)], [(2, 4), (6, 9)]),
        ([(2, 9), (0, 2)], [(0, 9)], []),
    ],
)
def test_joined_and_between(spans: list[tuple[int, int]], whole: list[tuple[int, int]], rest: list[object]) -> None:
    assert joined(spans) == whole
    assert between(whole, 9) == rest
