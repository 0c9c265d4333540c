"""Networks in the shapes of MLPerf Tiny's, with random weights, built without any framework.

Each function returns a GraphBuilder; shapes, strides and paddings are those of the published models, so
that a time measured here stands beside a time of the published .tflite file.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qrt.compiler import GraphBuilder

SCALE = 0.05


def _weights(rng: np.random.Generator, *shape: int) -> np.ndarray:
    fan_in = int(np.prod(shape[1:]))
    return rng.normal(size=shape) / np.sqrt(fan_in)


def resnet8() -> GraphBuilder:
    """Image classification: 32x32x3, three residual stages of 16, 32, 64 channels; 12.5 M MACs."""
    rng = np.random.default_rng(8)
    g = GraphBuilder("resnet8")

    def conv(x: Any, channels: int, size: int, stride: int, activation: str | None = "relu") -> Any:
        weights = _weights(rng, channels, size, size, x.shape[-1])
        bias = rng.normal(size=channels) * 0.1
        return g.conv2d(
            x, weights, bias, scale=SCALE, zero_point=-10, stride=stride, padding="same", activation=activation
        )

    y = conv(g.input("image", (1, 32, 32, 3), scale=1 / 128, zero_point=0), 16, 3, 1)
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        z = conv(conv(y, channels, 3, stride), channels, 3, 1, None)
        shortcut = y if stride == 1 else conv(y, channels, 1, stride, None)
        y = g.add(shortcut, z, scale=SCALE, zero_point=-10, activation="relu")
    y = g.reshape(g.average_pool2d(y, 8), (1, 64))
    y = g.linear(y, _weights(rng, 10, 64), rng.normal(size=10), scale=0.2, zero_point=0)
    g.output(g.softmax(y, scale=1 / 256, zero_point=-128))
    return g


def ds_cnn() -> GraphBuilder:
    """Keyword spotting: 49x10x1, one 10x4 convolution and four depthwise-separable blocks of 64; 2.66 M MACs."""
    rng = np.random.default_rng(9)
    g = GraphBuilder("ds_cnn")
    options: dict[str, Any] = {"scale": SCALE, "zero_point": -128, "padding": "same", "activation": "relu"}
    x = g.input("mfcc", (1, 49, 10, 1), scale=0.6, zero_point=83)
    y = g.conv2d(x, _weights(rng, 64, 10, 4, 1), rng.normal(size=64), stride=2, **options)
    for _ in range(4):
        depthwise = rng.normal(size=(1, 3, 3, 64)) / 3
        y = g.dwconv2d(y, depthwise, rng.normal(size=64), **options)
        y = g.conv2d(y, _weights(rng, 64, 1, 1, 64), rng.normal(size=64), **options)
    y = g.reshape(g.average_pool2d(y, (25, 5)), (1, 64))
    y = g.linear(y, _weights(rng, 12, 64), rng.normal(size=12), scale=0.2, zero_point=0)
    g.output(g.softmax(y, scale=1 / 256, zero_point=-128))
    return g


NETWORKS = {"resnet8": resnet8, "ds_cnn": ds_cnn}
