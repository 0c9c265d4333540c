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

from qrt.compiler.builder_functions import Functions
from qrt.compiler.builder_parts import Activation, Padding, Pair
from qrt.compiler.builder_recurrent import Recurrent
from qrt.compiler.builder_rows import Rows
from qrt.compiler.integers.codes import FUNCTIONS, per_tensor
from qrt.compiler.ir import Edge, Tensor


class GraphBuilder(Functions, Rows, Recurrent):
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

    # Edges and constants

    def input(
        self,
        name: str,
        shape: Sequence[int],
        *,
        scale: float,
        zero_point: int = 0,
        quantize_rule: str = "DIVIDE",
        dtype: str = "int8",
    ) -> Tensor:
        """A model input of codes, ``"int8"`` or ``"int16"``; `shape` begins with the batch, which is 1 as a rule."""
        tensor = Tensor(self._unique(name), tuple(shape), dtype, per_tensor(scale, zero_point, dtype))
        self.graph.inputs.append(Edge(tensor, quantize_rule, source_dtype=dtype.upper()))
        return tensor

    def output(self, tensor: Tensor, labels: Sequence[str] = ()) -> None:
        """Makes `tensor` a model output; `labels` name the entries of its last axis."""
        if labels and len(labels) != tensor.shape[-1]:
            raise ValueError(
                f"{tensor.name!r} has {tensor.shape[-1]} entries on its last axis, got {len(labels)} labels"
            )
        source_dtype = "INT16" if tensor.dtype == "int16" else "INT8"
        self.graph.outputs.append(Edge(tensor, source_dtype=source_dtype, labels=list(labels)))

    def constant(self, codes: ArrayLike, *, scale: float, zero_point: int = 0, name: str = "") -> Tensor:
        """int8 codes as an operand of add or mul."""
        data = self._int8(codes, "codes")
        return Tensor(self._unique(name or "constant"), data.shape, "int8", per_tensor(scale, zero_point), data)

    def compile(self) -> bytes:
        """The network as the content of a .qfb file."""
        from qrt.compiler import compile

        return compile(self).to_bytes()

    # Operators with weights

    def conv2d(
        self,
        x: Tensor,
        weights: ArrayLike,
        bias: ArrayLike | None = None,
        *,
        scale: float | None,
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
        """Convolution; weights [out_channels, filter_height, filter_width, in_channels / groups].

        Where `scale` is None the output is accumulators, int32: for `requantize_sum`, or to leave the model.
        """
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
        scale: float | None,
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
        """Depthwise convolution; weights [1, filter_height, filter_width, in_channels * depth_multiplier].

        Where `scale` is None the output is accumulators, int32: for `requantize_sum`, or to leave the model.
        """
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
        scale: float | None,
        zero_point: int = 0,
        activation: Activation = None,
        weights_scale: ArrayLike | None = None,
        rounding: str = "SINGLE",
        float_bias: bool = False,
        name: str = "",
    ) -> Tensor:
        """Matrix product over the last axis; weights [out_features, in_features].

        Where `scale` is None the output is accumulators, int32: for `requantize_sum`, or to leave the model.
        """
        w = self._weights(weights, weights_scale, 0, 2)
        if x.shape[-1] != w.shape[1]:
            raise ValueError(f"linear of {x.name!r}: {x.shape[-1]} features do not fit weights {list(w.shape)}")
        attrs: dict[str, Any] = {"rounding": rounding, "float_bias": float_bias}
        shape = (*x.shape[:-1], w.shape[0])
        return self._weighted("linear", x, w, bias, shape, scale, zero_point, activation, attrs, name)

    def transpose_conv2d(
        self,
        x: Tensor,
        weights: ArrayLike,
        bias: ArrayLike | None = None,
        *,
        scale: float,
        zero_point: int = 0,
        stride: Pair = 1,
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
        output_size: tuple[int, int] | None = None,
        activation: Activation = None,
        weights_scale: ArrayLike | None = None,
        rounding: str = "SINGLE",
        name: str = "",
    ) -> Tensor:
        """Transposed convolution; weights [out_channels, filter_height, filter_width, in_channels].

        `padding` is cut off; without `output_size` the output is (in - 1) * stride + filter - padding long.
        """
        self._rank(x, 4)
        w = self._weights(weights, weights_scale, 0, 4)
        if w.shape[3] != x.shape[3]:
            raise ValueError(
                f"transpose_conv2d of {x.name!r}: {x.shape[3]} channels do not fit weights {list(w.shape)}"
            )
        steps, cut = self._pair(stride), (padding[0] + padding[1], padding[2] + padding[3])
        least = [(x.shape[1 + k] - 1) * steps[k] + w.shape[1 + k] - cut[k] for k in range(2)]
        size = tuple(least) if output_size is None else tuple(output_size)
        if any(not low <= n < low + step or n < 1 for n, low, step in zip(size, least, steps, strict=True)):
            raise ValueError(
                f"transpose_conv2d of {x.name!r}: its output cannot be {size}; it starts at {tuple(least)}"
            )
        attrs = {"stride": steps, "padding": tuple(padding), "rounding": rounding}
        shape = (x.shape[0], *size, w.shape[0])
        return self._weighted("transpose_conv2d", x, w, bias, shape, scale, zero_point, activation, attrs, name)

    # Operators on one or two tensors, entry by entry

    def elementwise(
        self,
        kind: str,
        *inputs: Tensor,
        scale: float | None = None,
        zero_point: int = 0,
        activation: Activation = None,
        rounding: str = "SINGLE",
        name: str = "",
    ) -> Tensor:
        """Any elementwise operator of SPEC.md by its name, two tensors broadcasting.

        `scale` is None where the operator keeps the scale and zero_point of its inputs. `activation` and `rounding`
        are for operators that clamp and requantize.
        """
        facts = self._facts(kind, inputs, scale, activation)
        shape = inputs[0].shape if len(inputs) == 1 else self._broadcast(*inputs)
        attrs = {"rounding": rounding} if facts.has("requant") else {}
        if scale is not None:
            return self._computed(kind, list(inputs), shape, scale, zero_point, activation, attrs, name)
        quantization = self._same_numbers(kind, inputs)
        return self._append(kind, list(inputs), shape, quantization, self._clamped(activation, quantization), name)

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

    def sub(
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
        """a - b, broadcasting; the ranks are equal."""
        attrs = {"form": form, "subtract": True}
        return self._computed("add", [a, b], self._broadcast(a, b), scale, zero_point, activation, attrs, name)

    def maximum(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """The larger entries, broadcasting; both have the same scale and zero_point."""
        return self.elementwise("maximum", a, b, name=name)

    def minimum(self, a: Tensor, b: Tensor, *, name: str = "") -> Tensor:
        """The smaller entries, broadcasting; both have the same scale and zero_point."""
        return self.elementwise("minimum", a, b, name=name)

    def squared_difference(
        self,
        a: Tensor,
        b: Tensor,
        *,
        scale: float,
        zero_point: int = 0,
        activation: Activation = None,
        name: str = "",
    ) -> Tensor:
        """(a - b)^2 as TensorFlow Lite computes it, broadcasting; the ranks are equal."""
        return self._computed(
            "squared_difference", [a, b], self._broadcast(a, b), scale, zero_point, activation, {}, name
        )

    def requantize_sum(
        self,
        a: Tensor,
        b: Tensor,
        *,
        scale: float,
        zero_point: int = 0,
        activation: Activation = None,
        name: str = "",
    ) -> Tensor:
        """What the accumulators `a` of a layer and the codes `b` stand for, summed and rounded once; equal shapes."""
        if a.dtype != "int32" or b.dtype != "int8":
            raise ValueError(
                f"requantize_sum adds accumulators and codes, got {a.dtype} {a.name!r}, {b.dtype} {b.name!r}"
            )
        if a.shape != b.shape:
            raise ValueError(f"requantize_sum: {a.name!r} {a.shape} and {b.name!r} {b.shape} differ in shape")
        return self._computed("requantize_sum", [a, b], a.shape, scale, zero_point, activation, {}, name)

    def matmul(
        self, a: Tensor, b: Tensor, *, scale: float, zero_point: int = 0, rounding: str = "SINGLE", name: str = ""
    ) -> Tensor:
        """a [..., M, K] times b [..., N, K], of which each row is a column: [..., M, N]."""
        if len(a.shape) < 2 or len(a.shape) != len(b.shape) or a.shape[-1] != b.shape[-1]:
            raise ValueError(
                f"matmul: {a.name!r} {a.shape} and {b.name!r} {b.shape} are not [..., M, K] and [..., N, K]"
            )
        if b.shape[:-2] != a.shape[:-2] and set(b.shape[:-2]) != {1}:
            raise ValueError(f"matmul: {b.name!r} {b.shape} has neither the leading axes of {a.name!r} {a.shape} nor 1")
        shape = (*a.shape[:-1], b.shape[-2])
        return self._computed("matmul", [a, b], shape, scale, zero_point, None, {"rounding": rounding}, name)

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

    def slice(
        self,
        x: Tensor,
        begin: Sequence[int],
        shape: Sequence[int],
        *,
        stride: Sequence[int] | None = None,
        name: str = "",
    ) -> Tensor:
        """`shape[k]` entries along axis k, from `begin[k]` on, `stride[k]` (which may be negative) apart."""
        steps = tuple(stride) if stride is not None else (1,) * len(x.shape)
        if not len(begin) == len(shape) == len(steps) == len(x.shape):
            raise ValueError(f"slice of {x.name!r}: needs {len(x.shape)} numbers each, one for each axis")
        for size, first, count, step in zip(x.shape, begin, shape, steps, strict=True):
            if step == 0 or count < 1 or not 0 <= first < size or not 0 <= first + (count - 1) * step < size:
                raise ValueError(
                    f"slice of {x.name!r}: {count} entries from {first} in steps of {step} are not in {size}"
                )
        attrs = {"begin": tuple(begin), "stride": steps}
        return self._append("slice", [x], tuple(shape), x.quantization, attrs, name)

    def resize2d(
        self,
        x: Tensor,
        rows: ArrayLike,
        columns: ArrayLike,
        *,
        row_weight: ArrayLike | None = None,
        column_weight: ArrayLike | None = None,
        name: str = "",
    ) -> Tensor:
        """Another height and width: for each row (column) of the result the row of `x`.

        With weights, in 1/1024, that much of the next row (column) is mixed in: bilinear.
        """
        self._rank(x, 4)
        attrs: dict[str, Any] = {}
        for key, places, weight, size in (
            ("row", rows, row_weight, x.shape[1]),
            ("column", columns, column_weight, x.shape[2]),
        ):
            attrs[f"{key}s"] = self._numbers(places, f"{key}s", size)
            if weight is not None:
                attrs[f"{key}_weight"] = self._numbers(weight, f"{key}_weight", 1024)
                if attrs[f"{key}_weight"].shape != attrs[f"{key}s"].shape:
                    raise ValueError(f"resize2d of {x.name!r}: {key}_weight has not as many entries as {key}s")
        shape = (x.shape[0], len(attrs["rows"]), len(attrs["columns"]), x.shape[3])
        return self._append("resize2d", [x], shape, x.quantization, attrs, name)

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
        dtype: str | None = None,
        name: str = "",
    ) -> Tensor:
        """The same real values under another scale and zero_point, of type `dtype`, ``"int8"`` or ``"int16"``."""
        y = self._computed("requantize", [x], x.shape, scale, zero_point, activation, {"rounding": rounding}, name)
        y.dtype = dtype or x.dtype
        return y

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
