"""Single-operator .tflite files with numbers drawn at random, and the codes that qrt gives for them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import qrt
from qrt.compiler import compile
from qrt.compiler.backends.tflite.file import TfliteFile

Array = np.ndarray[Any, Any]
Rng = np.random.Generator
Shape = tuple[int, ...]


@dataclass
class Model:
    """A .tflite file of one operator, under construction, with numbers drawn at random.

    `dtype` is that of its activations. Those of int16 have zero point 0, and scales so that codes mean as much.
    """

    rng: Rng
    dtype: str = "int8"
    file: TfliteFile = field(default_factory=lambda: TfliteFile("one"))
    inputs: list[int] = field(default_factory=list)
    shapes: list[Shape] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    scales: list[float] = field(default_factory=list)

    @property
    def step(self) -> float:
        """How much finer the codes are than those of int8."""
        return 1.0 if self.dtype == "int8" else 2.0**-8

    def scale(self, low: float = 0.01, high: float = 0.2) -> float:
        return float(np.float32(np.exp(self.rng.uniform(math.log(low), math.log(high))) * self.step))

    def zero_point(self) -> int:
        return int(self.rng.integers(-128, 128)) if self.dtype == "int8" else 0

    def codes(self, shape: Shape) -> Array:
        limits = np.iinfo(self.dtype)
        return self.rng.integers(limits.min, limits.max + 1, shape).astype(self.dtype)

    def x(self, shape: Shape, scale: float | None = None, zero_point: int | None = None) -> int:
        self.scales.append(self.scale() if scale is None else scale)
        zero_point = self.zero_point() if zero_point is None else zero_point
        self.shapes.append(shape)
        numbers = {"scale": self.scales[-1], "zero_point": zero_point}
        self.inputs.append(self.file.tensor(f"x{len(self.inputs)}", shape, self.dtype, **numbers))
        return self.inputs[-1]

    def constant(self, data: Any, dtype: str = "int32", **options: Any) -> int:
        array = np.asarray(data, "int8" if dtype == "int4" else dtype)
        return self.file.tensor(f"c{len(self.file.tensors)}", array.shape, dtype, data=array, **options)

    def y(self, shape: Shape, scale: float | None = None, zero_point: int | None = None, dtype: str = "") -> int:
        options: dict[str, Any] = {}
        dtype = dtype or self.dtype
        if dtype in ("int8", "int16"):
            options["scale"] = self.scale() if scale is None else scale
            options["zero_point"] = self.zero_point() if zero_point is None else zero_point
        self.outputs.append(self.file.tensor(f"y{len(self.outputs)}", shape, dtype, **options))
        return self.outputs[-1]

    def weights(self, shape: Shape, axis: int, x_scale: float) -> list[int]:
        """Indices of weights and bias; the bias of an int16 layer is int64."""
        scale = self.rng.uniform(0.002, 0.01, shape[axis]).astype(np.float32)
        codes = self.rng.integers(-127, 128, shape)
        bias = self.rng.integers(-2000, 2000, shape[axis]) * round(1 / self.step)
        return [
            self.constant(codes, "int8", scale=scale, axis=axis),
            self.constant(bias, "int32" if self.dtype == "int8" else "int64", scale=scale * np.float32(x_scale)),
        ]

    def to_bytes(self) -> bytes:
        return self.file.to_bytes(self.inputs, self.outputs)


Make = Callable[[Model], None]


def same(m: Model, shape: Shape) -> tuple[int, float, int]:
    """An input, and the numbers that its output shares with it."""
    scale, zero_point = m.scale(), m.zero_point()
    return m.x(shape, scale, zero_point), scale, zero_point


def ours(path: Path, content: bytes, match: str, inputs: list[Array]) -> list[Array]:
    path.write_bytes(content)
    model = qrt.load(compile(path, match=match).to_bytes())
    result = model.run(*inputs)
    outputs = result if isinstance(result, list) else [result]
    return outputs
