"""PyTorch's pools in every setting: every code against the engine, or an error with the reason."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, from_torch
from qrt.compiler.frontends.torch.graph import to_graph
from qrt.compiler.study.evaluate import evaluate

torch = pytest.importorskip("torch")
pytest.importorskip("torchao")

from torch import nn  # noqa: E402
from torch_conversion import engine_as_before  # noqa: E402, F401

pytestmark = pytest.mark.filterwarnings("ignore")

ENGINES = ("fbgemm", "qnnpack", "onednn", "x86")
Settings = dict[str, Any]


def usable(size: tuple[int, int], image: tuple[int, int], padding: tuple[int, int]) -> bool:
    fits = all(n + 2 * p >= k for n, k, p in zip(image, size, padding, strict=True))
    return fits and all(p <= k // 2 for k, p in zip(size, padding, strict=True)) and size != (1, 1)


def average_settings(count: int) -> Iterator[tuple[tuple[int, int], Settings]]:
    """(image, settings of AvgPool2d): what is known to be awkward, then as many drawn ones."""
    for (size, stride), padding, counted in product(((2, 2), ((3, 2), (2, 3)), (4, 3)), (0, 1), (True, False)):
        settings: Settings = {"kernel_size": size, "stride": stride, "padding": padding, "count_include_pad": counted}
        yield (9, 8), settings | {"ceil_mode": True}
    for divisor in (1, 2, 4, 5, 9):
        yield (7, 8), {"kernel_size": 2, "divisor_override": divisor, "ceil_mode": True}
        yield (7, 8), {"kernel_size": 3, "stride": 2, "padding": 1, "divisor_override": divisor}
    rng = random.Random(1)
    while count:
        image, size = (rng.randint(3, 10), rng.randint(3, 10)), (rng.randint(1, 4), rng.randint(1, 4))
        padding = (rng.choice((0, 0, size[0] // 2)), rng.choice((0, 0, size[1] // 2)))
        if usable(size, image, padding):
            count -= 1
            settings = {
                "kernel_size": size,
                "stride": (rng.randint(1, 4), rng.randint(1, 4)),
                "padding": padding,
                "ceil_mode": rng.random() < 0.6,
                "count_include_pad": rng.random() < 0.5,
                "divisor_override": rng.choice((None, None, None, 3, 7, size[0] * size[1])),
            }
            yield image, settings


class Same(nn.Module):  # type: ignore[misc]
    """A quantized 1x1 convolution that changes nothing, but has PyTorch lay its output with the channels last."""

    def __init__(self, channels: int, zero_point: int, flat: bool = False) -> None:
        super().__init__()
        quantized = torch.ao.nn.quantized
        self.conv = (quantized.Conv1d if flat else quantized.Conv2d)(channels, channels, 1)
        weights = torch.eye(channels)[(...,) + (None,) * (1 if flat else 2)]
        self.conv.set_weight_bias(torch.quantize_per_tensor(weights, 0.25, 0, torch.qint8), None)
        self.conv.scale, self.conv.zero_point = 1.0, zero_point

    def forward(self, x: Any) -> Any:
        return self.conv(x)


def network(*layers: Any, zero_point: int, dtype: Any = None) -> Any:
    quantized = torch.ao.nn.quantized
    return nn.Sequential(quantized.Quantize(1.0, zero_point, dtype or torch.quint8), *layers, quantized.DeQuantize())


def codes(shape: tuple[int, ...], zero_point: int, least: int = 0) -> Any:
    """Images of every code; some of them of little else than the least and the largest."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, shape)
    x[::3] = np.where(x[::3] < 250, 255 * (x[::3] < 20), 255 * (x[::3] % 2))
    return torch.tensor(x + least - zero_point, dtype=torch.float32)


def compiled_codes(module: Any, x: Any) -> tuple[np.ndarray, np.ndarray]:
    """What the compiled network gives and what PyTorch gives."""
    theirs = module(x).numpy()
    model = qrt.load(from_torch(module, (x,)).to_bytes())
    ours = model.run(
        x.numpy(), dequantize=True, **({"layout": "NCHW"} if model.inputs[0].source_layout == "NCHW" else {})
    )
    if theirs.ndim == 4:
        theirs = theirs.transpose(0, 2, 3, 1)
    return ours, theirs


