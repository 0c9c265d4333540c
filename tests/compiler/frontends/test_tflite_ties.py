"""Files with numbers near ties, which show the steps in which an engine computes its factors and rounds.

With other numbers a wrong step changes one code in a hundred thousand, which random models do not find.
"""

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
from qrt.compiler.backends.qfb.reader import read
from qrt.compiler.report import Deviation

pytest.importorskip("tflite")

from qrt.compiler.backends.tflite.file import TfliteFile
from qrt.compiler.backends.tflite.writer import to_tflite

Array = np.ndarray[Any, Any]
Rng = np.random.Generator
File = tuple[bytes, list[Array]]

ENGINES: dict[str, Callable[[bytes, Sequence[Array], int], list[Array]]] = {
    "tflm": lambda content, inputs, count: engines.Tflm(content).run(inputs, count),
    "litert": lambda content, inputs, count: engines.Litert(content).run(inputs, count),
    "xnnpack": lambda content, inputs, count: engines.Litert(content, reference=False).run(inputs, count),
}
EXACT = ("tflm", "litert")
CODES = np.arange(-128, 128).astype(np.int8).reshape(1, 256)
# Every pair of codes.
PAIRS = [grid.astype(np.int8).reshape(1, 256, 256, 1) for grid in np.meshgrid(*[np.arange(-128, 128)] * 2)]
# Output channels of a layer: one for each tie between two codes but the outermost.
CHANNELS = 250


def single(real: float) -> float:
    """As files hold it."""
    return float(np.float32(real))


def drawn_scale(rng: Rng, low: float = -3, high: float = 0) -> float:
    return single(10 ** rng.uniform(low, high))


def drawn_zero_point(rng: Rng) -> int:
    return int(rng.choice([-128, 0, 127, int(rng.integers(-128, 128))]))


def tie(rng: Rng, steps: int) -> float:
    """A factor with which `steps` steps are a tie."""
    return (int(rng.integers(126)) + 0.5) / steps


def ours(path: Path, content: bytes, match: str, inputs: Sequence[Array]) -> tuple[list[Array], list[Deviation]]:
    """Results, and what the compiler says may differ."""
    path.write_bytes(content)
    compiled = compile(path, match=match)
    result = qrt.load(compiled.to_bytes()).run(*inputs)
    outputs = result if isinstance(result, list) else [result]
    return outputs, compiled.report.deviations


def differing(theirs: Array, codes: Array) -> Array:
    """Where results differ; uint8 ones are 128 higher."""
    if theirs.dtype == np.uint8:
        theirs = (theirs ^ np.uint8(128)).view(np.int8)
    return np.flatnonzero(theirs.reshape(-1) != codes.reshape(-1))


def seed(*words: object) -> Rng:
    return np.random.default_rng(zlib.crc32(repr(words).encode()))


# Layers with weights: one accumulator for each channel, its bias, which is a tie.

WINDOW = {"padding": 1, "stride_h": 1, "stride_w": 1}
DILATED = {**WINDOW, "dilation_h_factor": 1, "dilation_w_factor": 1}
LAYERS: dict[str, tuple[int, tuple[int, ...], str, dict[str, int]]] = {
    "FULLY_CONNECTED": (0, (CHANNELS, 1), "FullyConnectedOptions", {}),
    "CONV_2D": (0, (CHANNELS, 1, 1, 1), "Conv2DOptions", DILATED),
    "DEPTHWISE_CONV_2D": (3, (1, 1, 1, CHANNELS), "DepthwiseConv2DOptions", {**DILATED, "depth_multiplier": CHANNELS}),
    "TRANSPOSE_CONV": (0, (CHANNELS, 1, 1, 1), "TransposeConvOptions", WINDOW),
}


