"""TensorFlow Lite's operators on int16 codes (16x8): every code as TFLM gives it, in random files and near ties."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import engines
import numpy as np
import pytest
from single_operators import Array, Make, Model, Shape, ours

from qrt.compiler import CompileError, compile
from qrt.compiler.integers.arithmetic import requantize
from qrt.compiler.integers.functions import double

pytest.importorskip("tflite")

from qrt.compiler.backends.tflite.file import TfliteFile

TRIALS = 8
ACTIVATIONS = (0, 1, 2, 3)  # none, ReLU, ReLU_N1_TO_1, ReLU6
# Codes of which every one is drawn, and those at the ends and around zero.
EVERY = np.arange(-(2**15), 2**15).astype(np.int16).reshape(1, -1)
UNIT = 2.0**-15


def drawn_scale(m: Model, low: float = -5.5, high: float = -2.5) -> float:
    return float(np.float32(10 ** m.rng.uniform(low, high)))


def every(m: Model, kind: str, y: tuple[float, int], x_scale: float, table: str | None = None, **options: Any) -> None:
    """An operator on every code."""
    x = m.x(EVERY.shape, x_scale, 0)
    m.file.operator(kind, [x], [m.y(EVERY.shape, *y)], table, **options)


def gate(kind: str, powers: range) -> Make:
    """With scales that are powers of two as well, and nearly so."""

    def make(m: Model) -> None:
        scale = drawn_scale(m)
        if m.rng.random() < 0.5:
            scale = 2.0 ** int(m.rng.choice(powers)) * float(m.rng.choice([1, 1, 1.0004]))
        every(m, kind, (UNIT, 0), scale)

    return make


def leaky_relu(m: Model) -> None:
    scale = drawn_scale(m)
    alpha = float(m.rng.choice([m.rng.uniform(-0.5, 1.5), -0.5, -0.25, 0.5, 1.5]))
    ratio = float(m.rng.choice([1, 2, 0.5, m.rng.uniform(0.3, 3)]))
    every(m, "LEAKY_RELU", (scale * ratio, 0), scale, "LeakyReluOptions", alpha=alpha)


def by_ratio(kind: str, table: str | None = None) -> Make:
    """A change of scale: any, and those of which halves remain."""

    def make(m: Model) -> None:
        scale = drawn_scale(m)
        ratio = float(m.rng.choice([1, 2, 4, 0.5, m.rng.uniform(0.3, 3), 2 / (2 * int(m.rng.integers(1, 9)) + 1)]))
        every(m, kind, (float(np.float32(scale * ratio)), 0), scale, table)

    return make


def relu6(m: Model) -> None:
    scale = float(np.float32(6 / 32767 * m.rng.uniform(0.5, 4)))
    if m.rng.random() < 0.5:
        scale = float(np.float32(6 / (int(m.rng.integers(3, 32760)) + 0.5)))  # 6 lies between two codes
    every(m, "RELU6", (scale * float(m.rng.choice([1, 1.5])), 0), scale)


def quantize(x_type: str, y_type: str, most: int = 0) -> Make:
    """Zero points of int16 are at most `most`; read twice, so that the model input keeps its type."""
    steps = {"int8": 1.0, "int16": 2.0**-8}

    def make(m: Model) -> None:
        zero_points = {"int8": int(m.rng.integers(-128, 128)), "int16": int(m.rng.integers(-most, most + 1))}
        scale = drawn_scale(m, -2, -0.5)
        for dtype, ratio in ((y_type, float(m.rng.uniform(0.3, 3))), (x_type, 1.0)):
            m.dtype = dtype
            numbers = float(np.float32(scale * steps[dtype] * ratio)), zero_points[dtype]
            m.y((4, 700), *numbers)
        x = m.x((4, 700), *numbers)
        m.file.operator("QUANTIZE", [x], m.outputs[:1], "QuantizeOptions")
        m.file.operator("TRANSPOSE", [x, m.constant([0, 1])], m.outputs[1:], "TransposeOptions")

    return make


def softmax(x_type: str) -> Make:
    def make(m: Model) -> None:
        m.dtype = x_type
        x = m.x((int(m.rng.integers(1, 40)), int(m.rng.integers(1, 30))), m.scale(0.01, 1))
        m.dtype = "int16"
        y = m.y(m.shapes[0], *((UNIT, 0) if x_type == "int16" else (UNIT / 2, -(2**15))))
        beta = float(m.rng.choice([1, m.rng.uniform(0.5, 2)]))
        m.file.operator("SOFTMAX", [x], [y], "SoftmaxOptions", beta=beta)
        m.dtype = x_type

    return make


def _layer_inputs(m: Model, x: int, shape: Shape, axis: int, bias: str, per_channel: bool, span: int) -> list[int]:
    count = shape[axis]
    scale = m.rng.uniform(0.001, 0.02, count if per_channel else 1).astype(np.float32)
    w = m.constant(m.rng.integers(-127, 128, shape), "int8", scale=scale, axis=axis)
    if not bias:
        return [x, w]
    values = m.rng.integers(-span, span, count)
    return [x, w, m.constant(values, bias, scale=scale * np.float32(m.scales[0]))]


def layer(kind: str, bias: str, bias_type: int = 0) -> Make:
    """Any window, stride, dilation, groups and activation; `bias_type` is stated in the file's options."""

    def make(m: Model) -> None:
        rng = m.rng
        x = m.x((1, 6, 7, 4), drawn_scale(m, -4, -3))
        stride, dilation = (tuple(int(v) for v in rng.integers(1, 3, 2)) for _ in range(2))
        size = tuple(int(v) for v in rng.integers(1, 4, 2))
        padding = int(rng.integers(2))
        depth = 1 if kind == "CONV_2D" else int(rng.integers(1, 3))
        groups = int(rng.choice([1, 2])) if kind == "CONV_2D" else 1
        shape = (6, *size, 4 // groups) if kind == "CONV_2D" else (1, *size, 4 * depth)
        span = 10**10 if bias == "int64" and rng.random() < 0.3 else 10**6
        inputs = _layer_inputs(m, x, shape, 0 if kind == "CONV_2D" else 3, bias, rng.random() < 0.7, span)
        out = []
        for n, f, s, d in zip((6, 7), size, stride, dilation, strict=True):
            out.append(-(-n // s) if padding == 0 else (n - (f - 1) * d - 1) // s + 1)
        options: dict[str, Any] = {"padding": padding, "stride_h": stride[0], "stride_w": stride[1]}
        options |= {"dilation_h_factor": dilation[0], "dilation_w_factor": dilation[1]}
        options["fused_activation_function"] = int(rng.choice(ACTIVATIONS))
        if kind == "CONV_2D":
            options["quantized_bias_type"] = bias_type
        else:
            options["depth_multiplier"] = depth
        y = m.y((1, *out, shape[0] if kind == "CONV_2D" else shape[3]), m.scales[0] * float(rng.uniform(0.3, 3)))
        m.file.operator(
            kind, inputs, [y], "Conv2DOptions" if kind == "CONV_2D" else "DepthwiseConv2DOptions", **options
        )

    return make


def fully_connected(bias: str, bias_type: int = 0) -> Make:
    def make(m: Model) -> None:
        rows, count, out = (int(v) for v in m.rng.integers(1, 40, 3))
        x = m.x((rows, count), drawn_scale(m, -4, -3))
        inputs = _layer_inputs(m, x, (out + 1, count), 0, bias, m.rng.random() < 0.5, 10**6)
        y = m.y((rows, out + 1), m.scales[0] * float(m.rng.uniform(0.3, 3)))
        options = {"fused_activation_function": int(m.rng.choice(ACTIVATIONS)), "quantized_bias_type": bias_type}
        m.file.operator("FULLY_CONNECTED", inputs, [y], "FullyConnectedOptions", **options)

    return make


def transpose_conv(bias: str) -> Make:
    def make(m: Model) -> None:
        rng = m.rng
        height, width, channels, count = (int(v) for v in rng.integers(1, 6, 4))
        size, stride = (tuple(int(v) for v in rng.integers(1, top, 2)) for top in (5, 4))
        padding = int(rng.integers(2))
        out = [
            n * s if padding == 0 else (n - 1) * s + f for n, s, f in zip((height, width), stride, size, strict=True)
        ]
        x = m.x((1, height, width, channels), drawn_scale(m, -4, -3))
        inputs = _layer_inputs(m, x, (count, *size, channels), 0, bias, count > 1, 2000)
        shape = m.constant([1, *out, count])
        y = m.y((1, *out, count), m.scales[0] * float(rng.uniform(0.3, 3)))
        options = {"padding": padding, "stride_h": stride[0], "stride_w": stride[1]}
        m.file.operator("TRANSPOSE_CONV", [shape, inputs[1], x, *inputs[2:]], [y], "TransposeConvOptions", **options)

    return make


MODELS: dict[str, Make] = {
    "ABS": by_ratio("ABS"),
    "CONV_2D": layer("CONV_2D", ""),
    "CONV_2D int32": layer("CONV_2D", "int32"),
    "CONV_2D int64": layer("CONV_2D", "int64"),
    "CONV_2D of int32": layer("CONV_2D", "", 2),
    "DEPTHWISE_CONV_2D": layer("DEPTHWISE_CONV_2D", ""),
    "DEPTHWISE_CONV_2D int64": layer("DEPTHWISE_CONV_2D", "int64"),
    "FULLY_CONNECTED": fully_connected(""),
    "FULLY_CONNECTED int32": fully_connected("int32"),
    "FULLY_CONNECTED int64": fully_connected("int64"),
    "FULLY_CONNECTED of int32": fully_connected("", 2),
    "LEAKY_RELU": leaky_relu,
    "LOGISTIC": gate("LOGISTIC", range(-14, -9)),
    "QUANTIZE int16 int16": quantize("int16", "int16"),
    "QUANTIZE int16 int16 zero points": quantize("int16", "int16", 999),
    "QUANTIZE int16 int8": quantize("int16", "int8"),
    "QUANTIZE int8 int16": quantize("int8", "int16", 999),
    "QUANTIZE ratio": by_ratio("QUANTIZE", "QuantizeOptions"),
    "RELU": by_ratio("RELU"),
    "RELU6": relu6,
    "SOFTMAX": softmax("int16"),
    "SOFTMAX int8": softmax("int8"),
    "TANH": gate("TANH", range(-14, -9)),
    "TRANSPOSE_CONV": transpose_conv(""),
    "TRANSPOSE_CONV int16": transpose_conv("int16"),
    "TRANSPOSE_CONV int64": transpose_conv("int64"),
}
ENGINES: dict[str, Callable[..., list[Array]]] = {
    "tflm": lambda content, inputs, count: engines.Tflm(content).run(inputs, count),
    "litert": lambda content, inputs, count: engines.Litert(content).run(inputs, count),
}
# What LiteRT refuses, or computes in a way that is not matched.
NOT_BY_LITERT = {
    *("ABS", "CONV_2D", "CONV_2D int32", "CONV_2D of int32", "FULLY_CONNECTED", "FULLY_CONNECTED int32"),
    *("FULLY_CONNECTED int64", "FULLY_CONNECTED of int32", "QUANTIZE int8 int16", "QUANTIZE int16 int16 zero points"),
    "TRANSPOSE_CONV int16",
}


def drawn(name: str, trial: int) -> tuple[bytes, list[Array], int]:
    m = Model(np.random.default_rng([zlib.crc32(name.encode()), trial]), "int16")
    MODELS[name](m)
    inputs = [EVERY if shape == EVERY.shape else m.codes(shape) for shape in m.shapes]
    return m.to_bytes(), inputs, len(m.outputs)


@pytest.mark.parametrize(
    ("name", "match"),
    [(name, match) for match in ENGINES for name in MODELS if match == "tflm" or name not in NOT_BY_LITERT],
)
def test_every_code(name: str, match: str, tmp_path: Path) -> None:
    for trial in range(TRIALS):
        content, inputs, count = drawn(name, trial)
        theirs = ENGINES[match](content, inputs, count)
        for expected, got in zip(theirs, ours(tmp_path / "one.tflite", content, match, inputs), strict=True):
            assert expected.dtype == got.dtype
            np.testing.assert_array_equal(got.reshape(expected.shape), expected)


def test_int32_outputs_are_those_of_int16_codes(tmp_path: Path) -> None:
    """As in keyword spotters: softmax in int16, and its codes as int32 numbers of another scale."""
    m = Model(np.random.default_rng(2), "int16")
    softmax("int8")(m)
    (codes,), numbers = m.outputs, m.file.tensor("numbers", m.shapes[0], "int32", scale=3.0518509475e-05)
    m.file.operator("QUANTIZE", [codes], [numbers], "QuantizeOptions")
    content, inputs = m.file.to_bytes(m.inputs, [numbers]), [m.codes(shape) for shape in m.shapes]
    (expected,) = ENGINES["tflm"](content, inputs, 1)
    (got,) = ours(tmp_path / "one.tflite", content, "tflm", inputs)
    assert (expected.dtype, got.dtype) == (np.int32, np.int16)
    wide = replace(double(UNIT / 2 / 3.0518509475e-05), output_min=-(2**31), output_max=2**31 - 1)
    np.testing.assert_array_equal(requantize(got.astype(int) + 2**15, wide, 0), expected)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in NOT_BY_LITERT])
def test_xnnpack_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "one.tflite"
    path.write_bytes(drawn(name, 0)[0])
    with pytest.raises(CompileError, match="--match tflm"):
        compile(path, match="xnnpack")


TIES = 250


def layer_near_ties(kind: str, bias: str, rng: np.random.Generator) -> tuple[bytes, list[Array]]:
    """Accumulators, which are biases, next to ties between two codes: they show how factors are formed and rounded."""
    file = TfliteFile("ties")
    x_scale, w_scale = (float(np.float32(v)) for v in (rng.uniform(1e-4, 1e-3), rng.uniform(0.001, 0.01)))
    real = 10 ** rng.uniform(-4.5 if bias == "int32" else -7, -3)
    y_scale = float(np.float32(x_scale * w_scale / real))
    halves = rng.integers(-(2**15), 2**15, TIES) + 0.5
    biases = np.rint(halves / (x_scale * w_scale / y_scale)).astype(np.int64)
    shape = (TIES, 1) if kind == "FULLY_CONNECTED" else (TIES, 1, 1, 1)
    ones, y_shape = (1,) * len(shape), (*(1,) * (len(shape) - 1), TIES)
    x = file.tensor("x", ones, "int16", scale=x_scale)
    w = file.tensor("w", shape, scale=np.full(TIES, w_scale, np.float32), data=np.zeros(shape, np.int8))
    b = file.tensor("b", (TIES,), bias, scale=np.full(TIES, x_scale * w_scale, np.float32), data=biases)
    y = file.tensor("y", y_shape, "int16", scale=y_scale)
    if kind == "FULLY_CONNECTED":
        file.operator(kind, [x, w, b], [y], "FullyConnectedOptions")
    else:
        window = {"padding": 1, "stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}
        file.operator(kind, [x, w, b], [y], "Conv2DOptions", **window)
    return file.to_bytes([x], [y]), [np.zeros(ones, np.int16)]


@pytest.mark.parametrize("bias", ["int32", "int64"])
@pytest.mark.parametrize("kind", ["CONV_2D", "FULLY_CONNECTED"])
def test_layers_near_ties(kind: str, bias: str, tmp_path: Path) -> None:
    for trial in range(20):
        content, inputs = layer_near_ties(kind, bias, np.random.default_rng([zlib.crc32(kind.encode()), trial]))
        (expected,) = ENGINES["tflm"](content, inputs, 1)
        (got,) = ours(tmp_path / "ties.tflite", content, "tflm", inputs)
        np.testing.assert_array_equal(got.reshape(expected.shape), expected)


BINARY = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}


@pytest.mark.parametrize("kind", BINARY)
def test_sums_and_products_near_ties(kind: str, tmp_path: Path) -> None:
    for trial in range(10):
        m = Model(np.random.default_rng([zlib.crc32(kind.encode()), trial]), "int16")
        shape = (1, 16384)
        scales = [drawn_scale(m, -4, -2.5)] * 2
        scales[1] = float(np.float32(scales[0] * m.rng.choice([1, 2, 0.5, 3, m.rng.uniform(0.3, 3)])))
        inputs = [m.x(shape, scale) for scale in scales]
        unit = scales[0] * scales[1] * 2.0**14 if kind == "MUL" else max(scales)
        y = m.y(shape, unit * float(m.rng.choice([1, 2, 4, 3, m.rng.uniform(0.5, 3)])))
        m.file.operator(kind, inputs, [y], BINARY[kind], fused_activation_function=int(m.rng.choice(ACTIVATIONS)))
        content, codes = m.to_bytes(), [m.codes(shape) for _ in inputs]
        (expected,) = ENGINES["tflm"](content, codes, 1)
        (got,) = ours(tmp_path / "two.tflite", content, "tflm", codes)
        np.testing.assert_array_equal(got, expected)


class Network:
    """A .tflite file of several operators, one after another."""

    def __init__(self, seed: int, shape: Shape, dtype: str, scale: float, zero_point: int = 0) -> None:
        self.rng, self.file = np.random.default_rng(seed), TfliteFile("network")
        self.dtype, self.shape, self.scale = dtype, shape, scale
        self.at = self.input = self.file.tensor("x", shape, dtype, scale=scale, zero_point=zero_point)

    def constant(self, data: Any, dtype: str = "int32", **options: Any) -> int:
        array = np.asarray(data, dtype)
        return self.file.tensor(f"c{len(self.file.tensors)}", array.shape, dtype, data=array, **options)

    def add(
        self, kind: str, shape: Shape, table: str | None = None, constants: Any = (), ratio: float = 1.0, **options: Any
    ) -> int:
        """Appends an operator; `ratio` is that of the output's scale to the input's."""
        self.scale, self.shape = float(np.float32(self.scale * ratio)), shape
        y = self.file.tensor(f"{kind}{len(self.file.tensors)}", shape, self.dtype, scale=self.scale)
        inputs = [*constants[:2], self.at, *constants[2:]] if kind == "TRANSPOSE_CONV" else [self.at, *constants]
        self.file.operator(kind, inputs, [y], table, **options)
        self.at = y
        return y

    def weights(self, shape: Shape, bias: str) -> list[int]:
        scale = self.rng.uniform(0.002, 0.01, shape[0]).astype(np.float32)
        biases = self.rng.integers(-(10**5), 10**5, shape[0])
        w = self.constant(self.rng.integers(-127, 128, shape), "int8", scale=scale)
        return [w, self.constant(biases, bias, scale=scale * np.float32(self.scale))]

    def conv(self, shape: Shape, filters: Shape, bias: str = "int64", **options: Any) -> int:
        window = {"padding": 1, "stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}
        constants = self.weights(filters, bias)
        return self.add("CONV_2D", shape, "Conv2DOptions", constants, ratio=1.5, **(window | options))

    def check(self, tmp_path: Path, x: Array) -> None:
        content = self.file.to_bytes([self.input], [self.at])
        (expected,) = ENGINES["tflm"](content, [x], 1)
        (got,) = ours(tmp_path / "network.tflite", content, "tflm", [x])
        assert len(np.unique(expected)) > 20
        np.testing.assert_array_equal(got.reshape(expected.shape), expected)


def codec(seed: int) -> Network:
    """An audio codec's layers, as those of SEANet: causal convolutions, residuals, upsampling."""
    n = Network(seed, (1, 1, 40, 6), "int16", 2e-4)
    n.add("PAD", (1, 1, 42, 6), "PadOptions", [n.constant([[0, 0], [0, 0], [2, 0], [0, 0]])])
    first = n.conv((1, 1, 40, 8), (8, 1, 3, 6))
    n.add("LEAKY_RELU", (1, 1, 40, 8), "LeakyReluOptions", ratio=0.9, alpha=0.3)
    n.add("PAD", (1, 1, 44, 8), "PadOptions", [n.constant([[0, 0], [0, 0], [4, 0], [0, 0]])])
    n.conv((1, 1, 40, 8), (8, 1, 3, 8), dilation_w_factor=2)
    n.add("ADD", (1, 1, 40, 8), "AddOptions", [first], ratio=1.3)
    n.add("LEAKY_RELU", (1, 1, 40, 8), "LeakyReluOptions", alpha=0.3)
    n.conv((1, 1, 19, 12), (12, 1, 4, 8), stride_w=2)
    n.add("QUANTIZE", n.shape, "QuantizeOptions", ratio=0.7)
    constants = [n.constant([1, 1, 40, 6]), *n.weights((6, 1, 4, 12), "int64")]
    n.add("TRANSPOSE_CONV", (1, 1, 40, 6), "TransposeConvOptions", constants, 2.0, padding=1, stride_h=1, stride_w=2)
    slices = [n.constant([0, 0, 1, 0]), n.constant([1, 1, 39, 6]), n.constant([1, 1, 2, 1])]
    n.add("STRIDED_SLICE", (1, 1, 19, 6), "StridedSliceOptions", slices)
    n.add(
        "SUB", (1, 1, 19, 6), "SubOptions", [n.constant(n.rng.integers(-999, 999, (1, 1, 1, 6)), "int16", scale=3e-4)]
    )
    n.scale = UNIT
    n.add("TANH", (1, 1, 19, 6))
    return n


def test_codec(tmp_path: Path) -> None:
    for seed in range(4):
        n = codec(seed)
        for width in (2**15, 2**12):
            n.check(tmp_path, n.rng.integers(-width, width, (1, 1, 40, 6)).astype(np.int16))


def test_int16_behind_int8(tmp_path: Path) -> None:
    """A body of int8, and a head of int16 with everything that such heads have."""
    for seed in range(4):
        n = Network(seed, (1, 8, 8, 3), "int8", 0.05, -7)
        n.conv((1, 6, 6, 4), (4, 3, 3, 3), "int32", fused_activation_function=1)
        n.add("QUANTIZE", n.shape, "QuantizeOptions", ratio=1.0)
        n.dtype = "int16"
        n.add("QUANTIZE", n.shape, "QuantizeOptions", ratio=2.0**-7)
        n.conv((1, 4, 4, 6), (6, 3, 3, 4), fused_activation_function=1)
        n.add("SUM", (1, 1, 1, 6), "ReducerOptions", [n.constant([1, 2])], ratio=3.0, keep_dims=True)
        n.add("RESHAPE", (1, 6), "ReshapeOptions", [n.constant([1, 6])], new_shape=[1, 6])
        n.add("FULLY_CONNECTED", (1, 40), "FullyConnectedOptions", n.weights((40, 6), "int64"))
        n.check(tmp_path, n.rng.integers(-128, 128, (1, 8, 8, 3)).astype(np.int8))


def _position(m: Model) -> None:
    m.file.operator("ARG_MAX", [m.x((1, 9)), m.constant([1])], [m.y((1,), dtype="int32")], "ArgMaxOptions")


def _with_zero_point(m: Model) -> None:
    m.file.operator("ADD", [m.x((1, 9), 1e-4, 5), m.x((1, 9), 1e-4)], [m.y((1, 9), 1e-4)], "AddOptions")


def _with_huge_bias(m: Model) -> None:
    window = {"padding": 1, "stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}
    w = m.constant(np.ones((2, 1, 1, 1)), "int8", scale=[0.01, 0.01])
    bias = m.constant([5, 2**48], "int64", scale=[1e-6, 1e-6])
    m.file.operator("CONV_2D", [m.x((1, 1, 1, 1), 1e-4), w, bias], [m.y((1, 1, 1, 2), 1e-4)], "Conv2DOptions", **window)


REFUSED: dict[str, tuple[Make, str]] = {
    "depthwise int32": (layer("DEPTHWISE_CONV_2D", "int32"), "DEPTHWISE_CONV_2D.*int32 bias.*int64"),
    "gate": (lambda m: every(m, "TANH", (2 * UNIT, 0), 1e-4), "TANH.*output scale of 1/32768"),
    "large sums": (_with_huge_bias, "channel 1.*exceed 47 bits"),
    "no 16-bit form": (by_ratio("HARD_SWISH", "HardSwishOptions"), "HARD_SWISH.*for int16 codes; let QUANTIZE"),
    "positions": (_position, "ARG_MAX.*not supported for int16 codes"),
    "zero point": (_with_zero_point, "ADD.*'x0' is int16 with a zero point other than 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name: str, tmp_path: Path) -> None:
    make, message = REFUSED[name]
    m = Model(np.random.default_rng(1), "int16")
    make(m)
    path = tmp_path / "one.tflite"
    path.write_bytes(m.to_bytes())
    with pytest.raises(CompileError, match=message):
        compile(path)
