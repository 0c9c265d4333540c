"""The part of absorb_qdq for data movement and monotone functions: codes stay codes of the same scale and zero point.

Each function is called ``(emitter, op, inputs)``, where `inputs` are codes with one quantization.
"""

from __future__ import annotations

from collections.abc import Callable

from qrt.compiler.integers.codes import activation_codes
from qrt.compiler.integers.singles import WRITTEN, quantized
from qrt.compiler.ir import Op, Tensor
from qrt.compiler.passes.absorb.emitter import Emitter
from qrt.compiler.passes.absorb.extremes import arg_extreme, extreme_over_axes, of_two, where
from qrt.compiler.passes.absorb.gathers import gather, slice_of


def _reshape(a: Emitter, op: Op, inputs: list[Tensor]) -> Tensor:
    return a.emit("reshape", op.output.name, inputs, op.output.shape, inputs[0].quantization, {}, op)


def _transpose(a: Emitter, op: Op, inputs: list[Tensor]) -> Tensor:
    attrs = {"permutation": op.attrs["permutation"]}
    return a.emit("transpose", op.output.name, inputs, op.output.shape, inputs[0].quantization, attrs, op)


def _concat(a: Emitter, op: Op, inputs: list[Tensor]) -> Tensor:
    attrs = {"axis": op.attrs["axis"]}
    return a.emit("concat", op.output.name, inputs, op.output.shape, inputs[0].quantization, attrs, op)


def _max_pool2d(a: Emitter, op: Op, inputs: list[Tensor]) -> Tensor:
    attrs = {key: op.attrs[key] for key in ("filter", "stride", "padding")}
    return a.image("max_pool2d", op, inputs, inputs[0].quantization, attrs, op.output.name)


def _clip(a: Emitter, op: Op, inputs: list[Tensor]) -> Tensor:
    low, high = (0.0, None) if op.kind == "relu" else (op.attrs.get("min"), op.attrs.get("max"))
    quantization = inputs[0].quantization
    assert quantization is not None
    attrs = activation_codes(low, high, quantization, inputs[0].dtype)
    if a.source.engine in WRITTEN:
        for key, bound in (("output_min", low), ("output_max", high)):
            if bound is not None:
                attrs[key] = int(quantized(bound, quantization, WRITTEN[a.source.engine], inputs[0].dtype))
    return a.emit("clamp", op.output.name, inputs, op.output.shape, quantization, attrs, op)


def _pad_code(a: Emitter, op: Op, x: Tensor) -> int:
    """The code that the engine quantizes a pad's value to."""
    assert x.quantization is not None
    return int(quantized(op.attrs["value"], x.quantization, WRITTEN.get(a.source.engine, "DIVIDE"), x.dtype))


def _pad(a: Emitter, op: Op, inputs: list[Tensor]) -> Tensor:
    x = inputs[0]
    attrs = {"before": op.attrs["before"], "after": op.attrs["after"], "value": _pad_code(a, op, x)}
    return a.emit("pad", op.output.name, inputs, op.output.shape, x.quantization, attrs, op)


MOVES: dict[str, Callable[[Emitter, Op, list[Tensor]], Tensor | None]] = {
    "reshape": _reshape,
    "transpose": _transpose,
    "concat": _concat,
    "max_pool2d": _max_pool2d,
    "relu": _clip,
    "clip": _clip,
    "pad": _pad,
    "slice": slice_of,
    "gather": gather,
    "maximum": of_two,
    "minimum": of_two,
    "where": where,
    "reduce_max": extreme_over_axes,
    "reduce_min": extreme_over_axes,
    "arg_max": arg_extreme,
    "arg_min": arg_extreme,
}
