"""Ties decided by the float32 of PyTorch's operators on quantized tensors: equal, or named in the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import qrt
from qrt.compiler import Compiled, from_torch

torch = pytest.importorskip("torch")
pytest.importorskip("torchao")

from torch import nn  # noqa: E402
from torch.ao.nn import quantized  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")

ENGINES = ("fbgemm", "qnnpack", "x86", "onednn")
SCALES = (1, 0.5, 0.25, 0.05, 0.03, 0.1, 0.75, 0.7, 0.0173)
Edge = tuple[float, int]


@pytest.fixture(autouse=True, params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param not in torch.backends.quantized.supported_engines:
        pytest.skip(f"this PyTorch lacks {request.param}")
    before = torch.backends.quantized.engine
    torch.backends.quantized.engine = request.param
    yield request.param
    torch.backends.quantized.engine = before


class Joined(nn.Module):  # type: ignore[misc]
    """A function of quantized tensors by name: add, mul or cat."""

    def __init__(self, kind: str, edges: list[Edge]) -> None:
        super().__init__()
        self.kind, self.function = kind, quantized.QFunctional()
        self.function.scale, self.function.zero_point = edges[-1]
        self.inputs = nn.ModuleList(quantized.Quantize(*edge, torch.quint8) for edge in edges[:-1])
        self.output = quantized.DeQuantize()

    def forward(self, x: Any, y: Any) -> Any:
        x, y = self.inputs[0](x), self.inputs[1](y)
        if self.kind == "cat":
            return self.output(self.function.cat([x, y], 1))
        return self.output(getattr(self.function, self.kind)(x, y))


def differing(module: Any, given: list[np.ndarray], edges: list[Edge], at_once: bool = True) -> tuple[Compiled, int]:
    """The compiled module, and how many codes differ from PyTorch's, which gets the batch at once or one by one."""
    inputs = tuple(
        torch.tensor(((codes - zero) * np.float32(scale)).astype(np.float32))
        for codes, (scale, zero) in zip(given, edges, strict=False)
    )
    compiled = from_torch(module, tuple(x[:1] for x in inputs))
    runtime = qrt.load(compiled.to_bytes())
    calls = [inputs] if at_once else list(zip(*(x.split(1) for x in inputs), strict=True))
    theirs = np.concatenate([module(*call).numpy() for call in calls])
    layout = "NCHW" if runtime.inputs[0].source_layout == "NCHW" else None
    ours = runtime.run(*(x.numpy() for x in inputs), dequantize=True, layout=layout)
    if theirs.ndim == 4 and runtime.outputs[0].source_layout == "NCHW":
        theirs = theirs.transpose(0, 2, 3, 1)
    steps = np.rint((ours - theirs) / runtime.outputs[0].scale)
    assert np.abs(steps).max() <= 1
    return compiled, int(np.count_nonzero(steps))


def edge(rng: np.random.Generator) -> Edge:
    return float(rng.choice(SCALES)), int(rng.integers(256))


@pytest.mark.parametrize("kind", ["add", "mul"])
def test_pairs_of_codes(kind: str) -> None:
    rng = np.random.default_rng(229)
    pairs = list(np.meshgrid(np.arange(256), np.arange(256)))
    for _ in range(3):
        edges = [(0.05 * float(rng.choice([1, 2, 4, 3, 0.5])), int(rng.integers(256))) for _ in range(3)]
        if kind == "mul":
            edges[2] = edges[0][0] * edges[1][0] * float(rng.choice([2, 4, 16, 64, 50])), edges[2][1]
        compiled, count = differing(Joined(kind, edges), pairs, edges)
        assert count == sum(one.count for one in compiled.report.deviations)


FUNCTIONS: dict[str, Callable[[np.random.Generator], Any]] = {
    "leaky relu": lambda rng: quantized.LeakyReLU(*edge(rng), float(rng.choice([0.1, 0.01, 0.25, 0.3]))),
    "hardswish": lambda rng: quantized.Hardswish(*edge(rng)),
    "elu": lambda rng: quantized.ELU(*edge(rng)),
    "hardtanh": lambda rng: nn.Hardtanh(float(rng.choice([-1, -0.33])), float(rng.choice([1, 6.0, 0.5]))),
    "relu": lambda rng: nn.ReLU(),
    "sigmoid": lambda rng: nn.Sigmoid(),
    "requantize": lambda rng: nn.Sequential(
        quantized.DeQuantize(), quantized.Quantize(*edge(rng), torch.quint8), nn.ReLU()
    ),
}


@pytest.mark.parametrize("name", list(FUNCTIONS))
@pytest.mark.parametrize("at_once", [True, False])
def test_functions_of_one_code(name: str, at_once: bool) -> None:
    """All 256 codes at once, in full vectors, and in rows too short for a vector."""
    rng = np.random.default_rng(7)
    for _ in range(5):
        known = edge(rng)
        module = nn.Sequential(quantized.Quantize(*known, torch.quint8), FUNCTIONS[name](rng), quantized.DeQuantize())
        compiled, count = differing(module, [np.arange(256).reshape(32, 8)], [known], at_once)
        deviations = compiled.report.deviations
        assert count <= sum(one.count for one in deviations)
        if name in ("hardtanh", "relu", "requantize"):
            assert not deviations


@pytest.mark.parametrize("channels_last", [False, True])
def test_cat_of_other_scales(channels_last: bool) -> None:
    rng = np.random.default_rng(4)
    codes = np.arange(256).reshape(1, 256, 1, 1) if channels_last else np.arange(256).reshape(1, 2, 2, 64)
    for trial in range(8):
        edges = [edge(rng) for _ in range(3)]
        if trial % 2:
            edges[2] = edges[0][0] * 2, edges[2][1]
        compiled, count = differing(Joined("cat", edges), [codes, codes], edges)
        assert count <= sum(one.count for one in compiled.report.deviations)
        assert channels_last or not compiled.report.deviations


POOLS: dict[str, Callable[[int, int], Any]] = {
    "average": lambda high, wide: nn.AvgPool2d((high, wide)),
    "divisor": lambda high, wide: nn.AvgPool2d((high, wide), divisor_override=high * wide + 1 - high * wide % 2),
    "global": lambda high, wide: nn.AdaptiveAvgPool2d(1),
}


@pytest.mark.parametrize("name", list(POOLS))
@pytest.mark.parametrize("size", [(2, 2), (2, 7), (1, 6), (4, 7)])
def test_averages_of_every_sum(name: str, size: tuple[int, int]) -> None:
    count = size[0] * size[1]
    sums = np.arange(255 * count + 1)
    windows = sums[:, np.newaxis] // count + (np.arange(count) < sums[:, np.newaxis] % count)
    codes = np.repeat(windows.reshape(-1, 1, *size), 3, axis=1)
    for known in ((1.0, 77), (0.7, 128)):
        module = nn.Sequential(quantized.Quantize(*known, torch.quint8), POOLS[name](*size), quantized.DeQuantize())
        compiled, different = differing(module, [codes], [known])
        named = compiled.report.deviations
        assert different <= 3 * sum(one.count for one in named)
        assert count & (count - 1) or not named
        # QNNPACK ignores the divisor; odd divisors have no ties.
        assert name != "divisor" or torch.backends.quantized.engine == "qnnpack" or not named
