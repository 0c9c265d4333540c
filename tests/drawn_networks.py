"""Networks drawn by hypothesis, of operators whose shapes and numbers fit together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from qrt.compiler import GraphBuilder
from qrt.compiler.ir import Tensor

zero_points = st.sampled_from([-128, -7, 0, 3, 127])
scales = st.sampled_from([0.02, 0.05, 0.11, 0.3])


class Drawn:
    """A network in the making: `values` are images that later operators may read."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        self.g = GraphBuilder("drawn")
        shape = (1, data.draw(st.integers(3, 7)), data.draw(st.integers(3, 7)), data.draw(st.integers(1, 9)))
        self.values = [self.g.input("x", shape, scale=data.draw(scales), zero_point=data.draw(zero_points))]

    def numbers(self) -> dict[str, float]:
        return {"scale": self.data.draw(scales), "zero_point": self.data.draw(zero_points)}

    def pick(self) -> Tensor:
        return self.data.draw(st.sampled_from(self.values))

    def bias(self, count: int) -> np.ndarray | None:
        return self.rng.normal(size=count) if self.data.draw(st.booleans()) else None


def conv2d(d: Drawn) -> Tensor:
    x, channels, size = d.pick(), d.data.draw(st.integers(1, 9)), d.data.draw(st.sampled_from([1, 3]))
    weights = d.rng.normal(size=(channels, size, size, x.shape[3]))
    rounding = d.data.draw(st.sampled_from(["SINGLE", "DOUBLE"]))
    float_bias = rounding == "SINGLE" and d.data.draw(st.booleans())
    activation = d.data.draw(st.sampled_from([None, "relu", "relu6"]))
    options = {"padding": size // 2, "activation": activation, "rounding": rounding, "float_bias": float_bias}
    return d.g.conv2d(x, weights, d.bias(channels), **options, **d.numbers())  # type: ignore[arg-type]


def dwconv2d(d: Drawn) -> Tensor:
    x = d.pick()
    weights = d.rng.normal(size=(1, 3, 3, x.shape[3]))
    return d.g.dwconv2d(x, weights, d.bias(x.shape[3]), padding=1, **d.numbers())  # type: ignore[arg-type]


def grouped(d: Drawn) -> Tensor:
    x = d.pick()
    weights = d.rng.normal(size=(x.shape[3], 3, 3, 1))
    return d.g.conv2d(x, weights, padding=1, groups=x.shape[3], **d.numbers())  # type: ignore[arg-type]


def add(d: Drawn) -> Tensor:
    a = d.pick()
    b = d.data.draw(st.sampled_from([v for v in d.values if v.shape == a.shape]))
    form = d.data.draw(st.sampled_from(["COMMON_SHIFT", "TFLITE"]))
    return d.g.add(a, b, form=form, **d.numbers())  # type: ignore[arg-type]


def mul(d: Drawn) -> Tensor:
    x = d.pick()
    codes = d.rng.integers(-128, 128, (1, 1, 1, x.shape[3]))
    return d.g.mul(x, d.g.constant(codes, scale=0.02, zero_point=4), **d.numbers())  # type: ignore[arg-type]


def pool(d: Drawn) -> Tensor:
    kind = d.data.draw(st.sampled_from(["average_pool2d", "max_pool2d"]))
    padding = d.data.draw(st.sampled_from([0, 1]))
    result: Tensor = getattr(d.g, kind)(d.pick(), 3, stride=1, padding=1 if padding else (1, 1, 1, 1))
    return result


def pad(d: Drawn) -> Tensor:
    before = (0, d.data.draw(st.integers(0, 2)), d.data.draw(st.integers(0, 2)), 0)
    return d.g.pad(d.pick(), before, (0, 1, 0, 0))


def turned(d: Drawn) -> Tensor:
    x = d.g.transpose(d.pick(), (0, 3, 1, 2))
    x = d.g.clamp(x, output_max=d.data.draw(st.integers(-20, 120)))
    return d.g.transpose(x, (0, 2, 3, 1))


def concat(d: Drawn) -> Tensor:
    x = d.pick()
    return d.g.concat([x, d.g.relu(x)], 3)


def requantize(d: Drawn) -> Tensor:
    return d.g.requantize(d.pick(), **d.numbers())  # type: ignore[arg-type]


def lut(d: Drawn) -> Tensor:
    return d.g.lut(d.pick(), d.data.draw(st.sampled_from(["tanh", "silu"])), scale=0.02)


OPERATORS: list[Callable[[Drawn], Tensor]] = [
    conv2d, dwconv2d, grouped, add, mul, pool, pad, turned, concat, requantize, lut,
]  # fmt: skip


def draw_network(data: st.DataObject) -> GraphBuilder:
    d = Drawn(data)
    for make in data.draw(st.lists(st.sampled_from(OPERATORS), min_size=1, max_size=7)):
        d.values.append(make(d))
    d.g.output(d.values[-1])
    last = d.pick()
    vector = d.g.reshape(d.g.mean(last, **d.numbers()), (1, last.shape[3]))  # type: ignore[arg-type]
    logits = d.g.linear(vector, d.rng.normal(size=(5, last.shape[3])), scale=0.1)
    d.g.output(d.g.softmax(logits))
    return d.g
