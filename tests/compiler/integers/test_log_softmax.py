"""log_softmax: form TFLITE against TFLM and LiteRT, byte for byte; form EXACT against the real value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import engines
import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, GraphBuilder
from qrt.compiler.backends.tflite.file import TfliteFile

Array = np.ndarray[Any, Any]
ENGINES: dict[str, Callable[..., Any]] = {"tflm": engines.Tflm, "litert": engines.Litert}
ROWS = 30


def ours(channels: int, x_scale: float, scale: float = 1 / 16, zero_point: int = 127, form: str = "EXACT") -> qrt.Model:
    g = GraphBuilder("log_softmax")
    x = g.input("x", (ROWS, channels), scale=x_scale, zero_point=3)
    g.output(g.log_softmax(x, scale=scale, zero_point=zero_point, form=form))
    return qrt.load(g.compile())


def drawn_codes(rng: np.random.Generator, channels: int) -> Array:
    """Rows that hardly vary, and rows that saturate."""
    spread = 2.0 ** rng.uniform(-1, 7, (ROWS, 1))
    return np.clip(np.rint(rng.normal(0, spread, (ROWS, channels))), -128, 127).astype(np.int8)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("channels", [1, 2, 10, 1000])
def test_every_byte(channels: int, engine: str) -> None:
    rng = np.random.default_rng(channels)
    for exponent in (*rng.uniform(-12, 3, 12), -25, 5):
        x_scale = float(np.float32(2.0**exponent))
        file = TfliteFile("log_softmax")
        x = file.tensor("x", (ROWS, channels), scale=x_scale, zero_point=3)
        y = file.tensor("y", (ROWS, channels), scale=1 / 16, zero_point=127)
        file.operator("LOG_SOFTMAX", [x], [y], "LogSoftmaxOptions")
        codes = drawn_codes(rng, channels)
        (expected,) = ENGINES[engine](file.to_bytes([x], [y])).run([codes])
        np.testing.assert_array_equal(ours(channels, x_scale, form="TFLITE").run(codes), expected)


@pytest.mark.parametrize("channels", [1, 2, 10, 1000, 20000])
def test_exact_is_the_nearest(channels: int) -> None:
    rng = np.random.default_rng(channels)
    for _ in range(10):
        x_scale, y_scale = (float(np.float32(2.0 ** rng.uniform(-8, high))) for high in (1, -1))
        zero_point, codes = int(rng.integers(50, 128)), drawn_codes(rng, channels)
        got = ours(channels, x_scale, y_scale, zero_point).run(codes)
        below = (codes.astype(np.longdouble) - codes.max(axis=-1, keepdims=True)) * x_scale
        scaled = (below - np.log(np.exp(below).sum(axis=-1, keepdims=True))) / y_scale + zero_point
        wrong = got != np.clip(np.floor(scaled + 0.5), -128, 127)
        # Each exponential is off by 2^-32 at most, the logarithm by 2^-26 octaves, the integers by 2^-20 codes.
        bound = (channels * 2.0**-32 + 2.0**-26) / y_scale + 2.0**-20
        assert (np.abs(scaled - np.floor(scaled) - 0.5) < bound)[wrong].all()
        assert wrong.mean() < 1e-4


@pytest.mark.parametrize(
    ("channels", "x_scale", "y_scale", "form", "text"),
    [
        (4, 0.1, 0.05, "TFLITE", "needs an output scale of 1/16"),
        (4096, 0.1, 1 / 16, "TFLITE", "at most 4095 entries"),
        (4, 2.0**-28, 1 / 16, "TFLITE", "an input scale of .* is too small"),
        (4, 1e9, 1e-9, "EXACT", "too small for an input scale"),
    ],
)
def test_what_does_not_fit_is_refused(channels: int, x_scale: float, y_scale: float, form: str, text: str) -> None:
    with pytest.raises(CompileError, match=text):
        ours(channels, x_scale, y_scale, form=form)
