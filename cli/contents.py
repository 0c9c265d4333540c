"""What a .qfb file holds, as plain data; reads only files that `qrt.load` has proved valid."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from qrt.schema import generated as fb
from qrt.schema.macs import macs
from qrt.schema.operators import BY_NUMBER, SCHEMA, SIZES, Field, Operator, camel_case

if TYPE_CHECKING:
    from qrt.compiler.plan.bands import Pace


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
    room : int
        Bytes of the arena that are its own, which differ from `size` in a band; 0 for a constant.
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
    room: int
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
class PaceEntry:
    """How an operator of a band makes rows: after turn t there are ``(t * rows + lead) // per``, from 0 to `height`.

    Attributes
    ----------
    operator : int or None
        Its index; None for the rows of the model's input that are fed.
    tensor : int
        What it makes.
    height : int
        Rows in all; of a global average those that it adds up.
    rows, per, lead : int
    capacity : int
        Rows that the tensor's memory holds.
    kept : int
        Of these, rows at most that are still read when a turn ends.
    slide : str
        ``"LEFT"``, or ``"RIGHT"`` where rows lie against the end of that memory.
    is_sum : bool
        Whether the memory holds the sums of a global average instead.
    size, whole_size : int
        Bytes of that memory, and of the whole tensor.
    """

    operator: int | None
    tensor: int
    height: int
    rows: int
    per: int
    lead: int
    capacity: int
    kept: int
    slide: str
    is_sum: bool
    size: int
    whole_size: int

    @property
    def is_whole(self) -> bool:
        return not self.is_sum and self.capacity == self.height

    def made(self, turns: int) -> NDArray[np.int64]:
        """Rows made before turn 0, and after each turn."""
        all_rows = np.arange(turns, dtype=np.int64) * self.rows + self.lead
        return np.append(0, np.clip(all_rows // self.per, 0, self.height))


@dataclass(frozen=True)
class BandEntry:
    """Operators that take turns: `count` from `first` on. `paces` are of the rows that are fed, if any, and of each."""

    first: int
    count: int
    turns: int
    paces: tuple[PaceEntry, ...]

    @property
    def stop(self) -> int:
        return self.first + self.count

    @property
    def steps(self) -> str:
        """The numbers of its operators."""
        return str(self.first) if self.count == 1 else f"{self.first} to {self.stop - 1}"

    @property
    def fed(self) -> int | None:
        """The tensor that is fed row by row."""
        return self.paces[0].tensor if self.paces[0].operator is None else None


@dataclass(frozen=True)
class Contents:
    """A whole file; `inputs` and `outputs` are indices of tensors, `size` is in bytes."""

    name: str
    producer: str
    preprocessing: str
    format_version: int
    size: int
    crc32: int
    arena_size: int
    state_size: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    tensors: tuple[TensorEntry, ...]
    operators: tuple[OperatorEntry, ...]
    bands: tuple[BandEntry, ...]
    test_vectors: int

    @property
    def weight_bytes(self) -> int:
        """Bytes of all constants, each once."""
        return sum(tensor.size for tensor in self.tensors if tensor.arena_offset is None)

    @property
    def kinds(self) -> dict[str, int]:
        """How many operators there are of each kind."""
        return dict(Counter(op.kind for op in self.operators))

    def alive(self, step: int) -> list[TensorEntry]:
        """The tensors that own arena memory at a step."""
        return self.resident(step, step)

    def resident(self, first: int, last: int) -> list[TensorEntry]:
        """Those that own some at any step from `first` to `last`."""
        # What is fed begins with its band.
        late = {band.fed: band.first + 1 for band in self.bands}
        return [
            t
            for t in self.tensors
            if t.first is not None and t.last is not None and late.get(t.index, t.first) <= last and first <= t.last
        ]


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
    size = -(-int(np.prod(shape, dtype=np.int64)) * BITS[dtype] // 8)
    return TensorEntry(
        index=index,
        name=_text(tensor.Name()),
        shape=shape,
        size=size,
        dtype=dtype,
        scale=tensor.Scale(),
        zero_point=tensor.ZeroPoint16() if dtype == "int16" else tensor.ZeroPoint(),
        arena_offset=None if tensor.DataLength() else tensor.ArenaOffset(),
        room=0 if tensor.DataLength() else size,
        first=lives[0],
        last=lives[1],
        initial=initial,
    )


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
        macs=macs(kind.name, [tensors[i].shape for i in inputs], tensors[operator.Output()].shape),
        weight_bytes=sum(tensor.size for tensor in constants),
        parameter_bytes=size,
    )


def _bands(content: bytes, operators: tuple[OperatorEntry, ...], inputs: tuple[int, ...]) -> tuple[BandEntry, ...]:
    """The bands of a file that has some."""
    from qrt.compiler.backends.qfb.reader import read, read_bands
    from qrt.compiler.plan.occupancy import SUM
    from qrt.compiler.plan.rows import averages, height, row_bytes

    graph = read(content)

    def entry(operator: int | None, pace: Pace) -> PaceEntry:
        op = None if operator is None else graph.ops[operator]
        tensor = graph.inputs[0].tensor if op is None else op.output
        rows = tensor.shape[1] if op is None else height(op)
        is_sum = op is not None and averages(op)
        return PaceEntry(
            operator=operator,
            tensor=inputs[0] if operator is None else operators[operator].output,
            height=rows,
            rows=pace.rows,
            per=pace.per,
            lead=pace.lead,
            capacity=pace.capacity,
            kept=pace.kept,
            slide="RIGHT" if pace.right else "LEFT",
            is_sum=is_sum,
            size=SUM * tensor.nbytes if is_sum else pace.capacity * row_bytes(tensor),
            whole_size=tensor.nbytes,
        )

    found = []
    for band in read_bands(content):
        feed = () if band.feed is None else (entry(None, band.feed),)
        paces = (entry(i, pace) for i, pace in enumerate(band.paces, start=band.first))
        found.append(BandEntry(band.first, len(band.paces), band.turns, (*feed, *paces)))
    return tuple(found)


def read_contents(content: bytes) -> Contents:
    """The contents of a valid file."""
    model = fb.Model.GetRootAs(content, 0)
    last = model.OperatorsLength() + 1
    tensors = tuple(_tensor(i, model.Tensors(i), last) for i in range(model.TensorsLength()))
    operators = tuple(_operator(i, model.Operators(i), tensors) for i in range(model.OperatorsLength()))
    inputs = tuple(model.Inputs(i).Tensor() for i in range(model.InputsLength()))
    bands = _bands(content, operators, inputs) if model.BandsLength() else ()
    rooms = {pace.tensor: pace.size for band in bands for pace in band.paces}
    return Contents(
        name=_text(model.Name()),
        producer=_text(model.Producer()),
        preprocessing=_text(model.Preprocessing()),
        format_version=model.FormatVersion(),
        size=len(content),
        crc32=model.Seal().Crc32(),
        arena_size=model.ArenaSize(),
        state_size=model.StateSize(),
        inputs=inputs,
        outputs=tuple(model.Outputs(i).Tensor() for i in range(model.OutputsLength())),
        tensors=tuple(replace(t, room=rooms.get(t.index, t.room)) for t in tensors),
        operators=operators,
        bands=bands,
        test_vectors=model.TestVectorsLength(),
    )
