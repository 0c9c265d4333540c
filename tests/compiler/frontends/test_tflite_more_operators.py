"""TensorFlow Lite's operators that map onto others: bit-exact to TFLM, and to LiteRT's reference and default kernels.

Scales may be powers of two, which makes ties, and zero points lie at both ends of the range too.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import engines
import numpy as np
import pytest
from single_operators import Array, Make, Model, Shape, ours, same

from qrt.compiler import CompileError, compile

pytest.importorskip("tflite")

TRIALS = 4
ENGINES: dict[str, Callable[[bytes], Any]] = {
    "tflm": engines.Tflm,
    "litert": engines.Litert,
    "xnnpack": lambda content: engines.Litert(content, reference=False),
}


class Odd(Model):
    """Numbers at which kernels differ."""

    def scale(self, low: float = 0.005, high: float = 0.2) -> float:
        if self.rng.random() < 0.3:
            return float(2.0 ** self.rng.integers(-7, -2))
        return super().scale(low, high)

    def zero_point(self) -> int:
        return int(self.rng.choice([-128, 127, 0, *self.rng.integers(-128, 128, 6)]))


def every_code(kind: str, table: str | None = None, zero_point: int | None = None, **options: Any) -> Make:
    def make(m: Model) -> None:
        m.file.operator(kind, [m.x((1, 256), None, zero_point)], [m.y((1, 256))], table, **options)

    return make


def fixed(kind: str, scale: float, zero_point: int | None, table: str | None = None, **options: Any) -> Make:
    """A function whose kernels demand something of the output."""

    def make(m: Model) -> None:
        m.file.operator(kind, [m.x((2, 128))], [m.y((2, 128), scale or None, zero_point)], table, **options)

    return make


def kept(kind: str) -> Make:
    def make(m: Model) -> None:
        x, scale, _ = same(m, (1, 256))
        m.file.operator(kind, [x], [m.y((1, 256), scale)])

    return make


def reduction(kind: str, shape: Shape, axes: Sequence[int], keep_dims: bool = True) -> Make:
    def make(m: Model) -> None:
        reduced = {a % len(shape) for a in axes}
        out = tuple(1 if k in reduced else n for k, n in enumerate(shape) if keep_dims or k not in reduced)
        if kind == "SUM":
            x, count = m.x(shape), int(np.prod([shape[k] for k in reduced]))
            y = m.y(out, m.scales[0] * float(m.rng.choice([1, m.rng.uniform(0.5, 2) * count**0.5])))
        else:
            x, scale, zero_point = same(m, shape)
            y = m.y(out, scale, zero_point)
        m.file.operator(kind, [x, m.constant(axes)], [y], "ReducerOptions", keep_dims=keep_dims)

    return make


REDUCED: tuple[tuple[Shape, Sequence[int]], ...] = (
    ((2, 4, 5, 6), [1, 2]),
    ((2, 4, 5, 6), [0]),
    ((2, 4, 5, 6), [-1]),
    ((2, 4, 5, 6), [1, 3]),
    ((3, 4, 5), [0, 1, 2]),
    ((7,), [0]),
    ((2, 3, 2, 3, 4), [2, 4]),
)


def reductions() -> Iterator[tuple[str, Make]]:
    for kind in ("SUM", "REDUCE_MAX", "REDUCE_MIN"):
        for shape, axes in REDUCED:
            for keep in (True, False):
                if keep or len(axes) < len(shape):
                    yield f"{kind} {shape} {axes} {keep}", reduction(kind, shape, axes, keep)


def prelu(slopes: Shape, shape: Shape = (2, 4, 25, 6)) -> Make:
    def make(m: Model) -> None:
        x = m.x(shape)
        codes = m.rng.integers(-128, 128, slopes)
        slope = m.constant(codes, "int8", scale=m.scale(0.001, 0.05), zero_point=m.zero_point())
        m.file.operator("PRELU", [x, slope], [m.y(shape, m.scales[0] * float(m.rng.choice([1, 2, 0.7])))])

    return make


def moved(
    kind: str, shape: Shape, out: Shape, constants: Sequence[Any], table: str | None = None, **options: Any
) -> Make:
    def make(m: Model) -> None:
        x, scale, zero_point = same(m, shape)
        m.file.operator(kind, [x, *(m.constant(c) for c in constants)], [m.y(out, scale, zero_point)], table, **options)

    return make


def without_scale(
    kind: str, shape: Shape, out: Shape, constants: Sequence[Any], table: str | None = None, **options: Any
) -> Make:
    """Plain integers, as the kernels' own tests have them."""

    def make(m: Model) -> None:
        x = m.file.tensor("x0", shape)
        m.inputs.append(x)
        m.shapes.append(shape)
        m.outputs.append(m.file.tensor("y0", out))
        m.file.operator(kind, [x, *(m.constant(c) for c in constants)], m.outputs, table, **options)

    return make


