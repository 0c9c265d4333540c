"""PyTorch modules whose form is unusual: compiled by torch.jit, and exported with a batch that is part of a reshape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, from_torch

torch = pytest.importorskip("torch")
pytest.importorskip("torchao")
torch_modules = pytest.importorskip("torch_modules")

from torch_conversion import engine_as_before  # noqa: E402, F401

pytestmark = pytest.mark.filterwarnings("ignore")


def flattened(layers: Any, x: Any) -> Any:
    return layers.linear(torch.relu(layers.conv(x)).reshape(x.shape[0], -1))


def test_a_batch_in_a_reshape() -> None:
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from qrt.compiler.frontends.torch import QrtQuantizer

    torch.manual_seed(0)
    x = torch.randn(4, 3, 9, 7)
    layers = {"conv": torch.nn.Conv2d(3, 6, 1), "linear": torch.nn.Linear(6 * 9 * 7, 5)}
    network = torch_modules.Call(flattened, **layers).eval()
    prepared = prepare_pt2e(torch.export.export(network, (x,)).module(check_guards=False), QrtQuantizer())
    prepared(x)
    module = convert_pt2e(prepared)
    compiled = from_torch(module, (x,))
    model = qrt.load(compiled.to_bytes())
    assert model.inputs[0].shape[0] == 1
    ours = model.run(x.numpy(), dequantize=True, layout="NCHW")
    assert np.array_equal(ours, module(x).detach().numpy())


def test_modules_of_torch_jit_are_refused(engine_as_before: Any) -> None:  # noqa: F811
    torch.backends.quantized.engine = "fbgemm"
    x = torch.randn(1, 6, 9, 8)
    module = torch_modules.QUANTIZE["fx"](torch.nn.Conv2d(6, 6, 1).eval(), x, "fbgemm")
    with pytest.raises(CompileError, match=r"torch\.jit") as caught:
        from_torch(torch.jit.trace(module, (x,)), (x,))
    assert len(caught.value.problems) == 1