def layer(kind: str, per_channel: bool, exact: bool, rng: Rng) -> File:
    """Ties up to what float32 leaves of the scales; where `exact`, powers of two, and nothing is left."""
    axis, shape, table, options = LAYERS[kind]
    halves = 2 * np.arange(-(CHANNELS // 2), CHANNELS // 2) + 1
    x_scale = single(rng.uniform(0.01, 0.1))
    if exact:
        power = int(rng.integers(2, 20))
        w_scale = 2.0 ** -int(rng.integers(3, 9))
        y_scale, bias = single(x_scale * w_scale * 2.0**power), halves << (power - 1)
    else:
        w_scale = single(rng.uniform(0.001, 0.01))
        y_scale = single(x_scale * w_scale / 10 ** rng.uniform(-6.5, -5.5))
        bias = np.rint(halves / 2 * y_scale / x_scale / w_scale).astype(np.int64)
    w_scales = np.full(CHANNELS if per_channel else 1, w_scale, np.float32)
    file = TfliteFile("layer")
    ones, y_shape = (1,) * len(shape), (*(1,) * (len(shape) - 1), CHANNELS)
    x = file.tensor("x", ones, scale=x_scale, zero_point=0)
    w = file.tensor("w", shape, scale=w_scales, axis=axis, data=rng.integers(-1, 2, shape).astype(np.int8))
    unit = np.float32(x_scale) * w_scales
    b = file.tensor("b", (CHANNELS,), "int32", scale=unit, data=bias.astype(np.int32))
    y = file.tensor("y", y_shape, scale=y_scale, zero_point=int(rng.integers(-5, 6)))
    inputs = [x, w, b]
    if kind == "TRANSPOSE_CONV":
        inputs = [file.tensor("shape", (4,), "int32", data=np.array(y_shape, np.int32)), w, x, b]
    file.operator(kind, inputs, [y], table, **options)
    return file.to_bytes([x], [y]), [np.zeros(ones, np.int8)]


@pytest.mark.parametrize("match", ENGINES)
@pytest.mark.parametrize("per_channel", [False, True], ids=["per tensor", "per channel"])
@pytest.mark.parametrize("kind", LAYERS)
def test_layers(kind: str, per_channel: bool, match: str, tmp_path: Path) -> None:
    for trial in range(20):
        content, inputs = layer(kind, per_channel, trial % 4 == 3, seed(kind, per_channel, trial))
        (expected,) = ENGINES[match](content, inputs, 1)
        (codes,), deviations = ours(tmp_path / "layer.tflite", content, match, inputs)
        # What XNNPACK rounds to even is counted, and nothing else differs.
        admitted = sum(deviation.count for deviation in deviations)
        assert match == "xnnpack" or not deviations
        assert differing(expected, codes).size <= admitted


# Operators of one input: every code.


def unary(kind: str, table: str | None, numbers: Sequence[float], shape: tuple[int, ...] = (1, 256), **o: Any) -> File:
    """`numbers`: scale and zero point of the input, then of the output."""
    file = TfliteFile("unary")
    x = file.tensor("x", shape, scale=numbers[0], zero_point=int(numbers[1]))
    y = file.tensor("y", shape, scale=numbers[2], zero_point=int(numbers[3]))
    file.operator(kind, [x], [y], table, **o)
    return file.to_bytes([x], [y]), [CODES.reshape(shape)]


def ratio(kind: str, table: str | None = None) -> Callable[[Rng], File]:
    def make(rng: Rng) -> File:
        x_scale = drawn_scale(rng)
        y_scale = single(x_scale / tie(rng, int(rng.integers(3, 256))))
        return unary(kind, table, (x_scale, drawn_zero_point(rng), y_scale, drawn_zero_point(rng)))

    return make


def leaky_relu(rng: Rng) -> File:
    x_scale, alpha = drawn_scale(rng), float(rng.choice([0.01, 0.1, 0.13, 0.3, -0.3]))
    y_scale = single(x_scale * abs(alpha) / tie(rng, int(rng.integers(3, 256))))
    numbers = x_scale, drawn_zero_point(rng), y_scale, drawn_zero_point(rng)
    return unary("LEAKY_RELU", "LeakyReluOptions", numbers, alpha=alpha)


def leaky_relu_exact(rng: Rng) -> File:
    x_scale, alpha = drawn_scale(rng), float(rng.choice([-3, -1.5, -0.75, -0.5, -0.25, 0.5, 0.75]))
    numbers = x_scale, drawn_zero_point(rng), x_scale * 2.0 ** int(rng.integers(-3, 5)), drawn_zero_point(rng)
    return unary("LEAKY_RELU", "LeakyReluOptions", numbers, alpha=alpha)


def hard_swish(rng: Rng) -> File:
    """One of its factors of 15 bits is a tie."""
    factor = (int(rng.integers(2**14, 2**15)) + 0.5) / 2**15 * 2.0 ** int(rng.integers(-3, 3))
    if rng.random() < 0.7:
        y_scale = drawn_scale(rng, -2.5, -0.5)
        x_scale = single(y_scale * factor)
    else:
        x_scale = single(factor * 3 / 8)
        y_scale = single(x_scale * rng.uniform(0.1, 3))
    numbers = x_scale, drawn_zero_point(rng), y_scale, drawn_zero_point(rng)
    return unary("HARD_SWISH", "HardSwishOptions", numbers)


def hard_swish_far(rng: Rng) -> File:
    """Scales so far apart that a shift in 16 bits leaves only the sign."""
    x_scale = single(2.0 ** rng.uniform(-26, 3))
    y_scale = single(x_scale * 2.0 ** rng.uniform(-6, 20))
    return unary("HARD_SWISH", "HardSwishOptions", (x_scale, drawn_zero_point(rng), y_scale, drawn_zero_point(rng)))


def relu6_bound(rng: Rng) -> File:
    x_scale = single(6 / (int(rng.integers(250)) + 0.5))
    return unary("RELU6", None, (x_scale, -128, single(x_scale * rng.uniform(0.5, 2)), -128))


def from_float(rng: Rng) -> File:
    """Reals at ties and one step of float32 beside them."""
    file, count, scale = TfliteFile("edge"), 2048, drawn_scale(rng)
    x = file.tensor("x", (1, count), "float32")
    y = file.tensor("y", (1, count), scale=scale, zero_point=drawn_zero_point(rng))
    file.operator("QUANTIZE", [x], [y], "QuantizeOptions")
    real = ((rng.integers(-128, 128, count) + 0.5) * scale).astype(np.float32)
    beside = np.nextafter(real, np.where(rng.random(count) < 0.5, np.inf, -np.inf).astype(np.float32))
    return file.to_bytes([x], [y]), [np.where(rng.random(count) < 0.3, real, beside).reshape(1, count)]


def to_uint8(rng: Rng) -> File:
    file, scale = TfliteFile("edge"), drawn_scale(rng)
    x = file.tensor("x", (1, 256), scale=scale, zero_point=drawn_zero_point(rng))
    y_scale = single(scale / tie(rng, int(rng.integers(3, 256))))
    y = file.tensor("y", (1, 256), "uint8", scale=y_scale, zero_point=int(rng.integers(256)))
    file.operator("QUANTIZE", [x], [y], "QuantizeOptions")
    return file.to_bytes([x], [y]), [CODES]


UNARY: dict[str, Callable[[Rng], File]] = {
    "HARD_SWISH": hard_swish,
    "HARD_SWISH far": hard_swish_far,
    "LEAKY_RELU": leaky_relu,
    "LEAKY_RELU exact": leaky_relu_exact,
    "QUANTIZE": ratio("QUANTIZE", "QuantizeOptions"),
    "QUANTIZE float": from_float,
    "QUANTIZE uint8": to_uint8,
    "RELU": ratio("RELU"),
    "RELU6": ratio("RELU6"),
    "RELU6 bound": relu6_bound,
    "RELU_N1_TO_1": ratio("RELU_N1_TO_1"),
}
# TFLM has no such operator; SIMD code of LiteRT's default kernels rounds by the position of a code.
OUT_OF_REACH = {("RELU_N1_TO_1", "tflm"), ("QUANTIZE uint8", "xnnpack")}


@pytest.mark.parametrize(
    ("name", "match"), [(name, match) for name in UNARY for match in ENGINES if (name, match) not in OUT_OF_REACH]
)
def test_operators_of_one_input(name: str, match: str, tmp_path: Path) -> None:
    for trial in range(60):
        content, inputs = UNARY[name](seed(name, trial))
        (expected,) = ENGINES[match](content, inputs, 1)
        (codes,), _ = ours(tmp_path / "unary.tflite", content, match, inputs)
        assert not differing(expected, codes).size, trial


# Logistic and tanh: scales and zero points at which float32 and fixed point, or two roundings of float32, differ.

TABLES = {
    "LOGISTIC": [(0.08690798, 108), (0.09530801326036453, 34), (2.045551300048828, -63), (4.668644428253174, 28),
                 (6.231574535369873, -65), (8.374305725097656, -4), (4.0, 5), (16.0, 5), (300.0, 5), (1e-6, 5)],
    "TANH": [(0.0022190362, 99), (8.374305725097656, -4), (9.650832176208496, -109), (8.279897689819336, 79),
             (4.0, 5), (16.0, 5), (300.0, 5), (1e-6, 5)],
}  # fmt: skip


def tables(kind: str, numbers: Sequence[tuple[float, int]]) -> bytes:
    """One operator for each scale and zero point of an input."""
    file, inputs, outputs = TfliteFile("tables"), [], []
    y_scale, y_zero_point = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}[kind]
    for i, (scale, zero_point) in enumerate(numbers):
        inputs.append(file.tensor(f"x{i}", (1, 256), scale=scale, zero_point=zero_point))
        outputs.append(file.tensor(f"y{i}", (1, 256), scale=y_scale, zero_point=y_zero_point))
        file.operator(kind, inputs[-1:], outputs[-1:])
    return file.to_bytes(inputs, outputs)


@pytest.mark.parametrize("match", ENGINES)
@pytest.mark.parametrize("kind", TABLES)
def test_logistic_and_tanh(kind: str, match: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    drawn = [(drawn_scale(rng, -3, 1.2), int(rng.integers(-128, 128))) for _ in range(40)]
    numbers = [*TABLES[kind], *drawn]
    content, inputs = tables(kind, numbers), [CODES] * len(numbers)
    expected = ENGINES[match](content, inputs, len(inputs))
    codes, _ = ours(tmp_path / "tables.tflite", content, match, inputs)
    for one, theirs, mine in zip(numbers, expected, codes, strict=True):
        assert not differing(theirs, mine).size, one


@pytest.mark.parametrize("kind", TABLES)
def test_exported_tables(kind: str, tmp_path: Path) -> None:
    """A table leaves as its operator, and the engines that compute another one there are named."""
    for number in TABLES[kind]:
        content = tables(kind, [number])
        for match in ENGINES:
            (codes,), _ = ours(tmp_path / "table.tflite", content, match, [CODES])
            exported = to_tflite(read(compile(tmp_path / "table.tflite", match=match).to_bytes()))
            for engine in EXACT:
                (theirs,) = ENGINES[engine](exported.content, [CODES], 1)
                assert bool(differing(theirs, codes).size) == bool(exported.differing[engine])


def test_exported_layers(tmp_path: Path) -> None:
    """A fully-connected layer for LiteRT, near ties: it computes the same bytes, or is named."""
    named = 0
    for trial in range(8):
        content, inputs = layer("FULLY_CONNECTED", True, trial % 4 == 3, seed("export", trial))
        (codes,), _ = ours(tmp_path / "layer.tflite", content, "litert", inputs)
        exported = to_tflite(read(compile(tmp_path / "layer.tflite", match="litert").to_bytes()))
        (theirs,) = ENGINES["litert"](exported.content, inputs, 1)
        named += bool(exported.differing["litert"])
        assert exported.differing["litert"] or not differing(theirs, codes).size
    assert named < 4


# Operators of two inputs: every pair of codes.


def product(kind: str) -> Callable[[Rng], File]:
    def make(rng: Rng) -> File:
        a, b = drawn_scale(rng, -2), drawn_scale(rng, -2)
        # Products that many pairs of codes have.
        steps = int(rng.choice([360, 720, 840, 1260, 2520, 5040]))
        file, y_scale = TfliteFile("product"), single(a * b / tie(rng, steps))
        shapes = [(1, 256, 1), (1, 1, 256), (1, 256, 256)] if kind == "BATCH_MATMUL" else [(1, 256, 256, 1)] * 3
        zero_points = [int(z) for z in rng.choice([-128, 0, 127, -100], 2)]
        x = [
            file.tensor(name, shape, scale=scale, zero_point=zero_point)
            for name, shape, scale, zero_point in zip("ab", shapes, (a, b), zero_points, strict=False)
        ]
        y = file.tensor("y", shapes[2], scale=y_scale, zero_point=drawn_zero_point(rng))
        options = {} if kind == "BATCH_MATMUL" else {"fused_activation_function": int(rng.choice([0, 3]))}
        file.operator(kind, x, [y], "BatchMatMulOptions" if kind == "BATCH_MATMUL" else "MulOptions", **options)
        inputs = PAIRS if kind == "MUL" else [CODES.reshape(shape) for shape in shapes[:2]]
        return file.to_bytes(x, [y]), inputs

    return make


def total(kind: str) -> Callable[[Rng], File]:
    def make(rng: Rng) -> File:
        a = drawn_scale(rng, -2)
        b = a * 2.0 ** int(rng.integers(-2, 3))
        y_scale = max(single(2 * a / tie(rng, 1) * int(rng.integers(1, 128))), single(max(a, b) / 100))
        file = TfliteFile("total")
        shape = (1, 256, 256, 1)
        x = [file.tensor(n, shape, scale=s, zero_point=drawn_zero_point(rng)) for n, s in (("a", a), ("b", b))]
        y = file.tensor("y", shape, scale=y_scale, zero_point=drawn_zero_point(rng))
        options = {"fused_activation_function": int(rng.choice([0, 1, 2, 3]))}
        file.operator(kind, x, [y], f"{kind.capitalize()}Options", **options)
        return file.to_bytes(x, [y]), PAIRS

    return make


BINARY = {"ADD": total("ADD"), "SUB": total("SUB"), "MUL": product("MUL"), "BATCH_MATMUL": product("BATCH_MATMUL")}


@pytest.mark.parametrize("match", EXACT)
@pytest.mark.parametrize("kind", BINARY)
def test_operators_of_two_inputs(kind: str, match: str, tmp_path: Path) -> None:
    for trial in range(25):
        content, inputs = BINARY[kind](seed(kind, trial))
        (expected,) = ENGINES[match](content, inputs, 1)
        (codes,), _ = ours(tmp_path / "binary.tflite", content, match, inputs)
        assert not differing(expected, codes).size, trial


# Bounds of fused activations: 6 or 1 lies halfway between two codes.

BOUNDED = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions",
           "AVERAGE_POOL_2D": "Pool2DOptions", "MAX_POOL_2D": "Pool2DOptions"}  # fmt: skip


def bounded(kind: str, rng: Rng) -> File:
    file, shape = TfliteFile("bounded"), (1, 256, 1, 1)
    real, number = ((6, 3), (1, 2))[int(rng.integers(2))]
    scale = single(real / (int(rng.integers(20, 125)) + 0.5))
    scale = float(np.nextafter(np.float32(scale), np.float32(rng.choice([0, scale, 9]))))
    zero_point = int(rng.integers(-128, -20))
    if kind in ("ADD", "SUB", "MUL"):
        scales = (scale, 1.0 if kind == "MUL" else scale)
        x = [file.tensor(n, shape, scale=s, zero_point=0) for n, s in zip("ab", scales, strict=True)]
        inputs = [CODES.reshape(shape), np.full(shape, int(kind == "MUL"), np.int8)]
        options = {}
    else:
        x, inputs = [file.tensor("x", shape, scale=scale, zero_point=zero_point)], [CODES.reshape(shape)]
        options = {**WINDOW, "filter_height": 1, "filter_width": 1}
    y = file.tensor("y", shape, scale=scale, zero_point=zero_point)
    file.operator(kind, x, [y], BOUNDED[kind], fused_activation_function=number, **options)
    return file.to_bytes(x, [y]), inputs


@pytest.mark.parametrize("match", ENGINES)
@pytest.mark.parametrize("kind", BOUNDED)
def test_bounds_of_activations(kind: str, match: str, tmp_path: Path) -> None:
    for trial in range(30):
        content, inputs = bounded(kind, seed(kind, trial))
        (expected,) = ENGINES[match](content, inputs, 1)
        (codes,), _ = ours(tmp_path / "bounded.tflite", content, match, inputs)
        assert not differing(expected, codes).size, trial


def test_mean(tmp_path: Path) -> None:
    for trial in range(25):
        rng = seed("mean", trial)
        file, count, width = TfliteFile("mean"), int(rng.integers(1, 60)), 2048
        x_scale = drawn_scale(rng)
        y_scale = max(single(x_scale / tie(rng, int(rng.integers(3, 256))) / count), single(x_scale / 50))
        x = file.tensor("x", (1, count, 1, width), scale=x_scale, zero_point=drawn_zero_point(rng))
        axes = file.tensor("axes", (2,), "int32", data=np.array([1, 2], np.int32))
        y = file.tensor("y", (1, 1, 1, width), scale=y_scale, zero_point=drawn_zero_point(rng))
        file.operator("MEAN", [x, axes], [y], "ReducerOptions", keep_dims=True)
        content = file.to_bytes([x], [y])
        level = rng.integers(-128, 128, (1, 1, 1, width)) + rng.integers(-30, 30, (1, count, 1, width))
        inputs = [np.clip(level, -128, 127).astype(np.int8)]
        for match in EXACT:
            (expected,) = ENGINES[match](content, inputs, 1)
            (codes,), _ = ours(tmp_path / "mean.tflite", content, match, inputs)
            assert not differing(expected, codes).size, (match, trial)


# XNNPACK: what its float32 makes of ties is counted where every case can be checked, and named elsewhere.


def mean_of_every_sum(rng: Rng, same_scale: bool) -> File:
    """Rows of a few codes, one for each sum that they can have."""
    count, x_scale = int(rng.integers(2, 9)), drawn_scale(rng, -2.5, -0.5)
    y_scale = x_scale if same_scale else single(x_scale / tie(rng, int(rng.integers(3, 256))))
    sums = np.arange(-128 * count, 127 * count + 1)
    codes = sums[:, np.newaxis] // count + (np.arange(count) < sums[:, np.newaxis] % count)
    file, width = TfliteFile("mean"), len(sums)
    x = file.tensor("x", (1, width, count, 1), scale=x_scale, zero_point=drawn_zero_point(rng))
    axes = file.tensor("axes", (1,), "int32", data=np.array([2], np.int32))
    y = file.tensor("y", (1, width, 1, 1), scale=y_scale, zero_point=drawn_zero_point(rng))
    file.operator("MEAN", [x, axes], [y], "ReducerOptions", keep_dims=True)
    return file.to_bytes([x], [y]), [codes.reshape(1, width, count, 1).astype(np.int8)]


COUNTED: dict[str, tuple[Callable[[Rng], File], bool]] = {
    "MUL": (BINARY["MUL"], True),
    "MEAN": (lambda rng: mean_of_every_sum(rng, True), True),
    "MEAN of another scale": (lambda rng: mean_of_every_sum(rng, False), False),
}


@pytest.mark.parametrize("name", COUNTED)
def test_xnnpack_is_counted(name: str, tmp_path: Path) -> None:
    make, is_exact = COUNTED[name]
    for trial in range(30):
        content, inputs = make(seed("xnnpack", name, trial))
        (expected,) = ENGINES["xnnpack"](content, inputs, 1)
        (codes,), deviations = ours(tmp_path / "counted.tflite", content, "xnnpack", inputs)
        count, admitted = differing(expected, codes).size, sum(one.count for one in deviations)
        assert count == admitted if is_exact else count <= admitted, trial


def softmax(rng: Rng) -> File:
    file, shape = TfliteFile("softmax"), (64, 10)
    x = file.tensor("x", shape, scale=drawn_scale(rng), zero_point=0)
    y = file.tensor("y", shape, scale=1 / 256, zero_point=-128)
    file.operator("SOFTMAX", [x], [y], "SoftmaxOptions", beta=1.0)
    return file.to_bytes([x], [y]), [rng.integers(-128, 128, shape).astype(np.int8)]


NAMED: dict[str, tuple[Callable[[Rng], File], str]] = {
    "BATCH_MATMUL": (BINARY["BATCH_MATMUL"], "rounded in float32 by the engine, cases not counted"),
    "SOFTMAX": (softmax, "summed in float32 by the engine, cases not counted"),
    "QUANTIZE uint8": (to_uint8, "rounded by the engine depending on a code's position, cases not counted"),
}


@pytest.mark.parametrize("name", NAMED)
def test_xnnpack_is_named(name: str, tmp_path: Path) -> None:
    make, cases = NAMED[name]
    named = 0
    for trial in range(10):
        content, inputs = make(seed("xnnpack", name, trial))
        (expected,) = ENGINES["xnnpack"](content, inputs, 1)
        (codes,), deviations = ours(tmp_path / "named.tflite", content, "xnnpack", inputs)
        assert deviations or not differing(expected, codes).size, trial
        assert {one.cases for one in deviations} <= {cases}
        named += bool(deviations)
        for match in EXACT:
            assert not ours(tmp_path / "named.tflite", content, match, inputs)[1]
    assert named
