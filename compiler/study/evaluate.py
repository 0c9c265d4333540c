"""Evaluates a graph in floating point with numpy, with or without rounding by quantize and dequantize.

Works on graphs in the source or the quantized stage (`qrt.compiler.ir`). Integer operators are evaluated as the real
functions that they represent. For comparison, not for inference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrt.compiler.integers.channels import dense_filters
from qrt.compiler.integers.elementwise import ELEMENTWISE
from qrt.compiler.ir import Graph, Op, Quantization, Tensor
from qrt.compiler.study.program_kernels import REAL

Array = NDArray[Any]
Values = dict[str, Array]


def evaluate(graph: Graph, inputs: list[Array], *, quantized: bool, states: Values | None = None) -> Values:
    """Every tensor's real values by name.

    Parameters
    ----------
    graph : Graph
        In the source or the quantized stage.
    inputs : list of numpy.ndarray
        float32, one for each input that is no state (`Edge.state`), with its shape in `graph`.
    quantized : bool
        Whether quantize rounds, like an engine that runs the operators as they are written. It clamps to the range
        of the codes in any case, because quantizers remove a ReLU that has the same bounds. Weights have the
        values of their codes.
    states : dict, optional
        What the states hold before this run, by name, and are given after it; empty before the first run. By default
        they have their initial values.

    Raises
    ------
    ValueError
        An operator that has no real function.
    """
    values: Values = {}
    # After quantize the values of the codes are used; the tensor's name refers to the unrounded values.
    quantized_as: Values = {}
    for edge, x in zip((edge for edge in graph.inputs if not edge.state), inputs, strict=True):
        values[edge.tensor.name] = x.astype(np.float32)
    kept = {} if states is None else states
    carried = [(edge.tensor, edge.state, edge.initial) for edge in graph.inputs if edge.state]
    for tensor, name, initial in [*carried, *((tensor, tensor.name, tensor.initial) for tensor in graph.states())]:
        values[tensor.name] = kept[name] if name in kept else _initial(tensor, initial)
    # A frontend sets the same quantization rule, that of its engine, for all inputs.
    rule = graph.inputs[0].quantize_rule
    for op in graph.ops:
        arguments = [_value(tensor, values) for tensor in op.inputs]
        if op.kind not in FUNCTIONS and op.kind not in ELEMENTWISE and op.kind not in REAL and op.kind != "push":
            raise ValueError(f"{op.name} ({op.kind}) has no real function to compare with")
        with np.errstate(all="ignore"):
            if op.kind == "quantize":
                y = _quantize(arguments[0], op, rule, quantized)
            elif op.kind == "push":
                y = _push(op, arguments[0], values[op.output.name])
            elif op.kind in FUNCTIONS:
                y = FUNCTIONS[op.kind](op, *arguments)
            elif op.kind in ELEMENTWISE:
                y = ELEMENTWISE[op.kind](op, *arguments)
            else:
                y = REAL[op.kind](*arguments)
        values[op.output.name] = _clamped(op, y).astype(np.float32)
        if op.kind == "quantize" and not op.inputs[0].is_constant:
            quantized_as[op.inputs[0].name] = values[op.output.name]
    kept.update({tensor.name: values[tensor.name] for tensor in graph.states()})
    kept.update({edge.state: values[edge.tensor.name] for edge in graph.outputs if edge.state})
    return values | quantized_as


def _initial(tensor: Tensor, codes: Array | None) -> Array:
    """Real values of a state before the first run."""
    if codes is None:
        return np.zeros(tensor.shape, np.float32)
    return replace(tensor, data=codes).real().astype(np.float32)


def _value(tensor: Tensor, values: Values) -> Array:
    return values[tensor.name] if tensor.data is None else tensor.real().astype(np.float32)


def _quantize(x: Array, op: Op, rule: str, rounded: bool) -> Array:
    """x rounded to its codes, or only clamped to their range."""
    quantization = op.output.quantization
    assert quantization is not None
    low, high = (np.iinfo(op.output.dtype).min, np.iinfo(op.output.dtype).max)
    low, high = op.attrs.get("quant_min", low), op.attrs.get("quant_max", high)
    scale = np.float32(quantization.scale)
    if not rounded:
        return np.clip(x, (low - int(quantization.zero_point)) * scale, (high - int(quantization.zero_point)) * scale)
    scaled = x * (np.float32(1) / scale) if rule == "MULTIPLY_RECIPROCAL" else x / scale
    zero = np.float32(quantization.zero_point)
    return np.asarray((np.clip(np.rint(scaled) + zero, low, high) - zero) * scale)


def _clamped(op: Op, y: Array) -> Array:
    """y clamped to the real values of output_min and output_max of an integer operator."""
    if "output_min" not in op.attrs or op.output.quantization is None:
        return y
    scale, zero = op.output.scale, op.output.zero_point
    return np.clip(y, scale * (op.attrs["output_min"] - zero), scale * (op.attrs["output_max"] - zero))


def _windows(op: Op, x: Array, size: tuple[int, int], fill: float) -> Array:
    """[N, out_y, out_x, C, filter_y, filter_x] of an NHWC image."""
    top, bottom, left, right = op.attrs["padding"]
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    (step_y, step_x), (far_y, far_x) = op.attrs["stride"], op.attrs.get("dilation", (1, 1))
    span = ((size[0] - 1) * far_y + 1, (size[1] - 1) * far_x + 1)
    view = np.lib.stride_tricks.sliding_window_view(x, span, axis=(1, 2))
    result: Array = view[:, ::step_y, ::step_x, :, ::far_y, ::far_x]
    return result


def _on_nhwc(function: Callable[..., Array]) -> Callable[..., Array]:
    """A function of NHWC images, for operators of either layout."""

    def call(op: Op, x: Array, *rest: Array) -> Array:
        if op.attrs.get("layout", "NHWC") == "NHWC":
            return function(op, x, *rest)
        return function(op, x.transpose(0, 2, 3, 1), *rest).transpose(0, 3, 1, 2)

    return call


def _conv2d(op: Op, x: Array, weights: Array, bias: Array | None = None) -> Array:
    if op.attrs.get("layout", "NHWC") == "NCHW":
        weights = weights.transpose(0, 2, 3, 1)
    groups, count = op.attrs["groups"], weights.shape[0] // op.attrs["groups"]
    windows = _windows(op, x, weights.shape[1:3], 0.0)
    size = weights.shape[3]
    parts = []
    for g in range(groups):
        taken = windows[:, :, :, g * size : (g + 1) * size]
        parts.append(np.tensordot(taken, weights[g * count : (g + 1) * count], ((3, 4, 5), (3, 1, 2))))
    y = np.concatenate(parts, axis=-1)
    return y if bias is None else y + bias.reshape(-1)


def _dwconv2d(op: Op, x: Array, weights: Array, bias: Array | None = None) -> Array:
    windows = _windows(op, x, weights.shape[1:3], 0.0)
    windows = np.repeat(windows, weights.shape[3] // x.shape[3], axis=3)
    y: Array = np.einsum("nyxchw,hwc->nyxc", windows, weights[0], optimize=True)
    return y if bias is None else y + bias.reshape(-1)


def _transpose_conv2d(op: Op, x: Array, weights: Array, bias: Array | None = None) -> Array:
    if "groups" in op.attrs:
        weights = dense_filters(weights, op.attrs["groups"], op.attrs["dilation"])
    (step_y, step_x), (top, _, left, _) = op.attrs["stride"], op.attrs["padding"]
    high, wide = op.output.shape[2:] if op.attrs.get("layout") == "NCHW" else op.output.shape[1:3]
    size_y, size_x = weights.shape[1:3]
    rows, columns = x.shape[1:3]
    shape = (len(x), max((rows - 1) * step_y + size_y, high + top), max((columns - 1) * step_x + size_x, wide + left))
    y = np.zeros((*shape, weights.shape[0]), np.float32)
    for i in range(size_y):
        for j in range(size_x):
            y[:, i : i + rows * step_y : step_y, j : j + columns * step_x : step_x][:, :rows, :columns] += (
                x @ weights[:, i, j].T
            )
    y = y[:, top : top + high, left : left + wide]
    return y if bias is None else y + bias.reshape(-1)


def _linear(op: Op, x: Array, weights: Array, bias: Array | None = None) -> Array:
    y: Array = x @ weights.T
    return y if bias is None else y + bias.reshape(-1)


def _max_pool2d(op: Op, x: Array) -> Array:
    result: Array = _windows(op, x, op.attrs["filter"], -np.inf).max(axis=(-2, -1))
    return result


def _average_pool2d(op: Op, x: Array) -> Array:
    """The source's operator, whose attributes define the divisor, or the integer operator, which counts no padding."""
    size, padding = op.attrs["filter"], op.attrs["padding"]
    total = _windows(op, x, size, 0.0).sum(axis=(-2, -1))
    if op.attrs.get("divisor") is not None:
        return np.asarray(total / op.attrs["divisor"])
    top, bottom, left, right = op.attrs.get("counted", (0, 0, 0, 0))
    counted = np.pad(np.ones_like(x[:1]), ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=1)
    rest = tuple(p - c for p, c in zip(padding, (top, bottom, left, right), strict=True))
    beyond = replace(op, attrs={**op.attrs, "padding": rest})
    return np.asarray(total / _windows(beyond, counted, size, 0.0).sum(axis=(-2, -1)))


