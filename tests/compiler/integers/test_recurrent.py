"""svdf and lstm written in Python: near the real functions over a sequence, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graphs import run

import qrt
from qrt.compiler import CompileError, GraphBuilder
from qrt.compiler.study.evaluate import evaluate

Array = np.ndarray[Any, Any]
RUNS = 12


def with_svdf(**changes: Any) -> GraphBuilder:
    rng = np.random.default_rng(0)
    g = GraphBuilder("svdf")
    x = g.input("x", (1, 6), scale=0.02, zero_point=-10)
    numbers: dict[str, Any] = {"feature_scale": 0.01, "time_scale": 0.01, "state_scale": 0.08, "scale": 0.3}
    features, time = rng.integers(-127, 128, (8, 6)), rng.integers(-127, 128, (8, 5))
    if changes.pop("is_int16", False):
        time, numbers["time_scale"] = (time * 256).astype(np.int16), 0.01 / 256
        numbers["state_scale"] = 0.08 / 256
    given = numbers | {"rank": 2, "bias": rng.integers(-900, 900, 4), "zero_point": 5} | changes
    g.output(g.svdf(x, given.pop("features", features), given.pop("time", time), given.pop("bias"), **given))
    return g


def with_lstm(dtype: str = "int8", **changes: Any) -> GraphBuilder:
    rng = np.random.default_rng(1)
    g = GraphBuilder("lstm")
    small = 1 if dtype == "int8" else 1 / 256
    x = g.input("x", (1, 3, 6), scale=0.02 * small, dtype=dtype)
    weights, recurrent = rng.integers(-127, 128, (16, 6)), rng.integers(-127, 128, (16, 4))
    given: dict[str, Any] = {"weights": weights, "recurrent": recurrent, "bias": rng.integers(-900, 900, 16)}
    given |= {"weights_scale": [0.01, 0.008, 0.02, 0.01], "recurrent_scale": 0.01, "scale": small / 128} | changes
    g.output(g.lstm(x, given.pop("weights"), given.pop("recurrent"), given.pop("bias"), **given))
    return g


@pytest.mark.parametrize(
    ("g", "least"),
    [
        (with_svdf(), 25),
        (with_svdf(is_int16=True), 35),
        (with_svdf(state_zero_point=-30, state_scale=0.16, rank=1, bias=None), 25),
        (with_lstm(), 25),
        (with_lstm(zero_point=-3, cell_clip=1500, bias=None), 25),
        (with_lstm("int16"), 50),
        (with_lstm(time_major=False, cell_power=-13), 25),
    ],
    ids=["svdf", "int16 state", "rank 1", "lstm", "clip", "lstm16", "small cell"],
)
def test_a_sequence_is_near_the_real_one(g: GraphBuilder, least: float) -> None:
    """In decibels of signal over error."""
    rng = np.random.default_rng(2)
    model, edge, y = qrt.load(g.compile()), g.graph.inputs[0].tensor, g.graph.outputs[0].tensor
    states: dict[str, Array] = {}
    ours, real = [], []
    for _ in range(RUNS):
        limits = np.iinfo(edge.dtype)
        codes = rng.integers(limits.min, limits.max, edge.shape, edge.dtype, endpoint=True)
        (got,) = run(model, [codes])
        values = evaluate(
            g.graph, [(codes.astype(np.float64) - edge.zero_point) * edge.scale], quantized=False, states=states
        )
        ours.append((got.astype(np.float64) - y.zero_point) * y.scale)
        real.append(values[y.name])
    wanted, error = np.array(real), np.array(ours) - np.array(real)
    low, high = ((limit - y.zero_point) * y.scale for limit in (np.iinfo(y.dtype).min, np.iinfo(y.dtype).max))
    inside = (wanted > low) & (wanted < high)
    assert inside.mean() > 0.9
    assert 10 * np.log10(np.square(wanted[inside]).sum() / np.square(error[inside]).sum()) > least


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: with_svdf(features=np.zeros((8, 5), np.int8)), "does not fit weights"),
        (lambda: with_svdf(rank=3), "with rank=3"),
        (lambda: with_svdf(bias=np.zeros(3, np.int32)), "one entry for each of 4 outputs"),
        (lambda: with_svdf(is_int16=True, state_zero_point=1), "a state of int16 has zero_point 0"),
        (lambda: with_lstm(weights=np.zeros((16, 5), np.int8)), "do not fit weights"),
        (lambda: with_lstm(bias=np.zeros(4, np.int32)), "one entry for each of 16 rows"),
    ],
)
def test_arguments_that_do_not_fit(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("g", "message"),
    [
        (with_svdf(scale=1e-5), "its output scale is too small for its state"),
        (with_svdf(state_scale=1e-9), "its features overflow"),
        (with_lstm(cell_power=-30), "is not a power of two from"),
        (with_lstm(weights_scale=1e5), "the sums of its gates overflow"),
        (with_lstm(scale=2.0**-31), "is too small"),
        (with_lstm("int16", weights_scale=1e6), "its sums exceed 47 bits"),
    ],
)
def test_numbers_that_overflow(g: GraphBuilder, message: str) -> None:
    with pytest.raises(CompileError, match=message):
        g.compile()
