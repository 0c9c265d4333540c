"""`state=` of PyTorch's networks, against the module that is stepped by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import qrt
from qrt.compiler import from_torch, quantize_torch

torch = pytest.importorskip("torch")
pytest.importorskip("torchao")

STEPS = 20
Array = np.ndarray[Any, Any]


class Recurrent(torch.nn.Module):  # type: ignore[misc]
    """One step of an Elman network."""

    def __init__(self) -> None:
        super().__init__()
        self.given, self.kept, self.out = torch.nn.Linear(4, 6), torch.nn.Linear(6, 6), torch.nn.Linear(6, 3)

    def forward(self, x: Any, h: Any) -> Any:
        h = torch.tanh(self.given(x) + self.kept(h))
        return self.out(h), h


class Streaming(torch.nn.Module):  # type: ignore[misc]
    """A causal convolution over time with its last samples as an input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv1d(3, 5, 4)

    def forward(self, x: Any, old: Any) -> Any:
        whole = torch.cat([old, x], 2)
        return torch.relu(self.layer(whole)), whole[:, :, -3:]


class Stubbed(torch.nn.Module):  # type: ignore[misc]
    """An Elman network between the stubs of eager mode."""

    def __init__(self) -> None:
        super().__init__()
        quantization = torch.ao.quantization
        self.x, self.h, self.real = quantization.QuantStub(), quantization.QuantStub(), quantization.DeQuantStub()
        self.given, self.kept, self.tanh = torch.nn.Linear(4, 6), torch.nn.Linear(6, 6), torch.nn.Tanh()
        self.total = torch.ao.nn.quantized.FloatFunctional()

    def forward(self, x: Any, h: Any) -> Any:
        h = self.tanh(self.total.add(self.given(self.x(x)), self.kept(self.h(h))))
        return self.real(self.tanh(h)), self.real(h)


def eager(module: Any, inputs: list[Any]) -> Any:
    module.qconfig = torch.ao.quantization.get_default_qconfig("fbgemm")
    torch.ao.quantization.prepare(module, inplace=True)
    for sample in zip(*inputs, strict=True):
        module(*(x[None] for x in sample))
    return torch.ao.quantization.convert(module, inplace=True)


def check_loop(module: Any, run: Any, shapes: tuple[tuple[int, ...], ...], kinds: list[str]) -> None:
    """The same codes as `run`, whose second output is given back as its second input."""
    result = from_torch(module, [torch.zeros(shape) for shape in shapes], state={"1": "1"})
    assert [op.kind for op in result.graph.ops if op.kind in ("push", "assign")] == kinds
    ours, held = qrt.load(result.to_bytes()), torch.zeros(shapes[1])
    for x in torch.randn((STEPS, *shapes[0]), generator=torch.Generator().manual_seed(1)):
        real, held = run(x, held)
        got = ours.run(x.numpy(), dequantize=True, layout=ours.inputs[0].source_layout)
        np.testing.assert_array_equal(got.reshape(real.shape), real.detach().numpy())


@pytest.mark.parametrize(
    ("make", "shapes", "kinds"),
    [(Recurrent, ((1, 4), (1, 6)), ["assign"]), (Streaming, ((1, 3, 1), (1, 3, 3)), ["push"])],
)
def test_exported_programs(make: Any, shapes: tuple[tuple[int, ...], ...], kinds: list[str]) -> None:
    torch.manual_seed(0)
    module = make().eval()
    samples = [torch.randn(32, *shape[1:]).tanh() for shape in shapes]
    program = quantize_torch(module, [torch.zeros(shape) for shape in shapes], samples)
    check_loop(program, program.module(), shapes, kinds)


@pytest.mark.filterwarnings("ignore")
def test_eager_modules() -> None:
    torch.manual_seed(0)
    module = eager(Stubbed().eval(), [torch.randn(32, 4), torch.rand(32, 6) * 2 - 1])
    check_loop(module, module, ((1, 4), (1, 6)), ["assign"])
