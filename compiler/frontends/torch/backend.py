"""A BackendConfig for qrt: which patterns ``prepare_fx`` observes and ``convert_to_reference_fx`` quantizes."""

from __future__ import annotations

import operator

import torch
import torch.ao.quantization.backend_config.utils  # PyTorch reads it without importing it
import torch.nn.functional as F
from torch import nn
from torch.ao.nn import intrinsic, qat
from torch.ao.nn.intrinsic import qat as intrinsic_qat
from torch.ao.quantization.backend_config import BackendConfig, get_fbgemm_backend_config

# Supported modules and functions; a pattern is kept if it consists of these alone.
LAYERS = {
    nn.Conv1d,
    nn.Conv2d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.Linear,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    F.conv1d,
    F.conv2d,
    F.conv_transpose1d,
    F.conv_transpose2d,
    F.linear,
    *(getattr(intrinsic, name) for name in ("ConvReLU1d", "ConvReLU2d", "LinearReLU", "ConvBn1d", "ConvBn2d")),
    *(getattr(intrinsic, name) for name in ("ConvBnReLU1d", "ConvBnReLU2d")),
    *(getattr(qat, name) for name in ("Conv1d", "Conv2d", "Linear")),
    *(getattr(intrinsic_qat, name) for name in ("ConvReLU2d", "LinearReLU", "ConvBn2d", "ConvBnReLU2d")),
}
OTHERS = {
    nn.ReLU,
    nn.ReLU6,
    nn.Hardtanh,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Sigmoid,
    nn.Tanh,
    nn.ELU,
    nn.LeakyReLU,
    nn.PReLU,
    nn.Softmax,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
    nn.MaxPool1d,
    nn.MaxPool2d,
    nn.AvgPool1d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool1d,
    nn.AdaptiveAvgPool2d,
    nn.Flatten,
    nn.Dropout,
    nn.Identity,
    F.relu,
    F.relu6,
    F.hardtanh,
    F.hardswish,
    F.hardsigmoid,
    F.sigmoid,
    F.tanh,
    F.elu,
    F.leaky_relu,
    F.softmax,
    F.layer_norm,
    F.group_norm,
    F.instance_norm,
    F.interpolate,
    F.pixel_shuffle,
    F.pixel_unshuffle,
    F.max_pool1d,
    F.max_pool2d,
    F.avg_pool1d,
    F.avg_pool2d,
    F.adaptive_avg_pool1d,
    F.adaptive_avg_pool2d,
    F.dropout,
    torch.relu,
    torch.sigmoid,
    torch.tanh,
    torch.add,
    torch.mul,
    torch.cat,
    torch.flatten,
    torch.mean,
    torch.matmul,
    torch.stack,
    torch.narrow,
    torch.repeat_interleave,
    torch.clamp,
    torch.squeeze,
    torch.unsqueeze,
    torch.transpose,
    operator.add,
    operator.mul,
    "clamp",
    "contiguous",
    "detach",
    "hardsigmoid",
    "mean",
    "permute",
    "relu",
    "repeat",
    "repeat_interleave",
    "reshape",
    "sigmoid",
    "size",
    "squeeze",
    "tanh",
    "transpose",
    "unsqueeze",
    "view",
}


def _parts(pattern: object) -> list[object]:
    if isinstance(pattern, tuple):
        return [part for one in pattern for part in _parts(one)]
    return [pattern]


def backend_config() -> BackendConfig:
    """fbgemm's patterns, types and fusions whose operators are supported."""
    known = LAYERS | OTHERS
    kept = [one for one in get_fbgemm_backend_config().configs if all(part in known for part in _parts(one.pattern))]
    return BackendConfig("qrt").set_backend_pattern_configs(kept)
