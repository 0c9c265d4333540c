"""The bytes of a .qfb file -> the lowered graph that they say; the inverse of `qrt.compiler.backends.qfb.writer`.

Reads only files that the runtime's validator has accepted.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qrt.compiler.integers.channels import Requant
from qrt.compiler.integers.int4 import unpacked_int4
from qrt.compiler.ir import Edge, Graph, Op, Quantization, Tensor
from qrt.compiler.plan.bands import Band, Pace
from qrt.schema import generated as fb
from qrt.schema.operators import BY_NUMBER, RANGE, SCHEMA, Field, Operator, camel_case


def _names(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if not name.startswith("_")}


def _text(value: bytes | None) -> str:
    return value.decode("utf-8") if value else ""


def _ints(array: Any) -> tuple[int, ...]:
    return tuple(array.tolist())


def _requant(table: Any, is_int16: bool = False) -> Requant:
    return Requant(
        table.MultiplierAsNumpy().copy(),
        table.ShiftAsNumpy().copy(),
        table.BiasAsNumpy().copy() if table.BiasLength() else None,
        table.AddendAsNumpy().copy() if table.AddendLength() else None,
        _names(fb.Rounding)[table.Rounding()],
        table.OutputMin16() if is_int16 else table.OutputMin(),
        table.OutputMax16() if is_int16 else table.OutputMax(),
    )


def _window(w: Any, weights: bool) -> dict[str, Any]:
    """`weights`: whether the operator has weights, whose shape says what the filter's is."""
    return {
        **({} if weights else {"filter": (w.FilterHeight(), w.FilterWidth())}),
        "stride": (w.StrideY(), w.StrideX()),
        "dilation": (w.DilationY(), w.DilationX()),
        "padding": (w.PadTop(), w.PadBottom(), w.PadLeft(), w.PadRight()),
    }


def _vector(options: Any, field: Field) -> Any:
    """A vector: a tuple of a number for each axis, else an array; None where it is left out."""
    name = camel_case(field.name)
    if not field.required and getattr(options, f"{name}Length")() == 0:
        return None
    array = getattr(options, f"{name}AsNumpy")().copy()
    return _ints(array) if "by_axis" in field.attributes else array


def _value(options: Any, field: Field, is_int16: bool) -> Any:
    if field.element:
        return _vector(options, field)
    value = getattr(options, camel_case(field.name))()
    if field.type == "Requant":
        return _requant(value, is_int16)
    if field.type in SCHEMA.enums:
        return _names(getattr(fb, field.type))[value]
    return bool(value) if field.type == "bool" else value


def _attributes(operator: Operator, options: Any, is_int16: bool) -> dict[str, Any]:
    """The operator's attributes out of the table of its options; `is_int16`: whether its output is."""
    attrs: dict[str, Any] = {}
    for field in operator.fields:
        if field.name in RANGE and field.name.endswith("16") != is_int16:
            continue
        if field.type == "Window":
            attrs |= _window(options.Window(), operator.channels is not None)
        else:
            attrs[field.name.removesuffix("16") if field.name in RANGE else field.name] = _value(
                options, field, is_int16
            )
    return attrs


def _codes(content: np.ndarray, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """The elements that bytes hold."""
    if dtype != "int4":
        return content.view(np.dtype(dtype).newbyteorder("<")).reshape(shape)
    return unpacked_int4(content, math.prod(shape)).reshape(shape)


def _initial(source: Any, dtype: str, shape: tuple[int, ...]) -> np.ndarray | None:
    content = source.InitialAsNumpy() if source.InitialLength() else None
    if content is None:
        return None
    size = math.prod(shape) * np.dtype(dtype).itemsize
    return _codes(np.resize(content, size) if len(content) == 1 else content, dtype, shape).copy()


def _tensor(source: Any) -> Tensor:
    shape = _ints(source.ShapeAsNumpy())
    if source.Dtype() == fb.DType.INT32:
        return Tensor(_text(source.Name()), shape, "int32")
    dtype = _names(fb.DType)[source.Dtype()].lower()
    zero_point = source.ZeroPoint16() if dtype == "int16" else source.ZeroPoint()
    quantization = Quantization(np.array(source.Scale(), np.float32), np.array(zero_point, np.int32))
    data = _codes(source.DataAsNumpy(), dtype, shape) if source.DataLength() else None
    return Tensor(_text(source.Name()), shape, dtype, quantization, data, _initial(source, dtype, shape))


def _edge(source: Any, tensors: list[Tensor]) -> Edge:
    return Edge(
        tensors[source.Tensor()],
        _names(fb.QuantizeRule)[source.QuantizeRule()],
        _names(fb.Layout)[source.SourceLayout()],
        _names(fb.SourceDType)[source.SourceDtype()],
        [_text(source.Labels(i)) for i in range(source.LabelsLength())],
        _requant(source.Requant()) if source.Requant() else None,
        source.ScalesAsNumpy().copy() if source.ScalesLength() else None,
    )


def read(content: bytes) -> Graph:
    """The lowered graph of a valid file.

    Parameters
    ----------
    content : bytes

    Returns
    -------
    Graph
        Scales that the file does not state are 0; weights have none in any case.
    """
    model = fb.Model.GetRootAs(content, 0)
    tensors = [_tensor(model.Tensors(i)) for i in range(model.TensorsLength())]
    graph = Graph(_text(model.Name()), preprocessing=_text(model.Preprocessing()))
    for i in range(model.OperatorsLength()):
        source = model.Operators(i)
        operator = BY_NUMBER[source.OptionsType()]
        options, union = getattr(fb, operator.table)(), source.Options()
        options.Init(union.Bytes, union.Pos)
        inputs = [tensors[k] for k in source.InputsAsNumpy().tolist()]
        output = tensors[source.Output()]
        attrs = _attributes(operator, options, output.dtype == "int16")
        graph.ops.append(Op(operator.name, _text(source.Name()) or output.name, inputs, output, attrs))
    graph.inputs = [_edge(model.Inputs(i), tensors) for i in range(model.InputsLength())]
    graph.outputs = [_edge(model.Outputs(i), tensors) for i in range(model.OutputsLength())]
    return graph


def _pace(source: Any) -> Pace:
    right = source.Slide() == fb.Slide.RIGHT
    return Pace(source.Rows(), source.Per(), source.Lead(), source.Capacity(), source.Kept(), right)


def read_bands(content: bytes) -> tuple[Band, ...]:
    """The bands of a .qfb file, in order."""
    model = fb.Model.GetRootAs(content, 0)
    bands = [model.Bands(i) for i in range(model.BandsLength())]
    return tuple(
        Band(
            band.First(),
            band.Turns(),
            tuple(_pace(band.Paces(i)) for i in range(band.PacesLength())),
            _pace(band.Feed()) if band.Feed() is not None else None,
        )
        for band in bands
    )
