"""Small PyTorch networks trained on the digits, and their values after each call."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
datasets = pytest.importorskip("sklearn.datasets")

EPOCHS = 6
TRAINED = 1400


class Block(torch.nn.Module):  # type: ignore[misc]
    """Two convolutions and a residual add."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        nn = torch.nn
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.norm1, self.relu1 = nn.BatchNorm2d(channels), nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.norm2, self.relu2 = nn.BatchNorm2d(channels), nn.ReLU()
        self.shortcut = nn.Sequential(nn.Conv2d(in_channels, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Any) -> Any:
        y = self.relu1(self.norm1(self.conv1(x)))
        return self.relu2(self.norm2(self.conv2(y)) + self.shortcut(x))


class Inverted(torch.nn.Module):  # type: ignore[misc]
    """MobileNetV2's block."""

    def __init__(self, in_channels: int, wide: int, channels: int, stride: int) -> None:
        super().__init__()
        nn = torch.nn
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU6(),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU6(),
            nn.Conv2d(wide, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.residual = stride == 1 and in_channels == channels

    def forward(self, x: Any) -> Any:
        return x + self.layers(x) if self.residual else self.layers(x)


def network(kind: str) -> Any:
    """An untrained network: ``"mlp"``, ``"residual"`` or ``"mobile"``."""
    nn = torch.nn
    if kind == "mlp":
        return nn.Sequential(
            nn.Flatten(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 32), nn.ReLU(), nn.Linear(32, 10)
        )
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if kind == "residual":
        stem = [nn.Conv2d(1, 12, 3, 1, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU()]
        return nn.Sequential(*stem, Block(12, 12, 1), Block(12, 24, 2), *head, nn.Linear(24, 10))
    stem = [nn.Conv2d(1, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6()]
    blocks = [Inverted(8, 24, 8, 1), Inverted(8, 32, 16, 2), Inverted(16, 48, 16, 1)]
    return nn.Sequential(*stem, *blocks, *head, nn.Linear(16, 10))


@functools.cache
def digits() -> tuple[Any, Any, Any, Any]:
    """Training images and labels, test images and labels."""
    data = datasets.load_digits()
    images = torch.tensor((data.images / 16).astype(np.float32))[:, None]
    labels = torch.tensor(data.target)
    return images[:TRAINED], labels[:TRAINED], images[TRAINED:], labels[TRAINED:]


@functools.cache
def trained(kind: str) -> Any:
    """A trained network in evaluation mode; copy it before changing it."""
    torch.manual_seed(1)
    model = network(kind)
    images, labels, _, _ = digits()
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(EPOCHS):
        for picked in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(images[picked]), labels[picked]).backward()
            optimizer.step()
    return model.eval()
