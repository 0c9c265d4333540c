"""Each operator of TensorFlow Lite in random models: bit-exact to TFLM and to LiteRT's reference kernels."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import engines
import numpy as np
import pytest
from single_operators import Array, Make, Model, Shape, ours, same

import qrt
from qrt.compiler import CompileError, compile

pytest.importorskip("tflite")

from qrt.compiler.backends.tflite.file import TfliteFile
from qrt.compiler.frontends.tflite.graph import to_graph
from qrt.compiler.frontends.tflite.node import KEEPING
from qrt.schema.operators import OPERATORS

TRIALS = 6
ACTIVATIONS = (0, 1, 2, 3)  # none, ReLU, ReLU_N1_TO_1, ReLU6


def unary(kind: str, table: str | None = None, y: tuple[float, int] | None = None, **options: Any) -> Make:
    def make(m: Model) -> None:
        x = m.x((1, 16, 16))
        scale, zero_point = y if y is not None else (m.scales[0] * float(m.rng.uniform(0.3, 3)), m.zero_point())
        m.file.operator(kind, [x], [m.y((1, 16, 16), scale, zero_point)], table, **options)

    return make


def kept(kind: str) -> Make:
    """The same numbers behind the operator."""

    def make(m: Model) -> None:
        x, scale, zero_point = same(m, (1, 16, 16))
        m.file.operator(kind, [x], [m.y((1, 16, 16), scale, zero_point)])

    return make


def binary(kind: str, table: str, shapes: Sequence[Shape] = ((1, 4, 5, 6), (1, 4, 5, 6))) -> Make:
    def make(m: Model) -> None:
        a, b = (m.x(shape) for shape in shapes)
        scale = m.scales[0] * m.scales[1] * 90.7 / m.step if kind == "MUL" else m.scales[0] + m.scales[1]
        y = m.y(np.broadcast_shapes(*shapes), scale)
        m.file.operator(kind, [a, b], [y], table, fused_activation_function=int(m.rng.choice(ACTIVATIONS)))

    return make


def keeping(kind: str, shapes: Sequence[Shape]) -> Make:
    """An elementwise operator that keeps the numbers."""

    def make(m: Model) -> None:
        scale, zero_point = m.scale(), m.zero_point()
        inputs = [m.x(shape, scale, zero_point) for shape in shapes]
        y = m.y(np.broadcast_shapes(*shapes), scale, zero_point)
        m.file.operator(kind, inputs, [y])

    return make


def every_keeping() -> Iterator[tuple[str, Make]]:
    for name, kind in KEEPING.items():
        for second in ((1, 4, 5, 6), (1, 1, 1, 6))[: OPERATORS[kind].inputs[0]]:
            shapes = ((1, 4, 5, 6), second)[: OPERATORS[kind].inputs[0]]
            yield f"{name} {shapes[-1]}", keeping(name, shapes)


def moved(
    kind: str, shape: Shape, out_shape: Shape, constants: Sequence[Any], table: str | None, **options: Any
) -> Make:
    def make(m: Model) -> None:
        x, scale, zero_point = same(m, shape)
        inputs = [x, *(m.constant(c) for c in constants)]
        m.file.operator(kind, inputs, [m.y(out_shape, scale, zero_point)], table, **options)

    return make


def padv2(m: Model) -> None:
    x, scale, zero_point = same(m, (1, 3, 4, 2))
    value = m.constant(m.codes((1,)), m.dtype, scale=scale, zero_point=zero_point)
    pads = m.constant([[0, 0], [1, 2], [0, 1], [2, 0]])
    m.file.operator("PADV2", [x, pads, value], [m.y((1, 6, 5, 4), scale, zero_point)], "PadV2Options")


def split(m: Model) -> None:
    x, scale, zero_point = same(m, (1, 4, 6, 3))
    outputs = [m.y((1, 4, 2, 3), scale, zero_point) for _ in range(3)]
    m.file.operator("SPLIT", [m.constant([2]), x], outputs, "SplitOptions", num_splits=3)


def split_v(m: Model) -> None:
    x, scale, zero_point = same(m, (1, 4, 6))
    outputs = [m.y((1, 4, n), scale, zero_point) for n in (1, 3, 2)]
    m.file.operator("SPLIT_V", [x, m.constant([1, 3, 2]), m.constant([-1])], outputs, "SplitVOptions", num_splits=3)


def concatenation(m: Model) -> None:
    scale, zero_point = m.scale(), m.zero_point()
    inputs = [m.x((1, 3, n, 2), scale, zero_point) for n in (1, 2, 4)]
    m.file.operator("CONCATENATION", inputs, [m.y((1, 3, 7, 2), scale, zero_point)], "ConcatenationOptions", axis=-2)


def transpose_conv(stride: int, size: int, padding: int, out: int) -> Make:
    def make(m: Model) -> None:
        x = m.x((1, 3, 4, 5))
        w, bias = m.weights((6, size, size, 5), 0, m.scales[0])
        width = out + stride
        shape = m.constant([1, out, width, 6])
        y = m.y((1, out, width, 6), 0.4 * m.step)
        options = {"padding": padding, "stride_h": stride, "stride_w": stride}
        m.file.operator("TRANSPOSE_CONV", [shape, w, x, bias], [y], "TransposeConvOptions", **options)

    return make


def batch_matmul(a: Shape, b: Shape, **options: Any) -> Make:
    def make(m: Model) -> None:
        x, w = m.x(a), m.x(b)
        rows = a[-1] if options.get("adj_x") else a[-2]
        columns = b[-2] if options.get("adj_y") else b[-1]
        y = m.y((*np.broadcast_shapes(a[:-2], b[:-2]), rows, columns), m.scales[0] * m.scales[1] * 301.7 / m.step)
        m.file.operator("BATCH_MATMUL", [x, w], [y], "BatchMatMulOptions", **options)

    return make


def mean(shape: Shape, axes: Sequence[int], keep_dims: bool) -> Make:
    def make(m: Model) -> None:
        x = m.x(shape)
        reduced = {a % len(shape) for a in axes}
        full = [1 if k in reduced else n for k, n in enumerate(shape)]
        out = tuple(full) if keep_dims else tuple(n for k, n in enumerate(shape) if k not in reduced)
        y = m.y(out, m.scales[0] * float(m.rng.uniform(0.3, 1)))
        m.file.operator("MEAN", [x, m.constant(axes)], [y], "ReducerOptions", keep_dims=keep_dims)

    return make


def arg_max(shape: Shape, axis: int, moved: bool = False) -> Make:
    """With an axis of its own and in another type, if `moved`."""

    def make(m: Model) -> None:
        out = tuple(n for k, n in enumerate(shape) if k != axis % len(shape))
        x = m.x(shape)
        y = m.file.tensor("position", out, "int32") if moved else m.y(out, dtype="int32")
        m.file.operator("ARG_MAX", [x, m.constant([axis])], [y], "ArgMaxOptions", output_type=2)
        if moved:
            whole = m.file.tensor("whole", (*out, 1), "int32")
            m.file.operator("RESHAPE", [y, m.constant((*out, 1))], [whole], "ReshapeOptions", new_shape=(*out, 1))
            m.file.operator("CAST", [whole], [m.y((*out, 1), dtype="float32")])

    return make


def conv(kind: str, depth: int = 1) -> Make:
    def make(m: Model) -> None:
        x = m.x((1, 5, 6, 4))
        options: dict[str, Any] = {"padding": int(m.rng.integers(2)), "stride_h": 2, "stride_w": 1}
        options |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
        if kind == "CONV_2D":
            inputs, out = m.weights((7, 3, 2, 4), 0, m.scales[0]), 7
        else:
            inputs, out = m.weights((1, 3, 2, 4 * depth), 3, m.scales[0]), 4 * depth
            options["depth_multiplier"] = depth
        height, width = (2, 5) if options["padding"] else (3, 6)
        table = "Conv2DOptions" if kind == "CONV_2D" else "DepthwiseConv2DOptions"
        y = m.y((1, height, width, out), 0.1 * m.step)
        options["fused_activation_function"] = int(m.rng.choice(ACTIVATIONS))
        m.file.operator(kind, [x, *inputs], [y], table, **options)

    return make


def fully_connected(m: Model) -> None:
    x = m.x((3, 12))
    w = m.constant(m.rng.integers(-127, 128, (5, 12)), "int8", scale=0.004)
    bias = m.constant(
        m.rng.integers(-2000, 2000, 5) * round(1 / m.step),
        "int32" if m.dtype == "int8" else "int64",
        scale=np.float32(0.004) * np.float32(m.scales[0]),
    )
    m.file.operator("FULLY_CONNECTED", [x, w, bias], [m.y((3, 5), 0.1 * m.step)], "FullyConnectedOptions")


def pool(kind: str) -> Make:
    def make(m: Model) -> None:
        x, scale, zero_point = same(m, (1, 5, 6, 4))
        padding = int(m.rng.integers(2))
        y = m.y((1, 2, 3, 4) if padding else (1, 3, 3, 4), scale, zero_point)
        options = {"padding": padding, "stride_h": 2, "stride_w": 2, "filter_height": 3, "filter_width": 2}
        options["fused_activation_function"] = int(m.rng.choice(ACTIVATIONS))
        m.file.operator(kind, [x], [y], "Pool2DOptions", **options)

    return make


NEAREST, BILINEAR = "ResizeNearestNeighborOptions", "ResizeBilinearOptions"
IMAGE = (1, 4, 6, 8)


def resizes() -> Iterator[tuple[str, Make]]:
    for kind, table in (("RESIZE_NEAREST_NEIGHBOR", NEAREST), ("RESIZE_BILINEAR", BILINEAR)):
        for size in ((7, 5), (8, 12), (2, 3), (1, 1), (4, 6)):
            for align_corners, half_pixel_centers in ((False, False), (True, False), (False, True)):
                name = f"{kind} {size} {align_corners} {half_pixel_centers}"
                options = {"align_corners": align_corners, "half_pixel_centers": half_pixel_centers}
                yield name, moved(kind, (1, 4, 6, 3), (1, *size, 3), [size], table, **options)


STRIDED = "StridedSliceOptions"
MODELS: dict[str, Make] = {
    "ADD": binary("ADD", "AddOptions"),
    "ADD broadcast": binary("ADD", "AddOptions", ((1, 4, 5, 6), (6,))),
    "ARG_MAX": arg_max((1, 5, 20), -1),
    "ARG_MAX axis 1": arg_max((1, 5, 3), 1),
    "ARG_MAX, RESHAPE, CAST": arg_max((1, 5, 20), -1, True),
    "AVERAGE_POOL_2D": pool("AVERAGE_POOL_2D"),
    "BATCH_MATMUL": batch_matmul((1, 3, 4), (1, 4, 5)),
    "BATCH_MATMUL adj_y": batch_matmul((2, 3, 4), (2, 5, 4), adj_y=True),
    "BATCH_MATMUL adj_x": batch_matmul((2, 4, 3), (2, 4, 5), adj_x=True),
    "BATCH_MATMUL broadcast": batch_matmul((2, 2, 3, 4), (4, 5)),
    "CONCATENATION": concatenation,
    "CONV_2D": conv("CONV_2D"),
    "DEPTHWISE_CONV_2D": conv("DEPTHWISE_CONV_2D"),
    "DEPTHWISE_CONV_2D times 3": conv("DEPTHWISE_CONV_2D", 3),
    "DEPTH_TO_SPACE": moved("DEPTH_TO_SPACE", (1, 2, 3, 8), (1, 4, 6, 2), [], "DepthToSpaceOptions", block_size=2),
    "FULLY_CONNECTED": fully_connected,
    "HARD_SWISH": unary("HARD_SWISH", "HardSwishOptions"),
    "L2_NORMALIZATION": unary("L2_NORMALIZATION", "L2NormOptions", (1 / 128, 0)),
    "LEAKY_RELU": unary("LEAKY_RELU", "LeakyReluOptions", alpha=0.13),
    "LOGISTIC": unary("LOGISTIC", None, (1 / 256, -128)),
    "MAX_POOL_2D": pool("MAX_POOL_2D"),
    "MEAN": mean((1, 4, 5, 6), (1, 2), True),
    "MEAN flat": mean((1, 4, 5, 6), (1, 2), False),
    "MEAN channels": mean((1, 4, 5, 6), (3,), True),
    "MEAN width": mean((1, 4, 5, 6), (2,), False),
    "MEAN apart": mean((1, 4, 5, 6), (1, 3), True),
    "MUL": binary("MUL", "MulOptions"),
    "MUL broadcast": binary("MUL", "MulOptions", ((1, 1, 1, 6), (1, 4, 5, 6))),
    "PAD": moved("PAD", (1, 3, 4, 2), (1, 6, 5, 4), [[[0, 0], [1, 2], [0, 1], [2, 0]]], "PadOptions"),
    "PADV2": padv2,
    "QUANTIZE": unary("QUANTIZE", "QuantizeOptions"),
    "RELU": unary("RELU"),
    "RELU6": unary("RELU6"),
    "RELU6 kept": kept("RELU6"),
    "RELU kept": kept("RELU"),
    "RELU_N1_TO_1": unary("RELU_N1_TO_1"),
    "SLICE": moved("SLICE", IMAGE, (1, 2, 3, 7), [[0, 1, 2, 1], [1, 2, 3, -1]], "SliceOptions"),
    "SOFTMAX": unary("SOFTMAX", "SoftmaxOptions", (1 / 256, -128), beta=1.0),
    "SPACE_TO_DEPTH": moved("SPACE_TO_DEPTH", (1, 4, 6, 2), (1, 2, 3, 8), [], "SpaceToDepthOptions", block_size=2),
    "SPLIT": split,
    "SPLIT_V": split_v,
    "STRIDED_SLICE": moved("STRIDED_SLICE", IMAGE, (1, 2, 2, 8), [[0, 1, 0, 0], [1, 3, 6, 8], [1, 1, 3, 1]], STRIDED),
    "STRIDED_SLICE masks": moved(
        "STRIDED_SLICE", IMAGE, (1, 4, 8), [[0, 3, 1, 0], [1, 0, 5, 8], [1, 1, 1, 1]], STRIDED,
        begin_mask=8, end_mask=1, shrink_axis_mask=2,
    ),
    "STRIDED_SLICE backwards": moved(
        "STRIDED_SLICE", IMAGE, (1, 4, 3, 8), [[0, -1, 5, 0], [1, 0, 0, 8], [1, -1, -2, 1]], STRIDED, end_mask=2
    ),
    "SUB": binary("SUB", "SubOptions"),
    "SUB broadcast": binary("SUB", "SubOptions", ((1, 4, 5, 6), (1, 1, 1, 1))),
    "TANH": unary("TANH", None, (1 / 128, 0)),
    "TRANSPOSE": moved("TRANSPOSE", (1, 3, 4, 5), (5, 1, 3, 4), [[3, 0, 1, 2]], "TransposeOptions"),
    "TRANSPOSE_CONV same": transpose_conv(2, 3, 0, 6),
    "TRANSPOSE_CONV valid": transpose_conv(2, 3, 1, 7),
    "TRANSPOSE_CONV 4x4": transpose_conv(2, 4, 0, 6),
    "TRANSPOSE_CONV 1x1": transpose_conv(2, 1, 0, 6),
    **dict(resizes()),
    **dict(every_keeping()),
}  # fmt: skip
# What an engine does not have, or refuses in this form.
LACKS = {"tflm": {"RELU_N1_TO_1", "SPLIT_V"}, "litert": set[str]()}
ENGINES: dict[str, Callable[..., list[Array]]] = {
    "tflm": lambda content, inputs, count: engines.Tflm(content).run(inputs, count),
    "litert": lambda content, inputs, count: engines.Litert(content).run(inputs, count),
}


def drawn(name: str, trial: int, dtype: str = "int8") -> Model:
    m = Model(np.random.default_rng([zlib.crc32(name.encode()), trial]), dtype)
    MODELS[name](m)
    return m


@pytest.mark.parametrize(
    ("name", "match"), [(name, match) for match in ENGINES for name in MODELS if name.split()[0] not in LACKS[match]]
)
def test_every_byte(name: str, match: str, tmp_path: Path) -> None:
    for trial in range(TRIALS):
        m = drawn(name, trial)
        content = m.to_bytes()
        inputs = [m.rng.integers(-128, 128, shape).astype(np.int8) for shape in m.shapes]
        theirs = ENGINES[match](content, inputs, len(m.outputs))
        for expected, got in zip(theirs, ours(tmp_path / "one.tflite", content, match, inputs), strict=True):
            if expected.dtype != np.int8:
                expected = (expected - 128).astype(np.int8)
            np.testing.assert_array_equal(got.reshape(expected.shape), expected)


# Operators on int16 codes; test_tflite_int16.py has those whose output scale is fixed, and layers of every kind.
INT16 = [
    name
    for name in MODELS
    if name.split()[0]
    in {
        *("ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"),
        *("MAXIMUM", "MAX_POOL_2D", "MEAN", "MINIMUM", "MUL", "PAD", "PADV2", "SLICE", "SPLIT", "STRIDED_SLICE", "SUB"),
        *("TRANSPOSE", "TRANSPOSE_CONV"),
    }
]


@pytest.mark.parametrize("name", INT16)
def test_every_code_of_int16(name: str, tmp_path: Path) -> None:
    for trial in range(3):
        m = drawn(name, trial, "int16")
        content, inputs = m.to_bytes(), [m.codes(shape) for shape in m.shapes]
        theirs = ENGINES["tflm"](content, inputs, len(m.outputs))
        got = ours(tmp_path / "one.tflite", content, "tflm", inputs)
        for expected, codes in zip(theirs, got, strict=True):
            np.testing.assert_array_equal(codes.reshape(expected.shape), expected)


@pytest.mark.parametrize("match", ENGINES)
def test_relu_behind_a_mean(match: str, tmp_path: Path) -> None:
    """The mean has its integers from the frontend; the activation becomes their bounds."""
    m = Model(np.random.default_rng(4))
    x, numbers = m.x((1, 4, 4, 8)), {"scale": 0.05, "zero_point": 10}
    average = m.file.tensor("average", (1, 1, 1, 8), **numbers)
    m.file.operator("MEAN", [x, m.constant([1, 2])], [average], "ReducerOptions", keep_dims=True)
    m.file.operator("RELU", [average], [m.y((1, 1, 1, 8), **numbers)])
    content = m.to_bytes()
    for _ in range(TRIALS):
        given = m.rng.integers(-128, 128, (1, 4, 4, 8)).astype(np.int8)
        (expected,) = ENGINES[match](content, [given], 1)
        (got,) = ours(tmp_path / "one.tflite", content, match, [given])
        assert expected.min() >= 10
        np.testing.assert_array_equal(got, expected)


def edges(in_type: str, out_type: str) -> bytes:
    """A ReLU in int8 between a QUANTIZE from `in_type` and one to `out_type`, or a DEQUANTIZE."""
    file = TfliteFile("edges")
    numbers: dict[str, Any] = {"scale": 0.5, "zero_point": 3}
    shape = (1, 64)
    x = file.tensor("x", shape, in_type, **({} if in_type == "float32" else {"scale": 0.25, "zero_point": 120}))
    codes, cut = file.tensor("codes", shape, **numbers), file.tensor("cut", shape, **numbers)
    y = file.tensor("y", shape, out_type, **({} if out_type == "float32" else {"scale": 0.3, "zero_point": 128}))
    file.operator("QUANTIZE", [x], [codes], "QuantizeOptions")
    file.operator("RELU", [codes], [cut])
    file.operator(*(("DEQUANTIZE", [cut], [y]) if out_type == "float32" else ("QUANTIZE", [cut], [y])))
    return file.to_bytes([x], [y])


@pytest.mark.parametrize("match", ENGINES)
def test_float_edges(match: str, tmp_path: Path) -> None:
    content = edges("float32", "float32")
    # Every half step is a tie.
    x = (np.arange(64, dtype=np.float32)[np.newaxis] - 20) / 4
    (expected,) = ENGINES[match](content, [x], 1)
    path = tmp_path / "edges.tflite"
    path.write_bytes(content)
    model = qrt.load(compile(path, match=match).to_bytes())
    assert (model.inputs[0].name, model.inputs[0].quantize_rule) == ("x", "DIVIDE_HALF_AWAY")
    np.testing.assert_array_equal(model.run(x, dequantize=True), expected)


@pytest.mark.parametrize("match", ENGINES)
def test_uint8_edges(match: str, tmp_path: Path) -> None:
    content = edges("uint8", "uint8")
    x = np.random.default_rng(3).integers(0, 256, (1, 64), np.uint8)
    (expected,) = ENGINES[match](content, [x], 1)
    path = tmp_path / "edges.tflite"
    path.write_bytes(content)
    model = qrt.load(compile(path, match=match).to_bytes())
    assert model.inputs[0].source_dtype == model.outputs[0].source_dtype == "UINT8"
    codes = model.run(x)
    np.testing.assert_array_equal(codes, (expected ^ np.uint8(128)).view(np.int8))
    np.testing.assert_array_equal(model.run((x ^ np.uint8(128)).view(np.int8)), codes)


def test_concatenation_of_other_scales(tmp_path: Path) -> None:
    """No engine takes these; each part is requantized, rounded once."""
    file = TfliteFile("parts")
    inputs = [file.tensor(f"x{i}", (1, 4), scale=scale, zero_point=i) for i, scale in enumerate((0.1, 0.25, 0.5))]
    y = file.tensor("y", (1, 12), scale=0.5, zero_point=2)
    file.operator("CONCATENATION", inputs, [y], "ConcatenationOptions", axis=1)
    path = tmp_path / "parts.tflite"
    path.write_bytes(file.to_bytes(inputs, [y]))
    given = [np.array([codes], np.int8) for codes in ([0, 7, -50, 127], [1, 2, -9, 100], [2, 3, 4, -100])]
    got = qrt.load(compile(path).to_bytes()).run(*given)
    real = [scale * (x - i) for i, (scale, x) in enumerate(zip((0.1, 0.25, 0.5), given, strict=True))]
    np.testing.assert_array_equal(got, np.clip(np.floor(np.concatenate(real, 1) / 0.5 + 0.5 + 1e-6) + 2, -128, 127))


def test_all_that_is_unsupported_is_listed(tmp_path: Path) -> None:
    file = TfliteFile("odd")
    tensors = [file.tensor(name, (1, 4), scale=0.1) for name in ("x", "floored", "summed", "kept", "wide")]
    file.operator("FLOOR", tensors[:1], tensors[1:2])
    file.operator("SIN", tensors[1:2], tensors[2:3])
    file.operator("RELU", tensors[2:3], tensors[3:4])
    file.operator("COS", tensors[3:4], tensors[4:5])
    path = tmp_path / "odd.tflite"
    path.write_bytes(file.to_bytes(tensors[:1], tensors[4:]))
    with pytest.raises(CompileError) as error:
        compile(path)
    assert [(p.name, p.kind) for p in error.value.problems] == [
        ("floored", "FLOOR"),
        ("summed", "SIN"),
        ("wide", "COS"),
    ]


def test_other_types_at_the_edge_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "edges.tflite"
    path.write_bytes(edges("uint16", "float32"))
    with pytest.raises(CompileError, match="reads uint16"):
        compile(path)
    path.write_bytes(edges("int16", "float32"))  # its zero point is not 0
    with pytest.raises(CompileError, match="int16 needs a scale and zero point 0"):
        compile(path)


@pytest.mark.parametrize("match", ENGINES)
def test_int16_edges(match: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    for _ in range(TRIALS):
        file = TfliteFile("edges")
        x = file.tensor("x", (1, 600), "int16", scale=float(rng.uniform(1e-5, 1e-3)))
        y = file.tensor("y", (1, 600), scale=float(rng.uniform(0.01, 0.1)), zero_point=int(rng.integers(-128, 128)))
        z = file.tensor("z", (1, 600), scale=1 / 256, zero_point=-128)
        file.operator("QUANTIZE", [x], [y], "QuantizeOptions")
        file.operator("LOGISTIC", [y], [z])
        content = file.to_bytes([x], [y, z])
        given = rng.integers(-(2**15), 2**15, (1, 600)).astype(np.int16)
        path = tmp_path / "edges.tflite"
        path.write_bytes(content)
        graph = to_graph(path, match)
        graph.outputs = graph.outputs[1:]  # a model input is no output here
        model = qrt.load(compile(graph).to_bytes())
        codes, squashed = ENGINES[match](content, [given], 2)
        assert (model.inputs[0].name, model.inputs[0].source_dtype) == ("x", "INT16")
        np.testing.assert_array_equal(model.inputs[0].requantize(given), codes)
        np.testing.assert_array_equal(model.run(given), squashed)


def test_a_mean_whose_sums_overflow_is_refused(tmp_path: Path) -> None:
    m = Model(np.random.default_rng(4))
    x = m.x((1, 4, 4, 8), 1e5, 0)
    m.file.operator("MEAN", [x, m.constant([1, 2])], [m.y((1, 8), 1e-4)], "ReducerOptions", keep_dims=False)
    path = tmp_path / "far.tflite"
    path.write_bytes(m.to_bytes())
    with pytest.raises(CompileError, match="sums can overflow"):
        compile(path)
