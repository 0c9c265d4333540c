"""Shapes that .tflite files compute, constants behind QUANTIZE, DEQUANTIZE and DENSIFY, and tensors of rank 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import engines
import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, build

pytest.importorskip("tflite")

from qrt.compiler.backends.tflite.file import TfliteFile

Array = np.ndarray[Any, Any]
NUMBERS: dict[str, Any] = {"scale": 0.1, "zero_point": -3}


class File(TfliteFile):
    """A network of int8 codes with one scale, and what computes its shapes."""

    def constant(self, values: Any, dtype: str = "int32", **options: Any) -> int:
        data = np.asarray(values, dtype)
        return self.tensor(f"c{len(self.tensors)}", data.shape, dtype, data=data, **options)

    def image(self, shape: Sequence[int]) -> int:
        return self.tensor(f"t{len(self.tensors)}", shape, **NUMBERS)

    def computed(
        self,
        kind: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        table: str | None = None,
        dtype: str = "int32",
        **options: Any,
    ) -> int:
        """The result of an operator on plain integers."""
        y = self.tensor(f"n{len(self.tensors)}", shape, dtype)
        self.operator(kind, inputs, [y], table, **options)
        return y

    def shape_of(self, x: int, rank: int) -> int:
        return self.computed("SHAPE", [x], (rank,), "ShapeOptions", out_type=2)

    def entry(self, vector: int, index: int) -> int:
        ends = [self.constant([index]), self.constant([index + 1]), self.constant([1])]
        return self.computed("STRIDED_SLICE", [vector, *ends], (), "StridedSliceOptions", shrink_axis_mask=1)


def packed(f: File, x: int, n: int) -> tuple[int, int]:
    shape = f.computed("PACK", [f.entry(f.shape_of(x, 4), 0), f.constant(32)], (2,), "PackOptions", values_count=2)
    y = f.image((n, 32))
    f.operator("RESHAPE", [x, shape], [y])
    return y, n * 32


def multiplied(f: File, x: int, n: int) -> tuple[int, int]:
    """[-1, H * W, C] by STRIDED_SLICE, REDUCE_PROD, CONCATENATION."""
    shape = f.shape_of(x, 4)
    middle = f.computed(
        "STRIDED_SLICE", [shape, f.constant([1]), f.constant([3]), f.constant([1])], (2,), "StridedSliceOptions"
    )
    area = f.computed("REDUCE_PROD", [middle, f.constant([0])], (1,), "ReducerOptions", keep_dims=True)
    parts = [f.constant([-1]), area, f.constant([2])]
    y = f.image((n, 16, 2))
    f.operator("RESHAPE", [x, f.computed("CONCATENATION", parts, (3,), "ConcatenationOptions", axis=0)], [y])
    return y, n * 32


def resized(f: File, x: int, n: int) -> tuple[int, int]:
    """Twice as high and wide."""
    size = f.computed("SLICE", [f.shape_of(x, 4), f.constant([1]), f.constant([2])], (2,), "SliceOptions")
    twice = f.computed("MUL", [size, f.constant([2, 2])], (2,), "MulOptions")
    y = f.image((n, 8, 8, 2))
    f.operator("RESIZE_NEAREST_NEIGHBOR", [x, twice], [y], "ResizeNearestNeighborOptions")
    return y, n * 128


def sliced(f: File, x: int, n: int) -> tuple[int, int]:
    """All but the last rows; the sizes are computed by GATHER, SUB, MAXIMUM, FLOOR_DIV and CAST."""
    shape = f.shape_of(x, 4)
    height = f.computed("GATHER", [shape, f.constant(1)], (), "GatherOptions", axis=0)
    wide = f.computed("CAST", [height], (), "CastOptions", "int64", in_data_type=2, out_data_type=4)
    back = f.computed("CAST", [wide], (), "CastOptions", in_data_type=4, out_data_type=2)
    fewer = f.computed("SUB", [back, f.constant(1)], (), "SubOptions")
    most = f.computed("MAXIMUM", [fewer, f.constant(3)], (), "MaximumMinimumOptions")
    half = f.computed("FLOOR_DIV", [f.constant(5), f.constant(2)], (), "FloorDivOptions")
    parts = [f.entry(shape, 0), most, half, f.constant(-1)]
    sizes = f.computed("PACK", parts, (4,), "PackOptions", values_count=4)
    y = f.image((n, 3, 2, 2))
    f.operator("SLICE", [x, f.constant([0, 1, 2, 0]), sizes], [y], "SliceOptions")
    return y, n * 12


def transposed(f: File, x: int, n: int) -> tuple[int, int]:
    """The order of the axes from RANGE, SPLIT, PACK, EXPAND_DIMS, SQUEEZE."""
    axes = f.computed("RANGE", [f.constant(0), f.constant(4), f.constant(1)], (4,), "RangeOptions")
    halves = [f.tensor(f"half{k}", (2,), "int32") for k in range(2)]
    f.operator("SPLIT", [f.constant(0), axes], halves, "SplitOptions", num_splits=2)
    again = f.computed("EXPAND_DIMS", [halves[1], f.constant(0)], (1, 2), "ExpandDimsOptions")
    flat = f.computed("SQUEEZE", [again], (2,), "SqueezeOptions", squeeze_dims=[0])
    first = f.computed("STRIDED_SLICE", [halves[0], *map(f.constant, ([0], [1], [1]))], (1,), "StridedSliceOptions")
    last = f.computed("STRIDED_SLICE", [halves[0], *map(f.constant, ([1], [2], [1]))], (1,), "StridedSliceOptions")
    order = f.computed("CONCATENATION", [first, flat, last], (4,), "ConcatenationOptions", axis=0)
    y = f.image((n, 4, 2, 4))
    f.operator("TRANSPOSE", [x, order], [y], "TransposeOptions")
    return y, n * 32


MAKE: dict[str, Callable[[File, int, int], tuple[int, int]]] = {
    make.__name__: make for make in (packed, multiplied, resized, sliced, transposed)
}
# What TFLM has no kernel for, or not for these types.
NOT_IN_TFLM = {"multiplied", "resized", "sliced", "transposed"}


def network(name: str, n: int) -> bytes:
    f = File("shapes")
    x = f.image((n, 4, 4, 2))
    y, _ = MAKE[name](f, x, n)
    return f.to_bytes([x], [y])


def ours(path: Path, content: bytes, inputs: Sequence[Array], **options: Any) -> list[Array]:
    path.write_bytes(content)
    result = qrt.load(build(path, **options).to_bytes()).run(*inputs)
    return result if isinstance(result, list) else [result]


@pytest.mark.parametrize("match", ["tflm", "litert"])
@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("name", MAKE)
def test_shapes_are_computed(name: str, n: int, match: str, tmp_path: Path) -> None:
    """A batch other than 1 becomes 1, as the shapes that were computed from it."""
    if match == "tflm" and name in NOT_IN_TFLM:
        pytest.skip("TFLM does not run this network")
    x = np.random.default_rng(n).integers(-128, 128, (n, 4, 4, 2)).astype(np.int8)
    content = network(name, n)
    engine = engines.Tflm(content) if match == "tflm" else engines.Litert(content)
    (expected,) = engine.run([x])
    (got,) = ours(tmp_path / "net.tflite", content, [x], match=match)
    np.testing.assert_array_equal(got.reshape(expected.shape), expected)


def test_shapes_from_values_are_refused(tmp_path: Path) -> None:
    f = File("values")
    x, shape = f.image((1, 8)), f.tensor("shape", (2,), "int32")
    y = f.image((1, 8))
    f.operator("RESHAPE", [x, f.computed("CAST", [shape], (2,), "CastOptions")], [y])
    path = tmp_path / "net.tflite"
    path.write_bytes(f.to_bytes([x, shape], [y]))
    with pytest.raises(CompileError, match=r"computes integers inside of the network: n3 \(CAST\)"):
        build(path)


@pytest.mark.parametrize("kind", ["FILL", "TILE", "RANGE", "BROADCAST_TO", "GATHER", "MUL"])
def test_immense_constants_are_refused(kind: str, tmp_path: Path) -> None:
    f = File("immense")
    x, y = f.image((1, 8)), f.image((1, 8))
    many = f.constant([1 << 20, 1 << 20])
    match kind:
        case "FILL":
            f.computed("FILL", [many, f.constant(1)], (2,))
        case "TILE":
            f.computed("TILE", [f.constant([[1]]), many], (2,))
        case "RANGE":
            f.computed("RANGE", [f.constant(0), f.constant(2**31 - 1), f.constant(1)], (2,))
        case "BROADCAST_TO":
            f.computed("BROADCAST_TO", [f.constant([[1]]), many], (2,))
        case "GATHER":
            table = f.constant(np.zeros((1, 20_000)))
            f.computed("GATHER", [table, f.constant(np.zeros(20_000))], (2,), "GatherOptions", axis=0)
        case "MUL":
            row = np.zeros((20_000, 1))
            f.computed("MUL", [f.constant(row), f.constant(row.T)], (2,), "MulOptions")
    f.operator("RELU", [x], [y])
    path = tmp_path / "net.tflite"
    path.write_bytes(f.to_bytes([x], [y]))
    with pytest.raises(CompileError, match="computes constants that are far larger than the file"):
        build(path)


@pytest.mark.parametrize("match", ["tflm", "litert"])
def test_rank_0(match: str, tmp_path: Path) -> None:
    """A mean over everything, a product with it, and a sum with a constant."""
    f = File("scalars")
    x = f.image((1, 4, 4, 2))
    mean = f.tensor("mean", (), scale=0.05, zero_point=4)
    f.operator("MEAN", [x, f.constant([0, 1, 2, 3])], [mean], "ReducerOptions", keep_dims=False)
    product = f.tensor("product", (1, 4, 4, 2), scale=0.07, zero_point=1)
    f.operator("MUL", [x, mean], [product], "MulOptions")
    total = f.tensor("total", (1, 4, 4, 2), scale=0.2, zero_point=-9)
    f.operator("ADD", [product, f.constant(77, "int8", scale=0.03, zero_point=5)], [total], "AddOptions")
    content = f.to_bytes([x], [total, mean])
    given = np.random.default_rng(5).integers(-128, 128, (1, 4, 4, 2)).astype(np.int8)
    engine = engines.Tflm(content) if match == "tflm" else engines.Litert(content)
    results = ours(tmp_path / "net.tflite", content, [given], match=match)
    for expected, got in zip(engine.run([given], 2), results, strict=True):
        np.testing.assert_array_equal(got.reshape(expected.shape), expected)