def recoded(
    kind: str, shape: Shape, out: Shape, constants: Sequence[Any], table: str | None = None, **options: Any
) -> Make:
    """The output has another scale, which the kernels ignore."""

    def make(m: Model) -> None:
        inputs = [m.x(shape), *(m.constant(c) for c in constants)]
        m.file.operator(kind, inputs, [m.y(out)], table, **options)

    return make


def pack(axis: int, count: int, shape: Shape = (2, 3)) -> Make:
    def make(m: Model) -> None:
        scale, zero_point = m.scale(), m.zero_point()
        inputs = [m.x(shape, scale, zero_point) for _ in range(count)]
        place = axis % (len(shape) + 1)
        y = m.y((*shape[:place], count, *shape[place:]), scale, zero_point)
        m.file.operator("PACK", inputs, [y], "PackOptions", values_count=count, axis=axis)

    return make


def unpack(axis: int, shape: Shape = (2, 3, 4)) -> Make:
    def make(m: Model) -> None:
        x, scale, zero_point = same(m, shape)
        place = axis % len(shape)
        part = (*shape[:place], *shape[place + 1 :])
        outputs = [m.y(part, scale, zero_point) for _ in range(shape[place])]
        m.file.operator("UNPACK", [x], outputs, "UnpackOptions", num=shape[place], axis=axis)

    return make


def arg(kind: str, shape: Shape, axis: int) -> Make:
    def make(m: Model) -> None:
        out = tuple(n for k, n in enumerate(shape) if k != axis % len(shape))
        x = m.x(shape)
        y = m.y(out, dtype="int32")
        table = "ArgMinOptions" if kind == "ARG_MIN" else "ArgMaxOptions"
        m.file.operator(kind, [x, m.constant([axis])], [y], table, output_type=2)

    return make


def select(kind: str, mask: Shape, a: Shape, b: Shape, const: bool = False) -> Make:
    def make(m: Model) -> None:
        scale, zero_point = m.scale(), m.zero_point()
        x = m.x(a, scale, zero_point)
        if const:
            other = m.constant(m.rng.integers(-128, 128, b), "int8", scale=scale, zero_point=zero_point)
        else:
            other = m.x(b, scale, zero_point)
        condition = m.constant(m.rng.integers(0, 2, mask), "bool")
        y = m.y(np.broadcast_shapes(a, b, mask if kind == "SELECT_V2" else a), scale, zero_point)
        table = "SelectV2Options" if kind == "SELECT_V2" else "SelectOptions"
        m.file.operator(kind, [condition, x, other], [y], table)

    return make


def extreme(kind: str, a: Shape, b: Shape, const: bool) -> Make:
    """Of tensors whose scales differ, which the kernels ignore."""

    def make(m: Model) -> None:
        x = m.x(a)
        if const:
            other = m.constant(m.rng.integers(-128, 128, b), "int8", scale=m.scale(), zero_point=m.zero_point())
        else:
            other = m.x(b)
        m.file.operator(kind, [x, other], [m.y(np.broadcast_shapes(a, b))], "MaximumMinimumOptions")

    return make


def difference(a: Shape, b: Shape) -> Make:
    def make(m: Model) -> None:
        inputs = [m.x(a), m.x(b)]
        scale = max(m.scales) ** 2 * float(m.rng.uniform(10, 200))
        m.file.operator("SQUARED_DIFFERENCE", inputs, [m.y(np.broadcast_shapes(a, b), scale)])

    return make


