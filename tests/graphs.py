"""Lowered graphs with random numbers, mostly of one operator, that satisfy the validity rules of SPEC.md.

Each function takes shapes and a random generator and returns a graph for the writer. `cases` lists the
important shapes; property tests and the benchmark generate their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import qrt
from qrt.compiler.backends.qfb import writer
from qrt.compiler.integers.channels import Requant
from qrt.compiler.ir import Edge, Graph, Op, Quantization, Tensor
from qrt.compiler.plan import memory
from qrt.schema.operators import OPERATORS

Array = np.ndarray[Any, Any]
Rng = np.random.Generator
Shape = tuple[int, ...]


def to_bytes(graph: Graph) -> bytes:
    """The .qfb file of a lowered graph."""
    return writer.write(graph, memory.plan(graph))


def run(model: qrt.Model, inputs: Sequence[Array]) -> list[Array]:
    """The codes of all outputs for the codes of all inputs."""
    for index, given in enumerate(inputs):
        model.input_view(index)[...] = given
    model.invoke()
    return [model.output_view(index).copy() for index in range(len(model.outputs))]


def codes(rng: Rng, shape: Shape, lowest: int = -128, highest: int = 127) -> Array:
    return rng.integers(lowest, highest, shape, np.int8, endpoint=True)


@dataclass(frozen=True)
class Numbers:
    """How an operator requantizes.

    Attributes
    ----------
    bias : str
        ``"none"``, ``"int32"``, ``"addend"``, or the largest that the rules allow: ``"edge"``, ``"addend edge"``.
    multiplier, shift : int or None
        None: drawn so that outputs spread over the whole range. Channels take several shifts in turn.
    """

    rounding: str = "SINGLE"
    per_channel: bool = True
    bias: str = "int32"
    multiplier: int | None = None
    shift: int | tuple[int, ...] | None = None
    x_zero_point: int = -5
    y_zero_point: int = 3
    output_min: int = -128
    output_max: int = 127


DEFAULT = Numbers()
PER_TENSOR = Numbers(per_channel=False, bias="none")


def draw_requant(rng: Rng, numbers: Numbers, largest: Array, terms: int) -> Requant:
    """Parameters for accumulators that are sums of `terms` products and at most `largest` (one for each channel)."""
    channels = len(largest)
    count = channels if numbers.per_channel else 1
    typical = max(1, int(largest.max()) // math.isqrt(terms))
    # 2^30 <= multiplier < 2^31, so that a typical accumulator becomes a code between 32 and 128.
    shift = np.full(count, typical.bit_length() + 24) + rng.integers(0, 2, count)
    multiplier = rng.integers(2**30, 2**31, count)
    if numbers.shift is not None:
        shift = np.resize(numbers.shift, count)
    if numbers.multiplier is not None:
        multiplier = np.full(count, numbers.multiplier)
    bias = addend = None
    if numbers.bias == "int32":
        bias = rng.integers(-typical, typical, channels, endpoint=True).astype(np.int32)
    elif numbers.bias == "edge":
        limit = 2**31 - 256 if numbers.rounding == "DOUBLE" else 2**31 - 1
        bias = ((limit - largest) * rng.choice([-1, 1], channels)).astype(np.int32)
    elif numbers.bias.startswith("addend"):
        pairs = zip(multiplier.tolist(), shift.tolist(), strict=True)
        addend = np.array([draw_addend(rng, numbers, m, s, int(largest.max())) for m, s in pairs], np.int64)
    return Requant(
        multiplier=multiplier.astype(np.int32),
        shift=shift.astype(np.uint8),
        bias=bias,
        addend=addend,
        rounding=numbers.rounding,
        output_min=numbers.output_min,
        output_max=numbers.output_max,
    )


def draw_addend(rng: Rng, numbers: Numbers, multiplier: int, shift: int, largest: int) -> int:
    room = 2**63 - 1 - largest * multiplier
    if numbers.bias == "addend edge":
        return room if rng.integers(2) else -room
    addend: int = (2**shift >> 1) + numbers.y_zero_point * 2**shift
    return addend + int(rng.integers(-(2**20), 2**20)) * (multiplier >> 10)


def largest_acc(weights: Array, numbers: Numbers, axes: tuple[int, ...]) -> Array:
    """The largest |acc| of each channel for any input; `axes` are those that an accumulator sums over."""
    largest: Array = np.abs(weights.astype(np.int64)).sum(axis=axes) * largest_code(numbers.x_zero_point)
    return largest


def largest_code(zero_point: int) -> int:
    return max(128 + zero_point, 127 - zero_point)


# ------------------------------------------------------------------------------------------------- Graphs


def tensor(name: str, shape: Shape, zero_point: int = 0, data: Array | None = None) -> Tensor:
    quantization = Quantization(np.asarray(0.5, np.float32), np.asarray(zero_point, np.int32))
    return Tensor(name, tuple(int(length) for length in shape), "int8", quantization, data)


def one_operator(kind: str, inputs: Sequence[Tensor], output: Tensor, **attrs: Any) -> Graph:
    given = [Edge(t) for t in dict.fromkeys(inputs) if t.data is None and not t.is_state]
    return Graph(kind, [Op(kind, kind, list(inputs), output, attrs)], given, [Edge(output)])


@dataclass(frozen=True)
class Window:
    """A sliding window; `padding` is top, bottom, left, right."""

    filter: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)

    def output_shape(self, shape: Shape, channels: int) -> Shape:
        top, bottom, left, right = self.padding
        height = shape[1] + top + bottom - (self.filter[0] - 1) * self.dilation[0] - 1
        width = shape[2] + left + right - (self.filter[1] - 1) * self.dilation[1] - 1
        return shape[0], height // self.stride[0] + 1, width // self.stride[1] + 1, channels


def draw_weights(rng: Rng, shape: Shape, kind: str) -> Array:
    if kind == "random":
        return codes(rng, shape)
    if kind == "int4":
        return codes(rng, shape, -8, 7)
    values = {"minimum": -128, "maximum": 127, "one": 1, "zero": 0, "int4 minimum": -8, "int4 maximum": 7}
    return np.full(shape, values[kind], np.int8)


def weights_tensor(filters: Array, kind: str) -> Tensor:
    return replace(tensor("weights", filters.shape, data=filters), dtype="int4" if kind.startswith("int4") else "int8")


def conv2d(
    rng: Rng,
    shape: Shape,
    out_channels: int,
    window: Window,
    *,
    groups: int = 1,
    numbers: Numbers = DEFAULT,
    weights: str = "random",
) -> Graph:
    filters = draw_weights(rng, (out_channels, *window.filter, shape[3] // groups), weights)
    largest = largest_acc(filters, numbers, (1, 2, 3))
    return one_operator(
        "conv2d",
        [tensor("x", shape, numbers.x_zero_point), weights_tensor(filters, weights)],
        tensor("y", window.output_shape(shape, out_channels), numbers.y_zero_point),
        stride=window.stride,
        dilation=window.dilation,
        padding=window.padding,
        groups=groups,
        requant=draw_requant(rng, numbers, largest, filters[0].size),
    )


def dwconv2d(
    rng: Rng,
    shape: Shape,
    depth_multiplier: int,
    window: Window,
    *,
    numbers: Numbers = DEFAULT,
    weights: str = "random",
) -> Graph:
    out_channels = shape[3] * depth_multiplier
    filters = draw_weights(rng, (1, *window.filter, out_channels), weights)
    largest = largest_acc(filters, numbers, (0, 1, 2))
    return one_operator(
        "dwconv2d",
        [tensor("x", shape, numbers.x_zero_point), weights_tensor(filters, weights)],
        tensor("y", window.output_shape(shape, out_channels), numbers.y_zero_point),
        stride=window.stride,
        dilation=window.dilation,
        padding=window.padding,
        requant=draw_requant(rng, numbers, largest, filters[..., 0].size),
    )


def linear(rng: Rng, shape: Shape, out_features: int, *, numbers: Numbers = DEFAULT, weights: str = "random") -> Graph:
    matrix = draw_weights(rng, (out_features, shape[-1]), weights)
    return one_operator(
        "linear",
        [tensor("x", shape, numbers.x_zero_point), weights_tensor(matrix, weights)],
        tensor("y", (*shape[:-1], out_features), numbers.y_zero_point),
        requant=draw_requant(rng, numbers, largest_acc(matrix, numbers, (1,)), shape[-1]),
    )


def accumulators(rng: Rng, layer: Callable[..., Graph], *arguments: Any, **options: Any) -> Graph:
    """A layer whose output is int32: what `layer` makes, but for the requantization."""
    graph = layer(rng, *arguments, **options)
    op = graph.ops[0]
    op.attrs["requant"] = Requant(np.array([1], np.int32), np.array([0], np.uint8), op.attrs["requant"].bias)
    op.output = Tensor("acc", op.output.shape, "int32")
    scales = rng.uniform(1e-5, 1e-3, op.output.shape[-1]).astype(np.float32)
    graph.outputs = [Edge(op.output, scales=scales)]
    return graph


def requantize_sum(
    rng: Rng, layer: Callable[..., Graph], *arguments: Any, per_channel: bool = True, edge: bool = False, **options: Any
) -> Graph:
    """The accumulators of a layer plus codes; `edge`: the largest numbers that the rules allow."""
    graph = accumulators(rng, layer, *arguments, **options)
    acc = graph.ops[0].output
    b, y = tensor("b", acc.shape, -9), tensor("y", acc.shape, 3)
    count = acc.shape[-1] if per_channel else 1
    multiplier = rng.integers(2**30, 2**31, count)
    shift = rng.integers(40, 44, count)
    b_multiplier = rng.integers(-(2**44), 2**44, count)
    addend = rng.integers(-(2**48), 2**48, count)
    if edge:
        multiplier, shift = np.full(count, 2**31 - 1), np.full(count, 62)
        b_multiplier = rng.choice([-1, 1], count) * (2**55 - 1)
        room = 2**63 - 1 - 2**31 * (2**31 - 1) - 2**7 * (2**55 - 1)
        addend = rng.choice([-1, 1], count) * room
    requant = Requant(
        multiplier.astype(np.int32), shift.astype(np.uint8), None, addend.astype(np.int64), "SINGLE", -100, 101
    )
    attrs = {"requant": requant, "b_multiplier": b_multiplier.astype(np.int64)}
    graph.ops.append(Op("requantize_sum", "requantize_sum", [acc, b], y, attrs))
    graph.inputs.append(Edge(b))
    graph.outputs = [Edge(y)]
    return graph


def operands(rng: Rng, a_shape: Shape, b_shape: Shape, constant: bool) -> list[Tensor]:
    return [tensor("a", a_shape, 7), tensor("b", b_shape, -9, codes(rng, b_shape) if constant else None)]


@dataclass(frozen=True)
class Sum:
    """The integers of an add; each form reads its own."""

    form: str = "COMMON_SHIFT"
    a_multiplier: int = 1_503_238_554  # 0.7 * 2^31
    b_multiplier: int = 1_181_116_007
    shift: int = 31
    a_shift: int = 31
    b_shift: int = 32
    y_multiplier: int = 1_610_612_737
    y_shift: int = 50
    y_zero_point: int = -20
    subtract: bool = False
    output_min: int = -128
    output_max: int = 127


def add(rng: Rng, a_shape: Shape, b_shape: Shape, numbers: Sum, *, constant: bool = False) -> Graph:
    fields = {key: getattr(numbers, key) for key in Sum.__dataclass_fields__ if key != "y_zero_point"}
    unread = ("a_shift", "b_shift", "y_multiplier", "y_shift") if numbers.form == "COMMON_SHIFT" else ("shift",)
    return one_operator(
        "add",
        operands(rng, a_shape, b_shape, constant),
        tensor("y", np.broadcast_shapes(a_shape, b_shape), numbers.y_zero_point),
        **{key: value for key, value in fields.items() if key not in unread},
    )


def squared_difference(
    rng: Rng, a_shape: Shape, b_shape: Shape, numbers: Sum, *, constant: bool = False, zero_points: Shape = (7, -9)
) -> Graph:
    unread = ("form", "shift", "subtract", "y_zero_point")
    a, b = operands(rng, a_shape, b_shape, constant)
    a.quantization, b.quantization = (tensor("", (1,), zero_point).quantization for zero_point in zero_points)
    return one_operator(
        "squared_difference",
        [a, b],
        tensor("y", np.broadcast_shapes(a_shape, b_shape), numbers.y_zero_point),
        **{key: getattr(numbers, key) for key in Sum.__dataclass_fields__ if key not in unread},
    )


def elementwise(
    rng: Rng,
    kind: str,
    *shapes: Shape,
    numbers: Numbers = PER_TENSOR,
    constant: bool = False,
    output_min: int = -128,
    output_max: int = 127,
) -> Graph:
    """Any elementwise operator whose options are a requant, a range of codes, or nothing; `numbers` is x's and y's."""
    facts = OPERATORS[kind]
    zero_points = (7, -9) if len(shapes) == 2 else (numbers.x_zero_point,)
    y_zero_point = numbers.y_zero_point
    if facts.keeps_numbers:
        zero_points, y_zero_point = (numbers.x_zero_point,) * len(shapes), numbers.x_zero_point
    inputs = [tensor(name, shape, z) for name, shape, z in zip("ab", shapes, zero_points, strict=False)]
    if constant:
        inputs[1].data = codes(rng, shapes[1])
    attrs: dict[str, Any] = {}
    if facts.has("requant"):
        reaches = [largest_code(z) for z in zero_points]
        largest = math.prod(reaches) if facts.acc == "product" else reaches[0]
        attrs["requant"] = draw_requant(rng, numbers, np.array([largest]), 4 if facts.acc == "product" else 1)
    elif facts.clamps:
        attrs |= {"output_min": output_min, "output_max": output_max}
    return one_operator(kind, inputs, tensor("y", np.broadcast_shapes(*shapes), y_zero_point), **attrs)


def transpose_conv2d(
    rng: Rng,
    shape: Shape,
    out_channels: int,
    window: Window,
    *,
    rest: tuple[int, int] = (0, 0),
    numbers: Numbers = DEFAULT,
    weights: str = "random",
) -> Graph:
    filters = draw_weights(rng, (out_channels, *window.filter, shape[3]), weights)
    largest = largest_acc(filters, numbers, (1, 2, 3))
    top, bottom, left, right = window.padding
    height = (shape[1] - 1) * window.stride[0] + window.filter[0] - top - bottom + rest[0]
    width = (shape[2] - 1) * window.stride[1] + window.filter[1] - left - right + rest[1]
    return one_operator(
        "transpose_conv2d",
        [tensor("x", shape, numbers.x_zero_point), tensor("weights", filters.shape, data=filters)],
        tensor("y", (shape[0], height, width, out_channels), numbers.y_zero_point),
        stride=window.stride,
        padding=window.padding,
        requant=draw_requant(rng, numbers, largest, filters[0].size),
    )


def matmul(rng: Rng, a_shape: Shape, b_shape: Shape, *, numbers: Numbers = PER_TENSOR, constant: bool = False) -> Graph:
    largest = np.array([largest_code(7) * largest_code(-9) * a_shape[-1]])
    return one_operator(
        "matmul",
        operands(rng, a_shape, b_shape, constant),
        tensor("y", (*a_shape[:-1], b_shape[-2]), numbers.y_zero_point),
        requant=draw_requant(rng, numbers, largest, 4 * a_shape[-1]),
    )


def arg_max(rng: Rng, shape: Shape) -> Graph:
    return one_operator("arg_max", [tensor("x", shape, 3)], tensor("y", (*shape[:-1], 1), -128))


def l2_norm(rng: Rng, shape: Shape, x_zero_point: int = 0) -> Graph:
    return one_operator("l2_norm", [tensor("x", shape, x_zero_point)], tensor("y", shape))


def layer_norm(rng: Rng, shape: Shape, epsilon: int, epsilon_bits: int, shift: int = 50, edge: bool = False) -> Graph:
    count = shape[-1]
    multiplier = rng.integers(-(2**31), 2**31, count)
    addend = rng.integers(-(2 ** min(shift + 7, 62)) + 1, 2 ** min(shift + 7, 62), count)
    if edge:
        multiplier, addend = rng.choice([-(2**31), 2**31 - 1], count), rng.choice([1, -1], count) * (2**62 - 1)
    return one_operator(
        "layer_norm",
        [tensor("x", shape)],
        tensor("y", shape),
        epsilon=epsilon,
        epsilon_bits=epsilon_bits,
        multiplier=multiplier.astype(np.int32),
        addend=addend.astype(np.int64),
        shift=shift,
    )


def slice_of(rng: Rng, shape: Shape, begin: Shape, stride: Shape, out_shape: Shape) -> Graph:
    return one_operator("slice", [tensor("x", shape)], tensor("y", out_shape), begin=begin, stride=stride)


def resize2d(rng: Rng, shape: Shape, size: tuple[int, int], *, bilinear: bool = False) -> Graph:
    attrs = {
        "rows": rng.integers(0, shape[1], size[0]).astype(np.uint16),
        "columns": rng.integers(0, shape[2], size[1]).astype(np.uint16),
    }
    if bilinear:
        attrs["row_weight"] = rng.choice([0, 1, 511, 512, 1023], size[0]).astype(np.uint16)
        attrs["column_weight"] = rng.choice([0, 1, 511, 512, 1023], size[1]).astype(np.uint16)
    return one_operator("resize2d", [tensor("x", shape)], tensor("y", (shape[0], *size, shape[3])), **attrs)


def pool(rng: Rng, kind: str, shape: Shape, window: Window, zero_point: int = 0, **attrs: Any) -> Graph:
    return one_operator(
        kind,
        [tensor("x", shape, zero_point)],
        tensor("y", window.output_shape(shape, shape[3]), zero_point),
        filter=window.filter,
        stride=window.stride,
        padding=window.padding,
        **({"output_min": -128, "output_max": 127} | attrs),
    )


def mean(rng: Rng, shape: Shape, *, numbers: Numbers = PER_TENSOR) -> Graph:
    positions = shape[1] * shape[2]
    largest = np.array([positions * largest_code(numbers.x_zero_point)])
    return one_operator(
        "mean",
        [tensor("x", shape, numbers.x_zero_point)],
        tensor("y", (shape[0], 1, 1, shape[3]), numbers.y_zero_point),
        requant=draw_requant(rng, numbers, largest, positions),
    )


def pad(rng: Rng, shape: Shape, before: Shape, after: Shape, value: int) -> Graph:
    out_shape = tuple(b + length + a for b, length, a in zip(before, shape, after, strict=True))
    return one_operator("pad", [tensor("x", shape)], tensor("y", out_shape), before=before, after=after, value=value)


def concat(rng: Rng, shape: Shape, axis: int, lengths: Sequence[int]) -> Graph:
    def with_length(length: int) -> Shape:
        return (*shape[:axis], length, *shape[axis + 1 :])

    inputs = [tensor(f"x{i}", with_length(length)) for i, length in enumerate(lengths)]
    return one_operator("concat", inputs, tensor("y", with_length(sum(lengths))), axis=axis)


def transpose(rng: Rng, shape: Shape, permutation: Shape) -> Graph:
    out_shape = tuple(shape[axis] for axis in permutation)
    return one_operator("transpose", [tensor("x", shape)], tensor("y", out_shape), permutation=permutation)


def reshape(rng: Rng, shape: Shape, out_shape: Shape) -> Graph:
    return one_operator("reshape", [tensor("x", shape)], tensor("y", out_shape))


def softmax(rng: Rng, shape: Shape, *, x_scale: float = 0.1, shift: int = 40) -> Graph:
    exponential = [round(2**23 * math.exp(-x_scale * d)) for d in range(256)]
    return softmax_of(rng, shape, exponential, 2 ** (shift + 8), shift, -128)


def softmax_of(
    rng: Rng, shape: Shape, exponential: Sequence[int], numerator: int, shift: int, y_zero_point: int
) -> Graph:
    return one_operator(
        "softmax",
        [tensor("x", shape)],
        tensor("y", shape, y_zero_point),
        exponential=np.array(exponential, np.uint32),
        numerator=numerator,
        shift=shift,
    )


def softmax_tflite(rng: Rng, shape: Shape, exponential: Sequence[int]) -> Graph:
    graph = softmax_of(rng, shape, [2**31 - 1, *exponential], 0, 0, -128)
    graph.ops[0].attrs["form"] = "TFLITE"
    return graph


def log_softmax(
    rng: Rng, shape: Shape, exponential: Sequence[int], numbers: tuple[int, int, int, int], form: str = "EXACT"
) -> Graph:
    """`numbers`: multiplier, log_multiplier, addend, shift."""
    multiplier, log_multiplier, addend, shift = numbers
    return one_operator(
        "log_softmax",
        [tensor("x", shape)],
        tensor("y", shape, 127),
        exponential=np.array([2**31 if form == "EXACT" else 2**31 - 1, *exponential], np.uint32),
        multiplier=multiplier,
        log_multiplier=log_multiplier,
        addend=addend,
        shift=shift,
        form=form,
    )


def lut(rng: Rng, shape: Shape) -> Graph:
    return one_operator("lut", [tensor("x", shape)], tensor("y", shape), table=codes(rng, (256,)))


def chain(rng: Rng, shape: Shape) -> Graph:
    """Operators that may work in place, one on another's output."""
    x, a, b, c = tensor("x", shape), tensor("a", shape), tensor("b", shape), tensor("c", shape)
    d, e, f = tensor("d", shape), tensor("e", shape), tensor("f", shape)
    numbers = replace(PER_TENSOR, x_zero_point=0, y_zero_point=0)
    sums = add(rng, shape, shape, Sum()).ops[0].attrs
    products = elementwise(rng, "mul", shape, shape, numbers=numbers).ops[0].attrs
    rescaled = elementwise(rng, "requantize", shape, numbers=numbers).ops[0].attrs
    flat = tensor("flat", (shape[0], math.prod(shape[1:])))
    y = tensor("y", flat.shape, -128)
    ops = [
        Op("requantize", "requantize", [x], a, rescaled),
        Op("clamp", "clamp", [x], b, {"output_min": -100, "output_max": 90}),
        Op("add", "add", [a, b], c, sums),
        Op("lut", "lut", [c], d, {"table": codes(rng, (256,))}),
        Op("mul", "mul", [a, d], e, products),
        Op("add", "add twice", [e, e], f, sums),
        Op("reshape", "reshape", [f], flat, {}),
        Op("softmax", "softmax", [flat], y, softmax(rng, flat.shape).ops[0].attrs),
    ]
    return Graph("chain", ops, [Edge(x)], [Edge(y)])