def refusal_or_equal(module: Any, x: Any, *where: Any) -> bool:
    """Whether a module compiles, to PyTorch's codes; a refusal says what to do instead."""
    try:
        ours, theirs = compiled_codes(module, x)
    except CompileError as error:
        assert all(";" in problem.reason for problem in error.problems), error
        assert not any("cannot be read" in problem.reason for problem in error.problems), error
        return False
    assert ours.shape == theirs.shape, where
    assert np.array_equal(ours, theirs), (where, int((ours != theirs).sum()), np.abs(ours - theirs).max())
    return True


@pytest.mark.parametrize("behind", ["input", "convolution"])
@pytest.mark.parametrize("engine", ENGINES)
def test_average_pools(engine: str, behind: str) -> None:
    torch.backends.quantized.engine = engine
    for number, (image, settings) in enumerate(average_settings(20)):
        if engine in ("onednn", "x86") and number % 4:  # which have fbgemm's pools
            continue
        channels, zero_point = ((7, 77), (16, 128), (19, 77), (1, 0))[number % 4]
        front = [Same(channels, zero_point)] if behind == "convolution" else []
        module = network(*front, nn.AvgPool2d(**settings), zero_point=zero_point)
        where = (image, channels, zero_point, settings)
        accepted = refusal_or_equal(module, codes((6, channels, *image), zero_point), *where)
        divisor, size = settings.get("divisor_override"), settings["kernel_size"]
        positions = size * size if isinstance(size, int) else size[0] * size[1]
        plain = divisor is None or divisor % 2 == 1 or divisor == positions
        assert accepted or not plain, where


@pytest.mark.parametrize("engine", ["fbgemm", "qnnpack"])
def test_average_pools_of_signed_codes(engine: str) -> None:
    """QNNPACK has pools of uint8 only."""
    torch.backends.quantized.engine = engine
    for zero_point, settings in product(
        (-128, -3), ({"kernel_size": 2}, {"kernel_size": 4, "stride": 2, "padding": 1})
    ):
        module = network(nn.AvgPool2d(**settings), zero_point=zero_point, dtype=torch.qint8)
        assert refusal_or_equal(module, codes((6, 5, 8, 8), zero_point, -128), zero_point, settings)


class Program(nn.Module):  # type: ignore[misc]
    """A pool between quantize and dequantize, as PT2E writes them. At scale 1 its float arithmetic knows every tie."""

    def __init__(self, pool: Any, zero_point: int) -> None:
        super().__init__()
        self.pool, self.numbers = pool, (1.0, zero_point, -128, 127, torch.int8)

    def forward(self, x: Any) -> Any:
        ops = torch.ops.quantized_decomposed
        x = ops.dequantize_per_tensor(ops.quantize_per_tensor(x, *self.numbers), *self.numbers)
        return ops.dequantize_per_tensor(ops.quantize_per_tensor(self.pool(x), *self.numbers), *self.numbers)


def program(pool: Any, zero_point: int, x: Any) -> Any:
    import torch.ao.quantization.fx._decomposed

    dynamic = ({0: torch.export.Dim.DYNAMIC},)
    return torch.export.export(Program(pool, zero_point), (x,), dynamic_shapes=dynamic).module(check_guards=False)


def test_average_pools_of_programs() -> None:
    for number, (image, settings) in enumerate(average_settings(8)):
        zero_point = (-128, 0, -51)[number % 3]
        x = codes((6, 3, *image), zero_point, -128)
        module = program(nn.AvgPool2d(**settings), zero_point, x)
        refusal_or_equal(module, x, image, zero_point, settings)
        graph = to_graph(module, (x,))
        meant = evaluate(graph, [x.numpy()], quantized=True)[graph.outputs[0].tensor.name]
        assert np.array_equal(meant, module(x).numpy()), (image, zero_point, settings)


