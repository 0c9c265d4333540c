"""Networks with random weights as lists of quantized layers, from which files for every engine are generated.

Weights preserve the variance of their input: a layer's sums have the same standard deviation at any depth, and the
scale of its output covers four of them. So no tensor saturates or vanishes, without calibration.
Activations are uint8 codes here, weights int8 per channel; shapes are height, width, channels.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
# Number of standard deviations of a tensor that its codes cover.
COVERED = 4.0
# Standard deviation of a residual branch's sums, and of those that relu6 clamps. As in trained networks, branches are
# the smaller summand: otherwise rounding errors grow with depth until no two engines agree.
BRANCH, CLAMPED = 0.5, 2.0


@dataclass(frozen=True)
class Value:
    """A tensor: its quantization, and the intended mean and variance of its real values."""

    name: str
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    mean: float
    variance: float


@dataclass(frozen=True)
class Layer:
    """One operator. Weights are int8 with the output channel first (OHWI of a convolution), the bias int32.

    `kind` is conv, linear, add, max_pool, mean or softmax; `activation` None, relu or relu6. A depthwise convolution
    has as many groups as channels. Padding is (top and left, bottom and right), as TensorFlow's SAME, which every
    format supports.
    """

    kind: str
    inputs: tuple[Value, ...]
    output: Value
    activation: str | None = None
    weights: Array | None = None
    weight_scales: Array | None = None
    bias: Array | None = None
    size: int = 1
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    groups: int = 1


def same(length: int, size: int, stride: int) -> tuple[int, tuple[int, int]]:
    """Length of a window operator's output along an axis, and its padding before and after."""
    outputs = -(-length // stride)
    total = max((outputs - 1) * stride + size - length, 0)
    return outputs, (total // 2, total - total // 2)


@dataclass
class Recipe:
    """A network under construction: every method adds a layer and returns its output."""

    name: str
    seed: int = 0
    layers: list[Layer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    @property
    def input(self) -> Value:
        return self.layers[0].inputs[0]

    @property
    def output(self) -> Value:
        return self.layers[-1].output

    def start(self, *shape: int) -> Value:
        """The input: uniform codes."""
        return Value("input", shape, 1 / 64, 128, 0.0, (256 / 64) ** 2 / 12)

    def conv(
        self,
        x: Value,
        channels: int,
        size: int,
        stride: int = 1,
        groups: int = 1,
        activation: str | None = None,
        deviation: float = 1.0,
    ) -> Value:
        """`deviation`: the standard deviation of the sums."""
        length, padding = same(x.shape[0], size, stride)
        parts = self._weights(x, (channels, size, size, x.shape[2] // groups), deviation)
        y = self._value((length, length, channels), 0.0, deviation**2, activation)
        window = {"size": size, "stride": stride, "padding": padding, "groups": groups}
        return self._add(Layer("conv", (x,), y, activation, *parts, **window))

    def linear(self, x: Value, features: int) -> Value:
        parts = self._weights(x, (features, x.shape[-1]), 1.0)
        return self._add(Layer("linear", (x,), self._value((features,), 0.0, 1.0), None, *parts))

    def add(self, a: Value, b: Value, activation: str | None = None) -> Value:
        y = self._value(a.shape, a.mean + b.mean, a.variance + b.variance, activation)
        return self._add(Layer("add", (a, b), y, activation))

    def max_pool(self, x: Value, size: int, stride: int) -> Value:
        length, padding = same(x.shape[0], size, stride)
        y = Value(self._name(), (length, length, x.shape[2]), x.scale, x.zero_point, x.mean, x.variance)
        return self._add(Layer("max_pool", (x,), y, size=size, stride=stride, padding=padding))

    def mean(self, x: Value) -> Value:
        """Over height and width, of non-negative values; with half the standard deviation of a single value."""
        reach = x.mean + COVERED / 2 * math.sqrt(x.variance)
        y = Value(self._name(), (x.shape[2],), reach / 255, 0, x.mean, x.variance / 4)
        return self._add(Layer("mean", (x,), y))

    def _name(self) -> str:
        return f"t{len(self.layers)}"

    def _add(self, layer: Layer) -> Value:
        self.layers.append(layer)
        return layer.output

    def _value(self, shape: tuple[int, ...], mean: float, variance: float, activation: str | None = None) -> Value:
        """A tensor with values that, before the activation, are normal with this mean and variance."""
        deviation = math.sqrt(variance)
        if activation is None:
            reach = abs(mean) + COVERED * deviation
            return Value(self._name(), shape, 2 * reach / 255, 128, mean, variance)
        density = math.exp(-((mean / deviation) ** 2) / 2) / math.sqrt(2 * math.pi)
        above = (1 + math.erf(mean / deviation / math.sqrt(2))) / 2
        first = mean * above + deviation * density
        second = (mean**2 + variance) * above + mean * deviation * density
        highest = 6.0 if activation == "relu6" else mean + COVERED * deviation
        return Value(self._name(), shape, highest / 255, 0, first, second - first**2)

    def _weights(self, x: Value, shape: tuple[int, ...], deviation: float) -> tuple[Array, Array, Array]:
        """Weights, their scales and the bias of a layer with sums of this standard deviation."""
        fan_in = math.prod(shape[1:])
        axes = tuple(range(1, len(shape)))
        real = self.rng.normal(size=shape)
        if shape[-1] > 1:
            # Filters that sum to zero do not propagate an activation's mean, which would dominate in deep networks.
            real -= real.mean(axis=axes, keepdims=True)
        power = x.variance if shape[-1] > 1 else x.variance + x.mean**2
        real *= deviation / math.sqrt(fan_in * power)
        scales = (np.abs(real).max(axis=axes) / 127).astype(np.float32)
        codes = np.rint(real / scales.reshape(-1, *[1] * len(axes))).astype(np.int8)
        bias = self.rng.normal(size=shape[0]) * 0.2 * deviation
        return codes, scales, np.rint(bias / (np.float32(x.scale) * scales)).astype(np.int32)


def resnet18() -> Recipe:
    r = Recipe("resnet18_224", 18)
    y = r.max_pool(r.conv(r.start(224, 224, 3), 64, 7, 2, activation="relu"), 3, 2)
    for channels, first_stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        for stride in (first_stride, 1):
            z = r.conv(r.conv(y, channels, 3, stride, activation="relu"), channels, 3, deviation=BRANCH)
            shortcut = y if z.shape == y.shape else r.conv(y, channels, 1, stride)
            y = r.add(z, shortcut, "relu")
    r.linear(r.mean(y), 1000)
    return r


def resnet50() -> Recipe:
    r = Recipe("resnet50_224", 50)
    y = r.max_pool(r.conv(r.start(224, 224, 3), 64, 7, 2, activation="relu"), 3, 2)
    for channels, first_stride, blocks in ((64, 1, 3), (128, 2, 4), (256, 2, 6), (512, 2, 3)):
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            z = r.conv(y, channels, 1, activation="relu")
            z = r.conv(z, channels, 3, stride, activation="relu")
            z = r.conv(z, 4 * channels, 1, deviation=BRANCH)
            shortcut = y if block else r.conv(y, 4 * channels, 1, stride)
            y = r.add(z, shortcut, "relu")
    r.linear(r.mean(y), 1000)
    return r


def mobilenet_v2(name: str = "mobilenet_v2_qdq", size: int = 224, width: float = 1.0, classes: int = 1000) -> Recipe:
    """`width`: the factor of all channels but the last convolution's, which are then rounded to a multiple of 8."""
    r = Recipe(name, 2)
    y = r.conv(r.start(size, size, 3), _scaled(32, width), 3, 2, activation="relu6", deviation=CLAMPED)
    stages = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for expansion, channels, blocks, first_stride in stages:
        for block in range(blocks):
            stride = first_stride if block == 0 else 1
            inner = y.shape[2] * expansion
            z = y if expansion == 1 else r.conv(y, inner, 1, activation="relu6", deviation=CLAMPED)
            z = r.conv(z, inner, 3, stride, inner, "relu6", CLAMPED)
            z = r.conv(z, _scaled(channels, width), 1, deviation=BRANCH if block else 1.0)
            y = r.add(z, y) if z.shape == y.shape else z
    r.linear(r.mean(r.conv(y, 1280, 1, activation="relu6", deviation=CLAMPED)), classes)
    return r


def _scaled(channels: int, width: float) -> int:
    """Channels of a narrower MobileNet: a multiple of 8 that is not more than a tenth too small."""
    scaled = max(8, int(channels * width + 4) // 8 * 8)
    return scaled + 8 if scaled < 0.9 * channels * width else scaled


def tiny(layers: int = 3) -> Recipe:
    """Layers of 16 features: the time is mostly the call's overhead."""
    r = Recipe(f"tiny_{layers}", layers)
    y = r.start(16)
    for _ in range(layers):
        y = r.linear(y, 16)
    return r


def single(height: int, channels: int, filters: int, size: int) -> Callable[[], Recipe]:
    """One large convolution."""

    def recipe() -> Recipe:
        r = Recipe(f"{size}x{size} {height}x{height}x{channels}->{filters}", filters)
        r.conv(r.start(height, height, channels), filters, size, activation="relu")
        return r

    return recipe


NETWORKS = {"resnet18_224": resnet18, "resnet50_224": resnet50, "mobilenet_v2_qdq": mobilenet_v2}
# Large layers, to measure the share of the machine's peak.
LAYERS = tuple(
    single(*shape)
    for shape in (
        (56, 64, 256, 1),
        (14, 256, 1024, 1),
        (28, 512, 128, 1),
        (56, 64, 64, 3),
        (28, 128, 128, 3),
        (14, 256, 256, 3),
        (7, 512, 512, 3),
    )
)