def div(divisor: Shape) -> Make:
    """By a constant."""

    def make(m: Model) -> None:
        x = m.x((2, 4, 32, 3))
        scale, zero_point = m.scale(), m.zero_point()
        codes = m.rng.integers(-128, 128, divisor)
        codes = np.where(codes == zero_point, zero_point ^ 1, codes)
        other = m.constant(codes, "int8", scale=scale, zero_point=zero_point)
        y = m.y((2, 4, 32, 3), m.scales[0] / scale * float(m.rng.choice([1, 0.1, 0.01])))
        m.file.operator("DIV", [x, other], [y], "DivOptions", fused_activation_function=int(m.rng.choice(4)))

    return make


def filled(m: Model) -> None:
    x, scale, zero_point = same(m, (2, 3))
    numbers = {"scale": scale, "zero_point": zero_point}
    value = m.constant(np.array(m.rng.integers(-128, 128)), "int8", **numbers)
    y = m.file.tensor("filled", (2, 3), **numbers)
    m.file.operator("FILL", [m.constant([2, 3]), value], [y], "FillOptions")
    m.file.operator("MAXIMUM", [x, y], [m.y((2, 3), **numbers)], "MaximumMinimumOptions")


def batch_matmul(a: Shape, b: Shape, const: bool = False, **options: Any) -> Make:
    def make(m: Model) -> None:
        x = m.x(a)
        rows = a[-1] if options.get("adj_x") else a[-2]
        columns = b[-2] if options.get("adj_y") else b[-1]
        if const:
            m.scales.append(0.01)
            other = m.constant(m.rng.integers(-127, 128, b), "int8", scale=0.01)
        else:
            other = m.x(b)
        y = m.y((*np.broadcast_shapes(a[:-2], b[:-2]), rows, columns), m.scales[0] * m.scales[1] * 301.7)
        m.file.operator("BATCH_MATMUL", [x, other], [y], "BatchMatMulOptions", **options)

    return make