@pytest.mark.parametrize("engine", [*ENGINES, "program"])
def test_max_pools(engine: str) -> None:
    if engine != "program":
        torch.backends.quantized.engine = engine
    rng = random.Random(2)
    for _ in range(25):
        image, size = (rng.randint(3, 10), rng.randint(3, 10)), (rng.randint(1, 4), rng.randint(1, 4))
        padding = (rng.choice((0, size[0] // 2)), rng.choice((0, size[1] // 2)))
        if not usable(size, image, padding):
            continue
        stride, dilation = (rng.randint(1, 4), rng.randint(1, 4)), rng.choice((1, 1, 1, 2))
        if dilation == 2 and any(n + 2 * p < 2 * k - 1 for n, k, p in zip(image, size, padding, strict=True)):
            continue
        pool = nn.MaxPool2d(size, stride, padding, dilation, ceil_mode=rng.random() < 0.6)
        if engine == "program":
            x = codes((3, 5, *image), -51, -128)
            module = program(pool, -51, x)
        else:
            x = codes((3, 5, *image), 77)
            module = network(pool, zero_point=77)
        assert refusal_or_equal(module, x, image, pool) or dilation == 2


@pytest.mark.parametrize("behind", ["input", "convolution"])
@pytest.mark.parametrize("engine", ["fbgemm", "qnnpack"])
def test_adaptive_pools(engine: str, behind: str) -> None:
    torch.backends.quantized.engine = engine
    for channels, (image, target) in product(
        (5, 16, 18), (((4, 4), 1), ((4, 4), 2), ((4, 6), (2, None)), ((5, 4), (5, 4)), ((8, 4), (2, 4)), ((5, 7), 3))
    ):
        front = [Same(channels, 77)] if behind == "convolution" else []
        module = network(*front, nn.AdaptiveAvgPool2d(target), zero_point=77)
        assert refusal_or_equal(module, codes((6, channels, *image), 77), image, channels, target) or target == 3


FLAT = {
    "average": lambda: nn.AvgPool1d(2),
    "average with ceiling": lambda: nn.AvgPool1d(4, 3, 1, ceil_mode=True),
    "average without padding": lambda: nn.AvgPool1d(4, 2, 2, count_include_pad=False),
    "max": lambda: nn.MaxPool1d(3, 2, 1, ceil_mode=True),
    "adaptive 1": lambda: nn.AdaptiveAvgPool1d(1),
    "adaptive 4": lambda: nn.AdaptiveAvgPool1d(4),
}


@pytest.mark.parametrize("pool", list(FLAT))
def test_pools_of_one_dimension(pool: str) -> None:
    for engine, (channels, zero_point) in product(ENGINES, ((7, 0), (16, 77), (24, 77))):
        torch.backends.quantized.engine = engine
        for front in ([], [Same(channels, zero_point, flat=True)]):
            module = network(*front, FLAT[pool](), zero_point=zero_point)
            assert refusal_or_equal(module, codes((6, channels, 16), zero_point), engine, channels, len(front))
    x = codes((6, 5, 16), -51, -128)
    assert refusal_or_equal(program(FLAT[pool](), -51, x), x)


class Shaped(nn.Module):  # type: ignore[misc]
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Any) -> Any:
        return x.reshape(self.shape)


BETWEEN = {
    "max pool": lambda: [nn.MaxPool2d(2, 1)],
    "average pool": lambda: [nn.AvgPool2d(1, 1)],
    "relu": lambda: [nn.ReLU()],
    "copy": lambda: [Shaped(-1, 36, 4, 8), Shaped(-1, 18, 8, 8)],
    "no copy": lambda: [Shaped(-1, 1, 18, 8, 8), Shaped(-1, 18, 8, 8)],
}


@pytest.mark.parametrize("engine", ["fbgemm", "x86"])
@pytest.mark.parametrize("behind", ["input", "convolution"])
@pytest.mark.parametrize("between", list(BETWEEN))
def test_where_the_channels_lie(between: str, behind: str, engine: str) -> None:
    """PyTorch breaks ties by the layout of its memory, which layers hand on."""
    torch.backends.quantized.engine = engine
    front = [Same(18, 77)] if behind == "convolution" else []
    module = network(*front, *BETWEEN[between](), nn.AvgPool2d(2), zero_point=77)
    assert refusal_or_equal(module, codes((6, 18, 8, 8), 77))


@pytest.mark.parametrize("engine", ["fbgemm", "qnnpack"])
def test_pools_of_images_of_one_pixel(engine: str) -> None:
    torch.backends.quantized.engine = engine
    module = network(Same(18, 77), nn.AvgPool2d(2, 1, 1), zero_point=77)
    assert refusal_or_equal(module, codes((40, 18, 1, 1), 77))
