"""Ties decided by the float32 of PyTorch's operators, between quantize_per_tensor and dequantize_per_tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import qrt
from qrt.compiler import Compiled, from_torch

torch = pytest.importorskip("torch")
pytest.importorskip("torchao")
pytest.importorskip("torch.ao.quantization.fx._decomposed")

functional = torch.nn.functional
EVERY = np.arange(-128, 128)
RANGE = (-128, 127, torch.int8)


class Between(torch.nn.Module):  # type: ignore[misc]
    """A function of float tensors between codes."""

    def __init__(self, function: Callable[..., Any], edges: list[tuple[float, int]]) -> None:
        super().__init__()
        self.function, self.edges = function, edges

    def forward(self, *inputs: Any) -> Any:
        real = [self.rounded(x, edge) for x, edge in zip(inputs, self.edges, strict=False)]
        return self.rounded(self.function(*real), self.edges[-1])

    @staticmethod
    def rounded(x: Any, edge: tuple[float, int]) -> Any:
        decomposed = torch.ops.quantized_decomposed
        codes = decomposed.quantize_per_tensor(x, *edge, *RANGE)
        return decomposed.dequantize_per_tensor(codes, *edge, *RANGE)


def answers(
    function: Callable[..., Any], edges: list[tuple[float, int]], given: list[np.ndarray]
) -> tuple[Compiled, np.ndarray, np.ndarray]:
    """The compiled module, qrt's codes and PyTorch's, in the module's layout."""
    module = Between(function, edges).eval()
    inputs = tuple(
        torch.tensor((x.astype(float) - zero) * scale, dtype=torch.float32)
        for x, (scale, zero) in zip(given, edges, strict=False)
    )
    scale, zero = edges[-1]
    theirs = np.rint(module(*inputs).numpy().astype(float) / scale).astype(int) + zero
    compiled = from_torch(torch.export.export(module, inputs), inputs)
    images = given[0].ndim == 4
    runtime = qrt.load(compiled.to_bytes())
    ours = runtime.run(*(x.astype(np.int8) for x in given), layout="NCHW" if images else None).astype(int)
    return compiled, ours.transpose(0, 3, 1, 2) if images else ours, theirs


def numbers(seed: int, count: int) -> Iterator[tuple[list[tuple[float, int]], np.random.Generator]]:
    """Scales and zero points of three tensors: scales in float64, in ratios of small integers, and powers of two."""
    rng = np.random.default_rng(seed)
    for index in range(count):
        scales = rng.uniform(0.001, 0.2, 3)
        if index % 3 == 1:
            scales[1:] = np.float32(scales[0]) * rng.integers(1, 6, 2)
            scales[0] = np.float32(scales[0])
        if index % 3 == 2:
            scales = 2.0 ** -rng.integers(3, 7, 3)
        yield [(float(s), int(z)) for s, z in zip(scales, rng.integers(-128, 128, 3), strict=True)], rng


@pytest.mark.parametrize("kind", ["add", "mul"])
def test_all_pairs_of_codes(kind: str) -> None:
    a, b = np.meshgrid(EVERY, EVERY, indexing="ij")
    exact = 0
    for edges, _ in numbers(1, 6):
        compiled, ours, theirs = answers(getattr(torch, kind), edges, [a, b])
        differing = np.abs(ours - theirs)
        assert differing.max() <= 1
        assert differing.sum() == sum(one.count for one in compiled.report.deviations)
        exact += not differing.any()
    assert exact


FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "requantize": lambda x: x.view(x.shape),
    "relu": functional.relu,
    "hardtanh": lambda x: functional.hardtanh(x, -0.7, 2.3),
    "leaky relu": lambda x: functional.leaky_relu(x, 0.25),
    "hardswish": functional.hardswish,
    "times a number": lambda x: x * 0.3,
}


@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_functions_of_one_code_are_exact(name: str) -> None:
    for edges, _ in numbers(2, 6):
        compiled, ours, theirs = answers(FUNCTIONS[name], [edges[0], edges[2]], [EVERY[np.newaxis]])
        assert np.array_equal(ours, theirs)
        assert not compiled.report.deviations


@pytest.mark.parametrize("name", ["hardswish", "hardsigmoid"])
def test_functions_that_divide_by_six(name: str) -> None:
    """At the end, so that other values are ties than with a factor of 1/6."""
    rng = np.random.default_rng(7)
    for trial in range(25):
        x_scale = float(np.float32(rng.choice([0.03, 0.05, 0.0625, 0.1, 0.12, 0.047])))
        y_scale = (
            x_scale * float(rng.choice([1, 2, 0.5, 1 / 3]))
            if name == "hardswish"
            else 1 / rng.choice([60, 100, 120, 256])
        )
        edges = [(x_scale, int(rng.integers(-128, 128))), (float(y_scale), int(rng.integers(-128, 128)))]
        compiled, ours, theirs = answers(getattr(functional, name), edges, [EVERY[np.newaxis]])
        assert np.array_equal(ours, theirs), trial
        assert not compiled.report.deviations


def test_cat_of_other_scales_is_exact() -> None:
    for edges, _ in numbers(3, 12):
        given = [EVERY[np.newaxis], EVERY[np.newaxis]]
        compiled, ours, theirs = answers(lambda a, b: torch.cat([a, b], 1), edges, given)
        assert np.array_equal(ours, theirs)
        assert not compiled.report.deviations


@pytest.mark.parametrize("size", [(2, 2), (3, 2)])
@pytest.mark.parametrize("kind", ["avg_pool2d", "mean"])
def test_averages_that_can_differ_are_named(kind: str, size: tuple[int, int]) -> None:
    high, wide = size
    named = 0
    for edges, rng in numbers(5, 6):
        codes = np.clip(np.rint(rng.normal(rng.integers(-128, 128), 30, (1, 32, 8 * high, 8 * wide))), -128, 127)
        function: Callable[[Any], Any] = lambda x: functional.avg_pool2d(x, size)  # noqa: E731
        if kind == "mean":
            codes = codes.reshape(1, 32, 8, high, 8, wide).transpose(0, 1, 2, 4, 3, 5).reshape(1, -1, high, wide)
            function = lambda x: x.mean((2, 3), keepdim=True)  # noqa: E731
        for y in (edges[0], edges[2]):
            compiled, ours, theirs = answers(function, [edges[0], y], [codes])
            differing = np.abs(ours - theirs)
            assert differing.max() <= 1
            assert not differing.any() or compiled.report.deviations
            named += bool(compiled.report.deviations)
            if y == edges[0]:
                (op,) = compiled.graph.ops
                # At the same scale only ties are unsure, every other sum for two codes at the most.
                assert sum(one.count for one in compiled.report.deviations) <= 255 * high * wide
                assert op.kind == "average_pool2d"
    assert 0 < named < 12


def test_convolutions_in_float32_are_named() -> None:
    def function(x: Any) -> Any:
        decomposed = torch.ops.quantized_decomposed
        weights = decomposed.dequantize_per_tensor(filters, 0.01, 0, *RANGE)
        return functional.conv2d(x, weights)

    filters = torch.ones((2, 3, 1, 1), dtype=torch.int8)
    compiled, ours, theirs = answers(function, [(0.05, 3), (0.07, -5)], [np.zeros((1, 3, 4, 4), int)])
    assert np.array_equal(ours, theirs)
    assert [(one.kind, one.total) for one in compiled.report.deviations] == [("conv2d", 0)]
