"""PT2E with int16 activations: what PyTorch computes, which is float32 between quantize and dequantize."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("torchao")

import torch
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

import qrt
from qrt.compiler import Compiled, CompileError, compile, from_torch
from qrt.compiler.frontends.torch import QrtQuantizer

IMAGE = (1, 3, 10, 12)
WHOLE, TWELVE_BITS = (-(2**15), 2**15 - 1), (-(2**11), 2**11 - 1)


class Of(torch.nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        return self.function(x)


def moving(x: Any) -> Any:
    pooled = torch.nn.functional.max_pool2d(torch.relu(x), 2)
    padded = torch.nn.functional.pad(pooled, (1, 1, 0, 2))
    return torch.cat([padded, torch.flip(padded, (3,))], 1)[:, 1:5].permute(0, 2, 3, 1)


def convolutions() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 6, 3, padding=1, groups=3), torch.nn.ReLU(), torch.nn.Conv2d(6, 8, 3, stride=2),
        torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 5),
    )  # fmt: skip


def quantized(module: Any, limits: tuple[int, int]) -> Any:
    quantizer = QrtQuantizer()
    quantizer.activation = replace(
        quantizer.activation,
        dtype=torch.int16,
        quant_min=limits[0],
        quant_max=limits[1],
        qscheme=torch.per_tensor_symmetric,
    )
    generator = torch.Generator().manual_seed(1)
    prepared = prepare_pt2e(torch.export.export(module.eval(), (torch.zeros(IMAGE),)).module(), quantizer)
    for _ in range(3):
        prepared(torch.randn(IMAGE, generator=generator))
    return convert_pt2e(prepared)


def differing(module: Any, compiled: Compiled) -> np.ndarray:
    """By how many codes each result differs from PyTorch's."""
    model = qrt.load(compiled.to_bytes())
    assert model.inputs[0].dtype == model.outputs[0].dtype == np.int16
    steps = []
    for seed in range(4):
        x = 2 * torch.randn(IMAGE, generator=torch.Generator().manual_seed(seed))
        expected = module(x).detach().numpy()
        got = model.run(x.numpy(), dequantize=True).astype(np.float64)
        steps.append(np.abs(np.rint((got.reshape(expected.shape) - expected) / model.outputs[0].scale)))
    return np.array(steps)


@pytest.mark.parametrize("limits", [WHOLE, TWELVE_BITS], ids=["16 bits", "12 bits"])
def test_every_code(limits: tuple[int, int]) -> None:
    module = quantized(Of(moving), limits)
    compiled = from_torch(module, (torch.zeros(IMAGE),))
    assert not differing(module, compiled).any() and not compiled.report.deviations


@pytest.mark.parametrize("limits", [WHOLE, TWELVE_BITS], ids=["16 bits", "12 bits"])
def test_sums_are_rounded_once_and_named(limits: tuple[int, int], tmp_path: Path) -> None:
    module = quantized(convolutions(), limits)
    path = tmp_path / "net.pt2"
    torch.export.save(torch.export.export(module, (torch.zeros(IMAGE),)), path)
    for compiled in (from_torch(module, (torch.zeros(IMAGE),)), compile(path)):
        assert differing(module, compiled).max() <= 2
        cases = {deviation.cases for deviation in compiled.report.deviations}
        assert all(case.endswith("in float32 by the engine, cases not counted") for case in cases) and cases


@pytest.mark.parametrize("function", [torch.sigmoid, torch.nn.functional.gelu])
def test_functions_are_refused(function: Callable[[Any], Any]) -> None:
    module = quantized(Of(function), WHOLE)
    with pytest.raises(CompileError, match="a function from or to int16 codes"):
        from_torch(module, (torch.zeros(IMAGE),))
