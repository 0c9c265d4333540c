"""A lowered graph -> a .tflite file: for Netron, for TFLM and LiteRT, and to compare with them.

The format has scales where qrt has integers. A weight's scale is chosen so that it yields the operator's multiplier;
if the operator came from a .tflite file it is the same float32 number. The format does not define how an engine
rounds; `Exported.differing` names the operators that an engine may not compute bit-exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qrt.compiler.backends.tflite.axes import merged_axes
from qrt.compiler.backends.tflite.file import TfliteFile
from qrt.compiler.backends.tflite.tables import FIXED, activation_of, beta_of, form_of
from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.integers.channels import Requant, quantize_multiplier
from qrt.compiler.integers.requant import rounds_as_litert
from qrt.compiler.integers.resize import bilinear, nearest
from qrt.compiler.ir import Graph, Op, Tensor

SAME, VALID = 0, 1
# A weight scale whose product with any other scales is below every multiplier: the engines treat it as 0.
VANISHING = 1e-30
# Axes that TFLM's TRANSPOSE takes, and its additions that broadcast.
MOST_AXES, MOST_BROADCAST = 5, 4
# The share by which a mean's factor, whose quotient by the count is rounded down, is off at most.
FLOORED = 2.0**-20


class _NotExpressible(Exception):
    """Cannot be expressed in .tflite; the text is the reason."""


@dataclass(frozen=True)
class Exported:
    """A .tflite file.

    Attributes
    ----------
    content : bytes
    differing : dict of str to list of str
        For ``"tflm"`` and ``"litert"`` the names of operators that this engine may not compute bit-exactly.
    """

    content: bytes
    differing: dict[str, list[str]] = field(default_factory=dict)


def to_tflite(graph: Graph) -> Exported:
    """The .tflite file of a lowered graph.

    Raises
    ------
    CompileError
        Lists all operators and tensors that the format cannot express.
    ImportError
        The package tflite is missing.
    """
    return _Exporter(graph).run()


class _Exporter:
    """Writes one graph into a file."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.file = TfliteFile(graph.name)
        self.index: dict[Tensor, int] = {}
        self.problems: list[Problem] = []
        self.differing: dict[str, list[str]] = {"tflm": [], "litert": []}

    def run(self) -> Exported:
        for tensor in self.graph.tensors():
            if not tensor.is_constant and tensor.dtype == "int32":
                self.problems.append(Problem(tensor.name, "tensor", "is int32 accumulators, unsupported in .tflite"))
            elif tensor.dtype == "int16":
                self.problems.append(Problem(tensor.name, "tensor", "is int16, which is not exported to .tflite"))
            elif not tensor.is_constant and tensor.scale == 0:
                self.problems.append(Problem(tensor.name, "tensor", "has no scale, which .tflite requires"))
        if self.problems:
            raise CompileError(self.problems)
        for op in self.graph.ops:
            try:
                if op.kind not in OPERATORS:
                    raise _NotExpressible("qrt does not export this operator")
                OPERATORS[op.kind](self, op)
            except _NotExpressible as reason:
                self.problems.append(Problem(op.name, op.kind, f"cannot be expressed in .tflite: {reason}"))
        if self.problems:
            raise CompileError(self.problems)
        inputs = [self.at(edge.tensor) for edge in self.graph.inputs]
        outputs = [self.at(edge.tensor) for edge in self.graph.outputs]
        return Exported(self.file.to_bytes(inputs, outputs, "exported by qrt"), self.differing)

    def at(self, tensor: Tensor) -> int:
        """Index of a tensor in the file."""
        if tensor not in self.index:
            name = tensor.name or f"tensor_{len(self.file.tensors)}"
            scale = tensor.scale or 1.0
            self.index[tensor] = self.file.tensor(
                name, tensor.shape, scale=scale, zero_point=tensor.zero_point, data=tensor.data
            )
        return self.index[tensor]

    def like(self, tensor: Tensor, shape: tuple[int, ...] | None = None) -> int:
        """A new tensor of the same type and quantization."""
        name = f"{tensor.name}_{len(self.file.tensors)}"
        return self.file.tensor(name, shape or tensor.shape, scale=tensor.scale, zero_point=tensor.zero_point)

    def integers(self, values: Any) -> int:
        array = np.asarray(values, np.int32)
        return self.file.tensor(f"constant_{len(self.file.tensors)}", array.shape, "int32", data=array)

    def codes(self, value: int, y: Tensor) -> int:
        """One code as a constant that broadcasts over `y`."""
        name = f"constant_{len(self.file.tensors)}"
        data = np.full((1,) * len(y.shape), value, np.int8)
        return self.file.tensor(name, data.shape, scale=y.scale, zero_point=y.zero_point, data=data)

    def differs(self, op: Op, *engines: str) -> None:
        for engine in engines:
            if op.name not in self.differing[engine]:
                self.differing[engine].append(op.name)

    def check(self, op: Op, requant: Requant, reals: Any) -> None:
        """Records an operator whose integers the engines do not reproduce."""
        wanted = [quantize_multiplier(float(real)) for real in np.atleast_1d(reals)]
        stated = list(zip(requant.multiplier.tolist(), requant.shift.tolist(), strict=True))
        same = all(w == s or w[0] == s[0] == 0 for w, s in zip(wanted, stated, strict=True))
        if not same or requant.rounding != "DOUBLE":
            self.differs(op, "tflm")
            if op.kind != "linear":
                self.differs(op, "litert")

    def emit(
        self,
        op: Op,
        kind: str,
        inputs: list[int],
        table: str | None = None,
        *,
        fused: bool = True,
        **options: Any,
    ) -> None:
        """Writes an operator with the clamp of `op`: as fused activation, or as operators after it if none fits."""
        y, requant = op.output, op.attrs.get("requant")
        low, high = op.attrs.get("output_min", -128), op.attrs.get("output_max", 127)
        if requant is not None:
            low, high = requant.output_min, requant.output_max
        number = None
        if fused:
            number = activation_of(y, low, high)
            options["fused_activation_function"] = number or 0
        whole = number is not None or (low, high) == (-128, 127)
        output = self.at(y) if whole else self.like(y)
        self.file.operator(kind, inputs, [output], table, **options)
        if not whole:
            self.cut(output, low, high, y)

    def reshape(self, source: int, output: int, shape: tuple[int, ...]) -> None:
        inputs = [source, self.integers(shape)]
        self.file.operator("RESHAPE", inputs, [output], "ReshapeOptions", new_shape=shape)

    def fixed(self, op: Op, kind: str, table: str | None = None, **options: Any) -> None:
        """Writes a function whose output has one scale in .tflite, and a QUANTIZE to that of `op`."""
        scale, zero_point = FIXED[kind]
        between = self.file.tensor(f"{op.output.name}_{kind}", op.output.shape, scale=scale, zero_point=zero_point)
        self.file.operator(kind, [self.at(op.inputs[0])], [between], table, **options)
        self.emit(op, "QUANTIZE", [between], "QuantizeOptions", fused=False)

    def looked_up(self, op: Op) -> None:
        """Writes any table: its row number, code + 128, in int32, then the row, which is exact in every engine."""
        x, y = op.inputs[0], op.output
        shape = x.shape if len(x.shape) <= MOST_BROADCAST else (x.size,)
        source, output = self.at(x), self.at(y)
        if shape != x.shape:
            source, output = self.like(x, shape), self.like(y, shape)
            self.reshape(self.at(x), source, shape)
        signed, row = (self.file.tensor(f"{y.name}_{what}", shape, "int32") for what in ("code", "row"))
        entries = op.attrs["table"]
        table = self.file.tensor(f"{y.name}_table", (256,), scale=y.scale, zero_point=y.zero_point, data=entries)
        self.file.operator("CAST", [source], [signed], "CastOptions", **self.file.cast("int8", "int32"))
        self.file.operator("ADD", [signed, self.integers(np.full((1,) * len(shape), 128))], [row], "AddOptions")
        self.file.operator("GATHER", [table, row], [output], "GatherOptions", axis=0)
        if shape != y.shape:
            self.reshape(output, self.at(y), y.shape)

    def cut(self, source: int, low: int, high: int, y: Tensor) -> None:
        """A clamp as MAXIMUM and MINIMUM with constants."""
        if low > -128 and high < 127:
            between = self.like(y)
            self.file.operator("MAXIMUM", [source, self.codes(low, y)], [between], "MaximumMinimumOptions")
            source, low = between, -128
        kind, bound = ("MAXIMUM", low) if low > -128 else ("MINIMUM", high)
        self.file.operator(kind, [source, self.codes(bound, y)], [self.at(y)], "MaximumMinimumOptions")

    def padded(self, op: Op, size: tuple[int, int], value: int | None) -> tuple[int, int]:
        """Index of the input and the padding's number; writes a PAD first if neither SAME nor VALID fits."""
        x, stride = op.inputs[0], op.attrs["stride"]
        dilation, sides = op.attrs.get("dilation", (1, 1)), op.attrs["padding"]
        if not any(sides):
            return self.at(x), VALID
        same: list[int] = []
        for k in range(2):
            length, span = x.shape[1 + k], (size[k] - 1) * dilation[k] + 1
            total = max((-(-length // stride[k]) - 1) * stride[k] + span - length, 0)
            same += [total // 2, total - total // 2]
        if tuple(same) == tuple(sides):
            return self.at(x), SAME
        if value is None:
            raise _NotExpressible(f"padding {tuple(sides)} is neither SAME nor VALID")
        top, bottom, left, right = sides
        shape = (x.shape[0], x.shape[1] + top + bottom, x.shape[2] + left + right, x.shape[3])
        wider = self.like(x, shape)
        pads = self.integers([[0, 0], [top, bottom], [left, right], [0, 0]])
        self.file.operator("PAD", [self.at(x), pads], [wider], "PadOptions")
        return wider, VALID

    def weights(self, op: Op, axis: int) -> list[int]:
        """Indices of weights and bias, with the scales that give the operator's multipliers."""
        x, w, y = op.inputs[0], op.inputs[1], op.output
        requant: Requant = op.attrs["requant"]
        real = np.ldexp(requant.multiplier.astype(np.float64), -requant.shift.astype(np.int64))
        scale = np.where(real > 0, real * y.scale / x.scale, VANISHING).astype(np.float32)
        unit = x.scale * scale.astype(np.float64)
        self.check(op, requant, unit / y.scale)
        name = w.name or f"{op.name}_weights"
        # TFLM has no linear layer of int4 with a scale for each channel.
        dtype = "int8" if op.kind == "linear" and len(scale) > 1 else w.dtype
        indices = [self.file.tensor(name, w.shape, dtype, scale=scale, axis=axis, data=w.data)]
        channels = w.shape[axis]
        bias = requant.bias
        if requant.addend is not None:
            room = requant.addend - ((1 << requant.shift.astype(np.int64)) >> 1)
            room = room - (np.int64(y.zero_point) << requant.shift.astype(np.int64))
            bias = np.broadcast_to(np.rint(room / np.maximum(requant.multiplier, 1)), (channels,)).astype(np.int32)
        if bias is None:
            bias = np.zeros(channels, np.int32)
        if op.kind == "linear" and not rounds_as_litert(op, unit, bias):
            self.differs(op, "litert")
        scales = (
            np.broadcast_to(np.float32(x.scale) * scale, (channels,)) if len(scale) > 1 else scale * np.float32(x.scale)
        )
        indices.append(self.file.tensor(f"{op.name}_bias", bias.shape, "int32", scale=scales, data=bias))
        return indices


def _conv2d(e: _Exporter, op: Op) -> None:
    (height, width), (stride_y, stride_x) = op.inputs[1].shape[1:3], op.attrs["stride"]
    x, padding = e.padded(op, (height, width), op.inputs[0].zero_point)
    dilation_y, dilation_x = op.attrs["dilation"]
    options: dict[str, Any] = {"padding": padding, "stride_h": stride_y, "stride_w": stride_x}
    options |= {"dilation_h_factor": dilation_y, "dilation_w_factor": dilation_x}
    if op.kind == "conv2d":
        e.emit(op, "CONV_2D", [x, *e.weights(op, 0)], "Conv2DOptions", **options)
    else:
        options["depth_multiplier"] = op.output.shape[3] // op.inputs[0].shape[3]
        e.emit(op, "DEPTHWISE_CONV_2D", [x, *e.weights(op, 3)], "DepthwiseConv2DOptions", **options)


def _transpose_conv2d(e: _Exporter, op: Op) -> None:
    y, stride, (top, _, left, _) = op.output, op.attrs["stride"], op.attrs["padding"]
    size = op.inputs[1].shape[1:3]
    padding = VALID if (top, left) == (0, 0) else SAME
    if padding == SAME:
        totals = [max((-(-y.shape[1 + k] // stride[k]) - 1) * stride[k] + size[k] - y.shape[1 + k], 0) for k in (0, 1)]
        if (totals[0] // 2, totals[1] // 2) != (top, left):
            raise _NotExpressible(f"padding {op.attrs['padding']} is neither SAME nor VALID")
    weights, bias = e.weights(op, 0)
    options = {"padding": padding, "stride_h": stride[0], "stride_w": stride[1]}
    e.emit(
        op,
        "TRANSPOSE_CONV",
        [e.integers(y.shape), weights, e.at(op.inputs[0]), bias],
        "TransposeConvOptions",
        **options,
    )


def _linear(e: _Exporter, op: Op) -> None:
    if len(op.inputs[0].shape) != 2:
        raise _NotExpressible("FULLY_CONNECTED needs rank 2; reshape before and after it")
    e.emit(op, "FULLY_CONNECTED", [e.at(op.inputs[0]), *e.weights(op, 0)], "FullyConnectedOptions")


def _add(e: _Exporter, op: Op) -> None:
    if op.attrs.get("form", "COMMON_SHIFT") != "TFLITE":
        e.differs(op, "tflm", "litert")
    kind = "SUB" if op.attrs.get("subtract") else "ADD"
    e.emit(op, kind, [e.at(t) for t in op.inputs], f"{kind.capitalize()}Options")


def _mul(e: _Exporter, op: Op) -> None:
    a, b = op.inputs
    e.check(op, op.attrs["requant"], a.scale * b.scale / op.output.scale)
    e.emit(op, "MUL", [e.at(a), e.at(b)], "MulOptions")


def _pool2d(e: _Exporter, op: Op) -> None:
    x, padding = e.padded(op, op.attrs["filter"], None)
    if op.attrs.get("rounding", "HALF_AWAY") != "HALF_AWAY":
        e.differs(op, "tflm", "litert")
    kind = "AVERAGE_POOL_2D" if op.kind == "average_pool2d" else "MAX_POOL_2D"
    (height, width), (stride_y, stride_x) = op.attrs["filter"], op.attrs["stride"]
    options = {"padding": padding, "stride_h": stride_y, "stride_w": stride_x}
    e.emit(op, kind, [x], "Pool2DOptions", filter_height=height, filter_width=width, **options)


def _mean(e: _Exporter, op: Op) -> None:
    """MEAN, or by another factor a depthwise convolution with ones: LiteRT's SUM of int8 ignores the zero points."""
    x, y, requant = op.inputs[0], op.output, op.attrs["requant"]
    count = x.shape[1] * x.shape[2]
    factor = math.ldexp(int(requant.multiplier[0]), -int(requant.shift[0]))
    multiplier, shift = quantize_multiplier(x.scale / y.scale)
    if math.isclose(factor * count * y.scale, x.scale, rel_tol=FLOORED):
        spare = min(count.bit_length() - 1, 32, 62 - shift)
        stated = (int(requant.multiplier[0]), int(requant.shift[0]), requant.rounding)
        if stated != ((multiplier << spare) // count, shift + spare, "DOUBLE"):
            e.differs(op, "tflm", "litert")
        e.emit(op, "MEAN", [e.at(x), e.integers([1, 2])], "ReducerOptions", fused=False, keep_dims=True)
        return
    shape, scale = (1, *x.shape[1:]), np.float32(factor * y.scale / x.scale)
    e.check(op, requant, x.scale * float(scale) / y.scale)
    ones = e.file.tensor(f"{op.name}_ones", shape, scale=scale, axis=3, data=np.ones(shape, np.int8))
    bias = np.zeros(shape[3], np.int32)
    no_bias = e.file.tensor(f"{op.name}_bias", bias.shape, "int32", scale=scale * np.float32(x.scale), data=bias)
    options: dict[str, Any] = {"padding": VALID, "stride_h": 1, "stride_w": 1, "depth_multiplier": 1}
    options |= {"dilation_h_factor": 1, "dilation_w_factor": 1}
    e.emit(op, "DEPTHWISE_CONV_2D", [e.at(x), ones, no_bias], "DepthwiseConv2DOptions", **options)


def _pad(e: _Exporter, op: Op) -> None:
    x, pads = op.inputs[0], e.integers(list(zip(op.attrs["before"], op.attrs["after"], strict=True)))
    if op.attrs["value"] == x.zero_point:
        e.emit(op, "PAD", [e.at(x), pads], "PadOptions", fused=False)
        return
    data = np.array([op.attrs["value"]], np.int8)
    value = e.file.tensor(f"{op.name}_value", (1,), scale=x.scale, zero_point=x.zero_point, data=data)
    e.emit(op, "PADV2", [e.at(x), pads, value], "PadV2Options", fused=False)


def _slice(e: _Exporter, op: Op) -> None:
    x, begin, stride, shape = op.inputs[0], op.attrs["begin"], op.attrs["stride"], op.output.shape
    if set(stride) == {1}:
        e.emit(op, "SLICE", [e.at(x), e.integers(begin), e.integers(shape)], "SliceOptions", fused=False)
        return
    ends = [b + n * s for b, n, s in zip(begin, shape, stride, strict=True)]
    # After the first entry only a mask can be written.
    mask = sum(1 << k for k, end in enumerate(ends) if end < 0)
    inputs = [e.at(x), e.integers(begin), e.integers([max(end, 0) for end in ends]), e.integers(stride)]
    e.emit(op, "STRIDED_SLICE", inputs, "StridedSliceOptions", fused=False, end_mask=mask)


def _resize2d(e: _Exporter, op: Op) -> None:
    x, y, attrs = op.inputs[0], op.output, op.attrs
    weighted = any(attrs.get(name) is not None for name in ("row_weight", "column_weight"))
    kind, table = (
        ("BILINEAR", "ResizeBilinearOptions") if weighted else ("NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions")
    )
    for align_corners, half_pixel in ((False, False), (True, False), (False, True)):
        fits = True
        for axis, name in ((1, "row"), (2, "column")):
            rule = bilinear if weighted else nearest
            found = rule(x.shape[axis], y.shape[axis], align_corners, half_pixel)
            places, weight = found if weighted else (found, np.zeros(y.shape[axis], np.uint16))
            stated = attrs.get(f"{name}_weight")
            fits &= np.array_equal(places, attrs[f"{name}s"])
            fits &= np.array_equal(weight, np.zeros_like(weight) if stated is None else stated)
        if fits:
            options = {"align_corners": align_corners, "half_pixel_centers": half_pixel}
            e.emit(op, f"RESIZE_{kind}", [e.at(x), e.integers(y.shape[1:3])], table, fused=False, **options)
            return
    raise _NotExpressible("its rows and columns follow no rule of RESIZE_*")


def _softmax(e: _Exporter, op: Op) -> None:
    if op.attrs.get("form", "EXACT") != "TFLITE":
        e.differs(op, "tflm", "litert")
    x, y, scale = op.inputs[0], op.output, FIXED["SOFTMAX"][0]
    beta = beta_of(x.scale, op.attrs["exponential"]) if op.attrs.get("form", "EXACT") == "TFLITE" else 1.0
    if beta is None:
        raise _NotExpressible("no beta of SOFTMAX gives its table of exponentials")
    if (y.scale, y.zero_point) == FIXED["SOFTMAX"]:
        e.emit(op, "SOFTMAX", [e.at(x)], "SoftmaxOptions", fused=False, beta=beta)
    elif y.scale < scale:
        raise _NotExpressible(
            f"its output has the scale {y.scale:.6g}, and .tflite's SOFTMAX none below 1/256; quantize it with 1/256"
        )
    else:
        e.fixed(op, "SOFTMAX", "SoftmaxOptions", beta=beta)


def _requantize(e: _Exporter, op: Op) -> None:
    e.check(op, op.attrs["requant"], op.inputs[0].scale / op.output.scale)
    e.emit(op, "QUANTIZE", [e.at(op.inputs[0])], "QuantizeOptions", fused=False)


def _clamp(e: _Exporter, op: Op) -> None:
    e.cut(e.at(op.inputs[0]), op.attrs.get("output_min", -128), op.attrs.get("output_max", 127), op.output)


def _lut(e: _Exporter, op: Op) -> None:
    x, y = op.inputs[0], op.output
    form = form_of(x, y, op.attrs["table"])
    if form is None:
        e.looked_up(op)
        return
    e.differs(op, *form.differing)
    if form.requantized:
        e.fixed(op, form.kind)
    else:
        e.emit(op, form.kind, [e.at(x)], form.options, fused=False)


def _matmul(e: _Exporter, op: Op) -> None:
    a, b = op.inputs
    e.check(op, op.attrs["requant"], a.scale * b.scale / op.output.scale)
    e.emit(op, "BATCH_MATMUL", [e.at(a), e.at(b)], "BatchMatMulOptions", fused=False, adj_y=True)


def _plain(kind: str, table: str | None, **options: Any) -> Callable[[_Exporter, Op], None]:
    def write(e: _Exporter, op: Op) -> None:
        e.emit(op, kind, [e.at(t) for t in op.inputs], table, fused=False, **options)

    return write


def _concat(e: _Exporter, op: Op) -> None:
    e.emit(op, "CONCATENATION", [e.at(t) for t in op.inputs], "ConcatenationOptions", axis=op.attrs["axis"])


def _reshape(e: _Exporter, op: Op) -> None:
    e.reshape(e.at(op.inputs[0]), e.at(op.output), op.output.shape)


def _transpose(e: _Exporter, op: Op) -> None:
    x, y, order = op.inputs[0], op.output, op.attrs["permutation"]
    if len(order) <= MOST_AXES:
        e.emit(op, "TRANSPOSE", [e.at(x), e.integers(order)], "TransposeOptions", fused=False)
        return
    before, permutation = merged_axes(x.shape, order)
    if len(permutation) > MOST_AXES:
        raise _NotExpressible(f"it moves {len(permutation)} groups of axes, and TRANSPOSE at most {MOST_AXES}")
    merged, moved = e.like(x, before), e.like(x, tuple(before[k] for k in permutation))
    e.reshape(e.at(x), merged, before)
    e.file.operator("TRANSPOSE", [merged, e.integers(permutation)], [moved], "TransposeOptions")
    e.reshape(moved, e.at(y), y.shape)


def _arg_max(e: _Exporter, op: Op) -> None:
    raise _NotExpressible("ARG_MAX outputs int32, qrt's arg_max int8 codes")


def _log_softmax(e: _Exporter, op: Op) -> None:
    if (op.output.scale, op.output.zero_point) != (1 / 16, 127):
        raise _NotExpressible("LOG_SOFTMAX has an output scale of 1/16 and zero point 127; quantize it so")
    if op.attrs.get("form", "EXACT") != "TFLITE":
        e.differs(op, "tflm", "litert")
    e.emit(op, "LOG_SOFTMAX", [e.at(op.inputs[0])], "LogSoftmaxOptions", fused=False)


def _layer_norm(e: _Exporter, op: Op) -> None:
    raise _NotExpressible("it has no layer normalization")


OPERATORS: dict[str, Callable[[_Exporter, Op], None]] = {
    "conv2d": _conv2d,
    "dwconv2d": _conv2d,
    "transpose_conv2d": _transpose_conv2d,
    "linear": _linear,
    "add": _add,
    "mul": _mul,
    "average_pool2d": _pool2d,
    "max_pool2d": _pool2d,
    "mean": _mean,
    "pad": _pad,
    "concat": _concat,
    "reshape": _reshape,
    "transpose": _transpose,
    "requantize": _requantize,
    "clamp": _clamp,
    "softmax": _softmax,
    "lut": _lut,
    "slice": _slice,
    "resize2d": _resize2d,
    "maximum": _plain("MAXIMUM", "MaximumMinimumOptions"),
    "minimum": _plain("MINIMUM", "MaximumMinimumOptions"),
    "arg_max": _arg_max,
    "matmul": _matmul,
    "squared_difference": _plain("SQUARED_DIFFERENCE", "SquaredDifferenceOptions"),
    "log_softmax": _log_softmax,
    "layer_norm": _layer_norm,
    "l2_norm": _plain("L2_NORMALIZATION", "L2NormOptions"),
}