def _matmul(op: Op, a: Array, b: Array) -> Array:
    """The source's product, or that of codes, whose second operand has its rows along the last axis."""
    return np.asarray(a @ (b if op.output.dtype == "float32" else np.swapaxes(b, -1, -2)))


def _over_axes(function: Callable[..., Any]) -> Callable[[Op, Array], Array]:
    """A function over the axes of the source's operator, or over the rows and columns of an image."""

    def call(op: Op, x: Array) -> Array:
        return np.asarray(function(x, axis=op.attrs.get("axes", (1, 2)), keepdims=op.attrs.get("keepdims", True)))

    return call


def _where(op: Op, a: Array, b: Array) -> Array:
    return np.where(op.attrs["condition"], a, b)


def _position(function: Callable[..., Any]) -> Callable[[Op, Array], Array]:
    def call(op: Op, x: Array) -> Array:
        y = function(x, axis=op.attrs.get("axis", -1), keepdims=op.attrs.get("keepdims", True))
        return np.asarray(y, np.float32)

    return call


def _softmax(op: Op, x: Array) -> Array:
    axis = op.attrs.get("axis", -1)
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def _batch_norm(op: Op, x: Array, weight: Array, bias: Array, mean: Array, variance: Array) -> Array:
    shape = [1] * x.ndim
    shape[1 if op.attrs.get("layout") == "NCHW" else -1] = -1
    factor = weight / np.sqrt(variance + np.float32(op.attrs["epsilon"]))
    return np.asarray((x - mean.reshape(shape)) * factor.reshape(shape) + bias.reshape(shape))


