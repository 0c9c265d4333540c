"""Reads the tensors of a .tflite file: their types, quantization and constant values."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.frontends.importer import Unsupported, check_scales
from qrt.compiler.integers.codes import LIMITS
from qrt.compiler.integers.int4 import unpacked_int4
from qrt.compiler.ir import Quantization, Tensor
from qrt.compiler.untrusted import too_large

# Types whose constants numpy can hold; int4 constants are unpacked to int8.
KINDS = ("f2", "f4", "f8", "?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8")
NUMPY = {np.dtype(kind).name: np.dtype(kind) for kind in KINDS}


def read(tflite: ModuleType, model: Any, source: Any) -> Tensor:
    """A tensor of the file as it is there; sparse constants are made dense, int4 constants become int8."""
    name = (source.Name() or b"").decode("utf-8", "replace")
    shape = tuple(source.ShapeAsNumpy().tolist()) if source.ShapeLength() else ()
    if problems := too_large(name, shape):
        raise CompileError(problems)
    dtype = _type_name(tflite, source.Type())
    content = model.Buffers(source.Buffer())
    data = None
    if content.DataLength() and (dtype in NUMPY or dtype == "int4"):
        data = _values(name, shape, dtype, content.DataAsNumpy(), source.Sparsity())
        dtype = data.dtype.name
    elif dtype in NUMPY and 0 in shape:
        data = np.zeros(shape, NUMPY[dtype])  # an empty list, as of the axes of a scalar
    return Tensor(name, shape, dtype, _quantization(source), data)


def _values(name: str, shape: tuple[int, ...], dtype: str, content: np.ndarray, sparsity: Any) -> np.ndarray:
    """The value of a constant; several tensors may share one buffer, so only what is packed or sparse is a copy."""
    kind = NUMPY.get(dtype, np.dtype("int8")).newbyteorder("<")
    stored = np.frombuffer(content, kind, len(content) // kind.itemsize)
    if sparsity is not None:
        return _dense(name, shape, stored, sparsity)
    if dtype == "int4":
        stored = unpacked_int4(stored, math.prod(shape))
    if stored.size != math.prod(shape) or len(content) % kind.itemsize:
        reason = f"has {len(content)} bytes for {dtype} values of shape {list(shape)}; convert the file again"
        raise CompileError([Problem(name, "tensor", reason)])
    return stored.reshape(shape)


def _type_name(tflite: ModuleType, number: int) -> str:
    names = (name for name, value in vars(tflite.TensorType).items() if value == number)
    return next(names, f"type {number}").lower()


def _quantization(source: Any) -> Quantization | None:
    stated = source.Quantization()
    if stated is None or stated.ScaleLength() == 0:
        return None
    scale = stated.ScaleAsNumpy().astype(np.float32)
    zero_point = stated.ZeroPointAsNumpy().astype(np.int32) if stated.ZeroPointLength() else np.zeros(len(scale))
    if len(scale) == 1:
        return Quantization(scale.reshape(()), np.asarray(zero_point, np.int32).reshape(()))
    return Quantization(scale, np.asarray(zero_point, np.int32), int(stated.QuantizedDimension()))


def check_numbers(tensor: Tensor) -> None:
    """Raises `Unsupported` unless the codes of a tensor mean numbers."""
    if tensor.dtype not in ("int8", "int16"):
        return
    if tensor.quantization is None:
        raise Unsupported(f"{tensor.name!r} has no scale; quantize the network again")
    check_scales(tensor.quantization.scale)
    axis, count = tensor.quantization.axis, tensor.quantization.scale.size
    if axis is not None and (tensor.data is None or not 0 <= axis < len(tensor.shape) or count != tensor.shape[axis]):
        raise Unsupported(f"{tensor.name!r} has {count} scales for shape {list(tensor.shape)}; convert the file again")
    zero_point = tensor.quantization.zero_point
    lowest, highest = LIMITS[tensor.dtype]
    if np.min(zero_point) < lowest or np.max(zero_point) > highest:
        raise Unsupported(f"the zero point of {tensor.name!r} is not one of its codes; quantize the network again")


def as_int8(tensor: Tensor) -> Tensor:
    """A uint8 tensor as int8: codes and zero point are 128 lower."""
    old = tensor.quantization
    if old is None:
        raise Unsupported(f"the scale of {tensor.name!r} is missing")
    data = None if tensor.data is None else (tensor.data ^ np.uint8(128)).view(np.int8)
    quantization = Quantization(old.scale, np.asarray(old.zero_point - 128, np.int32), old.axis)
    return Tensor(tensor.name, tensor.shape, "int8", quantization, data)


def _dense(name: str, shape: tuple[int, ...], values: np.ndarray, sparsity: Any) -> np.ndarray:
    """A sparse constant with its zeros.

    Its axes, and the blocks that some of them are divided into, are levels of a tree in traversal order. Below each
    entry of a level, a dense level has all of its positions, a sparse one those that ``array_indices`` lists between
    two entries of ``array_segments``.
    """
    broken = CompileError([Problem(name, "tensor", "is sparse, and the description of its entries is invalid")])
    order = sparsity.TraversalOrderAsNumpy().tolist() if sparsity.TraversalOrderLength() else []
    blocks = sparsity.BlockMapAsNumpy().tolist() if sparsity.BlockMapLength() else []
    rank, elements = len(shape), math.prod(shape)
    levels = [sparsity.DimMetadata(k) for k in range(sparsity.DimMetadataLength())]
    if len(levels) != rank + len(blocks) or sorted(order) != list(range(len(levels))):
        raise broken
    if sorted(order[:rank]) != list(range(rank)) or any(not 0 <= axis < rank for axis in blocks):
        raise broken
    entries, places = np.zeros(1, np.int64), list[np.ndarray]()
    for level in levels:
        if level.Format() == 0:
            size = level.DenseSize()
            counts, first = np.full(len(entries), size), entries * size
        else:
            segments, indices = _numbers(level, "Segments"), _numbers(level, "Indices")
            if len(segments) <= entries.max(initial=0) + 1:
                raise broken
            first, counts = segments[entries], segments[entries + 1] - segments[entries]
        if (counts < 0).any() or int(counts.sum()) > elements:
            raise broken
        within = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        places = [np.repeat(place, counts) for place in places]
        entries = np.repeat(first, counts) + within
        if level.Format() != 0 and (entries.size and not 0 <= entries.min() <= entries.max() < len(indices)):
            raise broken
        places.append(within if level.Format() == 0 else indices[entries])
    position = [np.zeros(0, np.int64)] * rank
    for axis, place in zip(order[:rank], places, strict=False):
        position[axis] = place
    for level, block, place in zip(levels[rank:], order[rank:], places[rank:], strict=True):
        axis = blocks[block - rank]
        position[axis] = position[axis] * level.DenseSize() + place
    if len(entries) != len(values) or any(((p < 0) | (p >= n)).any() for p, n in zip(position, shape, strict=True)):
        raise broken
    dense = np.zeros(shape, values.dtype)
    dense[tuple(position)] = values
    return dense


def _numbers(level: Any, what: str) -> np.ndarray:
    """``array_segments`` or ``array_indices`` of a sparse level, a union of vectors of int32, uint16 and uint8."""
    from tflite import Int32Vector, Uint8Vector, Uint16Vector

    kinds = {1: (Int32Vector, "<i4"), 2: (Uint16Vector, "<u2"), 3: (Uint8Vector, "u1")}
    table, kind = getattr(level, f"Array{what}")(), getattr(level, f"Array{what}Type")()
    if table is None or kind not in kinds:
        return np.zeros(0, np.int64)
    vector = kinds[kind][0]()
    vector.Init(table.Bytes, table.Pos)
    values = vector.ValuesAsNumpy() if vector.ValuesLength() else np.zeros(0)
    numbers: np.ndarray = values.astype(np.int64)
    return numbers
