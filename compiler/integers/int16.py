"""The integers of operators that read int16 codes.

TensorFlow Lite's 16x8 kernels add products up in int64, multiply the sum by the upper 15 bits of the real multiplier
and round once: that is SPEC.md's SINGLE, with a small multiplier. Layers with int32 biases are computed as for int8.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.integers import gates
from qrt.compiler.integers.arithmetic import fits_double, fitted, implied_addend
from qrt.compiler.integers.channels import Channels, Requant, merged, quantize_multiplier
from qrt.compiler.integers.codes import steps
from qrt.compiler.ir import Op

# Sums that the 16x8 kernels take.
NARROW_LIMIT = 2**47
INT32 = 2**31


def narrowed(multiplier: int, shift: int, acc_max: int) -> tuple[int, int]:
    """The upper 15 bits of a multiplier, as the 16x8 kernels take them; ValueError if a sum leaves their range."""
    multiplier, shift = min((multiplier + 2**15) >> 16, 2**15 - 1), shift - 16
    if shift < 1 or acc_max >= NARROW_LIMIT or acc_max * multiplier >> shift >= INT32:
        raise ValueError("its scales are too large: its sums exceed 47 bits, or 31 bits once they are scaled")
    return multiplier, shift


def layer_requant(op: Op, channels: Channels, bounds: tuple[int, int]) -> Requant:
    """The requantization of a layer with weights that reads int16 codes.

    Raises
    ------
    CompileError
        A sum of a channel can leave the range of its kernel.
    """
    rows = [_channel(op, channels, c) for c in range(len(channels.bias))]
    multipliers, shifts = zip(*rows, strict=True)
    addend, zero_point = None, op.output.zero_point
    if op.attrs.get("float_bias", False):
        reals = [Fraction(real) / Fraction(channels.y_scale) for real in channels.bias_real]
        addend = [
            round(real * 2**shift) + implied_addend(multiplier, shift, 0, zero_point)
            for real, (multiplier, shift) in zip(reals, rows, strict=True)
        ]
    elif any(abs(bias) >= INT32 for bias in channels.bias):
        addend = [implied_addend(*row, bias, zero_point) for row, bias in zip(rows, channels.bias, strict=True)]
    return merged(
        Requant(
            np.array(multipliers, np.int32),
            np.array(shifts, np.uint8),
            np.array(channels.bias, np.int32) if any(channels.bias) and addend is None else None,
            np.array(addend, np.int64) if addend is not None else None,
            op.attrs.get("rounding", "SINGLE"),
            *bounds,
        )
    )


def _channel(op: Op, channels: Channels, c: int) -> tuple[int, int]:
    """Multiplier and shift of a channel."""
    largest, y = int(channels.acc_max[c]) + abs(channels.bias[c]), op.output
    try:
        multiplier, shift = quantize_multiplier(channels.unit[c] / channels.y_scale)
        if op.attrs.get("narrow", False):
            return narrowed(multiplier, shift, largest)
    except ValueError as error:
        raise CompileError([Problem(op.name, op.kind, f"channel {c}: {error}; requantize the layer")]) from None
    if op.attrs.get("rounding", "SINGLE") == "SINGLE":
        return fitted(multiplier, shift, largest, y.zero_point)
    if not fits_double(largest, shift, y.dtype):
        reason = f"the sums of channel {c} can overflow int32; convert the network with int64 biases"
        raise CompileError([Problem(op.name, op.kind, reason)])
    return multiplier, shift


def lower_gate(op: Op) -> None:
    """sigmoid and tanh; ValueError where the input scale is too large."""
    most = {"sigmoid": 0, "tanh": 1}[op.kind]
    op.attrs["multiplier"], op.attrs["shift"] = gates.scaling(op.inputs[0].scale, most)


def lower_softmax(op: Op) -> None:
    """The softmax of int16 codes, whose differences are scaled to 65536 steps from -10 to 0."""
    real = op.attrs.get("beta", 1.0) * op.inputs[0].scale / (10.0 / 65535.0)
    op.attrs["multiplier"], op.attrs["shift"] = quantize_multiplier(real)
    op.attrs.update(exponential=np.zeros(0, np.uint32))


def lower_leaky_relu(op: Op) -> None:
    """Two requantizations, rounded twice: of what is not negative, and of what is.

    A negative slope negates after rounding; with the attribute ``magnitude``, which is the absolute value, before it.
    """
    least, largest = steps(op.inputs[0])
    rows = []
    for slope, reach in zip(op.attrs["slopes"], (largest, -least), strict=True):
        multiplier, shift = quantize_multiplier(abs(slope))
        if not fits_double(reach, shift, op.output.dtype):
            raise ValueError(f"a slope of {slope:g} in codes overflows")
        rows.append((multiplier, shift))
    (multiplier, shift), (negative_multiplier, negative_shift) = rows
    magnitude = op.attrs.get("magnitude", False)
    op.attrs.update(multiplier=multiplier, shift=shift)
    op.attrs.update(
        negative_multiplier=-negative_multiplier if magnitude else negative_multiplier,
        negative_shift=negative_shift,
        negate=op.attrs["slopes"][1] < 0 and not magnitude,
    )
