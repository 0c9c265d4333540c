"""A lowered graph and its memory plan -> the bytes of a .qfb file.

Writes what it is given and checks nothing; the reader's validator judges. Equal graphs give equal bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from importlib import metadata
from typing import Any

import flatbuffers
import numpy as np

from qrt.compiler.integers.channels import Requant
from qrt.compiler.integers.int4 import packed_int4
from qrt.compiler.ir import Edge, Graph, Op, Tensor
from qrt.compiler.plan.bands import Band, Pace
from qrt.compiler.plan.plan import Plan
from qrt.schema import generated as fb
from qrt.schema.operators import OPERATORS, RANGE, SCHEMA, Field, camel_case

FORMAT_VERSION = 1
DATA_ALIGNMENT = 16

# Codes of the inputs and of the outputs, and whether the states are those that the vector before it left.
TestVector = tuple[Sequence[np.ndarray], Sequence[np.ndarray]] | tuple[Sequence[np.ndarray], Sequence[np.ndarray], bool]


class _Writer:
    """A flatbuffer under construction; vectors and texts of equal content are written once."""

    def __init__(self) -> None:
        self.builder = flatbuffers.Builder(1024)
        self.shared: dict[tuple[Any, ...], int] = {}

    def vector(self, array: Any, dtype: str, alignment: int = 0) -> int:
        """A vector of little-endian numbers whose first element lies at a multiple of `alignment`."""
        numbers = np.ascontiguousarray(array, dtype=np.dtype(dtype).newbyteorder("<"))
        content = numbers.tobytes()
        alignment = max(alignment, numbers.itemsize)
        key = (content, numbers.itemsize, alignment)
        if key not in self.shared:
            b = self.builder
            b.StartVector(numbers.itemsize, numbers.size, alignment)
            b.head = b.head - len(content)
            b.Bytes[b.head : b.head + len(content)] = content
            self.shared[key] = b.EndVector()
        return self.shared[key]

    def text(self, text: str) -> int:
        return self.builder.CreateSharedString(text)

    def offsets(self, positions: Sequence[int]) -> int:
        """A vector of references to tables or texts."""
        b = self.builder
        b.StartVector(4, len(positions), 4)
        for position in reversed(positions):
            b.PrependUOffsetTRelative(position)
        return b.EndVector()

    def requant(self, requant: Requant, dtype: str = "int8") -> int:
        """`dtype` is that of the output."""
        b = self.builder
        multiplier = self.vector(requant.multiplier, "i4")
        shift = self.vector(requant.shift, "u1")
        bias = None if requant.bias is None else self.vector(requant.bias, "i4")
        addend = None if requant.addend is None else self.vector(requant.addend, "i8")
        fb.RequantStart(b)
        fb.RequantAddMultiplier(b, multiplier)
        fb.RequantAddShift(b, shift)
        if bias is not None:
            fb.RequantAddBias(b, bias)
        if addend is not None:
            fb.RequantAddAddend(b, addend)
        fb.RequantAddRounding(b, getattr(fb.Rounding, requant.rounding))
        if dtype == "int16":
            fb.RequantAddOutputMin16(b, requant.output_min)
            fb.RequantAddOutputMax16(b, requant.output_max)
        else:
            fb.RequantAddOutputMin(b, requant.output_min)
            fb.RequantAddOutputMax(b, requant.output_max)
        return fb.RequantEnd(b)

    def window(self, op: Op) -> int:
        height, width = op.attrs["filter"] if "filter" in op.attrs else op.inputs[1].shape[1:3]
        stride, padding = op.attrs["stride"], op.attrs["padding"]
        dilation = op.attrs.get("dilation", (1, 1))
        return fb.CreateWindow(self.builder, height, width, *stride, *dilation, *padding)


# numpy's names of the elements of vectors.
ELEMENTS = {"byte": "i1", "ubyte": "u1", "ushort": "u2", "int": "i4", "uint": "u4", "long": "i8"}


def _vector(w: _Writer, op: Op, field: Field) -> int | None:
    """The vector of that name, or the Requant; None where an operator leaves it out, or the field is no such thing."""
    value = op.attrs.get(field.name)
    if field.type == "Requant":
        return w.requant(op.attrs[field.name], op.output.dtype)
    if not field.element or (value is None and not field.required):
        return None
    if field.name == "exponential":
        value = np.trim_zeros(op.attrs["exponential"], "b")
    return w.vector(value, ELEMENTS[field.element])


def _scalar(op: Op, field: Field) -> Any:
    if field.type in SCHEMA.enums:
        return SCHEMA.enums[field.type][op.attrs.get(field.name, field.default)]
    default = field.default == "true" if field.type == "bool" else int(field.default or 0)
    if field.name in RANGE:
        # In the graph the range has one name whatever the type of the output.
        is_ours = field.name.endswith("16") == (op.output.dtype == "int16")
        return op.attrs.get(field.name.removesuffix("16"), default) if is_ours else default
    return op.attrs.get(field.name, default)


def _options(w: _Writer, op: Op) -> int:
    """The table of the operator's options: its attributes of the fields' names."""
    table, fields = OPERATORS[op.kind].table, OPERATORS[op.kind].fields
    written = {field.name: _vector(w, op, field) for field in fields}
    getattr(fb, f"{table}Start")(w.builder)
    for field in fields:
        value = written[field.name]
        if field.type == "Window":
            value = w.window(op)
        elif value is None and field.element:
            continue
        elif value is None:
            value = _scalar(op, field)
        getattr(fb, f"{table}Add{camel_case(field.name)}")(w.builder, value)
    return int(getattr(fb, f"{table}End")(w.builder))


def _stored(data: np.ndarray, dtype: str) -> np.ndarray:
    """The bytes of a constant, int8: SPEC.md, section 1, for int4."""
    if dtype != "int4":
        return np.ascontiguousarray(data, np.dtype(dtype).newbyteorder("<")).reshape(-1).view(np.int8)
    return packed_int4(data)


def _initial(initial: np.ndarray) -> np.ndarray:
    """A state's bytes before the first run, or the one that all of them are."""
    content = _stored(initial, str(initial.dtype))
    return content[:1] if np.all(content == content[0]) else content