def _pad(op: Op, x: Array) -> Array:
    value = op.attrs.get("value", 0)
    quantization: Quantization | None = op.inputs[0].quantization
    if quantization is not None:
        value = op.inputs[0].scale * (value - op.inputs[0].zero_point)
    return np.pad(x, list(zip(op.attrs["before"], op.attrs["after"], strict=True)), constant_values=value)


def _lut(op: Op, x: Array) -> Array:
    """The table at the codes nearest to x."""
    source = op.inputs[0]
    codes = np.clip(np.rint(x / np.float32(source.scale)) + source.zero_point, -128, 127).astype(int)
    return np.asarray((op.attrs["table"][codes + 128].astype(np.float32) - op.output.zero_point) * op.output.scale)


def _slice(op: Op, x: Array) -> Array:
    ranges = zip(op.attrs["begin"], op.output.shape, op.attrs["stride"], strict=True)
    places = [np.arange(count) * step + begin for begin, count, step in ranges]
    return np.asarray(x[np.ix_(*places)])


def _resize2d(op: Op, x: Array) -> Array:
    for axis, key in ((1, "row"), (2, "column")):
        places = op.attrs[f"{key}s"].astype(int)
        weight = op.attrs.get(f"{key}_weight")
        first = np.take(x, places, axis)
        if weight is not None:
            second = np.take(x, np.minimum(places + 1, x.shape[axis] - 1), axis)
            share = (weight / 1024).astype(np.float32).reshape([-1 if k == axis else 1 for k in range(4)])
            first = first * (1 - share) + second * share
        x = first
    return x


def _resize_linear(op: Op, x: Array) -> Array:
    """The source's operator, whose weights are real."""
    for axis, name in ((1, "row"), (2, "column")):
        places = np.asarray(op.attrs[f"{name}s"]).astype(int)
        share = np.asarray(op.attrs[f"{name}_weight"], np.float32).reshape([-1 if k == axis else 1 for k in range(4)])
        behind = np.take(x, np.minimum(places + 1, x.shape[axis] - 1), axis)
        x = np.take(x, places, axis) * (1 - share) + behind * share
    return x