GATHER, MIRROR = "GatherOptions", "MirrorPadOptions"
MODELS: dict[str, Make] = {
    "ABS": every_code("ABS"),
    "ABS kept": kept("ABS"),
    "ARG_MIN": arg("ARG_MIN", (1, 5, 20), -1),
    "ARG_MIN batch": arg("ARG_MIN", (3, 5, 4), 0),
    "ARG_MAX batch": arg("ARG_MAX", (3, 5, 4), 0),
    "BATCH_MATMUL first broadcast": batch_matmul((3, 4), (2, 2, 4, 5)),
    "BATCH_MATMUL both broadcast": batch_matmul((2, 1, 3, 4), (1, 3, 4, 5)),
    "BATCH_MATMUL constant": batch_matmul((2, 3, 4), (5, 4), True, adj_y=True),
    "BATCH_MATMUL constant turned": batch_matmul((2, 4, 3), (1, 4, 5), True, adj_x=True),
    "BATCH_TO_SPACE_ND": moved("BATCH_TO_SPACE_ND", (4, 2, 3, 3), (1, 4, 6, 3), [[2, 2], [[0, 0], [0, 0]]]),
    "BATCH_TO_SPACE_ND cropped": moved("BATCH_TO_SPACE_ND", (12, 2, 3, 3), (2, 3, 8, 3), [[2, 3], [[1, 0], [0, 1]]]),
    "BATCH_TO_SPACE_ND rank 3": moved("BATCH_TO_SPACE_ND", (6, 4, 3), (2, 11, 3), [[3], [[1, 0]]]),
    "BROADCAST_TO": moved("BROADCAST_TO", (1, 4, 1), (3, 4, 5), [[3, 4, 5]]),
    "BROADCAST_TO rank": moved("BROADCAST_TO", (5,), (2, 1, 4, 5), [[2, 1, 4, 5]]),
    "DIV": div(()),
    "DIV channels": div((3,)),
    "DIV rows": div((4, 1, 1)),
    "ELU": every_code("ELU"),
    "EXP": every_code("EXP", "ExpOptions"),
    "FILL": filled,
    "GATHER": moved("GATHER", (2, 4, 3), (2, 5, 3), [[2, 0, 0, 3, 1]], GATHER, axis=1),
    "GATHER last": moved("GATHER", (2, 4, 3), (2, 4, 2), [[2, 0]], GATHER, axis=-1),
    "GATHER batch": moved("GATHER", (3, 4), (2, 4), [[2, 0]], GATHER, axis=0),
    "GATHER matrix": moved("GATHER", (2, 6, 3), (2, 2, 2, 3), [[[1, 5], [4, 4]]], GATHER, axis=1),
    "GATHER one": moved("GATHER", (2, 6, 3), (2, 3), [np.array(4)], GATHER, axis=1),
    "GATHER each": moved("GATHER", (2, 6, 3), (2, 2, 3), [[[1, 5], [4, 0]]], GATHER, axis=1, batch_dims=1),
    "GATHER one each": moved("GATHER", (2, 6, 3), (2, 3), [[5, 1]], GATHER, axis=1, batch_dims=1),
    "GATHER_ND": moved("GATHER_ND", (2, 4, 3), (3, 3), [[[1, 2], [0, 3], [1, 2]]], "GatherNdOptions"),
    "GATHER_ND entries": moved("GATHER_ND", (2, 4, 3), (2,), [[[1, 2, 0], [0, 3, 2]]], "GatherNdOptions"),
    "GELU": every_code("GELU", "GeluOptions"),
    "GELU approximate": every_code("GELU", "GeluOptions", approximate=True),
    "L2_NORMALIZATION recoded": fixed("L2_NORMALIZATION", 0.0, None, "L2NormOptions"),
    "LOG": every_code("LOG"),
    "LOG_SOFTMAX": fixed("LOG_SOFTMAX", 1 / 16, 127, "LogSoftmaxOptions"),
    "LOGISTIC zero": fixed("LOGISTIC", 1 / 256, None),
    "LOGISTIC scale": fixed("LOGISTIC", 0.0, -128),
    "LOGISTIC any": fixed("LOGISTIC", 0.0, None),
    "MAXIMUM": extreme("MAXIMUM", (2, 4, 5, 6), (1, 4, 1, 6), False),
    "MAXIMUM constant": extreme("MAXIMUM", (2, 4, 5, 6), (6,), True),
    "MINIMUM": extreme("MINIMUM", (4, 1, 6), (2, 4, 5, 1), False),
    "MINIMUM constant": extreme("MINIMUM", (4, 5, 6), (), True),
    "MIRROR_PAD reflect": moved("MIRROR_PAD", (1, 4, 6, 3), (1, 7, 8, 4), [[[0, 0], [1, 2], [0, 2], [1, 0]]], MIRROR),
    "MIRROR_PAD symmetric": moved("MIRROR_PAD", (2, 4, 3), (4, 9, 3), [[[0, 2], [1, 4], [0, 0]]], MIRROR, mode=1),
    "NEG": every_code("NEG", "NegOptions"),
    "PACK": pack(1, 3),
    "PACK first": pack(0, 4),
    "PACK last": pack(-1, 2, (2, 3, 4)),
    "PACK one": pack(0, 1),
    "PRELU": prelu((1, 1, 6)),
    "PRELU whole": prelu((4, 25, 6)),
    "PRELU one": prelu((1,)),
    "PRELU rank 2": prelu((6,), (3, 6)),
    "REVERSE_V2": moved("REVERSE_V2", (2, 4, 3), (2, 4, 3), [[1]]),
    "REVERSE_V2 batch": moved("REVERSE_V2", (2, 4, 3), (2, 4, 3), [[0]]),
    "REVERSE_V2 last": moved("REVERSE_V2", (2, 4, 3), (2, 4, 3), [[-1]]),
    "RESHAPE recoded": recoded("RESHAPE", (2, 6), (3, 4), [[3, 4]], "ReshapeOptions", new_shape=[3, 4]),
    "RESHAPE without scale": without_scale("RESHAPE", (2, 6), (3, 4), [[3, 4]], "ReshapeOptions", new_shape=[3, 4]),
    "RSQRT": every_code("RSQRT", None, -128),
    "SELECT": select("SELECT", (2, 6), (2, 6), (2, 6)),
    "SELECT rows": select("SELECT", (4,), (4, 6), (4, 6)),
    "SELECT_V2": select("SELECT_V2", (2, 6), (2, 6), (2, 6)),
    "SELECT_V2 broadcast": select("SELECT_V2", (3, 1, 6), (2, 6), (1, 6)),
    "SELECT_V2 constant": select("SELECT_V2", (4, 6), (4, 6), (4, 6), True),
    "SELECT_V2 whole": select("SELECT_V2", (1,), (4, 6), (4, 6)),
    "SLICE recoded": recoded("SLICE", (2, 6), (1, 4), [[0, 1], [1, 4]], "SliceOptions"),
    "SOFTMAX beta": fixed("SOFTMAX", 1 / 256, -128, "SoftmaxOptions", beta=0.3),
    "SOFTMAX steep": fixed("SOFTMAX", 1 / 256, -128, "SoftmaxOptions", beta=2.7),
    "SOFTMAX near": fixed("SOFTMAX", 1.0005 / 256, -128, "SoftmaxOptions", beta=1.0),
    "SPACE_TO_BATCH_ND": moved("SPACE_TO_BATCH_ND", (1, 4, 6, 3), (4, 2, 3, 3), [[2, 2], [[0, 0], [0, 0]]]),
    "SPACE_TO_BATCH_ND padded": moved("SPACE_TO_BATCH_ND", (2, 3, 5, 3), (12, 2, 2, 3), [[2, 3], [[1, 0], [0, 1]]]),
    "SPACE_TO_BATCH_ND padded rank 3": moved("SPACE_TO_BATCH_ND", (2, 5, 3), (6, 2, 3), [[3], [[1, 0]]]),
    "SQUARED_DIFFERENCE": difference((2, 4, 5, 6), (2, 4, 5, 6)),
    "SQUARED_DIFFERENCE broadcast": difference((4, 1, 6), (2, 4, 5, 1)),
    "TANH": fixed("TANH", 0.0, None),
    "TILE": moved("TILE", (1, 4, 6, 3), (2, 8, 6, 6), [[2, 2, 1, 2]]),
    "TILE rank 2": moved("TILE", (2, 3), (6, 3), [[3, 1]]),
    "TRANSPOSE without scale": without_scale("TRANSPOSE", (2, 3), (3, 2), [[1, 0]], "TransposeOptions"),
    "UNPACK": unpack(1),
    "UNPACK first": unpack(0),
    "UNPACK last": unpack(-1),
    **dict(reductions()),
}  # fmt: skip
# What an engine does not have, refuses in this form, or leaves open: TFLM pads SPACE_TO_BATCH_ND with memory that it
# has not set, XNNPACK adds in float32 for a softmax.
LACKS = {
    "tflm": (
        "EXP",
        "GELU",
        "LOG ",
        "LOGISTIC zero",
        "LOGISTIC any",
        "NEG",
        "SELECT ",
        "SOFTMAX near",
        "SPACE_TO_BATCH_ND padded",
        "TILE",
    ),
    "litert": ("BROADCAST_TO", "ELU", "L2_NORMALIZATION", "LOGISTIC scale", "LOGISTIC any", "SUM"),
    "xnnpack": ("L2_NORMALIZATION", "SLICE", "SOFTMAX"),
}


