"""The parts of GraphBuilder's methods: names, argument checks, windows, and adding the operator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qrt.compiler.integers.codes import activation_codes, per_tensor
from qrt.compiler.ir import Graph, Op, Quantization, Tensor, unique_name
from qrt.schema.operators import OPERATORS, Operator

Pair = int | tuple[int, int]
Padding = int | tuple[int, int, int, int] | str
Activation = str | tuple[float | None, float | None] | None

ACTIVATIONS: dict[str, tuple[float | None, float | None]] = {"relu": (0.0, None), "relu6": (0.0, 6.0)}


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _same(size: int, window: int, stride: int) -> tuple[int, int]:
    """Padding for an output of length ceil(size / stride); an odd total has one more at the end."""
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


class Parts:
    """A graph under construction, and how its operators are built."""

    def __init__(self, name: str = "") -> None:
        self.graph = Graph(name)
        self._names: set[str] = set()

    def _unique(self, name: str) -> str:
        return unique_name(name, self._names)

    @staticmethod
    def _int8(values: ArrayLike, what: str) -> np.ndarray:
        array = np.asarray(values)
        if array.dtype != np.int8 and (not np.issubdtype(array.dtype, np.integer) or np.abs(array + 0.5).max() > 127.5):
            raise ValueError(f"{what} must be int8 codes, got dtype {array.dtype}")
        return array.astype(np.int8)

    @staticmethod
    def _numbers(values: ArrayLike, what: str, limit: int) -> np.ndarray:
        array = np.asarray(values)
        if array.ndim != 1 or not array.size or not np.issubdtype(array.dtype, np.integer):
            raise ValueError(f"{what} must be a one-dimensional array of integers")
        if array.min() < 0 or array.max() >= min(limit, 2**16):
            raise ValueError(f"{what} must be from 0 to {min(limit, 2**16) - 1}")
        return array.astype(np.uint16)

    @staticmethod
    def _pair(value: Pair) -> tuple[int, int]:
        return _pair(value)

    @staticmethod
    def _facts(kind: str, inputs: Sequence[Tensor], scale: float | None, activation: Activation) -> Operator:
        facts = OPERATORS.get(kind)
        if facts is None or not facts.elementwise or len(inputs) != facts.inputs[0]:
            raise ValueError(f"there is no elementwise operator {kind!r} of {len(inputs)} tensors")
        if facts.keeps_numbers != (scale is None):
            what = "the scale of its inputs, give none" if facts.keeps_numbers else "a scale of its output, give one"
            raise ValueError(f"{kind} has {what}")
        if activation is not None and not facts.clamps:
            raise ValueError(f"{kind} has no activation; use clamp")
        return facts

    @staticmethod
    def _same_numbers(kind: str, inputs: Sequence[Tensor]) -> Quantization:
        a, *others = inputs
        assert a.quantization is not None
        for b in others:
            if not a.quantization.same_as(b.quantization):
                raise ValueError(f"{kind}: {b.name!r} has another scale or zero_point than {a.name!r}; requantize")
        return a.quantization

    @staticmethod
    def _rank(x: Tensor, rank: int) -> None:
        if len(x.shape) != rank:
            raise ValueError(f"{x.name!r} has shape {x.shape}; this operator needs rank {rank}, NHWC")

    def _weights(self, weights: ArrayLike, scale: ArrayLike | None, axis: int, rank: int) -> Tensor:
        values = np.asarray(weights)
        if values.ndim != rank:
            raise ValueError(f"weights must have rank {rank}, got shape {values.shape}")
        count = values.shape[axis]
        if np.issubdtype(values.dtype, np.floating):
            if scale is None:
                others = tuple(k for k in range(rank) if k != axis)
                largest = np.abs(values).max(axis=others)
                scale = np.where(largest > 0, largest / 127, 1.0)
            scales = np.broadcast_to(np.asarray(scale, np.float32), (count,))
            shaped = scales.reshape([-1 if k == axis else 1 for k in range(rank)])
            codes = np.clip(np.rint(values / shaped), -127, 127).astype(np.int8)
        else:
            codes = self._int8(values, "weights")
            if scale is None:
                raise ValueError("weights given as codes need weights_scale, one number or one for each channel")
            scales = np.broadcast_to(np.asarray(scale, np.float32), (count,))
        quantization = Quantization(scales.copy(), np.zeros(count, np.int32), axis)
        return Tensor(self._unique("weights"), codes.shape, "int8", quantization, codes)

    def _bias(self, bias: ArrayLike, x: Tensor, w: Tensor, count: int) -> Tensor:
        values = np.asarray(bias)
        if values.shape != (count,):
            raise ValueError(f"bias must have one entry for each of {count} output channels, got shape {values.shape}")
        name = self._unique("bias")
        if np.issubdtype(values.dtype, np.floating):
            return Tensor(name, values.shape, "float32", None, values.astype(np.float64))
        assert w.quantization is not None
        unit = x.scale * np.asarray(w.quantization.scale, np.float64)
        quantization = Quantization(unit, np.zeros(count, np.int32), 0)
        return Tensor(name, values.shape, "int32", quantization, values.astype(np.int32))

    @staticmethod
    def _window(
        x: Tensor, filter_size: tuple[int, ...], stride: Pair, padding: Padding, dilation: Pair
    ) -> dict[str, Any]:
        steps, spread = _pair(stride), _pair(dilation)
        if padding == "same":
            spans = [(size - 1) * d + 1 for size, d in zip(filter_size, spread, strict=True)]
            sides = [_same(size, span, step) for size, span, step in zip(x.shape[1:3], spans, steps, strict=True)]
            padding = (*sides[0], *sides[1])
        elif isinstance(padding, str):
            raise ValueError(f"padding must be a number, (top, bottom, left, right) or 'same', got {padding!r}")
        elif isinstance(padding, int):
            padding = (padding, padding, padding, padding)
        return {"stride": steps, "dilation": spread, "padding": tuple(padding)}

    @staticmethod
    def _out_shape(x: Tensor, filter_size: tuple[int, ...], attrs: dict[str, Any]) -> tuple[int, int, int]:
        top, bottom, left, right = attrs["padding"]
        sizes = []
        for k, pad in enumerate((top + bottom, left + right)):
            span = (filter_size[k] - 1) * attrs["dilation"][k] + 1
            if x.shape[1 + k] + pad < span:
                raise ValueError(
                    f"{x.name!r} {x.shape}: a window of {span} does not fit with padding {attrs['padding']}"
                )
            sizes.append((x.shape[1 + k] + pad - span) // attrs["stride"][k] + 1)
        return x.shape[0], sizes[0], sizes[1]

    def _pool(
        self,
        kind: str,
        x: Tensor,
        filter_size: Pair,
        stride: Pair | None,
        padding: Padding,
        attrs: dict[str, Any],
        activation: Activation,
        name: str,
    ) -> Tensor:
        self._rank(x, 4)
        size = _pair(filter_size)
        window = self._window(x, size, size if stride is None else stride, padding, 1)
        shape = (*self._out_shape(x, size, window), x.shape[3])
        assert x.quantization is not None
        attrs = {"filter": size, **window, **attrs, **self._clamped(activation, x.quantization)}
        return self._append(kind, [x], shape, x.quantization, attrs, name)

    @staticmethod
    def _broadcast(a: Tensor, b: Tensor) -> tuple[int, ...]:
        if len(a.shape) != len(b.shape):
            raise ValueError(f"{a.name!r} {a.shape} and {b.name!r} {b.shape} differ in rank; reshape one")
        try:
            return np.broadcast_shapes(a.shape, b.shape)
        except ValueError:
            raise ValueError(f"{a.name!r} {a.shape} and {b.name!r} {b.shape} do not broadcast") from None

    @staticmethod
    def _clamped(activation: Activation, quantization: Quantization) -> dict[str, int]:
        if activation is None:
            return {}
        if isinstance(activation, str) and activation not in ACTIVATIONS:
            raise ValueError(
                f"activation must be None, {', '.join(map(repr, ACTIVATIONS))} or a pair, not {activation!r}"
            )
        low, high = ACTIVATIONS[activation] if isinstance(activation, str) else activation
        return activation_codes(low, high, quantization)

    def _weighted(
        self,
        kind: str,
        x: Tensor,
        w: Tensor,
        bias: ArrayLike | None,
        shape: tuple[int, ...],
        scale: float | None,
        zero_point: int,
        activation: Activation,
        attrs: dict[str, Any],
        name: str,
    ) -> Tensor:
        inputs = [x, w] if bias is None else [x, w, self._bias(bias, x, w, shape[-1])]
        return self._computed(kind, inputs, shape, scale, zero_point, activation, attrs, name)

    def _computed(
        self,
        kind: str,
        inputs: list[Tensor],
        shape: tuple[int, ...],
        scale: float | None,
        zero_point: int,
        activation: Activation,
        attrs: dict[str, Any],
        name: str,
    ) -> Tensor:
        if scale is None:
            if activation is not None or zero_point != 0:
                raise ValueError(f"{name or kind}: accumulators have no zero_point and no activation; give a scale")
            return self._append(kind, inputs, shape, None, attrs, name)
        quantization = per_tensor(scale, zero_point)
        return self._append(kind, inputs, shape, quantization, attrs | self._clamped(activation, quantization), name)

    def _append(
        self,
        kind: str,
        inputs: list[Tensor],
        shape: tuple[int, ...],
        quantization: Quantization | None,
        attrs: dict[str, Any],
        name: str,
    ) -> Tensor:
        name = self._unique(name or kind)
        # Of a sum of accumulators and codes, the codes say the type.
        dtype = "int32" if quantization is None else inputs[-1 if inputs[0].dtype == "int32" else 0].dtype
        output = Tensor(name, shape, dtype, quantization)
        self.graph.ops.append(Op(kind, name, inputs, output, attrs))
        return output

    def _update(self, kind: str, x: Tensor, state: Tensor, attrs: dict[str, Any], name: str) -> Tensor:
        """Adds the operator that gives `state` its new value."""
        self.graph.ops.append(Op(kind, name or state.name, [x], state, attrs))
        return state
