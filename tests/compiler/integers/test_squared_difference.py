"""squared_difference against TFLM's and LiteRT's reference kernels, byte for byte."""

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
SHAPES = (((2, 300), (2, 300)), ((2, 3, 1, 40), (1, 3, 5, 1)))
TRIALS = 20


def network(tensors: list[tuple[tuple[int, ...], float, int]], content: bool) -> Any:
    """The same network as a .tflite file, or as ours."""
    (a, b, y), name = tensors, "squared_difference"
    if content:
        file = TfliteFile(name)
        x = [file.tensor(f"x{i}", shape, scale=s, zero_point=z) for i, (shape, s, z) in enumerate((a, b))]
        result = file.tensor("y", y[0], scale=y[1], zero_point=y[2])
        file.operator("SQUARED_DIFFERENCE", x, [result], "SquaredDifferenceOptions")
        return file.to_bytes(x, [result])
    g = GraphBuilder(name)
    operands = [g.input(f"x{i}", shape, scale=s, zero_point=z) for i, (shape, s, z) in enumerate((a, b))]
    g.output(g.squared_difference(*operands, scale=y[1], zero_point=y[2]))
    return qrt.load(g.compile())


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shapes", SHAPES)
def test_every_byte(shapes: tuple[tuple[int, ...], tuple[int, ...]], engine: str) -> None:
    rng = np.random.default_rng(len(shapes[0]))
    for _ in range(TRIALS):
        scales = np.float32(2.0 ** rng.uniform(-9, 1, 2))
        y_scale = np.float32(max(scales) ** 2 * 2.0 ** rng.uniform(-2, 9))
        numbers = [(float(s), int(rng.integers(-128, 128))) for s in (*scales, y_scale)]
        places = (*shapes, np.broadcast_shapes(*shapes))
        tensors = [(shape, s, z) for shape, (s, z) in zip(places, numbers, strict=True)]
        inputs = [rng.integers(-128, 128, shape).astype(np.int8) for shape in shapes]
        (expected,) = ENGINES[engine](network(tensors, True)).run(inputs)
        np.testing.assert_array_equal(network(tensors, False).run(*inputs), expected)


def test_an_output_scale_that_is_too_small_is_refused() -> None:
    with pytest.raises(CompileError, match="give it a larger output scale"):
        network([((4,), 1.0, 0), ((4,), 1.0, 0), ((4,), 2.0**-13, 0)], False)