def _tensor(w: _Writer, tensor: Tensor, plan: Plan) -> int:
    b = w.builder
    name = w.text(tensor.name) if tensor.name and not tensor.is_constant else None
    shape = w.vector(tensor.shape, "i4")
    data = w.vector(_stored(tensor.data, tensor.dtype), "i1", DATA_ALIGNMENT) if tensor.data is not None else None
    initial = w.vector(_initial(tensor.initial), "i1") if tensor.initial is not None else None
    fb.TensorStart(b)
    if name is not None:
        fb.TensorAddName(b, name)
    fb.TensorAddShape(b, shape)
    fb.TensorAddDtype(b, getattr(fb.DType, tensor.dtype.upper()))
    quantization = tensor.quantization
    if quantization is not None and not quantization.per_channel:
        if tensor.dtype == "int16":
            fb.TensorAddZeroPoint16(b, int(quantization.zero_point))
        else:
            fb.TensorAddZeroPoint(b, int(quantization.zero_point))
        fb.TensorAddScale(b, float(quantization.scale))
    if data is not None:
        fb.TensorAddData(b, data)
    else:
        fb.TensorAddArenaOffset(b, plan.offsets[tensor])
    if initial is not None:
        fb.TensorAddInitial(b, initial)
    elif data is None:
        fb.TensorAddLifetime(b, fb.CreateLifetime(b, *plan.lifetimes[tensor]))
    return fb.TensorEnd(b)


def _operator(w: _Writer, op: Op, index: dict[Tensor, int], plan: Plan) -> int:
    options = _options(w, op)
    name = w.text(op.name) if op.name else None
    inputs = w.vector([index[tensor] for tensor in op.inputs], "u4")
    fb.OperatorStart(w.builder)
    if name is not None:
        fb.OperatorAddName(w.builder, name)
    fb.OperatorAddInputs(w.builder, inputs)
    fb.OperatorAddOutput(w.builder, index[op.output])
    fb.OperatorAddOptionsType(w.builder, OPERATORS[op.kind].number)
    fb.OperatorAddOptions(w.builder, options)
    fb.OperatorAddOverlap(w.builder, op in plan.overlaps)
    return fb.OperatorEnd(w.builder)


def _edge(w: _Writer, edge: Edge, index: dict[Tensor, int]) -> int:
    labels = w.offsets([w.text(label) for label in edge.labels]) if edge.labels else None
    requant = w.requant(edge.requant) if edge.requant is not None else None
    scales = w.vector(edge.scales, "f4") if edge.scales is not None else None
    fb.EdgeStart(w.builder)
    fb.EdgeAddTensor(w.builder, index[edge.tensor])
    fb.EdgeAddQuantizeRule(w.builder, getattr(fb.QuantizeRule, edge.quantize_rule))
    if requant is not None:
        fb.EdgeAddRequant(w.builder, requant)
    if scales is not None:
        fb.EdgeAddScales(w.builder, scales)
    source = "INT16" if (edge.tensor.dtype, edge.source_dtype) == ("int16", "INT8") else edge.source_dtype
    fb.EdgeAddSourceDtype(w.builder, getattr(fb.SourceDType, source))
    fb.EdgeAddSourceLayout(w.builder, getattr(fb.Layout, edge.source_layout))
    if labels is not None:
        fb.EdgeAddLabels(w.builder, labels)
    return fb.EdgeEnd(w.builder)


def _codes(w: _Writer, codes: np.ndarray) -> int:
    little = np.ascontiguousarray(codes, np.dtype(codes.dtype).newbyteorder("<"))
    data = w.vector(little.view(np.int8), "i1", DATA_ALIGNMENT)
    fb.CodesStart(w.builder)
    fb.CodesAddData(w.builder, data)
    return fb.CodesEnd(w.builder)


