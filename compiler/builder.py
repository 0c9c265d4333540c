"""GraphBuilder: writes a quantized network in Python, without any framework.

>>> g = GraphBuilder("tiny")
>>> x = g.input("x", (1, 8, 8, 1), scale=0.1, zero_point=0)
>>> y = g.conv2d(x, np.ones((4, 3, 3, 1)), scale=0.2, zero_point=-128, padding=1, activation="relu")
>>> g.output(y)
>>> content = g.compile()
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qrt.compiler.codes import FUNCTIONS, activation_codes, per_tensor
from qrt.compiler.ir import Edge, Graph, Op, Quantization, Tensor

Pair = int | tuple[int, int]
Padding = int | tuple[int, int, int, int] | str
Activation = str | tuple[float | None, float | None] | None

ACTIVATIONS: dict[str, tuple[float | None, float | None]] = {"relu": (0.0, None), "relu6": (0.0, 6.0)}


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def _same(size: int, window: int, stride: int) -> tuple[int, int]:
    """Padding that makes the output ceil(size / stride) long, the odd one behind."""
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


class GraphBuilder:
    """Builds a quantized graph, one operator a call.

    Every method takes and returns `qrt.compiler.ir.Tensor`; an operator that computes new numbers takes
    the `scale` and `zero_point` of its output. Images are NHWC, weights OHWI; `weights` are floats, which
    are quantized here symmetrically per channel, or int8 codes with `weights_scale`. `bias` is float (real
    values) or int32 (in steps of x_scale * weights_scale). `activation` is None, ``"relu"``, ``"relu6"`` or
    a pair of real bounds, None for open. `padding` is a number, (top, bottom, left, right) or ``"same"``.

    Parameters
    ----------
    name : str
        Of the network.
    """

    def __init__(self, name: str = "") -> None:
        self.graph = Graph(name)
        self._names: set[str] = set()

    # Edges and constants

    def input(
        self,
        name: str,
        shape: Sequence[int],
        *,
        scale: float,
        zero_point: int = 0,
        quantize_rule: str = "DIVIDE",
    ) -> Tensor:
        """A model input; `shape` begins with the batch, which is 1 as a rule."""
        tensor = Tensor(self._unique(name), tuple(shape), "int8", per_tensor(scale, zero_point))
        self.graph.inputs.append(Edge(tensor, quantize_rule))
        return tensor

    def output(self, tensor: Tensor, labels: Sequence[str] = ()) -> None:
        """Makes `tensor` a model output; `labels` name the entries of its last axis."""
        if labels and len(labels) != tensor.shape[-1]:
            raise ValueError(
                f"{tensor.name!r} has {tensor.shape[-1]} entries on its last axis, got {len(labels)} labels"
            )
        self.graph.outputs.append(Edge(tensor, labels=list(labels)))

    def constant(self, codes: ArrayLike, *, scale: float, zero_point: int = 0, name: str = "") -> Tensor:
        """int8 codes as an operand of add or mul."""
        data = self._int8(codes, "codes")
        return Tensor(self._unique(name or "constant"), data.shape, "int8", per_tensor(scale, zero_point), data)

    def compile(self) -> bytes:
        """The network as the content of a .qfb file."""
        from qrt.compiler import compile as compile_graph

        return compile_graph(self)

    # Operators with weights

    def conv2d(
        self,
        x: Tensor,
        weights: ArrayLike,
        bias: ArrayLike | None = None,
        *,
        scale: float,
        zero_point: int = 0,
        stride: Pair = 1,
        padding: Padding = 0,
        dilation: Pair = 1,
        groups: int = 1,
        activation: Activation = None,
        weights_scale: ArrayLike | None = None,
        rounding: str = "SINGLE",
        float_bias: bool = False,
        name: str = "",
    ) -> Tensor:
        """Convolution; weights [out_channels, filter_height, filter_width, in_channels / groups]."""
        self._rank(x, 4)
        w = self._weights(weights, weights_scale, 0, 4)
        out_channels, in_channels = w.shape[0], w.shape[3] * groups
        if x.shape[3] != in_channels or out_channels % groups:
            raise ValueError(
                f"conv2d of {x.name!r}: {x.shape[3]} channels do not fit weights {list(w.shape)} with groups={groups}"
            )
        attrs = self._window(x, w.shape[1:3], stride, padding, dilation)
        shape = (*self._out_shape(x, w.shape[1:3], attrs), out_channels)
        attrs |= {"groups": groups, "rounding": rounding, "float_bias": float_bias}
        return self._weighted("conv2d", x, w, bias, shape, scale, zero_point, activation, attrs, name)

    def dwconv2d(
        self,
        x: Tensor,
        weights: ArrayLike,
        bias: ArrayLike | None = None,
        *,
        scale: float,
        zero_point: int = 0,
        stride: Pair = 1,
        padding: Padding = 0,
        dilation: Pair = 1,
        activation: Activation = None,
        weights_scale: ArrayLike | None = None,
        rounding: str = "SINGLE",
        float_bias: bool = False,
        name: str = "",
    ) -> Tensor:
        """Depthwise convolution; weights [1, filter_height, filter_width, in_channels * depth_multiplier]."""
        self._rank(x, 4)
        w = self._weights(weights, weights_scale, 3, 4)
        if w.shape[0] != 1 or w.shape[3] % x.shape[3]:
            raise ValueError(f"dwconv2d of {x.name!r}: {x.shape[3]} channels do not fit weights {list(w.shape)}")
        attrs = self._window(x, w.shape[1:3], stride, padding, dilation)
        shape = (*self._out_shape(x, w.shape[1:3], attrs), w.shape[3])
        attrs |= {"rounding": rounding, "float_bias": float_bias}
        return self._weighted("dwconv2d", x, w, bias, shape, scale, zero_point, activation, attrs, name)

    def linear(
        self,
        x: Tensor,
        weights: ArrayLike,
        bias: ArrayLike | None = None,
        *,
        scale: float,
        zero_point: int = 0,
        activation: Activation = None,
        weights_scale: ArrayLike | None = None,
        rounding: str = "SINGLE",
        float_bias: bool = False,
        name: str = "",
    ) -> Tensor:
        """Matrix product over the last axis; weights [out_features, in_features]."""
        w = self._weights(weights, weights_scale, 0, 2)
        if x.shape[-1] != w.shape[1]:
            raise ValueError(f"linear of {x.name!r}: {x.shape[-1]} features do not fit weights {list(w.shape)}")
        attrs: dict[str, Any] = {"rounding": rounding, "float_bias": float_bias}
        shape = (*x.shape[:-1], w.shape[0])
        return self._weighted("linear", x, w, bias, shape, scale, zero_point, activation, attrs, name)

    # Operators on two tensors

    def add(
        self,
        a: Tensor,
        b: Tensor,
        *,
        scale: float,
        zero_point: int = 0,
        activation: Activation = None,
        form: str = "COMMON_SHIFT",
        name: str = "",
    ) -> Tensor:
        """a + b, broadcasting; the ranks are equal."""
        attrs = {"form": form}
        return self._computed("add", [a, b], self._broadcast(a, b), scale, zero_point, activation, attrs, name)

    def mul(
        self,
        a: Tensor,
        b: Tensor,
        *,
        scale: float,
        zero_point: int = 0,
        activation: Activation = None,
        rounding: str = "SINGLE",
        name: str = "",
    ) -> Tensor:
        """a * b, broadcasting; the ranks are equal."""
        attrs = {"rounding": rounding}
        return self._computed("mul", [a, b], self._broadcast(a, b), scale, zero_point, activation, attrs, name)

    def concat(self, tensors: Sequence[Tensor], axis: int, *, name: str = "") -> Tensor:
        """One after another along `axis`; all have the same scale and zero_point (`requantize` makes them)."""
        first = tensors[0]
        axis %= len(first.shape)
        for tensor in tensors:
            assert tensor.quantization is not None
            if not tensor.quantization.same_as(first.quantization):
                raise ValueError(
                    f"concat: {tensor.name!r} has another scale or zero_point than {first.name!r}; requantize"
                )
            if tensor.shape[:axis] + tensor.shape[axis + 1 :] != first.shape[:axis] + first.shape[axis + 1 :]:
                raise ValueError(f"concat: {tensor.name!r} {tensor.shape} does not fit {first.name!r} {first.shape}")
        length = sum(tensor.shape[axis] for tensor in tensors)
        shape = (*first.shape[:axis], length, *first.shape[axis + 1 :])
        return self._append("concat", list(tensors), shape, first.quantization, {"axis": axis}, name)

    # Operators that keep the meaning of codes

    def average_pool2d(
        self,
        x: Tensor,
        filter_size: Pair,
        *,
        stride: Pair | None = None,
        padding: Padding = 0,
        rounding: str = "HALF_AWAY",
        activation: Activation = None,
        name: str = "",
    ) -> Tensor:
        """Average over windows, padding not counted; `stride` is the filter's size by default."""
        return self._pool("average_pool2d", x, filter_size, stride, padding, {"rounding": rounding}, activation, name)

    def max_pool2d(
        self,
        x: Tensor,
        filter_size: Pair,
        *,
        stride: Pair | None = None,
        padding: Padding = 0,
        activation: Activation = None,
        name: str = "",
    ) -> Tensor:
        """Maximum over windows; `stride` is the filter's size by default."""
        return self._pool("max_pool2d", x, filter_size, stride, padding, {}, activation, name)

    def pad(
        self, x: Tensor, before: Sequence[int], after: Sequence[int], *, value: int | None = None, name: str = ""
    ) -> Tensor:
        """`before[k]` and `after[k]` more entries along axis k; `value` is a code, the zero_point by default."""
        if len(before) != len(x.shape) or len(after) != len(x.shape):
            raise ValueError(f"pad of {x.name!r}: needs {len(x.shape)} numbers before and after, one for each axis")
        shape = tuple(b + s + a for b, s, a in zip(before, x.shape, after, strict=True))
        attrs = {"before": tuple(before), "after": tuple(after), "value": x.zero_point if value is None else value}
        return self._append("pad", [x], shape, x.quantization, attrs, name)

    def reshape(self, x: Tensor, shape: Sequence[int], *, name: str = "") -> Tensor:
        """The same codes in another shape of the same size."""
        if int(np.prod(shape)) != x.size:
            raise ValueError(f"reshape of {x.name!r}: {list(x.shape)} has {x.size} entries, {list(shape)} has not")
        return self._append("reshape", [x], tuple(shape), x.quantization, {}, name)

    def transpose(self, x: Tensor, permutation: Sequence[int], *, name: str = "") -> Tensor:
        """Axis k of the result is axis `permutation[k]` of `x`."""
        if sorted(permutation) != list(range(len(x.shape))):
            raise ValueError(
                f"transpose of {x.name!r}: {list(permutation)} is no permutation of its {len(x.shape)} axes"
            )
        shape = tuple(x.shape[k] for k in permutation)
        return self._append("transpose", [x], shape, x.quantization, {"permutation": tuple(permutation)}, name)

    def clamp(self, x: Tensor, *, output_min: int = -128, output_max: int = 127, name: str = "") -> Tensor:
        """Codes cut to [output_min, output_max]."""
        attrs = {"output_min": output_min, "output_max": output_max}
        return self._append("clamp", [x], x.shape, x.quantization, attrs, name)

    def relu(self, x: Tensor, *, name: str = "") -> Tensor:
        """max(x, 0) on the same codes."""
        return self.clamp(x, output_min=x.zero_point, name=name)

    # Operators on one tensor that compute new numbers

    def mean(self, x: Tensor, *, scale: float, zero_point: int = 0, rounding: str = "SINGLE", name: str = "") -> Tensor:
        """Mean over height and width: [N, H, W, C] -> [N, 1, 1, C]."""
        self._rank(x, 4)
        shape = (x.shape[0], 1, 1, x.shape[3])
        return self._computed("mean", [x], shape, scale, zero_point, None, {"rounding": rounding}, name)

    def requantize(
        self,
        x: Tensor,
        *,
        scale: float,
        zero_point: int = 0,
        activation: Activation = None,
        rounding: str = "SINGLE",
        name: str = "",
    ) -> Tensor:
        """The same real values under another scale and zero_point."""
        return self._computed("requantize", [x], x.shape, scale, zero_point, activation, {"rounding": rounding}, name)

    def softmax(self, x: Tensor, *, scale: float = 1 / 256, zero_point: int = -128, name: str = "") -> Tensor:
        """Softmax over the last axis."""
        return self._computed("softmax", [x], x.shape, scale, zero_point, None, {}, name)

    def lut(
        self,
        x: Tensor,
        function: str | ArrayLike | Callable[[np.ndarray], np.ndarray],
        *,
        scale: float,
        zero_point: int = 0,
        name: str = "",
    ) -> Tensor:
        """Any function of one code: 256 codes by code + 128, a function of real values, or one of FUNCTIONS."""
        quantization = per_tensor(scale, zero_point)
        if isinstance(function, str):
            if function not in FUNCTIONS:
                raise ValueError(f"lut of {x.name!r}: {function!r} is none of {', '.join(FUNCTIONS)}")
            function = FUNCTIONS[function]
        if callable(function):
            real = function(x.scale * (np.arange(-128, 128, dtype=np.float64) - x.zero_point))
            codes: ArrayLike = np.clip(np.rint(real / float(quantization.scale)) + zero_point, -128, 127).astype(
                np.int8
            )
        else:
            codes = function
        table = self._int8(codes, "table")
        if table.shape != (256,):
            raise ValueError(f"lut of {x.name!r}: a table has 256 entries, got shape {table.shape}")
        return self._append("lut", [x], x.shape, quantization, {"table": table}, name)

    # What the methods above are made of

    def _unique(self, name: str) -> str:
        unique, number = name, 1
        while unique in self._names:
            number += 1
            unique = f"{name}_{number}"
        self._names.add(unique)
        return unique

    @staticmethod
    def _int8(values: ArrayLike, what: str) -> np.ndarray:
        array = np.asarray(values)
        if array.dtype != np.int8 and (not np.issubdtype(array.dtype, np.integer) or np.abs(array + 0.5).max() > 127.5):
            raise ValueError(f"{what} are int8 codes, got dtype {array.dtype}")
        return array.astype(np.int8)

    @staticmethod
    def _rank(x: Tensor, rank: int) -> None:
        if len(x.shape) != rank:
            raise ValueError(f"{x.name!r} has shape {x.shape}; this operator needs rank {rank}, NHWC")

    def _weights(self, weights: ArrayLike, scale: ArrayLike | None, axis: int, rank: int) -> Tensor:
        values = np.asarray(weights)
        if values.ndim != rank:
            raise ValueError(f"weights have rank {rank}, got shape {values.shape}")
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
            raise ValueError(f"a bias has one entry for each of {count} output channels, got shape {values.shape}")
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
            raise ValueError(f"padding is a number, (top, bottom, left, right) or 'same', got {padding!r}")
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
            raise ValueError(f"activation is None, {', '.join(map(repr, ACTIVATIONS))} or a pair, got {activation!r}")
        low, high = ACTIVATIONS[activation] if isinstance(activation, str) else activation
        return activation_codes(low, high, quantization)

    def _weighted(
        self,
        kind: str,
        x: Tensor,
        w: Tensor,
        bias: ArrayLike | None,
        shape: tuple[int, ...],
        scale: float,
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
        scale: float,
        zero_point: int,
        activation: Activation,
        attrs: dict[str, Any],
        name: str,
    ) -> Tensor:
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
        output = Tensor(name, shape, "int8", quantization)
        self.graph.ops.append(Op(kind, name, inputs, output, attrs))
        return output
