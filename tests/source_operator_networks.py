"""Minimal networks of one operator: ONNX nodes between codes, and .tflite files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from qdq import Net
from recurrent_tflite import Lstm, Svdf, put_lstm, put_svdf
from single_operators import Model, same

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
IMAGE, ROWS_OF_12 = (1, 6, 8, 4), (1, 5, 12)


# ONNX


def node(kind: str, shape: Shape = (1, 4, 6, 8), *constants: Any, **attrs: Any) -> Callable[[Net], str]:
    """One operator on an input of this shape; parameters of integers and floats stay as they are."""

    def make(n: Net) -> str:
        given = [n.constant(c, np.asarray(c).dtype) for c in constants]
        return n.op(kind, n.input("x", shape), *given, **attrs)

    return make


def of_two(kind: str, a: Shape = (1, 4, 6, 8), b: Shape = (1, 4, 6, 8), **attrs: Any) -> Callable[[Net], str]:
    return lambda n: n.op(kind, n.input("x", a), n.input("y", b), **attrs)


def weighted(kind: str, x: Shape, w: Shape, **attrs: Any) -> Callable[[Net], str]:
    def make(n: Net) -> str:
        return n.op(kind, n.input("x", x), n.weights(w), scale=0.61, **attrs)

    return make


def positions(kind: str) -> Callable[[Net], str]:
    return lambda n: n.node(kind, n.input("x", (1, 4, 6, 8)), axis=1, keepdims=0)


def normalization(kind: str, count: int, **attrs: Any) -> Callable[[Net], str]:
    """Scale, bias, and where the operator has them mean and variance, of 4 channels."""

    def make(n: Net) -> str:
        parameters = [n.constant(n.rng.uniform(0.5, 1.5, 4)) for _ in range(count)]
        return n.op(kind, n.input("x", (1, 4, 6, 8)), *parameters, **attrs)

    return make


def layer_normalization(n: Net) -> str:
    parameters = [n.constant(n.rng.uniform(0.5, 1.5, 16)) for _ in range(2)]
    return n.op("LayerNormalization", n.input("x", (1, 5, 16)), *parameters)


def where(n: Net) -> str:
    mask = n.constant(np.arange(48).reshape(6, 8) % 3 == 0, bool)
    x = n.input("x", (1, 4, 6, 8))
    return n.qdq(n.node("Where", mask, x, n.node("Neg", x)))


def gelu(n: Net) -> str:
    """As exporters write it."""
    x = n.input("x", (1, 4, 6, 8))
    error = n.node("Erf", n.node("Div", x, n.constant(2**0.5)))
    return n.op("Mul", n.node("Mul", x, n.constant(0.5)), n.node("Add", error, n.constant(1.0)))


def of_two_outputs(kind: str, shape: Shape, *constants: Any, **attrs: Any) -> Callable[[Net], str]:
    def make(n: Net) -> str:
        first = n.node(kind, n.input("x", shape), *(n.constant(c, c.dtype) for c in constants), **attrs)
        n.nodes[-1].output.append("second")
        return n.qdq(first)

    return make


def lstm(n: Net) -> str:
    return n.op("LSTM", n.input("x", (5, 1, 4)), n.weights((1, 12, 4)), n.weights((1, 12, 3)), hidden_size=3)


def shape_arithmetic(n: Net) -> str:
    x = n.input("x", (1, 4, 6, 8))
    first = n.node("Gather", n.node("Shape", x), n.constant([0], np.int64))
    target = n.node("Concat", first, n.constant([-1], np.int64), axis=0)
    return n.op("Reshape", x, target)


def resize(mode: str, **attrs: Any) -> Callable[[Net], str]:
    def make(n: Net) -> str:
        scales = n.constant([1, 1, 2, 2])
        return n.op("Resize", n.input("x", (1, 4, 6, 8)), "", scales, mode=mode, **attrs)

    return make


def integers(*values: int) -> Array:
    return np.array(values, np.int64)


# TensorFlow Lite


def lite_lstm(m: Model) -> None:
    x, y = put_lstm(m.file, m.rng, Lstm(batch=1, steps=4, features=5, units=3))
    m.inputs, m.shapes, m.outputs = [x], [(1, 4, 5)], [y]


def lite_svdf(m: Model) -> None:
    x, y = put_svdf(m.file, m.rng, Svdf(batch=1, features=6, units=3, rank=2, memory=4, state="int8"))
    m.inputs, m.shapes, m.outputs = [x], [(1, 6)], [y]


def lite(
    kind: str, table: str | None, x: Shape, y: Shape, *constants: Any, keeps: bool = True, **options: Any
) -> Callable[[Model], None]:
    """One operator; its output has the input's numbers, or others."""

    def make(m: Model) -> None:
        source, scale, zero_point = same(m, x)
        given = [source, *(m.constant(c) for c in constants)]
        target = m.y(y, scale, zero_point) if keeps else m.y(y, scale * 0.73)
        m.file.operator(kind, given, [target], table, **options)

    return make


def lite_of_two(
    kind: str, table: str | None, keeps: bool = False, a: Shape = IMAGE, b: Shape = IMAGE, y: Shape = IMAGE
) -> Callable[[Model], None]:
    def make(m: Model) -> None:
        scale, zero_point = m.scale(), m.zero_point()
        inputs = [m.x(shape, scale, zero_point) if keeps else m.x(shape) for shape in (a, b)]
        target = m.y(y, scale, zero_point) if keeps else m.y(y, sum(m.scales))
        m.file.operator(kind, inputs, [target], table)

    return make


