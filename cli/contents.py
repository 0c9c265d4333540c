"""What a .qfb file holds, as plain data; reads only files that `qrt.load` has proved valid."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from qrt.schema import generated as fb
from qrt.schema.operators import BY_NUMBER, SCHEMA, SIZES, Field, Operator, camel_case


@dataclass(frozen=True)
class TensorEntry:
    """A tensor of the file.

    Attributes
    ----------
    index : int
    name : str
    shape : tuple of int
    size : int
        Bytes.
    scale, zero_point : float, int
        A scale of 0 means that the file does not state one.
    arena_offset : int or None
        Byte position in the arena; None for a constant.
    first, last : int or None
        Lifetime in steps: operator i is step i + 1, step 0 comes before all; None for a constant. A state lives always.
    dtype : str
        ``"int8"``, ``"int16"``, ``"int4"`` of constants, or ``"int32"`` of accumulators.
    initial : tuple of int or None
        Of a state: the lowest and the highest byte that it begins with.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    size: int
    scale: float
    zero_point: int
    arena_offset: int | None
    first: int | None
    last: int | None
    dtype: str = "int8"
    initial: tuple[int, int] | None = None

    @property
    def is_state(self) -> bool:
        return self.initial is not None

    @property
    def elements(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True)
class OperatorEntry:
    """An operator of the file; `inputs` and `output` are indices of tensors, sizes are bytes."""

    index: int
    kind: str
    name: str
    inputs: tuple[int, ...]
    output: int
    parameters: dict[str, Any]
    macs: int
    weight_bytes: int
    parameter_bytes: int


@dataclass(frozen=True)
class Contents:
    """A whole file; `inputs` and `outputs` are indices of tensors, `size` is in bytes."""

    name: str
    producer: str
    format_version: int
    size: int
    crc32: int
    arena_size: int
    state_size: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    tensors: tuple[TensorEntry, ...]
    operators: tuple[OperatorEntry, ...]
    test_vectors: int

    @property
    def kinds(self) -> dict[str, int]:
        """How many operators there are of each kind."""
        return dict(Counter(op.kind for op in self.operators))

    def alive(self, step: int) -> list[TensorEntry]:
        """The tensors that own arena memory at a step."""
        return [t for t in self.tensors if t.first is not None and t.last is not None and t.first <= step <= t.last]

    @property
    def lower_bound(self) -> int:
        """The most bytes that are in use at one step, which no plan with the same sharing can go below."""
        return max(_covered(self.alive(step)) for step in range(len(self.operators) + 2))


