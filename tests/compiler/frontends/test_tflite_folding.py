"""Shapes that .tflite files compute, constants behind QUANTIZE, DEQUANTIZE and DENSIFY, and tensors of rank 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import engines
import numpy as np
import pytest

import qrt
from qrt.compiler import CompileError, compile

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


def tiled(f: File, x: int, n: int) -> tuple[int, int]:
    """A sum with a constant that is repeated for each sample."""
    codes = f.constant(np.arange(32).reshape(1, 4, 4, 2) * 5 - 80, "int8", **NUMBERS)
    times = [f.entry(f.shape_of(x, 4), 0), *(f.constant(1) for _ in range(3))]
    spread, y = f.image((n, 4, 4, 2)), f.tensor("y", (n, 4, 4, 2), scale=0.2, zero_point=7)
    f.operator("TILE", [codes, f.computed("PACK", times, (4,), "PackOptions", values_count=4)], [spread])
    f.operator("ADD", [x, spread], [y], "AddOptions")
    return y, n * 32


MAKE: dict[str, Callable[[File, int, int], tuple[int, int]]] = {
    make.__name__: make for make in (packed, multiplied, resized, sliced, tiled, transposed)
}
# What TFLM has no kernel for, or not for these types.
NOT_IN_TFLM = {"multiplied", "resized", "sliced", "tiled", "transposed"}


def network(name: str, n: int) -> bytes:
    f = File("shapes")
    x = f.image((n, 4, 4, 2))
    y, _ = MAKE[name](f, x, n)
    return f.to_bytes([x], [y])


def ours(path: Path, content: bytes, inputs: Sequence[Array], **options: Any) -> list[Array]:
    path.write_bytes(content)
    result = qrt.load(compile(path, **options).to_bytes()).run(*inputs)
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
        compile(path)


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
        compile(path)


@pytest.mark.parametrize("match", ["tflm", "litert"])
def test_rank_0(match: str, tmp_path: Path) -> None:
    """A mean over everything, a product with it, and a sum with a constant."""
    f = File("scalars")
    x = f.image((1, 4, 4, 2))
    mean = f.tensor("mean", (), scale=0.05, zero_point=4)
    f.operator("MEAN", [x, f.constant([0, 1, 2, 3])], [mean], "ReducerOptions", keep_dims=False)
    product = f.tensor("product", (1, 4, 4, 2), scale=0.07, zero_point=1)
    f.operator("MUL", [x, mean], [product], "MulOptions")
    again, flat = f.tensor("again", (1, 1), scale=0.05, zero_point=4), f.tensor("flat", (), scale=0.05, zero_point=4)
    f.operator("RESHAPE", [mean, f.constant([1, 1])], [again])
    f.operator("RESHAPE", [again, f.constant([])], [flat])
    more = f.tensor("more", (1, 4, 4, 2), scale=0.09, zero_point=1)
    f.operator("ADD", [product, flat], [more], "AddOptions")
    total = f.tensor("total", (1, 4, 4, 2), scale=0.2, zero_point=-9)
    f.operator("ADD", [more, f.constant(77, "int8", scale=0.03, zero_point=5)], [total], "AddOptions")
    content = f.to_bytes([x], [total, mean])
    given = np.random.default_rng(5).integers(-128, 128, (1, 4, 4, 2)).astype(np.int8)
    engine = engines.Tflm(content) if match == "tflm" else engines.Litert(content)
    results = ours(tmp_path / "net.tflite", content, [given], match=match)
    for expected, got in zip(engine.run([given], 2), results, strict=True):
        np.testing.assert_array_equal(got.reshape(expected.shape), expected)


# Sparse and quantized constants


def level(schema: Any, size: int = 0, segments: Sequence[int] = (), indices: Sequence[int] = (), bits: int = 32) -> Any:
    """A dense level of this size, or a sparse one with numbers of 8, 16 or 32 bits."""
    made = schema.DimensionMetadataT()
    made.format, made.denseSize = int(bool(len(segments))), size
    if len(segments):
        vector, kind = {
            32: (schema.Int32VectorT, schema.SparseIndexVector.Int32Vector),
            16: (schema.Uint16VectorT, schema.SparseIndexVector.Uint16Vector),
            8: (schema.Uint8VectorT, schema.SparseIndexVector.Uint8Vector),
        }[bits]
        for name, numbers in (("Segments", segments), ("Indices", indices)):
            one = vector()
            one.values = list(numbers)
            setattr(made, f"array{name}", one)
            setattr(made, f"array{name}Type", kind)
    return made


def sparse_form(schema: Any, dense: Array, form: str) -> tuple[list[int], list[int], list[Any], list[int]]:
    """Traversal order, block map, levels and values of a matrix."""
    rows, columns = dense.shape
    if form.startswith("rows"):
        counts, places = [np.count_nonzero(row) for row in dense], [np.flatnonzero(row) for row in dense]
        segments, bits = np.cumsum([0, *counts]), int(form.split()[1])
        levels = [level(schema, rows), level(schema, 0, segments, np.concatenate(places), bits)]
        return [0, 1], [], levels, [v for row, place in zip(dense, places, strict=True) for v in row[place]]
    if form == "columns":
        order, _, levels, values = sparse_form(schema, dense.T, "rows 32")
        return order[::-1], [], levels, values
    # Blocks of 2 rows and 4 columns.
    blocks = dense.reshape(rows // 2, 2, columns // 4, 4).transpose(0, 2, 1, 3)
    kept = [[j for j in range(columns // 4) if blocks[i, j].any()] for i in range(rows // 2)]
    segments = np.cumsum([0, *map(len, kept)])
    indices = [j for row in kept for j in row]
    levels = [level(schema, rows // 2), level(schema, 0, segments, indices), level(schema, 2), level(schema, 4)]
    values = [v for i, row in enumerate(kept) for j in row for v in blocks[i, j].reshape(-1)]
    return [0, 1, 2, 3], [0, 1], levels, values


def sparse_network(form: str, change: Callable[[Any, Any], None] = lambda schema, sparsity: None) -> bytes:
    """A layer whose weights are sparse and made dense by DENSIFY."""
    rng = np.random.default_rng(6)
    dense = rng.integers(-128, 128, (8, 16)) * (rng.random((4, 4)) < 0.4).repeat(2, 0).repeat(4, 1)
    f = File("sparse")
    x = f.tensor("x", (3, 16), scale=0.1, zero_point=4)
    stored = f.constant(dense, "int8", scale=0.02)
    weights = f.tensor("weights", dense.shape, scale=0.02)
    f.operator("DENSIFY", [stored], [weights], "DensifyOptions")
    y = f.tensor("y", (3, 8), scale=0.5, zero_point=-7)
    f.operator("FULLY_CONNECTED", [x, weights], [y], "FullyConnectedOptions")

    def sparsify(schema: Any, model: Any) -> None:
        tensor = model.subgraphs[0].tensors[1]
        made = schema.SparsityParametersT()
        made.traversalOrder, made.blockMap, made.dimMetadata, values = sparse_form(schema, dense, form)
        change(schema, made)
        tensor.sparsity = made
        model.buffers[tensor.buffer].data = list(np.array(values, np.int8).view(np.uint8))

    return engines.repacked(f.to_bytes([x], [y]), sparsify)


@pytest.mark.parametrize("form", ["rows 32", "rows 16", "rows 8", "columns", "blocks"])
def test_sparse_weights(form: str, tmp_path: Path) -> None:
    content = sparse_network(form)
    x = np.random.default_rng(7).integers(-128, 128, (3, 16)).astype(np.int8)
    (expected,) = engines.Litert(content).run([x])
    (got,) = ours(tmp_path / "net.tflite", content, [x], match="litert")
    np.testing.assert_array_equal(got, expected)


HOSTILE: dict[str, Callable[[Any, Any], None]] = {
    "order": lambda schema, s: setattr(s, "traversalOrder", [0, 0]),
    "a missing level": lambda schema, s: setattr(s, "dimMetadata", s.dimMetadata[:1]),
    "an axis of blocks": lambda schema, s: (setattr(s, "blockMap", [7, 1]), setattr(s, "traversalOrder", [0, 1, 2, 3])),
    "an immense level": lambda schema, s: setattr(s.dimMetadata[0], "denseSize", 2**31 - 1),
    "a negative level": lambda schema, s: setattr(s.dimMetadata[0], "denseSize", -5),
    "segments": lambda schema, s: setattr(s.dimMetadata[1].arraySegments, "values", [0, 2**31 - 1] + [0] * 7),
    "few segments": lambda schema, s: setattr(s.dimMetadata[1].arraySegments, "values", [0, 1]),
    "no segments": lambda schema, s: setattr(s.dimMetadata[1], "arraySegments", None),
    "indices": lambda schema, s: s.dimMetadata[1].arrayIndices.values.__setitem__(0, 10**9),
    "negative indices": lambda schema, s: s.dimMetadata[1].arrayIndices.values.__setitem__(0, -1),
    "few indices": lambda schema, s: setattr(s.dimMetadata[1].arrayIndices, "values", [1]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_sparse_weights_that_lie(name: str, tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    path.write_bytes(sparse_network("rows 32", HOSTILE[name]))
    with pytest.raises(CompileError, match="is sparse, and the description of its entries is invalid"):
        compile(path)


@pytest.mark.parametrize("match", ["tflm", "litert"])
def test_constants_between_types(match: str, tmp_path: Path) -> None:
    """Constants behind QUANTIZE, and behind DEQUANTIZE and QUANTIZE."""
    rng = np.random.default_rng(8)
    f = File("constants")
    x = f.image((1, 2, 3, 32))
    real, first = f.constant(rng.normal(size=(1, 1, 1, 32)), "float32"), f.tensor("first", (1, 1, 1, 32), **NUMBERS)
    f.operator("QUANTIZE", [real], [first], "QuantizeOptions")
    total = f.tensor("total", (1, 2, 3, 32), scale=0.2, zero_point=9)
    f.operator("ADD", [x, first], [total], "AddOptions")
    stored = f.constant(rng.integers(-128, 128, (1, 1, 1, 32)), "int8", scale=0.03, zero_point=5)
    again, second = f.tensor("again", (1, 1, 1, 32), "float32"), f.tensor("second", (1, 1, 1, 32), **NUMBERS)
    f.operator("DEQUANTIZE", [stored], [again])
    f.operator("QUANTIZE", [again], [second], "QuantizeOptions")
    y = f.tensor("y", (1, 2, 3, 32), scale=0.5, zero_point=3)
    f.operator("MUL", [total, second], [y], "MulOptions")
    content = f.to_bytes([x], [y])
    given = rng.integers(-128, 128, (1, 2, 3, 32)).astype(np.int8)
    engine = engines.Tflm(content) if match == "tflm" else engines.Litert(content)
    (expected,) = engine.run([given])
    (got,) = ours(tmp_path / "net.tflite", content, [given], match=match)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("match", ["tflm", "litert"])
@pytest.mark.parametrize("kind", ["Conv2D", "DepthwiseConv2D"])
def test_layers_of_constants(kind: str, match: str, tmp_path: Path) -> None:
    """A layer whose input is a constant, in front of one that reads some of its channels only."""
    rng = np.random.default_rng(9)
    f, window = File("constants"), {"stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1}
    x, made, total, y = f.image((1, 3, 3, 4)), f.image((1, 3, 3, 4)), f.image((1, 3, 3, 4)), f.image((1, 3, 3, 2))
    given = f.constant(rng.integers(-128, 128, (1, 3, 3, 4)), "int8", **NUMBERS)
    weights = f.constant(rng.integers(-127, 128, (1, 3, 3, 4) if kind[0] == "D" else (4, 1, 1, 4)), "int8", scale=0.01)
    bias = f.constant(np.zeros(4), "int32", scale=0.001)
    options = {"depth_multiplier": 1} if kind[0] == "D" else {}
    name = {"Conv2D": "CONV_2D", "DepthwiseConv2D": "DEPTHWISE_CONV_2D"}[kind]
    f.operator(name, [given, weights, bias], [made], f"{kind}Options", **window, **options)
    f.operator("ADD", [x, made], [total], "AddOptions")
    few = rng.integers(-127, 128, (2, 1, 1, 4))
    few[..., 1:3] = 0
    inputs = [total, f.constant(few, "int8", scale=0.01), f.constant(np.zeros(2), "int32", scale=0.001)]
    f.operator("CONV_2D", inputs, [y], "Conv2DOptions", **window)
    content = f.to_bytes([x], [y])
    codes = rng.integers(-128, 128, (1, 3, 3, 4)).astype(np.int8)
    engine = engines.Tflm(content) if match == "tflm" else engines.Litert(content)
    (expected,) = engine.run([codes])
    (got,) = ours(tmp_path / "net.tflite", content, [codes], match=match)
    np.testing.assert_array_equal(got, expected)


def test_int4_weights(tmp_path: Path) -> None:
    """Two codes in each byte."""
    rng = np.random.default_rng(9)
    codes = rng.integers(-8, 8, (5, 12))
    f = File("int4")
    x = f.tensor("x", (3, 12), scale=0.1, zero_point=4)
    weights = f.constant(codes, "int8", scale=0.1)
    y = f.tensor("y", (3, 5), scale=0.3, zero_point=-7)
    f.operator("FULLY_CONNECTED", [x, weights], [y], "FullyConnectedOptions")

    def pack(schema: Any, model: Any) -> None:
        tensor = model.subgraphs[0].tensors[1]
        tensor.type = schema.TensorType.INT4
        pairs = codes.reshape(-1, 2) & 15
        model.buffers[tensor.buffer].data = [int(low | high << 4) for low, high in pairs]

    content = engines.repacked(f.to_bytes([x], [y]), pack)
    given = rng.integers(-128, 128, (3, 12)).astype(np.int8)
    (expected,) = engines.Tflm(content).run([given])
    (got,) = ours(tmp_path / "net.tflite", content, [given])
    np.testing.assert_array_equal(got, expected)


def test_shapes_that_the_file_leaves_open(tmp_path: Path) -> None:
    """Behind a RESHAPE the file has 1 for every length that depends on the batch."""
    f = File("open")
    x = f.image((1, 4, 4, 2))
    shape = f.computed(
        "PACK", [f.entry(f.shape_of(x, 4), 0), f.constant(32)], (2,), "PackOptions", values_count=2, axis=0
    )
    flat = f.image((1, 1))
    f.operator("RESHAPE", [x, shape], [flat])
    y = f.image((1, 1))
    f.operator("RELU", [flat], [y])

    def leave_open(schema: Any, model: Any) -> None:
        tensors = model.subgraphs[0].tensors
        tensors[x].shapeSignature = [-1, 4, 4, 2]
        tensors[flat].shapeSignature = tensors[y].shapeSignature = [-1, -1]

    content = engines.repacked(f.to_bytes([x], [y]), leave_open)
    given = np.random.default_rng(2).integers(-128, 128, (1, 4, 4, 2)).astype(np.int8)
    (expected,) = engines.Litert(content).run([given])
    (got,) = ours(tmp_path / "net.tflite", content, [given], match="litert")
    assert expected.shape == (1, 32)
    np.testing.assert_array_equal(got, expected)