def lite_fixed(kind: str, table: str | None, scale: float, zero_point: int, **options: Any) -> Callable[[Model], None]:
    """A function whose kernel demands these numbers of its output."""

    def make(m: Model) -> None:
        m.file.operator(kind, [m.x(ROWS_OF_12)], [m.y(ROWS_OF_12, scale, zero_point)], table, **options)

    return make


def lite_convolution(kind: str) -> Callable[[Model], None]:
    def make(m: Model) -> None:
        x = m.x(IMAGE)
        options: dict[str, Any] = {"stride_h": 1, "stride_w": 1}
        if kind == "TRANSPOSE_CONV":
            w, bias = m.weights((5, 2, 2, 4), 0, m.scales[0])
            inputs, y = [m.constant([1, 12, 16, 5]), w, x, bias], m.y((1, 12, 16, 5), 0.2)
            options = {"stride_h": 2, "stride_w": 2}
        elif kind == "CONV_2D":
            inputs, y = [x, *m.weights((5, 3, 3, 4), 0, m.scales[0])], m.y((1, 6, 8, 5), 0.2)
            options |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
        else:
            inputs, y = [x, *m.weights((1, 3, 3, 4), 3, m.scales[0])], m.y(IMAGE, 0.2)
            options |= {"dilation_h_factor": 1, "dilation_w_factor": 1, "depth_multiplier": 1}
        tables = {"CONV_2D": "Conv2DOptions", "TRANSPOSE_CONV": "TransposeConvOptions"}
        m.file.operator(kind, inputs, [y], tables.get(kind, "DepthwiseConv2DOptions"), **options)

    return make


def lite_fully_connected(m: Model) -> None:
    x = m.x((3, 12))
    inputs = [x, *m.weights((5, 12), 0, m.scales[0])]
    m.file.operator("FULLY_CONNECTED", inputs, [m.y((3, 5), 0.2)], "FullyConnectedOptions")


def lite_matmul(m: Model) -> None:
    x, w = m.x((1, 3, 8)), m.x((1, 8, 5))
    y = m.y((1, 3, 5), m.scales[0] * m.scales[1] * 301.7)
    m.file.operator("BATCH_MATMUL", [x, w], [y], "BatchMatMulOptions")


def lite_many(kind: str, table: str) -> Callable[[Model], None]:
    """SPLIT and UNPACK have several outputs, CONCATENATION and PACK several inputs."""

    def make(m: Model) -> None:
        scale, zero_point = m.scale(), m.zero_point()
        if kind == "SPLIT":
            inputs, options = [m.constant([3]), m.x(IMAGE, scale, zero_point)], {"num_splits": 2}
            outputs = [m.y((1, 6, 8, 2), scale, zero_point) for _ in range(2)]
        elif kind == "UNPACK":
            inputs, options = [m.x((2, 12), scale, zero_point)], {"num": 2, "axis": 0}
            outputs = [m.y((12,), scale, zero_point) for _ in range(2)]
        else:
            inputs = [m.x((3, 12), scale, zero_point) for _ in range(2)]
            options = {"axis": 0} | ({"values_count": 2} if kind == "PACK" else {})
            outputs = [m.y((2, 3, 12) if kind == "PACK" else (6, 12), scale, zero_point)]
        m.file.operator(kind, inputs, outputs, table, **options)

    return make


def lite_positions(kind: str, table: str) -> Callable[[Model], None]:
    def make(m: Model) -> None:
        inputs = [m.x((1, 5, 20)), m.constant([2])]
        m.file.operator(kind, inputs, [m.y((1, 5), dtype="int32")], table, output_type=2)

    return make


def lite_prelu(m: Model) -> None:
    x = m.x(IMAGE)
    slope = m.constant(m.rng.integers(-128, 128, (1, 1, 4)), "int8", scale=0.01, zero_point=3)
    m.file.operator("PRELU", [x, slope], [m.y(IMAGE, m.scales[0])])


def lite_division(m: Model) -> None:
    x = m.x(IMAGE)
    divisor = m.constant(m.rng.integers(20, 128, (1, 1, 1, 4)), "int8", scale=0.03)
    m.file.operator("DIV", [x, divisor], [m.y(IMAGE, m.scales[0])], "DivOptions")


def lite_select(m: Model) -> None:
    scale, zero_point = m.scale(), m.zero_point()
    mask = m.constant(np.arange(192).reshape(IMAGE) % 3 == 0, "bool")
    inputs = [mask, *(m.x(IMAGE, scale, zero_point) for _ in range(2))]
    m.file.operator("SELECT_V2", inputs, [m.y(IMAGE, scale, zero_point)], "SelectV2Options")


def lite_shape_arithmetic(m: Model) -> None:
    """A shape whose first length is computed from the input's."""
    x, scale, zero_point = same(m, IMAGE)
    shape, first = m.file.tensor("shape", (4,), "int32"), m.file.tensor("first", (), "int32")
    target = m.file.tensor("target", (2,), "int32")
    m.file.operator("SHAPE", [x], [shape], "ShapeOptions", out_type=2)
    bounds = [m.constant([k]) for k in (0, 1, 1)]
    m.file.operator("STRIDED_SLICE", [shape, *bounds], [first], "StridedSliceOptions", shrink_axis_mask=1)
    m.file.operator("PACK", [first, m.constant(192)], [target], "PackOptions", values_count=2, axis=0)
    m.file.operator("RESHAPE", [x, target], [m.y((1, 192), scale, zero_point)], "ReshapeOptions")


POOL = {"stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2, "padding": 1}
POOLED = {"kernel_shape": [2, 2], "strides": [2, 2]}
FLIP = (integers(-1), integers(-(2**31)), integers(3), integers(-1))
