"""Networks over frames in time, drawn by hypothesis: functions that build one for any number of frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from qrt.compiler import GraphBuilder
from qrt.compiler.ir import Tensor

Array = np.ndarray[Any, Any]
Layer = Callable[[GraphBuilder, Tensor], Tensor]
# Padding in time: before and behind a window that reaches so many frames back.
PADDING = {
    "none": lambda reach: (0, 0),
    "causal": lambda reach: (reach, 0),
    "same": lambda reach: (reach // 2, reach - reach // 2),
}
MOST_STRIDE = 4


class Drawn:
    """A network in the making.

    Attributes
    ----------
    padding : str
        One of PADDING.
    axis : int
        Of the frames in the images of the network, 1 or 2.
    channels, span, stride : int
        Of the last layer: its channels; the frames that a row of it comes from, and those from one to the next.
    frames : int
        Of a run.
    """

    def __init__(self, data: st.DataObject, padding: str) -> None:
        self.data = data
        self.padding = padding
        self.axis = self.number(1, 2)
        self.inputs = self.channels = self.number(1, 3)
        self.span = self.stride = self.frames = 1
        kinds = [self.conv2d, self.dwconv2d, self.pool, self.entrywise, self.residual, self.upsample]
        self.layers = [data.draw(st.sampled_from(kinds))() for _ in range(self.number(1, 5))]

    def number(self, low: int, high: int) -> int:
        return self.data.draw(st.integers(low, high))

    def choice(self, *values: Any) -> Any:
        return self.data.draw(st.sampled_from(values))

    def network(self, frames: int, *ends: Layer) -> GraphBuilder:
        g = GraphBuilder("drawn")
        x = g.input("x", (1, *self.pair(frames, 3), self.inputs), scale=0.1, zero_point=3)
        for layer in (*self.layers, *ends):
            x = layer(g, x)
        g.output(x)
        return g

    def pair(self, in_time: int, across: int) -> tuple[int, int]:
        return (in_time, across) if self.axis == 1 else (across, in_time)

    def weights(self, *shape: int) -> Array:
        return np.random.default_rng(self.number(0, 2**32 - 1)).normal(size=shape)

    def numbers(self) -> dict[str, Any]:
        return {"scale": 0.05, "zero_point": self.choice(-128, -7, 0, 100)}

    def reach(self, size: int, dilation: int, stride: int, across: int) -> dict[str, Any]:
        """Stride and padding of a window; across, the size stays."""
        back = (size - 1) * dilation
        self.span += back * self.stride
        self.stride *= stride
        self.frames = max(self.frames, self.stride)
        sides = PADDING[self.padding](back), (across // 2, across // 2)
        (top, bottom), (left, right) = sides if self.axis == 1 else reversed(sides)
        return {"stride": self.pair(stride, 1), "padding": (top, bottom, left, right)}

    def steps(self) -> int:
        return self.choice(1, 1, 1, 2) if self.stride < MOST_STRIDE else 1

    def window(self) -> tuple[tuple[int, int], dict[str, Any]]:
        size, dilation, across = self.number(1, 4), self.number(1, 2), self.choice(1, 3)
        options = self.reach(size, dilation, self.steps(), across)
        return self.pair(size, across), {**options, "dilation": self.pair(dilation, 1), **self.numbers()}

    def conv2d(self) -> Layer:
        size, options = self.window()
        channels = self.number(1, 5)
        weights, bias = self.weights(channels, *size, self.channels), self.weights(channels)
        self.channels = channels
        activation = self.choice(None, "relu")
        return lambda g, x: g.conv2d(x, weights, bias, activation=activation, **options)

    def dwconv2d(self) -> Layer:
        size, options = self.window()
        weights = self.weights(1, *size, self.channels)
        return lambda g, x: g.dwconv2d(x, weights, **options)

    def pool(self) -> Layer:
        kind, size = self.choice("max_pool2d", "average_pool2d"), self.number(2, 3)
        options = self.reach(size, 1, self.steps(), 1)
        return lambda g, x: getattr(g, kind)(x, self.pair(size, 1), **options)  # type: ignore[no-any-return]

    def entrywise(self) -> Layer:
        numbers, factors = self.numbers(), (100 * self.weights(1, 1, 1, self.channels)).clip(-128, 127).astype(np.int8)
        match self.choice("lut", "requantize", "mul", "turned", "concat"):
            case "lut":
                return lambda g, x: g.lut(x, "tanh", **numbers)
            case "requantize":
                return lambda g, x: g.requantize(x, **numbers)
            case "mul":
                return lambda g, x: g.mul(x, g.constant(factors, scale=0.02), **numbers)
            case "turned":
                return lambda g, x: g.transpose(g.clamp(g.transpose(x, (0, 3, 1, 2)), output_max=90), (0, 2, 3, 1))
        self.channels *= 2
        return lambda g, x: g.concat([x, g.relu(x)], 3)

    def residual(self) -> Layer:
        """A convolution that keeps the channels, and its input, cut to the same rows where there is no padding."""
        size, dilation = self.number(2, 3), self.number(1, 2)
        weights = self.weights(self.channels, *self.pair(size, 1), self.channels)
        options = {**self.reach(size, dilation, 1, 1), "dilation": self.pair(dilation, 1), **self.numbers()}
        begin = self.pair(self.number(0, (size - 1) * dilation), 0)
        form, numbers = self.choice("COMMON_SHIFT", "TFLITE"), self.numbers()

        def layer(g: GraphBuilder, x: Tensor) -> Tensor:
            y = g.conv2d(x, weights, **options)
            cut = x if y.shape == x.shape else g.slice(x, (0, *begin, 0), y.shape)
            return g.add(cut, y, form=form, **numbers)

        return layer

    def upsample(self) -> Layer:
        """Twice as many rows, by a transposed convolution or by repeating each."""
        if self.stride == 1:
            return self.conv2d()
        self.span += 3 * self.stride
        self.stride //= 2
        if self.choice(True, False):
            return self.repeat
        size, channels = self.number(1, 5), self.number(1, 5)
        weights, numbers = self.weights(channels, *self.pair(size, 1), self.channels), self.numbers()
        self.channels = channels
        over = max(size - 2, 0)
        front, end = {"none": (over, over), "causal": (0, over), "same": (over // 2, over - over // 2)}[self.padding]
        sides = (front, end, 0, 0) if self.axis == 1 else (0, 0, front, end)
        options = {"stride": self.pair(2, 1), "padding": sides, **numbers}

        def layer(g: GraphBuilder, x: Tensor) -> Tensor:
            length = 2 * x.shape[self.axis] - (over if self.padding == "none" else 0)
            return g.transpose_conv2d(x, weights, output_size=self.pair(length, x.shape[3 - self.axis]), **options)

        return layer

    def repeat(self, g: GraphBuilder, x: Tensor) -> Tensor:
        rows, columns = (np.arange(n).repeat(2 if k == self.axis else 1) for k, n in enumerate(x.shape[1:3], 1))
        return g.resize2d(x, rows, columns)

    def head(self) -> Layer:
        """What makes one answer of all rows."""
        kind, seed, axis = self.choice("flat", "mean", "pool", "last", "attention"), self.number(0, 99), self.axis

        def layer(g: GraphBuilder, x: Tensor) -> Tensor:
            length = x.shape[axis]
            if kind == "mean":
                x = g.mean(x, scale=0.04)
            elif kind == "pool":
                x = g.average_pool2d(x, x.shape[1:3])
            elif kind == "last":
                place, shape = self.pair(length - 1, 0), (1, *self.pair(1, x.shape[3 - axis]), x.shape[3])
                x = g.slice(x, (0, *place, 0), shape)
            elif kind == "attention":
                rows = g.reshape(g.transpose(x, (0, axis, 3 - axis, 3)), (1, length, x.size // length))
                x = g.matmul(g.softmax(g.matmul(rows, rows, scale=0.3)), g.transpose(rows, (0, 2, 1)), scale=0.05)
            x = g.reshape(x, (1, x.size))
            return g.linear(x, np.random.default_rng(seed).normal(size=(3, x.size)), scale=0.1)

        return layer