def _covered(tensors: list[TensorEntry]) -> int:
    """Bytes that tensors cover together, each rounded up to the alignment of the arena."""
    total = end = 0
    for start, size in sorted((t.arena_offset or 0, -(-t.size // 16) * 16) for t in tensors):
        total += max(0, start + size - max(start, end))
        end = max(end, start + size)
    return total


def _names(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if not name.startswith("_")}


# The integers of the arithmetic, which `qrt explain` shows.
SCALE_DOWNS = {f"{name}_{part}" for name in "aby" for part in ("multiplier", "shift")}
ARITHMETIC = {
    "add": {"shift", *SCALE_DOWNS},
    "squared_difference": SCALE_DOWNS,
    "softmax": {"numerator"},
    "log_softmax": {"multiplier", "log_multiplier", "addend", "shift"},
    "layer_norm": {"epsilon", "epsilon_bits", "shift"},
}


def _window(window: Any) -> dict[str, Any]:
    return {
        "filter": [window.FilterHeight(), window.FilterWidth()],
        "stride": [window.StrideY(), window.StrideX()],
        "dilation": [window.DilationY(), window.DilationX()],
        "padding": [window.PadTop(), window.PadBottom(), window.PadLeft(), window.PadRight()],
    }


def _requant(requant: Any) -> tuple[dict[str, Any], int]:
    factors = np.ldexp(requant.MultiplierAsNumpy().astype(np.float64), -requant.ShiftAsNumpy().astype(np.int32))
    parameters = {
        "requant": "per_channel" if requant.MultiplierLength() > 1 else "per_tensor",
        "factor": [float(factors.min()), float(factors.max())],
        "bias": "addend" if requant.AddendLength() else "int32" if requant.BiasLength() else "none",
        "rounding": _names(fb.Rounding)[requant.Rounding()],
        "output_min": requant.OutputMin(),
        "output_max": requant.OutputMax(),
    }
    size = 5 * requant.MultiplierLength() + 4 * requant.BiasLength() + 8 * requant.AddendLength()
    return parameters, size


def _parameter(operator: Operator, options: Any, field: Field) -> tuple[dict[str, Any], int]:
    """What a field says, and the bytes of what it only counts: tables of numbers."""
    name = camel_case(field.name)
    if "by_axis" in field.attributes:
        return {field.name: getattr(options, f"{name}AsNumpy")().tolist()}, 0
    if field.element:
        return {}, SIZES[field.element] * getattr(options, f"{name}Length")()
    value = getattr(options, name)()
    if field.type == "Requant":
        return _requant(value)
    if field.type == "Window":
        return _window(value), 0
    if field.type in SCHEMA.enums:
        value = _names(getattr(fb, field.type))[value]
    return ({} if field.name in ARITHMETIC.get(operator.name, ()) else {field.name: value}), 0


def _parameters(operator: Operator, options: Any) -> tuple[dict[str, Any], int]:
    """The parameters to show, and the bytes of all."""
    read = [_parameter(operator, options, field) for field in operator.fields]
    parameters = {name: value for shown, _ in read for name, value in shown.items()}
    if operator.name == "resize2d":
        weights = options.RowWeightLength() + options.ColumnWeightLength()
        parameters["form"] = "BILINEAR" if weights else "NEAREST"
    return parameters, sum(size for _, size in read)


def _text(value: bytes | None) -> str:
    return value.decode("utf-8") if value else ""


# Bits of an element.
BITS = {"int4": 4, "int8": 8, "int16": 16, "int32": 32}


def _tensor(index: int, tensor: Any, last_step: int) -> TensorEntry:
    shape = tuple(tensor.ShapeAsNumpy().tolist())
    dtype = _names(fb.DType)[tensor.Dtype()].lower()
    life = tensor.Lifetime()
    lives = (life.First(), life.Last()) if life else (None, None)
    initial = None
    if tensor.InitialLength():
        lives = 0, last_step
        initial = int(tensor.InitialAsNumpy().min()), int(tensor.InitialAsNumpy().max())
    return TensorEntry(
        index=index,
        name=_text(tensor.Name()),
        shape=shape,
        size=-(-int(np.prod(shape, dtype=np.int64)) * BITS[dtype] // 8),
        dtype=dtype,
        scale=tensor.Scale(),
        zero_point=tensor.ZeroPoint16() if dtype == "int16" else tensor.ZeroPoint(),
        arena_offset=None if tensor.DataLength() else tensor.ArenaOffset(),
        first=lives[0],
        last=lives[1],
        initial=initial,
    )


def _macs(kind: str, inputs: list[TensorEntry], output: TensorEntry) -> int:
    """Multiply-accumulates of an operator that sums products; 0 for others."""
    match kind:
        case "conv2d" | "linear":
            return output.elements * int(np.prod(inputs[1].shape[1:], dtype=np.int64))
        case "dwconv2d":
            return output.elements * int(np.prod(inputs[1].shape[1:3], dtype=np.int64))
        case "transpose_conv2d":
            return int(np.prod(inputs[0].shape[:3], dtype=np.int64)) * inputs[1].elements
        case "matmul":
            return output.elements * inputs[0].shape[-1]
        case "lstm" | "svdf":
            rows = int(np.prod(inputs[0].shape[:-1], dtype=np.int64))
            return rows * (inputs[1].elements + inputs[2].elements)
        case _:
            return 0


def _operator(index: int, operator: Any, tensors: tuple[TensorEntry, ...]) -> OperatorEntry:
    kind = BY_NUMBER[operator.OptionsType()]
    options, union = getattr(fb, kind.table)(), operator.Options()
    options.Init(union.Bytes, union.Pos)
    parameters, size = _parameters(kind, options)
    inputs = tuple(operator.InputsAsNumpy().tolist())
    if kind.channels is not None and tensors[inputs[1]].dtype == "int4":
        parameters["weights"] = "int4"
    constants = [tensors[i] for i in inputs if tensors[i].arena_offset is None]
    return OperatorEntry(
        index=index,
        kind=kind.name,
        name=_text(operator.Name()),
        inputs=inputs,
        output=operator.Output(),
        parameters=parameters,
        macs=_macs(kind.name, [tensors[i] for i in inputs], tensors[operator.Output()]),
        weight_bytes=sum(tensor.size for tensor in constants),
        parameter_bytes=size,
    )


def read_contents(content: bytes) -> Contents:
    """The contents of a valid file."""
    model = fb.Model.GetRootAs(content, 0)
    last = model.OperatorsLength() + 1
    tensors = tuple(_tensor(i, model.Tensors(i), last) for i in range(model.TensorsLength()))
    return Contents(
        name=_text(model.Name()),
        producer=_text(model.Producer()),
        format_version=model.FormatVersion(),
        size=len(content),
        crc32=model.Seal().Crc32(),
        arena_size=model.ArenaSize(),
        state_size=model.StateSize(),
        inputs=tuple(model.Inputs(i).Tensor() for i in range(model.InputsLength())),
        outputs=tuple(model.Outputs(i).Tensor() for i in range(model.OutputsLength())),
        tensors=tensors,
        operators=tuple(_operator(i, model.Operators(i), tensors) for i in range(model.OperatorsLength())),
        test_vectors=model.TestVectorsLength(),
    )