def _push(op: Op, x: Array, state: Array) -> Array:
    axis = op.attrs["axis"]
    both = np.concatenate([state, x], axis)
    return np.asarray(np.take(both, np.arange(x.shape[axis], both.shape[axis]), axis))


def _l2_norm(op: Op, x: Array) -> Array:
    return np.asarray(x / np.maximum(np.sqrt((x * x).sum(axis=-1, keepdims=True)), 1e-6))


def _log_softmax(op: Op, x: Array) -> Array:
    axis = op.attrs.get("axis", -1)
    below = x - x.max(axis=axis, keepdims=True)
    return np.asarray(below - np.log(np.exp(below).sum(axis=axis, keepdims=True)))


def _layer_norm(op: Op, x: Array, *parameters: Array) -> Array:
    """gamma and beta are inputs in the source, attributes of a quantized operator."""
    gamma, beta = parameters or (op.attrs["gamma"], op.attrs["beta"])
    d = x - x.mean(axis=-1, keepdims=True)
    return np.asarray(d / np.sqrt((d * d).mean(axis=-1, keepdims=True) + op.attrs["epsilon"]) * gamma + beta)


def _svdf(op: Op, x: Array, features: Array, time: Array, state: Array) -> Array:
    """Changes the state in place, as `_lstm` does."""
    memory = state.reshape(len(x), *time.shape)
    memory[:, :, :-1] = memory[:, :, 1:].copy()
    memory[:, :, -1] = x @ features.T
    y: Array = (memory * time).sum(axis=2).reshape(len(x), -1, op.attrs["rank"]).sum(axis=2)
    return np.asarray(y + op.attrs.get("bias", 0) * op.inputs[3].scale * op.inputs[2].scale)


def _lstm(op: Op, x: Array, weights: Array, recurrent: Array, h: Array, c: Array) -> Array:
    numbers = op.inputs[1].quantization
    bias = op.attrs["bias"] * op.inputs[0].scale * np.asarray(numbers.scale) if numbers is not None else 0
    limit = op.attrs["cell_clip"] * op.inputs[4].scale or np.inf
    outputs = []
    for step in x if op.attrs["time_major"] else x.swapaxes(0, 1):
        i, f, g, o = np.split(step @ weights.T + h @ recurrent.T + bias, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
        c[...] = np.clip(f * c + i * np.tanh(g), -limit, limit)
        h[...] = np.tanh(c) * o
        outputs.append(h.copy())
    y = np.stack(outputs)
    return y if op.attrs["time_major"] else y.swapaxes(0, 1)


def _add(op: Op, a: Array, b: Array) -> Array:
    return np.asarray(a - b if op.attrs.get("subtract", False) else a + b)


FUNCTIONS: dict[str, Callable[..., Array]] = {
    "quantize": lambda op, x: x,
    "dequantize": lambda op, x: x,
    "requantize": lambda op, x: x,
    "clamp": lambda op, x: x,
    "assign": lambda op, x: x,
    "conv2d": _on_nhwc(_conv2d),
    "dwconv2d": _dwconv2d,
    "transpose_conv2d": _on_nhwc(_transpose_conv2d),
    "linear": _linear,
    "max_pool2d": _on_nhwc(_max_pool2d),
    "average_pool2d": _on_nhwc(_average_pool2d),
    "mean": _over_axes(np.mean),
    "sum": _over_axes(np.sum),
    "reduce_max": _over_axes(np.max),
    "reduce_min": _over_axes(np.min),
    "softmax": _softmax,
    "batch_norm": _batch_norm,
    "reshape": lambda op, x: x.reshape(op.output.shape),
    "transpose": lambda op, x: x.transpose(op.attrs["permutation"]),
    "concat": lambda op, *x: np.concatenate(x, axis=op.attrs["axis"]),
    "pad": _pad,
    "lut": _lut,
    "slice": _slice,
    "resize2d": _resize2d,
    "resize_linear": _on_nhwc(_resize_linear),
    "gather": lambda op, x: np.take(x, op.attrs["indices"], op.attrs["axis"]),
    "where": _where,
    "prelu": lambda op, x, slope: np.where(x < 0, x * slope, x),
    "affine": lambda op, x: x * op.attrs["factor"] + op.attrs["summand"],
    "arg_max": _position(np.argmax),
    "arg_min": _position(np.argmin),
    "l2_norm": _l2_norm,
    "layer_norm": _layer_norm,
    "log_softmax": _log_softmax,
    "add": _add,
    "matmul": _matmul,
    "svdf": _svdf,
    "lstm": _lstm,
}
