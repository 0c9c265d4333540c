"""A lowered graph and its memory plan -> the bytes of a .qfb file.

Writes what it is given and checks nothing; the reader's validator judges. Equal graphs give equal bytes.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

import flatbuffers
import numpy as np

from qrt.compiler.integers.channels import Requant
from qrt.compiler.ir import Edge, Graph, Op, Tensor
from qrt.compiler.plan.memory import Plan
from qrt.schema import generated as fb

FORMAT_VERSION = 1
DATA_ALIGNMENT = 16

TestVector = tuple[Sequence[np.ndarray], Sequence[np.ndarray]]


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

    def requant(self, requant: Requant) -> int:
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
        fb.RequantAddOutputMin(b, requant.output_min)
        fb.RequantAddOutputMax(b, requant.output_max)
        return fb.RequantEnd(b)

    def window(self, op: Op) -> int:
        height, width = op.attrs["filter"] if "filter" in op.attrs else op.inputs[1].shape[1:3]
        stride, padding = op.attrs["stride"], op.attrs["padding"]
        dilation = op.attrs.get("dilation", (1, 1))
        return fb.CreateWindow(self.builder, height, width, *stride, *dilation, *padding)


def _conv2d(w: _Writer, op: Op) -> int:
    requant = w.requant(op.attrs["requant"])
    fb.Conv2DStart(w.builder)
    fb.Conv2DAddWindow(w.builder, w.window(op))
    fb.Conv2DAddGroups(w.builder, op.attrs.get("groups", 1))
    fb.Conv2DAddRequant(w.builder, requant)
    return fb.Conv2DEnd(w.builder)


def _dwconv2d(w: _Writer, op: Op) -> int:
    requant = w.requant(op.attrs["requant"])
    fb.DwConv2DStart(w.builder)
    fb.DwConv2DAddWindow(w.builder, w.window(op))
    fb.DwConv2DAddRequant(w.builder, requant)
    return fb.DwConv2DEnd(w.builder)


def _only_requant(table: str) -> Callable[[_Writer, Op], int]:
    def write(w: _Writer, op: Op) -> int:
        requant = w.requant(op.attrs["requant"])
        getattr(fb, f"{table}Start")(w.builder)
        getattr(fb, f"{table}AddRequant")(w.builder, requant)
        return int(getattr(fb, f"{table}End")(w.builder))

    return write


def _add(w: _Writer, op: Op) -> int:
    b, attrs = w.builder, op.attrs
    fb.AddStart(b)
    fb.AddAddForm(b, getattr(fb.AddForm, attrs.get("form", "COMMON_SHIFT")))
    fb.AddAddAMultiplier(b, attrs["a_multiplier"])
    fb.AddAddBMultiplier(b, attrs["b_multiplier"])
    fb.AddAddShift(b, attrs.get("shift", 0))
    fb.AddAddAShift(b, attrs.get("a_shift", 0))
    fb.AddAddBShift(b, attrs.get("b_shift", 0))
    fb.AddAddYMultiplier(b, attrs.get("y_multiplier", 0))
    fb.AddAddYShift(b, attrs.get("y_shift", 0))
    fb.AddAddOutputMin(b, attrs.get("output_min", -128))
    fb.AddAddOutputMax(b, attrs.get("output_max", 127))
    fb.AddAddSubtract(b, attrs.get("subtract", False))
    return fb.AddEnd(b)


def _slice(w: _Writer, op: Op) -> int:
    begin = w.vector(op.attrs["begin"], "i4")
    stride = w.vector(op.attrs["stride"], "i4")
    fb.SliceStart(w.builder)
    fb.SliceAddBegin(w.builder, begin)
    fb.SliceAddStride(w.builder, stride)
    return fb.SliceEnd(w.builder)


def _resize2d(w: _Writer, op: Op) -> int:
    names = ("rows", "columns", "row_weight", "column_weight")
    vectors = [w.vector(op.attrs[name], "u2") if op.attrs.get(name) is not None else None for name in names]
    fb.Resize2DStart(w.builder)
    for vector, field in zip(vectors, ("Rows", "Columns", "RowWeight", "ColumnWeight"), strict=True):
        if vector is not None:
            getattr(fb, f"Resize2DAdd{field}")(w.builder, vector)
    return fb.Resize2DEnd(w.builder)


def _transpose_conv2d(w: _Writer, op: Op) -> int:
    requant = w.requant(op.attrs["requant"])
    fb.TransposeConv2DStart(w.builder)
    fb.TransposeConv2DAddWindow(w.builder, w.window(op))
    fb.TransposeConv2DAddRequant(w.builder, requant)
    return fb.TransposeConv2DEnd(w.builder)


def _requantize_sum(w: _Writer, op: Op) -> int:
    requant = w.requant(op.attrs["requant"])
    b_multiplier = w.vector(op.attrs["b_multiplier"], "i8")
    fb.RequantizeSumStart(w.builder)
    fb.RequantizeSumAddRequant(w.builder, requant)
    fb.RequantizeSumAddBMultiplier(w.builder, b_multiplier)
    return fb.RequantizeSumEnd(w.builder)


def _empty(table: str) -> Callable[[_Writer, Op], int]:
    def write(w: _Writer, op: Op) -> int:
        getattr(fb, f"{table}Start")(w.builder)
        return int(getattr(fb, f"{table}End")(w.builder))

    return write


def _average_pool2d(w: _Writer, op: Op) -> int:
    fb.AveragePool2DStart(w.builder)
    fb.AveragePool2DAddWindow(w.builder, w.window(op))
    fb.AveragePool2DAddRounding(w.builder, getattr(fb.PoolRounding, op.attrs.get("rounding", "HALF_AWAY")))
    fb.AveragePool2DAddOutputMin(w.builder, op.attrs.get("output_min", -128))
    fb.AveragePool2DAddOutputMax(w.builder, op.attrs.get("output_max", 127))
    return fb.AveragePool2DEnd(w.builder)


def _max_pool2d(w: _Writer, op: Op) -> int:
    fb.MaxPool2DStart(w.builder)
    fb.MaxPool2DAddWindow(w.builder, w.window(op))
    fb.MaxPool2DAddOutputMin(w.builder, op.attrs.get("output_min", -128))
    fb.MaxPool2DAddOutputMax(w.builder, op.attrs.get("output_max", 127))
    return fb.MaxPool2DEnd(w.builder)


def _pad(w: _Writer, op: Op) -> int:
    before = w.vector(op.attrs["before"], "i4")
    after = w.vector(op.attrs["after"], "i4")
    fb.PadStart(w.builder)
    fb.PadAddBefore(w.builder, before)
    fb.PadAddAfter(w.builder, after)
    fb.PadAddValue(w.builder, op.attrs["value"])
    return fb.PadEnd(w.builder)


def _concat(w: _Writer, op: Op) -> int:
    fb.ConcatStart(w.builder)
    fb.ConcatAddAxis(w.builder, op.attrs["axis"])
    return fb.ConcatEnd(w.builder)


def _transpose(w: _Writer, op: Op) -> int:
    permutation = w.vector(op.attrs["permutation"], "u1")
    fb.TransposeStart(w.builder)
    fb.TransposeAddPermutation(w.builder, permutation)
    return fb.TransposeEnd(w.builder)


def _clamp(w: _Writer, op: Op) -> int:
    fb.ClampStart(w.builder)
    fb.ClampAddOutputMin(w.builder, op.attrs.get("output_min", -128))
    fb.ClampAddOutputMax(w.builder, op.attrs.get("output_max", 127))
    return fb.ClampEnd(w.builder)


def _softmax(w: _Writer, op: Op) -> int:
    exponential = w.vector(np.trim_zeros(op.attrs["exponential"], "b"), "u4")
    fb.SoftmaxStart(w.builder)
    fb.SoftmaxAddExponential(w.builder, exponential)
    fb.SoftmaxAddNumerator(w.builder, op.attrs["numerator"])
    fb.SoftmaxAddShift(w.builder, op.attrs["shift"])
    fb.SoftmaxAddForm(w.builder, getattr(fb.SoftmaxForm, op.attrs.get("form", "EXACT")))
    return fb.SoftmaxEnd(w.builder)


def _lut(w: _Writer, op: Op) -> int:
    table = w.vector(op.attrs["table"], "i1")
    fb.LutStart(w.builder)
    fb.LutAddTable(w.builder, table)
    return fb.LutEnd(w.builder)


# For each operator: its member of the union Options, and what writes that table.
OPTIONS: dict[str, tuple[int, Callable[[_Writer, Op], int]]] = {
    "conv2d": (fb.Options.Conv2D, _conv2d),
    "dwconv2d": (fb.Options.DwConv2D, _dwconv2d),
    "linear": (fb.Options.Linear, _only_requant("Linear")),
    "add": (fb.Options.Add, _add),
    "mul": (fb.Options.Mul, _only_requant("Mul")),
    "average_pool2d": (fb.Options.AveragePool2D, _average_pool2d),
    "max_pool2d": (fb.Options.MaxPool2D, _max_pool2d),
    "mean": (fb.Options.Mean, _only_requant("Mean")),
    "pad": (fb.Options.Pad, _pad),
    "concat": (fb.Options.Concat, _concat),
    "reshape": (fb.Options.Reshape, _empty("Reshape")),
    "transpose": (fb.Options.Transpose, _transpose),
    "requantize": (fb.Options.Requantize, _only_requant("Requantize")),
    "clamp": (fb.Options.Clamp, _clamp),
    "softmax": (fb.Options.Softmax, _softmax),
    "lut": (fb.Options.Lut, _lut),
    "slice": (fb.Options.Slice, _slice),
    "resize2d": (fb.Options.Resize2D, _resize2d),
    "transpose_conv2d": (fb.Options.TransposeConv2D, _transpose_conv2d),
    "maximum": (fb.Options.Maximum, _empty("Maximum")),
    "minimum": (fb.Options.Minimum, _empty("Minimum")),
    "arg_max": (fb.Options.ArgMax, _empty("ArgMax")),
    "matmul": (fb.Options.MatMul, _only_requant("MatMul")),
    "l2_norm": (fb.Options.L2Norm, _empty("L2Norm")),
    "requantize_sum": (fb.Options.RequantizeSum, _requantize_sum),
}


def _tensor(w: _Writer, tensor: Tensor, plan: Plan) -> int:
    b = w.builder
    name = w.text(tensor.name) if tensor.name and not tensor.is_constant else None
    shape = w.vector(tensor.shape, "i4")
    data = w.vector(tensor.data, "i1", DATA_ALIGNMENT) if tensor.data is not None else None
    fb.TensorStart(b)
    if name is not None:
        fb.TensorAddName(b, name)
    fb.TensorAddShape(b, shape)
    fb.TensorAddDtype(b, getattr(fb.DType, tensor.dtype.upper()))
    quantization = tensor.quantization
    if quantization is not None and not quantization.per_channel:
        fb.TensorAddZeroPoint(b, int(quantization.zero_point))
        fb.TensorAddScale(b, float(quantization.scale))
    if data is not None:
        fb.TensorAddData(b, data)
    else:
        fb.TensorAddArenaOffset(b, plan.offsets[tensor])
        fb.TensorAddLifetime(b, fb.CreateLifetime(b, *plan.lifetimes[tensor]))
    return fb.TensorEnd(b)


def _operator(w: _Writer, op: Op, index: dict[Tensor, int], plan: Plan) -> int:
    member, write = OPTIONS[op.kind]
    options = write(w, op)
    name = w.text(op.name) if op.name else None
    inputs = w.vector([index[tensor] for tensor in op.inputs], "u4")
    fb.OperatorStart(w.builder)
    if name is not None:
        fb.OperatorAddName(w.builder, name)
    fb.OperatorAddInputs(w.builder, inputs)
    fb.OperatorAddOutput(w.builder, index[op.output])
    fb.OperatorAddOptionsType(w.builder, member)
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
    fb.EdgeAddSourceDtype(w.builder, getattr(fb.SourceDType, edge.source_dtype))
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
    inputs, outputs = (w.offsets([_codes(w, codes) for codes in side]) for side in vector)
    fb.TestVectorStart(w.builder)
    fb.TestVectorAddInputs(w.builder, inputs)
    fb.TestVectorAddOutputs(w.builder, outputs)
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


def write(graph: Graph, plan: Plan, *, test_vectors: Sequence[TestVector] = ()) -> bytes:
    """The file of a lowered graph.

    Parameters
    ----------
    graph : Graph
        Lowered; written exactly as it stands.
    plan : Plan
        Where its activations lie.
    test_vectors : sequence of (inputs, outputs)
        int8 arrays (int32 ones for int32 outputs) in the order of the model's edges, to be embedded.
    """
    w = _Writer()
    b = w.builder
    tensors = list(graph.tensors())
    index = {tensor: i for i, tensor in enumerate(tensors)}
    tensor_list = w.offsets([_tensor(w, tensor, plan) for tensor in tensors])
    operator_list = w.offsets([_operator(w, op, index, plan) for op in graph.ops])
    inputs = w.offsets([_edge(w, edge, index) for edge in graph.inputs])
    outputs = w.offsets([_edge(w, edge, index) for edge in graph.outputs])
    vectors = w.offsets([_test_vector(w, vector) for vector in test_vectors]) if test_vectors else None
    made_by = w.text(producer())
    name = w.text(graph.name) if graph.name else None
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
    if vectors is not None:
        fb.ModelAddTestVectors(b, vectors)
    b.Finish(fb.ModelEnd(b), file_identifier=b"QRT1")
    return seal(bytearray(b.Output()))
