"""TensorFlow 1's uint8 networks: bit-exact to LiteRT's reference kernels, the only engine that runs them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import engines
import numpy as np
import pytest

import qrt
from qrt.compiler import compile

pytest.importorskip("tflite")

from qrt.compiler.backends.tflite.file import TfliteFile

Array = np.ndarray[Any, Any]
TRIALS = 6
# None, ReLU, ReLU6.
ACTIVATIONS = (0, 1, 3)


class Net(TfliteFile):
    """A network of one operator on uint8 codes, with numbers drawn at random."""

    def __init__(self, name: str, trial: int) -> None:
        super().__init__(name)
        self.rng = np.random.default_rng([zlib.crc32(name.encode()), trial])
        self.inputs: list[int] = []
        self.shapes: list[tuple[int, ...]] = []
        self.scales: list[float] = []
        self.result = -1

    def numbers(self, scale: float | None = None, zero_point: int | None = None) -> dict[str, Any]:
        drawn = float(np.float32(np.exp(self.rng.uniform(np.log(0.01), np.log(0.2)))))
        code = int(self.rng.integers(256)) if zero_point is None else zero_point
        return {"scale": drawn if scale is None else scale, "zero_point": code}

    def x(self, shape: tuple[int, ...], **numbers: Any) -> int:
        numbers = numbers or self.numbers()
        self.scales.append(numbers["scale"])
        self.shapes.append(shape)
        self.inputs.append(self.tensor(f"x{len(self.inputs)}", shape, "uint8", **numbers))
        return self.inputs[-1]

    def y(self, shape: tuple[int, ...], **numbers: Any) -> int:
        self.result = self.tensor("y", shape, "uint8", **(numbers or self.numbers()))
        return self.result

    def constant(self, values: Any, dtype: str = "int32", **numbers: Any) -> int:
        data = np.asarray(values, dtype)
        return self.tensor(f"c{len(self.tensors)}", data.shape, dtype, data=data, **numbers)

    def weights(self, shape: tuple[int, ...], channels: int) -> list[int]:
        """Weights whose zero point is far from 128 in some trials, and a bias."""
        scale, zero_point = np.float32(self.rng.uniform(0.002, 0.01)), int(self.rng.choice([0, 90, 121, 128, 200, 255]))
        codes = np.clip(self.rng.normal(zero_point, 50, shape), 0, 255).round()
        codes.flat[:2] = (0, 255)
        bias = self.rng.integers(-2000, 2000, channels)
        return [
            self.constant(codes, "uint8", scale=scale, zero_point=zero_point),
            self.constant(bias, scale=scale * np.float32(self.scales[0])),
        ]

    def activation(self) -> int:
        return int(self.rng.choice(ACTIVATIONS))

    def content(self) -> bytes:
        return self.to_bytes(self.inputs, [self.result])


Make = Callable[[Net], None]


def conv(channels: int, groups: int = 1, dilation: tuple[int, int] = (1, 1)) -> Make:
    def make(n: Net) -> None:
        x = n.x((1, 6, 7, channels))
        inputs = n.weights((5 * groups, 3, 2, channels // groups), 5 * groups)
        options = {"padding": 0, "stride_h": 2, "stride_w": 1, "fused_activation_function": n.activation()}
        options |= {"dilation_h_factor": dilation[0], "dilation_w_factor": dilation[1]}
        if dilation != (1, 1):
            options["stride_h"] = 1
        y = n.y((1, 6 // options["stride_h"], 7, 5 * groups), **n.numbers(0.12))
        n.operator("CONV_2D", [x, *inputs], [y], "Conv2DOptions", **options)

    return make


def depthwise(depth: int, dilation: tuple[int, int] = (1, 1), strides: tuple[int, int] = (2, 2)) -> Make:
    def make(n: Net) -> None:
        x = n.x((1, 6, 7, 4))
        inputs = n.weights((1, 3, 3, 4 * depth), 4 * depth)
        options = {"padding": 0, "stride_h": strides[0], "stride_w": strides[1], "depth_multiplier": depth}
        options |= {"dilation_h_factor": dilation[0], "dilation_w_factor": dilation[1]}
        y = n.y((1, -(-6 // strides[0]), -(-7 // strides[1]), 4 * depth), **n.numbers(0.07))
        options["fused_activation_function"] = n.activation()
        n.operator("DEPTHWISE_CONV_2D", [x, *inputs], [y], "DepthwiseConv2DOptions", **options)

    return make


def fully_connected(n: Net) -> None:
    x = n.x((3, 40))
    y = n.y((3, 7), **n.numbers(0.1))
    options = {"fused_activation_function": n.activation()}
    n.operator("FULLY_CONNECTED", [x, *n.weights((7, 40), 7)], [y], "FullyConnectedOptions", **options)


def transpose_conv(n: Net) -> None:
    x = n.x((1, 4, 5, 6))
    w, bias = n.weights((3, 3, 3, 6), 3)
    y = n.y((1, 8, 10, 3), **n.numbers(0.1))
    shape = n.constant([1, 8, 10, 3])
    options = {"padding": 0, "stride_h": 2, "stride_w": 2}
    n.operator("TRANSPOSE_CONV", [shape, w, x, bias], [y], "TransposeConvOptions", **options)


def binary(kind: str, table: str, second: tuple[int, ...] = (1, 4, 5, 6)) -> Make:
    def make(n: Net) -> None:
        a, b = n.x((1, 4, 5, 6)), n.x(second)
        scale = n.scales[0] * n.scales[1] * 90.7 if kind == "MUL" else n.scales[0] + n.scales[1]
        y = n.y((1, 4, 5, 6), **n.numbers(scale))
        n.operator(kind, [a, b], [y], table, fused_activation_function=n.activation())

    return make


def concatenation(n: Net) -> None:
    """In half of the trials the parts have other scales."""
    numbers = n.numbers()
    other = numbers if n.rng.integers(2) else n.numbers()
    inputs = [n.x((1, 3, 4, 5), **numbers), n.x((1, 3, 4, 2), **other)]
    n.operator("CONCATENATION", inputs, [n.y((1, 3, 4, 7), **numbers)], "ConcatenationOptions", axis=3)


def pool(kind: str, size: tuple[int, int], padding: int, stride: int = 2) -> Make:
    def make(n: Net) -> None:
        numbers = n.numbers()
        x = n.x((1, 6, 7, 4), **numbers)
        height, width = (
            -(-length // stride) if padding == 0 else (length - k) // stride + 1
            for length, k in zip((6, 7), size, strict=True)
        )
        options = {"padding": padding, "stride_h": stride, "stride_w": stride}
        options |= {"filter_height": size[0], "filter_width": size[1], "fused_activation_function": n.activation()}
        n.operator(kind, [x], [n.y((1, height, width, 4), **numbers)], "Pool2DOptions", **options)

    return make


def unary(kind: str, table: str | None = None, y: tuple[float, int] | None = None, **options: Any) -> Make:
    def make(n: Net) -> None:
        x = n.x((1, 16, 16))
        numbers = n.numbers(n.scales[0] * float(n.rng.uniform(0.3, 3)))
        if y is not None:
            numbers = {"scale": y[0], "zero_point": y[1]}
        n.operator(kind, [x], [n.y((1, 16, 16), **numbers)], table, **options)

    return make


def moved(kind: str, out: tuple[int, ...], constants: Sequence[Any], table: str | None, **options: Any) -> Make:
    def make(n: Net) -> None:
        numbers = n.numbers()
        x = n.x((1, 4, 6, 8), **numbers)
        n.operator(kind, [x, *map(n.constant, constants)], [n.y(out, **numbers)], table, **options)

    return make


def mean(axes: Sequence[int], keep_dims: bool, kind: str = "MEAN") -> Make:
    def make(n: Net) -> None:
        x = n.x((1, 4, 5, 6))
        out = tuple(1 if k in axes else size for k, size in enumerate((1, 4, 5, 6)) if keep_dims or k not in axes)
        y = n.y(out, **n.numbers(n.scales[0] * float(n.rng.uniform(0.3, 1))))
        n.operator(kind, [x, n.constant(axes)], [y], "ReducerOptions", keep_dims=keep_dims)

    return make


BILINEAR, NEAREST = "ResizeBilinearOptions", "ResizeNearestNeighborOptions"
NETS: dict[str, Make] = {
    "ADD": binary("ADD", "AddOptions"),
    "ADD broadcast": binary("ADD", "AddOptions", (1, 1, 1, 6)),
    "AVERAGE_POOL_2D same": pool("AVERAGE_POOL_2D", (3, 3), 0),
    "AVERAGE_POOL_2D same 1": pool("AVERAGE_POOL_2D", (3, 3), 0, 1),
    "AVERAGE_POOL_2D even": pool("AVERAGE_POOL_2D", (2, 2), 1),
    "AVERAGE_POOL_2D whole": pool("AVERAGE_POOL_2D", (6, 7), 1),
    "CONCATENATION": concatenation,
    "CONV_2D": conv(6),
    "CONV_2D many": conv(40),
    "CONV_2D one": conv(1),
    "CONV_2D dilated": conv(6, dilation=(2, 3)),
    "CONV_2D groups": conv(6, 3),
    "DEPTHWISE_CONV_2D": depthwise(1),
    "DEPTHWISE_CONV_2D times 2": depthwise(2),
    "DEPTHWISE_CONV_2D dilated": depthwise(1, (2, 1), (1, 1)),
    "DEPTHWISE_CONV_2D dilated both": depthwise(2, (2, 2), (1, 1)),
    "FULLY_CONNECTED": fully_connected,
    "L2_NORMALIZATION": unary("L2_NORMALIZATION", "L2NormOptions", (1 / 128, 128)),
    "LOGISTIC": unary("LOGISTIC", None, (1 / 256, 0)),
    "MAX_POOL_2D": pool("MAX_POOL_2D", (3, 3), 0),
    "MEAN": mean((1, 2), True),
    "MEAN flat": mean((1, 2), False),
    "MEAN channels": mean((3,), True),
    "MUL": binary("MUL", "MulOptions"),
    "PAD": moved("PAD", (1, 7, 7, 8), [[[0, 0], [1, 2], [0, 1], [0, 0]]], "PadOptions"),
    "QUANTIZE": unary("QUANTIZE", "QuantizeOptions"),
    "RELU": unary("RELU"),
    "RELU6": unary("RELU6"),
    "RESHAPE": moved("RESHAPE", (1, 192), [[1, 192]], None),
    "RESIZE_BILINEAR": moved("RESIZE_BILINEAR", (1, 8, 12, 8), [[8, 12]], BILINEAR),
    "RESIZE_BILINEAR corners": moved("RESIZE_BILINEAR", (1, 9, 13, 8), [[9, 13]], BILINEAR, align_corners=True),
    "RESIZE_BILINEAR centers": moved("RESIZE_BILINEAR", (1, 8, 12, 8), [[8, 12]], BILINEAR, half_pixel_centers=True),
    "RESIZE_NEAREST_NEIGHBOR": moved("RESIZE_NEAREST_NEIGHBOR", (1, 7, 5, 8), [[7, 5]], NEAREST),
    "SOFTMAX": unary("SOFTMAX", "SoftmaxOptions", (1 / 256, 0), beta=1.0),
    "SQUEEZE": moved("SQUEEZE", (4, 6, 8), [], "SqueezeOptions", squeeze_dims=[0]),
    "SUB": binary("SUB", "SubOptions"),
    "SUM": mean((1, 2), True, "SUM"),
    "TANH": unary("TANH", None, (1 / 128, 128)),
    "TRANSPOSE_CONV": transpose_conv,
}


# Operators whose kernel for uint8 rounds in a way that the runtime does not have: within one code, and said.
WITHIN_ONE = {"L2_NORMALIZATION", "RESIZE_BILINEAR"}


@pytest.mark.parametrize("match", ["tflm", "litert"])
@pytest.mark.parametrize("name", NETS)
def test_every_byte(name: str, match: str, tmp_path: Path) -> None:
    for trial in range(TRIALS):
        net = Net(name, trial)
        NETS[name](net)
        content = net.content()
        inputs = [net.rng.integers(0, 256, shape).astype(np.uint8) for shape in net.shapes]
        (expected,) = engines.Litert(content).run(inputs)
        path = tmp_path / "net.tflite"
        path.write_bytes(content)
        compiled = compile(path, match=match)
        model = qrt.load(compiled.to_bytes())
        assert {info.source_dtype for info in (*model.inputs, *model.outputs)} == {"UINT8"}
        codes = (model.run(*inputs).view(np.uint8) ^ np.uint8(128)).reshape(expected.shape)
        within = name.split()[0] in WITHIN_ONE
        assert len(compiled.report.deviations) == within
        np.testing.assert_allclose(codes.astype(int), expected.astype(int), rtol=0, atol=int(within))


@pytest.mark.parametrize("name", ["DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"])
def test_layers_that_xnnpack_may_round_otherwise_are_named(name: str, tmp_path: Path) -> None:
    for trial in range(TRIALS):
        net = Net(name, trial)
        NETS[name](net)
        content = net.content()
        inputs = [net.rng.integers(0, 256, shape).astype(np.uint8) for shape in net.shapes]
        (expected,) = engines.Litert(content, reference=False).run(inputs)
        path = tmp_path / "net.tflite"
        path.write_bytes(content)
        compiled = compile(path, match="xnnpack")
        codes = (qrt.load(compiled.to_bytes()).run(*inputs).view(np.uint8) ^ np.uint8(128)).reshape(expected.shape)
        assert compiled.report.deviations
        np.testing.assert_allclose(codes.astype(int), expected.astype(int), rtol=0, atol=1)


LAYERS: dict[str, tuple[str, tuple[int, ...], tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "CONV_2D": ("Conv2DOptions", (1, 8, 8, 8), (16, 1, 1, 8), (1, 8, 8, 16), {"padding": 1}),
    "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", (1, 8, 8, 16), (1, 3, 3, 16), (1, 6, 6, 16), {"padding": 1}),
    "FULLY_CONNECTED": ("FullyConnectedOptions", (64, 8), (16, 8), (64, 16), {}),
}


@pytest.mark.parametrize("match", ["tflm", "litert"])
@pytest.mark.parametrize("kind", LAYERS)
def test_ties_of_layers(kind: str, match: str, tmp_path: Path) -> None:
    """Half of the accumulators lie at ties, which the rounding of the real multiplier decides."""
    table, shape, w_shape, out, options = LAYERS[kind]
    if kind != "FULLY_CONNECTED":
        options = options | {"stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}
    for trial in range(30):
        net = Net(f"{kind} ties", trial)
        rng = net.rng
        x = net.x(shape, scale=float(np.float32(rng.uniform(0.01, 0.2))), zero_point=int(rng.integers(100, 150)))
        scale = float(np.float32(rng.uniform(0.002, 0.01)))
        weights = net.constant(rng.integers(120, 136, w_shape), "uint8", scale=scale, zero_point=128)
        unit = np.float32(net.scales[0]) * np.float32(scale)
        bias = net.constant(rng.integers(-5, 5, out[-1]), scale=unit)
        y = net.y(out, scale=net.scales[0] * scale * 2 * int(rng.choice([1, 2, 3, 5])), zero_point=128)
        net.operator(kind, [x, weights, bias], [y], table, **options)
        content, path = net.content(), tmp_path / "net.tflite"
        path.write_bytes(content)
        given = np.clip(rng.normal(128, 8, shape), 0, 255).astype(np.uint8)
        (expected,) = engines.Litert(content).run([given])
        codes = qrt.load(compile(path, match=match).to_bytes()).run(given).view(np.uint8) ^ np.uint8(128)
        np.testing.assert_array_equal(codes.reshape(expected.shape), expected)


def test_edges_of_int8_networks_stay_tflms(tmp_path: Path) -> None:
    """uint8 at the edges of an int8 network does not make it one of LiteRT's."""
    file = TfliteFile("net")
    x, y = file.tensor("x", (1, 64), "uint8", scale=0.07, zero_point=99), file.tensor("y", (1, 64), scale=0.07)
    z, out = file.tensor("z", (1, 64), scale=0.05), file.tensor("out", (1, 64), "uint8", scale=0.05, zero_point=128)
    file.operator("QUANTIZE", [x], [y], "QuantizeOptions")
    file.operator("RELU6", [y], [z])  # TFLM does not change the scale here, LiteRT does
    file.operator("QUANTIZE", [z], [out], "QuantizeOptions")
    content, path = file.to_bytes([x], [out]), tmp_path / "net.tflite"
    path.write_bytes(content)
    given = np.random.default_rng(3).integers(0, 256, (1, 64), np.uint8)
    for match, engine in (("tflm", engines.Tflm), ("litert", engines.Litert)):
        (expected,) = engine(content).run([given])
        codes = qrt.load(compile(path, match=match).to_bytes()).run(given).view(np.uint8) ^ np.uint8(128)
        np.testing.assert_array_equal(codes, expected)
