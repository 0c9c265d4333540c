"""The bytes of a .qfb file -> the lowered graph that they say; the inverse of `qrt.compiler.backends.qfb.writer`.

Reads only files that the runtime's validator has accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qrt.compiler.integers.channels import Requant
from qrt.compiler.ir import Edge, Graph, Op, Quantization, Tensor
from qrt.schema import generated as fb


def _names(enum: type) -> dict[int, str]:
    return {value: name for name, value in vars(enum).items() if not name.startswith("_")}


def _text(value: bytes | None) -> str:
    return value.decode("utf-8") if value else ""


def _ints(array: Any) -> tuple[int, ...]:
    return tuple(array.tolist())


def _requant(options: Any) -> dict[str, Any]:
    table = options.Requant()
    return {
        "requant": Requant(
            table.MultiplierAsNumpy().copy(),
            table.ShiftAsNumpy().copy(),
            table.BiasAsNumpy().copy() if table.BiasLength() else None,
            table.AddendAsNumpy().copy() if table.AddendLength() else None,
            _names(fb.Rounding)[table.Rounding()],
            table.OutputMin(),
            table.OutputMax(),
        )
    }


def _range(options: Any) -> dict[str, Any]:
    return {"output_min": options.OutputMin(), "output_max": options.OutputMax()}


def _window(options: Any) -> dict[str, Any]:
    w = options.Window()
    return {
        "filter": (w.FilterHeight(), w.FilterWidth()),
        "stride": (w.StrideY(), w.StrideX()),
        "dilation": (w.DilationY(), w.DilationX()),
        "padding": (w.PadTop(), w.PadBottom(), w.PadLeft(), w.PadRight()),
    }


def _layer(options: Any) -> dict[str, Any]:
    window = _window(options)
    del window["filter"]  # the weights have it
    return window | _requant(options)


def _add(o: Any) -> dict[str, Any]:
    return {
        "form": _names(fb.AddForm)[o.Form()],
        "subtract": bool(o.Subtract()),
        "a_multiplier": o.AMultiplier(),
        "b_multiplier": o.BMultiplier(),
        "y_multiplier": o.YMultiplier(),
        "shift": o.Shift(),
        "a_shift": o.AShift(),
        "b_shift": o.BShift(),
        "y_shift": o.YShift(),
        **_range(o),
    }


def _resize2d(o: Any) -> dict[str, Any]:
    return {
        "rows": o.RowsAsNumpy(),
        "columns": o.ColumnsAsNumpy(),
        "row_weight": o.RowWeightAsNumpy() if o.RowWeightLength() else None,
        "column_weight": o.ColumnWeightAsNumpy() if o.ColumnWeightLength() else None,
    }


def _softmax(o: Any) -> dict[str, Any]:
    return {
        "form": _names(fb.SoftmaxForm)[o.Form()],
        "exponential": o.ExponentialAsNumpy(),
        "numerator": o.Numerator(),
        "shift": o.Shift(),
    }


def _nothing(options: Any) -> dict[str, Any]:
    return {}


# For each member of the union Options: the operator's kind, its table, and what reads its attributes.
OPTIONS: dict[int, tuple[str, type[Any], Callable[[Any], dict[str, Any]]]] = {
    fb.Options.Conv2D: ("conv2d", fb.Conv2D, lambda o: {"groups": o.Groups(), **_layer(o)}),
    fb.Options.DwConv2D: ("dwconv2d", fb.DwConv2D, _layer),
    fb.Options.Linear: ("linear", fb.Linear, _requant),
    fb.Options.Add: ("add", fb.Add, _add),
    fb.Options.Mul: ("mul", fb.Mul, _requant),
    fb.Options.AveragePool2D: (
        "average_pool2d",
        fb.AveragePool2D,
        lambda o: {**_window(o), **_range(o), "rounding": _names(fb.PoolRounding)[o.Rounding()]},
    ),
    fb.Options.MaxPool2D: ("max_pool2d", fb.MaxPool2D, lambda o: {**_window(o), **_range(o)}),
    fb.Options.Mean: ("mean", fb.Mean, _requant),
    fb.Options.Pad: (
        "pad",
        fb.Pad,
        lambda o: {"before": _ints(o.BeforeAsNumpy()), "after": _ints(o.AfterAsNumpy()), "value": o.Value()},
    ),
    fb.Options.Concat: ("concat", fb.Concat, lambda o: {"axis": o.Axis()}),
    fb.Options.Reshape: ("reshape", fb.Reshape, _nothing),
    fb.Options.Transpose: (
        "transpose",
        fb.Transpose,
        lambda o: {"permutation": _ints(o.PermutationAsNumpy())},
    ),
    fb.Options.Requantize: ("requantize", fb.Requantize, _requant),
    fb.Options.Clamp: ("clamp", fb.Clamp, _range),
    fb.Options.Softmax: ("softmax", fb.Softmax, _softmax),
    fb.Options.Lut: ("lut", fb.Lut, lambda o: {"table": o.TableAsNumpy()}),
    fb.Options.Slice: (
        "slice",
        fb.Slice,
        lambda o: {"begin": _ints(o.BeginAsNumpy()), "stride": _ints(o.StrideAsNumpy())},
    ),
    fb.Options.Resize2D: ("resize2d", fb.Resize2D, _resize2d),
    fb.Options.TransposeConv2D: ("transpose_conv2d", fb.TransposeConv2D, _layer),
    fb.Options.Maximum: ("maximum", fb.Maximum, _nothing),
    fb.Options.Minimum: ("minimum", fb.Minimum, _nothing),
    fb.Options.ArgMax: ("arg_max", fb.ArgMax, _nothing),
    fb.Options.MatMul: ("matmul", fb.MatMul, _requant),
    fb.Options.L2Norm: ("l2_norm", fb.L2Norm, _nothing),
    fb.Options.RequantizeSum: (
        "requantize_sum",
        fb.RequantizeSum,
        lambda o: {"b_multiplier": o.BMultiplierAsNumpy().copy(), **_requant(o)},
    ),
}


def _tensor(source: Any) -> Tensor:
    shape = _ints(source.ShapeAsNumpy())
    if source.Dtype() == fb.DType.INT32:
        return Tensor(_text(source.Name()), shape, "int32")
    quantization = Quantization(np.array(source.Scale(), np.float32), np.array(source.ZeroPoint(), np.int32))
    data = source.DataAsNumpy().reshape(shape) if source.DataLength() else None
    return Tensor(_text(source.Name()), shape, "int8", quantization, data)


def _edge(source: Any, tensors: list[Tensor]) -> Edge:
    return Edge(
        tensors[source.Tensor()],
        _names(fb.QuantizeRule)[source.QuantizeRule()],
        _names(fb.Layout)[source.SourceLayout()],
        _names(fb.SourceDType)[source.SourceDtype()],
        [_text(source.Labels(i)) for i in range(source.LabelsLength())],
        _requant(source)["requant"] if source.Requant() else None,
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
    graph = Graph(_text(model.Name()))
    for i in range(model.OperatorsLength()):
        source = model.Operators(i)
        kind, table, attributes = OPTIONS[source.OptionsType()]
        options, union = table(), source.Options()
        options.Init(union.Bytes, union.Pos)
        inputs = [tensors[k] for k in source.InputsAsNumpy().tolist()]
        output = tensors[source.Output()]
        graph.ops.append(Op(kind, _text(source.Name()) or output.name, inputs, output, attributes(options)))
    graph.inputs = [_edge(model.Inputs(i), tensors) for i in range(model.InputsLength())]
    graph.outputs = [_edge(model.Outputs(i), tensors) for i in range(model.OutputsLength())]
    return graph