def _test_vector(w: _Writer, vector: TestVector) -> int:
    inputs, outputs = (w.offsets([_codes(w, codes) for codes in side]) for side in vector[:2])
    fb.TestVectorStart(w.builder)
    fb.TestVectorAddInputs(w.builder, inputs)
    fb.TestVectorAddOutputs(w.builder, outputs)
    fb.TestVectorAddContinues(w.builder, len(vector) > 2 and vector[2])
    return fb.TestVectorEnd(w.builder)


def producer() -> str:
    """What the file says it was made by."""
    try:
        return f"qrt {metadata.version('qrt')}"
    except metadata.PackageNotFoundError:
        return "qrt"


def seal(content: bytearray) -> bytes:
    """Writes the file's size and CRC-32 into its Seal (SPEC.md, section 4)."""
    table = fb.Model.GetRootAs(content, 0).Seal()._tab
    struct.pack_into("<II", content, table.Pos, len(content), 0)
    struct.pack_into("<I", content, table.Pos + 4, zlib.crc32(content))
    return bytes(content)


def _pace(b: flatbuffers.Builder, pace: Pace) -> int:
    slide = fb.Slide.RIGHT if pace.right else fb.Slide.LEFT
    return fb.CreatePace(b, pace.lead, pace.capacity, pace.kept, pace.rows, pace.per, slide)


def _band(w: _Writer, band: Band) -> int:
    b = w.builder
    fb.BandStartPacesVector(b, len(band.paces))
    for pace in reversed(band.paces):
        _pace(b, pace)
    paces = b.EndVector()
    fb.BandStart(b)
    fb.BandAddFirst(b, band.first)
    fb.BandAddTurns(b, band.turns)
    fb.BandAddPaces(b, paces)
    if band.feed is not None:
        fb.BandAddFeed(b, _pace(b, band.feed))
    return fb.BandEnd(b)


def _stripped(graph: Graph, plan: Plan) -> tuple[Graph, Plan]:
    """The same network and plan without names that only people read."""
    kept = {edge.tensor for edge in (*graph.inputs, *graph.outputs)}
    anew = {tensor: tensor if tensor in kept else replace(tensor, name="") for tensor in graph.tensors()}
    ops = {
        op: replace(op, name="", inputs=[anew[tensor] for tensor in op.inputs], output=anew[op.output])
        for op in graph.ops
    }
    placed = replace(
        plan,
        offsets={anew[tensor]: offset for tensor, offset in plan.offsets.items()},
        lifetimes={anew[tensor]: life for tensor, life in plan.lifetimes.items()},
        overlaps=frozenset(ops[op] for op in plan.overlaps),
    )
    return replace(graph, ops=list(ops.values())), placed


def write(graph: Graph, plan: Plan, *, test_vectors: Sequence[TestVector] = (), strip: bool = False) -> bytes:
    """The file of a lowered graph.

    Parameters
    ----------
    graph : Graph
        Lowered; written exactly as it stands.
    plan : Plan
        Where its activations lie.
    test_vectors : sequence of (inputs, outputs) or (inputs, outputs, continues)
        Arrays of the edges' types in the order of the model's edges, to be embedded. `continues`: the states are those
        that the vector before it left; otherwise they are reset.
    strip : bool
        Whether to leave out the names of operators and of tensors other than the model's inputs and outputs.
    """
    w = _Writer()
    b = w.builder
    if strip:
        graph, plan = _stripped(graph, plan)
    tensors = list(graph.tensors())
    index = {tensor: i for i, tensor in enumerate(tensors)}
    tensor_list = w.offsets([_tensor(w, tensor, plan) for tensor in tensors])
    operator_list = w.offsets([_operator(w, op, index, plan) for op in graph.ops])
    inputs = w.offsets([_edge(w, edge, index) for edge in graph.inputs])
    outputs = w.offsets([_edge(w, edge, index) for edge in graph.outputs])
    vectors = w.offsets([_test_vector(w, vector) for vector in test_vectors]) if test_vectors else None
    bands = w.offsets([_band(w, band) for band in plan.bands]) if plan.bands else None
    made_by = w.text(producer())
    name = w.text(graph.name) if graph.name else None
    preprocessing = w.text(graph.preprocessing) if graph.preprocessing else None
    fb.ModelStart(b)
    fb.ModelAddFormatVersion(b, FORMAT_VERSION)
    fb.ModelAddSeal(b, fb.CreateSeal(b, 0, 0))
    fb.ModelAddProducer(b, made_by)
    if name is not None:
        fb.ModelAddName(b, name)
    fb.ModelAddTensors(b, tensor_list)
    fb.ModelAddOperators(b, operator_list)
    fb.ModelAddInputs(b, inputs)
    fb.ModelAddOutputs(b, outputs)
    fb.ModelAddArenaSize(b, plan.arena_size)
    fb.ModelAddStateSize(b, plan.state_size)
    if vectors is not None:
        fb.ModelAddTestVectors(b, vectors)
    if bands is not None:
        fb.ModelAddBands(b, bands)
    if preprocessing is not None:
        fb.ModelAddPreprocessing(b, preprocessing)
    b.Finish(fb.ModelEnd(b), file_identifier=b"QRT1")
    return seal(bytearray(b.Output()))
