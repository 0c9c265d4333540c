"""layer_norm against the real value: rounded once, half up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, GraphBuilder

Array = np.ndarray[Any, Any]
ROWS = 40


def real(x: Array, gamma: Array, beta: Array, epsilon: float) -> Array:
    d = x - x.mean(axis=-1, keepdims=True)
    return np.asarray(d / np.sqrt((d * d).mean(axis=-1, keepdims=True) + np.longdouble(epsilon)) * gamma + beta)


def drawn_codes(rng: np.random.Generator, shape: tuple[int, int]) -> Array:
    """Rows that hardly vary, and rows that saturate."""
    spread = 2.0 ** rng.uniform(-2, 7, (shape[0], 1))
    return np.clip(np.rint(rng.normal(0, spread, shape)), -128, 127).astype(np.int8)


def network(channels: int, x: tuple[float, int], y: tuple[float, int], **attrs: Any) -> qrt.Model:
    g = GraphBuilder("layer_norm")
    tensor = g.input("x", (ROWS, channels), scale=x[0], zero_point=x[1])
    g.output(g.layer_norm(tensor, scale=y[0], zero_point=y[1], **attrs))
    return qrt.load(g.compile())


@pytest.mark.parametrize("epsilon", [0.0, 1e-12, 1e-5, 1e-3, 1.0, 100.0])
@pytest.mark.parametrize("channels", [1, 2, 3, 8, 64, 768, 4096])
def test_every_code_is_the_nearest(channels: int, epsilon: float) -> None:
    rng = np.random.default_rng(channels)
    for _ in range(5):
        x_scale, y_scale = (float(np.float32(2.0 ** rng.uniform(-9, low))) for low in (0, -3))
        numbers = (x_scale, int(rng.integers(-128, 128))), (y_scale, int(rng.integers(-100, 100)))
        gamma, beta = rng.normal(1, 0.5, channels), rng.normal(0, 0.5, channels)
        codes = drawn_codes(rng, (ROWS, channels))
        got = network(channels, *numbers, gamma=gamma, beta=beta, epsilon=epsilon).run(codes)
        with np.errstate(invalid="ignore"):
            y = real((codes.astype(np.longdouble) - numbers[0][1]) * x_scale, gamma, beta, epsilon)
        # Where neither varies, the value is beta.
        scaled = np.where(np.isnan(y), beta, y) / np.longdouble(y_scale) + numbers[1][1]
        wrong = got != np.clip(np.floor(scaled + 0.5), -128, 127)
        # What SPEC.md says, and what the lowest bits of multiplier and addend add.
        bound = np.abs(gamma) * np.sqrt(channels) / y_scale * 2.0**-29 + 2.0**-20
        assert (np.abs(scaled - np.floor(scaled) - 0.5) < bound)[wrong].all()
        assert wrong.sum() <= 1


def test_a_beta_that_saturates() -> None:
    model = network(2, (0.1, 0), (0.01, 0), gamma=np.array([0.0, 1e-9]), beta=np.array([1e9, -1e9]))
    codes = drawn_codes(np.random.default_rng(0), (ROWS, 2))
    assert (model.run(codes) == np.array([127, -128])).all()


@pytest.mark.parametrize(
    ("channels", "gamma", "epsilon", "text"),
    [
        (32769, 1.0, 1e-5, "at most 32768"),
        (4, 1e9, 1e-5, "gamma is too large"),
        (4, 1.0, 1e20, "an epsilon of 1e[+]20 is too large"),
    ],
)
def test_what_does_not_fit_is_refused(channels: int, gamma: float, epsilon: float, text: str) -> None:
    with pytest.raises(CompileError, match=text):
        network(channels, (0.1, 0), (1e-3, 0), gamma=gamma, beta=0.0, epsilon=epsilon)


def test_gamma_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="gamma has shape"):
        network(4, (0.1, 0), (0.1, 0), gamma=np.ones(3), beta=0.0)
