"""QrtQuantizer with weights of 4 bits: they are stored as int4, and the codes are PyTorch's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import qrt
from qrt.compiler import from_torch

torch = pytest.importorskip("torch")
pytest.importorskip("torchao")


def test_weights_of_four_bits() -> None:
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from qrt.compiler.frontends.torch import QrtQuantizer

    torch.manual_seed(3)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 5, 3, padding=1),
        torch.nn.ReLU(),
        torch.nn.Conv2d(5, 5, 3, groups=5),
        torch.nn.ReLU(),
        torch.nn.Flatten(),
        torch.nn.Linear(5 * 4 * 4, 7),
    ).eval()
    x = torch.randn(64, 3, 6, 6)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        exported = torch.export.export(net, (x[:1],)).module(check_guards=False)
        prepared = prepare_pt2e(exported, QrtQuantizer(weights="int4"))
        for one in x:
            prepared(one[None])
        program = torch.export.export(convert_pt2e(prepared), (x[:1],))
        module = program.module()
        expected = np.concatenate([module(one[None]).numpy() for one in x])
    compiled = from_torch(program, (x[:1],))
    layers = [op for op in compiled.graph.ops if op.kind in ("conv2d", "dwconv2d", "linear")]
    assert [op.inputs[1].dtype for op in layers] == ["int4"] * 3
    model = qrt.load(compiled.to_bytes())
    got = np.concatenate([model.run(one[None].numpy(), layout="NCHW", dequantize=True) for one in x])
    np.testing.assert_allclose(got, expected, atol=1.01 * model.outputs[0].scale)
    assert np.mean(np.isclose(got, expected, atol=1e-5)) > 0.99


def test_other_words_are_refused() -> None:
    from qrt.compiler.frontends.torch import QrtQuantizer

    with pytest.raises(ValueError, match="weights must be 'int8' or 'int4'"):
        QrtQuantizer(weights="int2")
