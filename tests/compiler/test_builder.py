"""GraphBuilder: shapes, activations, quantization of weights, and errors for invalid arguments."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, GraphBuilder, compile
from qrt.compiler.integers.codes import FUNCTIONS


def image(g: GraphBuilder, channels: int = 4) -> object:
    return g.input("x", (1, 7, 6, channels), scale=0.1, zero_point=0)


@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, (1, 5, 4, 8)),
        ({"padding": 1}, (1, 7, 6, 8)),
        ({"padding": "same", "stride": 2}, (1, 4, 3, 8)),
        ({"padding": (0, 2, 1, 0), "stride": (2, 1)}, (1, 4, 5, 8)),
        ({"dilation": 2}, (1, 3, 2, 8)),
    ],
)
def test_shapes_of_convolutions(options: dict[str, object], shape: tuple[int, ...]) -> None:
    g = GraphBuilder()
    y = g.conv2d(image(g), np.ones((8, 3, 3, 4)), scale=1.0, **options)  # type: ignore[arg-type]
    assert y.shape == shape
    g.output(y)
    assert qrt.load(g.compile()).run(np.zeros((7, 6, 4), np.int8)).shape == shape[1:]


def test_float_weights_are_quantized_per_channel_to_127() -> None:
    g = GraphBuilder()
    weights = np.array([[1.0, -2.0], [0.5, 0.25], [0.0, 0.0]])
    y = g.linear(g.input("x", (1, 2), scale=1.0), weights, scale=1.0)
    g.output(y)
    constant = g.graph.ops[0].inputs[1]
    assert constant.data is not None and constant.quantization is not None
    assert constant.data.tolist() == [[64, -127], [127, 64], [0, 0]]
    assert np.array_equal(constant.quantization.scale, np.float32([2 / 127, 0.5 / 127, 1.0]))


def test_activations_are_codes_of_the_output() -> None:
    g = GraphBuilder()
    x = image(g)
    bounds = []
    for activation in (None, "relu", "relu6", (-1.0, None)):
        g.output(g.conv2d(x, np.ones((1, 1, 1, 4)), scale=0.1, zero_point=-20, activation=activation))
        attrs = g.graph.ops[-1].attrs
        bounds.append((attrs.get("output_min", -128), attrs.get("output_max", 127)))
    assert bounds == [(-128, 127), (-20, 127), (-20, 40), (-30, 127)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_become_tables(name: str) -> None:
    g = GraphBuilder()
    g.output(g.lut(g.input("x", (1, 256), scale=0.05, zero_point=10), name, scale=1 / 64, zero_point=-30))
    codes = np.arange(-128, 128, dtype=np.int8).reshape(1, 256)
    real = FUNCTIONS[name](np.float32(0.05) * (codes.astype(float) - 10))
    expected = np.clip(np.rint(real * 64) - 30, -128, 127)
    assert np.array_equal(qrt.load(g.compile()).run(codes), expected)


def test_compiling_leaves_the_graph_as_it_was() -> None:
    g = GraphBuilder()
    y = g.conv2d(image(g), np.ones((8, 1, 1, 4)), np.ones(8), scale=1.0)
    g.output(g.relu(y))
    before = str(g.graph)
    first = g.compile()
    assert str(g.graph) == before
    assert g.compile() == first


def test_labels() -> None:
    g = GraphBuilder()
    g.output(g.linear(g.input("x", (1, 2), scale=1.0), np.ones((2, 2)), scale=1.0))
    assert qrt.load(compile(g, labels=["no", "yes"]).to_bytes()).outputs[0].labels == ("no", "yes")
    with pytest.raises(CompileError, match=r"linear \(labels\): has 2 entries, got 3 labels"):
        compile(g, labels=["a", "b", "c"])


BAD: list[tuple[Callable[[GraphBuilder], object], str]] = [
    (lambda g: g.input("x", (1, 2), scale=0.0), "scale must be a positive number"),
    (lambda g: g.input("x", (1, 2), scale=1.0, zero_point=128), "an int8 code"),
    (lambda g: g.conv2d(image(g), np.ones((8, 3, 3, 5)), scale=1.0), "4 channels do not fit weights"),
    (lambda g: g.conv2d(image(g), np.ones((8, 3, 3)), scale=1.0), "weights must have rank 4"),
    (lambda g: g.conv2d(image(g), np.ones((8, 9, 9, 4)), scale=1.0), "a window of 9 does not fit"),
    (lambda g: g.conv2d(image(g), np.ones((8, 1, 1, 4), np.int8), scale=1.0), "need weights_scale"),
    (lambda g: g.conv2d(image(g), np.ones((8, 1, 1, 4)), np.ones(7), scale=1.0), "each of 8 output channels"),
    (lambda g: g.conv2d(image(g), np.ones((8, 1, 1, 4)), scale=1.0, padding="valid"), "padding must be a number"),
    (lambda g: g.conv2d(image(g), np.ones((8, 1, 1, 4)), scale=1.0, activation="gelu"), "activation must be None"),
    (lambda g: g.dwconv2d(image(g), np.ones((1, 3, 3, 6)), scale=1.0), "4 channels do not fit weights"),
    (lambda g: g.linear(image(g), np.ones((2, 3)), scale=1.0), "4 features do not fit"),
    (lambda g: g.reshape(image(g), (1, 100)), "has 168 entries"),
    (lambda g: g.transpose(image(g), (0, 1, 2, 2)), "is no permutation"),
    (lambda g: g.lut(image(g), "cosine", scale=1.0), "'cosine' is none of"),
    (lambda g: g.lut(image(g), np.zeros(255, np.int8), scale=1.0), "a table has 256 entries"),
    (lambda g: g.constant([300], scale=1.0), "codes must be int8 codes"),
    (lambda g: g.add(image(g), g.constant([1], scale=1.0), scale=1.0), "differ in rank"),
    (lambda g: g.mean(g.input("v", (1, 4), scale=1.0), scale=1.0), "needs rank 4, NHWC"),
    (lambda g: g.output(image(g), labels=["a"]), "got 1 labels"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("build_it", "message"), BAD, ids=[message for _, message in BAD])
def test_arguments_that_do_not_fit(build_it: Callable[[GraphBuilder], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_it(GraphBuilder())


def test_concat_of_other_scales_names_the_remedy() -> None:
    g = GraphBuilder()
    a, b = g.input("a", (1, 2), scale=1.0), g.input("b", (1, 2), scale=2.0)
    with pytest.raises(ValueError, match="another scale or zero_point than 'a'; requantize"):
        g.concat([a, b], 1)


def test_elementwise_operators_by_name() -> None:
    g = GraphBuilder()
    a, b = g.input("a", (1, 4, 1), scale=0.5, zero_point=3), g.input("b", (1, 1, 6), scale=0.5, zero_point=3)
    other = g.input("other", (1, 4, 1), scale=0.25)
    assert g.elementwise("maximum", a, b).shape == (1, 4, 6)
    assert g.elementwise("mul", a, other, scale=0.1, activation="relu").shape == (1, 4, 1)
    for message, wrong in (
        ("no elementwise operator 'softmax' of 1 tensors", lambda: g.elementwise("softmax", a, scale=1.0)),
        ("no elementwise operator 'mul' of 1 tensors", lambda: g.elementwise("mul", a, scale=1.0)),
        ("mul has a scale of its output, give one", lambda: g.elementwise("mul", a, b)),
        ("minimum has the scale of its inputs, give none", lambda: g.elementwise("minimum", a, b, scale=1.0)),
        ("minimum has no activation; use clamp", lambda: g.elementwise("minimum", a, b, activation="relu")),
        ("'other' has another scale or zero_point than 'a'; requantize", lambda: g.elementwise("minimum", a, other)),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()