def lacks(match: str, name: str) -> bool:
    return f"{name} ".startswith(LACKS[match])


def drawn(name: str, trial: int) -> Model:
    m = Odd(np.random.default_rng([zlib.crc32(name.encode()), trial]))
    MODELS[name](m)
    return m


def given(m: Model, shape: Shape) -> Array:
    """Every code once where there is room, else random ones."""
    if np.prod(shape) == 256:
        return m.rng.permutation(np.arange(-128, 128)).astype(np.int8).reshape(shape)
    return m.rng.integers(-128, 128, shape).astype(np.int8)


@pytest.mark.parametrize(("name", "match"), [(n, match) for match in ENGINES for n in MODELS if not lacks(match, n)])
def test_every_byte(name: str, match: str, tmp_path: Path) -> None:
    for trial in range(TRIALS):
        m = drawn(name, trial)
        content = m.to_bytes()
        inputs = [given(m, shape) for shape in m.shapes]
        theirs = ENGINES[match](content).run(inputs, len(m.outputs))
        for expected, got in zip(theirs, ours(tmp_path / "one.tflite", content, match, inputs), strict=True):
            if expected.dtype != np.int8:
                expected = (expected - 128).astype(np.int8)
            np.testing.assert_array_equal(got.reshape(expected.shape), expected)


def test_a_quotient_of_two_activations_is_refused(tmp_path: Path) -> None:
    m = Odd(np.random.default_rng(1))
    m.file.operator("DIV", [m.x((2, 3)), m.x((2, 3))], [m.y((2, 3))], "DivOptions")
    (tmp_path / "div.tflite").write_bytes(m.to_bytes())
    with pytest.raises(CompileError, match="divides two activations"):
        compile(tmp_path / "div.tflite")
