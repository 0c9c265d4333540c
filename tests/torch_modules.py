"""Small networks around every module and function of PyTorch that can be quantized, and how qrt's codes compare.

As a script it prints a table: ``python tests/torch_modules.py [--engine fbgemm] [name ...]``.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import qrt
from qrt.compiler import CompileError, from_torch

WAYS = ("fx", "eager", "pt2e", "reference")
SAMPLES = 2
# Parts of messages that no user should see.
INTERNAL = ("cannot be read", "cannot be understood")


class Call(nn.Module):  # type: ignore[misc]
    """`function` of this module and the input; layers that it uses are attributes."""

    def __init__(self, function: Callable[..., Any], **layers: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Any) -> Any:
        return self.function(self, x)


class Stubbed(nn.Module):  # type: ignore[misc]
    """A network between the stubs of eager mode."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.quant, self.network = torch.ao.quantization.QuantStub(), network
        self.dequant = torch.ao.quantization.DeQuantStub()

    def forward(self, x: Any) -> Any:
        return self.dequant(self.network(self.quant(x)))


@dataclass(frozen=True)
class Case:
    """A network and the shape of one sample; `eager` is the network for eager mode if it needs another."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...] = (6, 9, 8)
    eager: Callable[[], nn.Module] | None = None


def behind(layer: Callable[[], nn.Module], *, channels: int = 6) -> Callable[[], nn.Module]:
    """A convolution and `layer`."""
    return lambda: nn.Sequential(nn.Conv2d(6, channels, 1), layer())


def called(function: Callable[[Any], Any]) -> Callable[[], nn.Module]:
    """A convolution and a function."""
    return lambda: Call(lambda self, x: function(self.conv(x)), conv=nn.Conv2d(6, 6, 1))


def functional(function: Callable[[Any, Any], Any]) -> Callable[[], nn.Module]:
    """A convolution and a method of FloatFunctional, which eager mode needs."""
    return lambda: Call(
        lambda self, x: function(self.by, self.conv(x)),
        conv=nn.Conv2d(6, 6, 1),
        by=torch.ao.nn.quantized.FloatFunctional(),
    )


def attention(x: Any) -> Any:
    q = x.flatten(2).transpose(1, 2)
    return F.scaled_dot_product_attention(q, q * 0.5, q)


def normed(layer: nn.Module) -> nn.Module:
    """`layer` with an affine part that is not the identity."""
    for name in ("weight", "bias", "running_mean", "running_var"):
        value = getattr(layer, name, None)
        if value is not None:
            value.data.uniform_(0.5, 1.5)
    return layer


SEQUENCE = (5, 12)
LAYERS: dict[str, Case] = {
    "Linear": Case(lambda: nn.Linear(12, 7), (12,)),
    "Linear no bias": Case(lambda: nn.Linear(12, 7, bias=False), (12,)),
    "Linear of rank 3": Case(lambda: nn.Linear(12, 7), SEQUENCE),
    "Linear ReLU": Case(lambda: nn.Sequential(nn.Linear(12, 7), nn.ReLU(), nn.Linear(7, 7)), (12,)),
    "Conv1d": Case(lambda: nn.Conv1d(5, 7, 3, padding=1), SEQUENCE),
    "Conv2d": Case(lambda: nn.Conv2d(6, 7, 3, 2, 1)),
    "Conv2d dilated": Case(lambda: nn.Conv2d(6, 7, 3, 1, 2, dilation=2)),
    "Conv2d groups": Case(lambda: nn.Conv2d(6, 8, 3, groups=2)),
    "Conv2d depthwise": Case(lambda: nn.Conv2d(6, 6, 3, groups=6)),
    "Conv2d same": Case(lambda: nn.Conv2d(6, 6, 3, padding="same")),
    "Conv2d reflect": Case(lambda: nn.Conv2d(6, 6, 3, padding=1, padding_mode="reflect")),
    "Conv2d replicate": Case(lambda: nn.Conv2d(6, 6, 3, padding=1, padding_mode="replicate")),
    "Conv2d circular": Case(lambda: nn.Conv2d(6, 6, 3, padding=1, padding_mode="circular")),
    "Conv3d": Case(lambda: nn.Conv3d(2, 3, 3), (2, 4, 5, 6)),
    "Conv2d BatchNorm2d ReLU": Case(lambda: nn.Sequential(nn.Conv2d(6, 6, 3), normed(nn.BatchNorm2d(6)), nn.ReLU())),
    "ConvTranspose1d": Case(lambda: nn.ConvTranspose1d(5, 7, 3, stride=2), SEQUENCE),
    "ConvTranspose2d": Case(behind(lambda: nn.ConvTranspose2d(6, 4, 2, stride=2))),
    "ConvTranspose2d padding": Case(behind(lambda: nn.ConvTranspose2d(6, 4, 3, 2, 1, output_padding=1))),
    "ConvTranspose2d groups": Case(behind(lambda: nn.ConvTranspose2d(6, 6, 3, 2, 1, groups=2))),
    "BatchNorm1d": Case(lambda: nn.Sequential(nn.Linear(12, 7), nn.ReLU(), normed(nn.BatchNorm1d(7))), (12,)),
    "BatchNorm2d": Case(lambda: nn.Sequential(nn.Conv2d(6, 6, 1), nn.ReLU(), normed(nn.BatchNorm2d(6)))),
    "LayerNorm": Case(lambda: nn.Sequential(nn.Linear(12, 16), normed(nn.LayerNorm(16))), (5, 12)),
    "GroupNorm": Case(behind(lambda: normed(nn.GroupNorm(2, 6)))),
    "InstanceNorm1d": Case(lambda: nn.Sequential(nn.Conv1d(5, 6, 1), nn.InstanceNorm1d(6)), SEQUENCE),
    "InstanceNorm2d": Case(behind(lambda: normed(nn.InstanceNorm2d(6, affine=True)))),
    "Embedding": Case(lambda: nn.Embedding(10, 4), ()),
    "LSTM": Case(lambda: Call(lambda self, x: self.lstm(x)[0], lstm=nn.LSTM(12, 6, batch_first=True)), SEQUENCE),
    "GRU": Case(lambda: Call(lambda self, x: self.gru(x)[0], gru=nn.GRU(12, 6, batch_first=True)), SEQUENCE),
}
NAMES = (
    "ReLU ReLU6 Hardtanh Hardswish Hardsigmoid Sigmoid Tanh ELU LeakyReLU PReLU SELU CELU GELU SiLU Mish Softplus "
    "Softsign Tanhshrink Hardshrink Softshrink LogSigmoid RReLU Dropout Dropout2d Identity"
)
ACTIVATIONS: dict[str, Case] = {
    **{name: Case(behind(getattr(nn, name))) for name in NAMES.split()},
    "Hardtanh bounds": Case(behind(lambda: nn.Hardtanh(-0.5, 0.4))),
    "PReLU channels": Case(behind(lambda: nn.PReLU(6))),
    "GELU tanh": Case(behind(lambda: nn.GELU("tanh"))),
    "Threshold": Case(behind(lambda: nn.Threshold(0.1, 0.2))),
    "GLU": Case(behind(lambda: nn.GLU(1))),
    "Softmax": Case(lambda: nn.Sequential(nn.Linear(12, 7), nn.Softmax(-1)), (12,)),
    "Softmax channels": Case(behind(lambda: nn.Softmax(1))),
    "LogSoftmax": Case(lambda: nn.Sequential(nn.Linear(12, 7), nn.LogSoftmax(-1)), (12,)),
    "Softmin": Case(lambda: nn.Sequential(nn.Linear(12, 7), nn.Softmin(-1)), (12,)),
}
POOLS: dict[str, Case] = {
    "MaxPool1d": Case(lambda: nn.Sequential(nn.Conv1d(5, 6, 1), nn.MaxPool1d(2)), SEQUENCE),
    "MaxPool2d": Case(behind(lambda: nn.MaxPool2d(3, 2, 1))),
    "MaxPool3d": Case(lambda: nn.MaxPool3d(2), (2, 4, 6, 6)),
    "AvgPool1d": Case(lambda: nn.Sequential(nn.Conv1d(5, 6, 1), nn.AvgPool1d(2)), SEQUENCE),
    "AvgPool2d": Case(behind(lambda: nn.AvgPool2d(2))),
    "AvgPool2d ceil": Case(behind(lambda: nn.AvgPool2d(2, 2, ceil_mode=True))),
    "AvgPool2d ceil padded": Case(behind(lambda: nn.AvgPool2d(3, 2, 1, ceil_mode=True))),
    "AvgPool3d": Case(lambda: nn.AvgPool3d(2), (2, 4, 6, 6)),
    "AdaptiveAvgPool1d": Case(lambda: nn.Sequential(nn.Conv1d(5, 6, 1), nn.AdaptiveAvgPool1d(1)), SEQUENCE),
    "AdaptiveAvgPool2d": Case(behind(lambda: nn.AdaptiveAvgPool2d(1))),
    "AdaptiveAvgPool2d 3x4": Case(behind(lambda: nn.AdaptiveAvgPool2d((3, 4)))),
    "AdaptiveAvgPool2d 4x3": Case(behind(lambda: nn.AdaptiveAvgPool2d((4, 3)))),
    "AdaptiveMaxPool1d": Case(lambda: nn.Sequential(nn.Conv1d(5, 6, 1), nn.AdaptiveMaxPool1d(4)), SEQUENCE),
    "AdaptiveMaxPool2d": Case(behind(lambda: nn.AdaptiveMaxPool2d((4, 3)))),
}
MOVEMENT: dict[str, Case] = {
    "Flatten": Case(behind(nn.Flatten)),
    "Unflatten": Case(behind(lambda: nn.Unflatten(1, (2, 3)))),
    "PixelShuffle": Case(behind(lambda: nn.PixelShuffle(2), channels=8)),
    "PixelUnshuffle": Case(behind(lambda: nn.PixelUnshuffle(2)), (6, 8, 6)),
    "ChannelShuffle": Case(behind(lambda: nn.ChannelShuffle(3))),
    "Upsample nearest": Case(behind(lambda: nn.Upsample(scale_factor=2))),
    "Upsample size": Case(behind(lambda: nn.Upsample(size=(7, 13)))),
    "Upsample bilinear": Case(behind(lambda: nn.Upsample(scale_factor=2, mode="bilinear"))),
    "Upsample aligned": Case(behind(lambda: nn.Upsample(size=(13, 15), mode="bilinear", align_corners=True))),
    "ZeroPad2d": Case(behind(lambda: nn.ZeroPad2d((1, 2, 3, 0)))),
    "ConstantPad2d": Case(behind(lambda: nn.ConstantPad2d(1, 0.3))),
    "ReflectionPad2d": Case(behind(lambda: nn.ReflectionPad2d((1, 2, 3, 0)))),
    "ReflectionPad1d": Case(lambda: nn.Sequential(nn.Conv1d(5, 6, 1), nn.ReflectionPad1d(2)), SEQUENCE),
    "ReplicationPad2d": Case(behind(lambda: nn.ReplicationPad2d((1, 2, 3, 0)))),
    "CircularPad2d": Case(behind(lambda: nn.CircularPad2d((1, 2, 3, 0)))),
    "F.pad": Case(called(lambda x: F.pad(x, (1, 2)))),
    "cat": Case(called(lambda x: torch.cat([x, x], 1)), eager=functional(lambda f, x: f.cat([x, x], dim=1))),
    "stack": Case(called(lambda x: torch.stack([x, x], 1))),
    "x[:, :2]": Case(called(lambda x: x[:, :2])),
    "x[..., 1::2]": Case(called(lambda x: x[..., 1::2])),
    "x[:, 1, None]": Case(called(lambda x: x[:, 1, None])),
    "narrow": Case(called(lambda x: x.narrow(2, 1, 4))),
    "select": Case(called(lambda x: x.select(2, 1))),
    "chunk": Case(called(lambda x: torch.chunk(x, 2, 1)[1])),
    "split": Case(called(lambda x: torch.split(x, [2, 4], 1)[1])),
    "unbind": Case(called(lambda x: x.unbind(1)[2])),
    "index_select": Case(called(lambda x: x[:, [3, 0, 1]])),
    "flip": Case(called(lambda x: torch.flip(x, [2, 3]))),
    "roll": Case(called(lambda x: torch.roll(x, 2, 3))),
    "expand": Case(called(lambda x: x[:, :, :1].expand(-1, -1, 4, -1))),
    "repeat": Case(called(lambda x: x.repeat(1, 2, 1, 1))),
    "permute": Case(called(lambda x: x.permute(0, 2, 3, 1).contiguous())),
    "view of size": Case(called(lambda x: x.view(x.size(0), -1))),
    "unsqueeze": Case(called(lambda x: x.unsqueeze(2).squeeze(2))),
}
ARITHMETIC: dict[str, Case] = {
    "add": Case(called(lambda x: torch.relu(x) + x), eager=functional(lambda f, x: f.add(torch.relu(x), x))),
    "add relu": Case(
        called(lambda x: torch.relu(x + x.flip(3))), eager=functional(lambda f, x: f.add_relu(x, x.flip(3)))
    ),
    "add number": Case(called(lambda x: x + 1.0), eager=functional(lambda f, x: f.add_scalar(x, 1.0))),
    "mul": Case(called(lambda x: torch.relu(x) * x), eager=functional(lambda f, x: f.mul(torch.relu(x), x))),
    "mul number": Case(called(lambda x: x * 0.5), eager=functional(lambda f, x: f.mul_scalar(x, 0.5))),
    "mul negative": Case(called(lambda x: x * -0.7), eager=functional(lambda f, x: f.mul_scalar(x, -0.7))),
    "sub": Case(called(lambda x: torch.relu(x) - x)),
    "rsub": Case(called(lambda x: 1.0 - x)),
    "div number": Case(called(lambda x: x / 3.0)),
    "pow": Case(called(lambda x: x**2)),
    "matmul": Case(
        called(lambda x: torch.matmul(x, x.transpose(2, 3))),
        eager=functional(lambda f, x: f.matmul(x, x.transpose(2, 3))),
    ),
    "bmm": Case(called(lambda x: torch.bmm(x.flatten(2), x.flatten(2).transpose(1, 2)))),
    "maximum": Case(called(lambda x: torch.maximum(x, x.flip(3)))),
    "minimum": Case(called(lambda x: torch.minimum(x, x.flip(3)))),
    "amax": Case(called(lambda x: x.amax((2, 3)))),
    "amin": Case(called(lambda x: x.amin(1, keepdim=True))),
    "max": Case(called(lambda x: x.max(1)[0])),
    "mean": Case(called(lambda x: x.mean((2, 3)))),
    "mean over channels": Case(called(lambda x: x.mean(1, keepdim=True))),
    "mean over height": Case(called(lambda x: x.mean(2))),
    "sum": Case(called(lambda x: x.sum(1))),
    "argmax": Case(called(lambda x: x.argmax(1))),
    "clamp": Case(called(lambda x: x.clamp(-0.3, 0.4))),
    "abs": Case(called(torch.abs)),
    "exp": Case(called(torch.exp)),
    "neg": Case(called(lambda x: -x)),
    "sqrt": Case(called(lambda x: torch.sqrt(torch.relu(x)))),
    "where": Case(lambda: Masked(False)),
    "masked_fill": Case(lambda: Masked(True)),
    "mask made in forward": Case(called(lambda x: x.masked_fill(torch.ones(9, 8).triu(1) == 0, 0.0))),
    "mask added": Case(called(lambda x: x + torch.triu(torch.ones(8, 8), 1)[:1] * -2.0)),
    "F.leaky_relu": Case(called(lambda x: F.leaky_relu(x, 0.2))),
    "F.elu": Case(called(lambda x: F.elu(x, 0.7))),
    "mean of everything": Case(called(lambda x: x.mean().reshape(1))),
    "attention": Case(called(attention)),
    "MultiheadAttention": Case(
        lambda: Call(lambda self, x: self.layer(x, x, x)[0], layer=nn.MultiheadAttention(12, 3, batch_first=True)),
        SEQUENCE,
    ),
    "TransformerEncoderLayer": Case(lambda: nn.TransformerEncoderLayer(12, 3, 24, batch_first=True), SEQUENCE),
    "topk": Case(called(lambda x: x.topk(2, 1)[0])),
    "cumsum": Case(called(lambda x: x.cumsum(1))),
    "sort": Case(called(lambda x: x.sort(1)[0])),
}


class Masked(nn.Module):  # type: ignore[misc]
    """A constant mask."""

    def __init__(self, fill: bool) -> None:
        super().__init__()
        self.conv, self.fill = nn.Conv2d(6, 6, 1), fill
        self.register_buffer("mask", torch.arange(72).reshape(9, 8) % 3 == 0)

    def forward(self, x: Any) -> Any:
        x = self.conv(x)
        return x.masked_fill(self.mask, 0.0) if self.fill else torch.where(self.mask, x, x.flip(3))


CASES = {**LAYERS, **ACTIVATIONS, **POOLS, **MOVEMENT, **ARITHMETIC}


# Quantization


def _fx(network: nn.Module, x: torch.Tensor, engine: str, reference: bool = False) -> nn.Module:
    from torch.ao.quantization import get_default_qconfig_mapping
    from torch.ao.quantization.quantize_fx import convert_fx, convert_to_reference_fx, prepare_fx

    from qrt.compiler.frontends.torch import get_qrt_backend_config

    network = nn.Sequential(network).eval()  # a layer on its own would be traced into its functions
    config = get_qrt_backend_config() if reference else None
    prepared = prepare_fx(network, get_default_qconfig_mapping(engine), (x[:1],), backend_config=config)
    for one in x:
        prepared(one[None])
    module = convert_to_reference_fx(prepared, backend_config=config) if reference else convert_fx(prepared)
    *_, last = (node for node in module.graph.nodes if node.op == "output")
    if isinstance(network[0], _Ended) or _is_quantized(last.args[0]):
        return module
    return _fx(_Ended(network, network(x[:1])), x, engine, reference)


def _is_quantized(node: Any) -> bool:
    return getattr(node, "target", None) == "dequantize" or "argmax" in str(node)


class _Ended(nn.Module):  # type: ignore[misc]
    """A network whose last result, which FX left in float, goes through an identity layer that quantizes it."""

    def __init__(self, network: nn.Module, y: torch.Tensor) -> None:
        super().__init__()
        self.network = network
        if y.ndim == 4:
            self.end: nn.Module = nn.Conv2d(y.shape[1], y.shape[1], 1, groups=y.shape[1], bias=False)
            self.end.weight.data.fill_(1)
        else:
            self.end = nn.Linear(y.shape[-1], y.shape[-1], bias=False)
            self.end.weight.data = torch.eye(y.shape[-1])
        self.eval()

    def forward(self, x: Any) -> Any:
        return self.end(self.network(x))


def _eager(network: nn.Module, x: torch.Tensor, engine: str) -> nn.Module:
    from torch.ao.quantization import convert, get_default_qconfig, prepare

    stubbed = Stubbed(network).eval()
    stubbed.qconfig = get_default_qconfig(engine)
    prepared = prepare(stubbed)
    for one in x:
        prepared(one[None])
    return convert(prepared)


def _pt2e(network: nn.Module, x: torch.Tensor, engine: str) -> nn.Module:
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    from qrt.compiler.frontends.torch import QrtQuantizer

    exported = torch.export.export(network, (x[:1],)).module(check_guards=False)
    prepared = prepare_pt2e(exported, QrtQuantizer(ranges="minmax"))
    for one in x:
        prepared(one[None])
    return convert_pt2e(prepared)


def _reference(network: nn.Module, x: torch.Tensor, engine: str) -> nn.Module:
    return _fx(network, x, engine, reference=True)


QUANTIZE = {"fx": _fx, "eager": _eager, "pt2e": _pt2e, "reference": _reference}


def verdict(name: str, way: str, engine: str = "fbgemm") -> tuple[str, str]:
    """How qrt's codes compare with PyTorch's, and details.

    ``"exact"``, ``"within one"``, ``"wrong"``, ``"refused"``, ``"internal"``, or ``"not run"`` where PyTorch does not
    run the network itself.
    """
    torch.backends.quantized.engine = engine
    torch.manual_seed(0)
    case = CASES[name]
    make = case.eager if way == "eager" and case.eager is not None else case.make
    x = torch.randn(SAMPLES, *case.shape) if case.shape else torch.arange(SAMPLES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with torch.no_grad():
                module = QUANTIZE[way](make().eval(), x, engine)
                theirs = [module(one[None]) for one in x]
        except Exception as error:
            return "not run", " ".join(str(error).split())[:200]
        try:
            model = qrt.load(from_torch(module, (x[:1],)).to_bytes())
        except CompileError as error:
            text = " | ".join(map(str, error.problems))
            return ("internal" if any(part in text for part in INTERNAL) else "refused"), text
        except Exception as error:
            return "internal", f"{type(error).__name__}: {error}"
    return _compared(model, x, [y.dequantize() if y.is_quantized else y for y in theirs])


def _compared(model: Any, x: torch.Tensor, theirs: list[torch.Tensor]) -> tuple[str, str]:
    is_nchw = x.ndim == 4 and model.inputs[0].source_layout == "NCHW"
    codes, apart = 0, 0.0
    for one, wanted in zip(x, theirs, strict=True):
        ours = model.run(one[None].numpy(), dequantize=True, layout="NCHW" if is_nchw else None)
        if ours.ndim == 4 and model.outputs[0].source_layout == "NCHW":
            ours = ours.transpose(0, 3, 1, 2)
        if ours.shape != tuple(wanted.shape):
            return "wrong", f"shape {list(ours.shape)} for {list(wanted.shape)}"
        scale = np.asarray(getattr(model.outputs[0], "scale", 1.0) or 1.0)
        steps = np.abs(ours.astype(np.float64) - wanted.detach().numpy()) / scale
        codes += int((steps > 0.01).sum())
        apart = max(apart, float(steps.max()))
    text = f"{codes} codes differ, by at most {apart:.2f}" if codes else ""
    return "exact" if not codes else "within one" if apart < 1.01 else "wrong", text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="fbgemm")
    parser.add_argument("--ways", nargs="*", default=WAYS)
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    counts: Counter[str] = Counter()
    for name in given.names or CASES:
        for way in given.ways:
            result, text = verdict(name, way, given.engine)
            counts[result] += 1
            print(f"{name:26} {way:6} {result:10} {text[:260]}", flush=True)
    print(", ".join(f"{count} {result}" for result, count in counts.most_common()), file=sys.stderr)


if __name__ == "__main__":
    main()
