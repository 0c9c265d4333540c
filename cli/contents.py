"""What a .qfb file holds, as plain data; reads only files that `qrt.load` has proved valid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from qrt.schema import generated as fb


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
        Lifetime in steps: operator i is step i + 1, step 0 comes before all; None for a constant.
    dtype : str
        ``"int8"``, or ``"int32"`` of accumulators.
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


ROUNDING = _names(fb.Rounding)
ADD_FORM = _names(fb.AddForm)
SOFTMAX_FORM = _names(fb.SoftmaxForm)
POOL_ROUNDING = _names(fb.PoolRounding)


def _window(window: Any) -> dict[str, Any]:
    return {
        "filter": [window.FilterHeight(), window.FilterWidth()],
        "stride": [window.StrideY(), window.StrideX()],
        "dilation": [window.DilationY(), window.DilationX()],
        "padding": [window.PadTop(), window.PadBottom(), window.PadLeft(), window.PadRight()],
    }


def _range(options: Any) -> dict[str, int]:
    return {"output_min": options.OutputMin(), "output_max": options.OutputMax()}


def _requant(options: Any) -> tuple[dict[str, Any], int]:
    requant = options.Requant()
    factors = np.ldexp(requant.MultiplierAsNumpy().astype(np.float64), -requant.ShiftAsNumpy().astype(np.int32))
    parameters = {
        "requant": "per_channel" if requant.MultiplierLength() > 1 else "per_tensor",
        "factor": [float(factors.min()), float(factors.max())],
        "bias": "addend" if requant.AddendLength() else "int32" if requant.BiasLength() else "none",
        "rounding": ROUNDING[requant.Rounding()],
        **_range(requant),
    }
    size = 5 * requant.MultiplierLength() + 4 * requant.BiasLength() + 8 * requant.AddendLength()
    return parameters, size


def _conv2d(options: Any) -> tuple[dict[str, Any], int]:
    requant, size = _requant(options)
    return {**_window(options.Window()), "groups": options.Groups(), **requant}, size


def _dwconv2d(options: Any) -> tuple[dict[str, Any], int]:
    requant, size = _requant(options)
    return {**_window(options.Window()), **requant}, size


def _add(options: Any) -> tuple[dict[str, Any], int]:
    return {"form": ADD_FORM[options.Form()], "subtract": options.Subtract(), **_range(options)}, 0


def _average_pool2d(options: Any) -> tuple[dict[str, Any], int]:
    return {**_window(options.Window()), "rounding": POOL_ROUNDING[options.Rounding()], **_range(options)}, 0


def _max_pool2d(options: Any) -> tuple[dict[str, Any], int]:
    return {**_window(options.Window()), **_range(options)}, 0


def _pad(options: Any) -> tuple[dict[str, Any], int]:
    before, after = options.BeforeAsNumpy().tolist(), options.AfterAsNumpy().tolist()
    return {"before": before, "after": after, "value": options.Value()}, 0


def _concat(options: Any) -> tuple[dict[str, Any], int]:
    return {"axis": options.Axis()}, 0


def _transpose(options: Any) -> tuple[dict[str, Any], int]:
    return {"permutation": options.PermutationAsNumpy().tolist()}, 0


def _clamp(options: Any) -> tuple[dict[str, Any], int]:
    return {**_range(options)}, 0


def _no_parameters(options: Any) -> tuple[dict[str, Any], int]:
    return {}, 0


def _softmax(options: Any) -> tuple[dict[str, Any], int]:
    return {"form": SOFTMAX_FORM[options.Form()], "shift": options.Shift()}, 4 * options.ExponentialLength()


def _lut(options: Any) -> tuple[dict[str, Any], int]:
    return {}, options.TableLength()


def _slice(options: Any) -> tuple[dict[str, Any], int]:
    return {"begin": options.BeginAsNumpy().tolist(), "stride": options.StrideAsNumpy().tolist()}, 0


def _requantize_sum(options: Any) -> tuple[dict[str, Any], int]:
    requant, size = _requant(options)
    return requant, size + 8 * options.BMultiplierLength()


def _resize2d(options: Any) -> tuple[dict[str, Any], int]:
    lengths = (options.RowsLength(), options.ColumnsLength(), options.RowWeightLength(), options.ColumnWeightLength())
    return {"form": "BILINEAR" if any(lengths[2:]) else "NEAREST"}, 2 * sum(lengths)


# For each member of the union Options: the operator's name, its table, and what reads (parameters, their bytes).
OPTIONS: dict[int, tuple[str, type[Any], Callable[[Any], tuple[dict[str, Any], int]]]] = {
    fb.Options.Conv2D: ("conv2d", fb.Conv2D, _conv2d),
    fb.Options.DwConv2D: ("dwconv2d", fb.DwConv2D, _dwconv2d),
    fb.Options.Linear: ("linear", fb.Linear, _requant),
    fb.Options.Add: ("add", fb.Add, _add),
    fb.Options.Mul: ("mul", fb.Mul, _requant),
    fb.Options.AveragePool2D: ("average_pool2d", fb.AveragePool2D, _average_pool2d),
    fb.Options.MaxPool2D: ("max_pool2d", fb.MaxPool2D, _max_pool2d),
    fb.Options.Mean: ("mean", fb.Mean, _requant),
    fb.Options.Pad: ("pad", fb.Pad, _pad),
    fb.Options.Concat: ("concat", fb.Concat, _concat),
    fb.Options.Reshape: ("reshape", fb.Reshape, _no_parameters),
    fb.Options.Transpose: ("transpose", fb.Transpose, _transpose),
    fb.Options.Requantize: ("requantize", fb.Requantize, _requant),
    fb.Options.Clamp: ("clamp", fb.Clamp, _clamp),
    fb.Options.Softmax: ("softmax", fb.Softmax, _softmax),
    fb.Options.Lut: ("lut", fb.Lut, _lut),
    fb.Options.Slice: ("slice", fb.Slice, _slice),
    fb.Options.Resize2D: ("resize2d", fb.Resize2D, _resize2d),
    fb.Options.TransposeConv2D: ("transpose_conv2d", fb.TransposeConv2D, _dwconv2d),
    fb.Options.Maximum: ("maximum", fb.Maximum, _no_parameters),
    fb.Options.Minimum: ("minimum", fb.Minimum, _no_parameters),
    fb.Options.ArgMax: ("arg_max", fb.ArgMax, _no_parameters),
    fb.Options.MatMul: ("matmul", fb.MatMul, _requant),
    fb.Options.L2Norm: ("l2_norm", fb.L2Norm, _no_parameters),
    fb.Options.RequantizeSum: ("requantize_sum", fb.RequantizeSum, _requantize_sum),
}


def _text(value: bytes | None) -> str:
    return value.decode("utf-8") if value else ""


def _tensor(index: int, tensor: Any) -> TensorEntry:
    life = tensor.Lifetime()
    shape = tuple(tensor.ShapeAsNumpy().tolist())
    return TensorEntry(
        index=index,
        name=_text(tensor.Name()),
        shape=shape,
        size=int(np.prod(shape, dtype=np.int64)) * (4 if tensor.Dtype() == fb.DType.INT32 else 1),
        dtype=_names(fb.DType)[tensor.Dtype()].lower(),
        scale=tensor.Scale(),
        zero_point=tensor.ZeroPoint(),
        arena_offset=tensor.ArenaOffset() if life else None,
        first=life.First() if life else None,
        last=life.Last() if life else None,
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
        case _:
            return 0


def _operator(index: int, operator: Any, tensors: tuple[TensorEntry, ...]) -> OperatorEntry:
    kind, table, read = OPTIONS[operator.OptionsType()]
    options, union = table(), operator.Options()
    options.Init(union.Bytes, union.Pos)
    parameters, size = read(options)
    inputs = tuple(operator.InputsAsNumpy().tolist())
    constants = [tensors[i] for i in inputs if tensors[i].arena_offset is None]
    return OperatorEntry(
        index=index,
        kind=kind,
        name=_text(operator.Name()),
        inputs=inputs,
        output=operator.Output(),
        parameters=parameters,
        macs=_macs(kind, [tensors[i] for i in inputs], tensors[operator.Output()]),
        weight_bytes=sum(tensor.size for tensor in constants),
        parameter_bytes=size,
    )


def read_contents(content: bytes) -> Contents:
    """The contents of a valid file."""
    model = fb.Model.GetRootAs(content, 0)
    tensors = tuple(_tensor(i, model.Tensors(i)) for i in range(model.TensorsLength()))
    return Contents(
        name=_text(model.Name()),
        producer=_text(model.Producer()),
        format_version=model.FormatVersion(),
        size=len(content),
        crc32=model.Seal().Crc32(),
        arena_size=model.ArenaSize(),
        inputs=tuple(model.Inputs(i).Tensor() for i in range(model.InputsLength())),
        outputs=tuple(model.Outputs(i).Tensor() for i in range(model.OutputsLength())),
        tensors=tensors,
        operators=tuple(_operator(i, model.Operators(i), tensors) for i in range(model.OperatorsLength())),
        test_vectors=model.TestVectorsLength(),
    )
