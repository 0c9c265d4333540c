"""The trained PyTorch networks, quantized by FX and by PT2E, and qrt's difference from PyTorch on them."""

from __future__ import annotations

import copy
import functools
import warnings
from typing import Any

import numpy as np
import pytest
import torch
import torch_networks

import qrt


@pytest.fixture(autouse=True)
def engine_as_before() -> Any:
    before = torch.backends.quantized.engine
    yield
    torch.backends.quantized.engine = before


def converted(kind: str, engine: str) -> Any:
    """A trained network, quantized by FX for an engine, which becomes PyTorch's; several tests look at each."""
    torch.backends.quantized.engine = engine
    return _converted(kind, engine)


@functools.cache
def _converted(kind: str, engine: str) -> Any:
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, prepare_fx

    images = torch_networks.digits()[0][:256]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mapping = get_default_qconfig_mapping(engine)
        prepared = prepare_fx(copy.deepcopy(torch_networks.trained(kind)), mapping, (images,))
        prepared(images)
        return convert_fx(prepared)


def differing(compiled: Any, module: Any) -> tuple[int, float]:
    """Outputs of the test set that are not PyTorch's, and the largest difference in codes."""
    images = torch_networks.digits()[2]
    model = qrt.load(compiled.to_bytes())
    theirs = module(images).detach().numpy()
    ours = model.run(images.numpy(), dequantize=True)
    apart = np.abs(ours - theirs) / model.outputs[0].scale
    return int((apart > 1e-3).sum()), float(apart.max())


@functools.cache
def program(kind: str, bias: str) -> Any:
    """A trained network, quantized by PT2E with QrtQuantizer."""
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from qrt.compiler.frontends.torch import QrtQuantizer

    images = torch_networks.digits()[0][:256]
    dynamic = ({0: torch.export.Dim.DYNAMIC},)
    exported = torch.export.export(torch_networks.trained(kind), (images[:4],), dynamic_shapes=dynamic)
    prepared = prepare_pt2e(exported.module(check_guards=False), QrtQuantizer(bias=bias))
    prepared(images)
    return convert_pt2e(prepared)
