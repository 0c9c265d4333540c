"""log_softmax: scales become the integers of SPEC.md, section 2."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.integers.channels import MAX_SHIFT
from qrt.compiler.integers.gemmlowp import SOFTMAX_BITS, scaling, softmax_exponential
from qrt.compiler.ir import Op

# Fraction bits of the logarithm.
LOG_BITS = 26
MOST_CHANNELS = 4095


def _refused(op: Op, reason: str) -> CompileError:
    return CompileError([Problem(op.name, op.kind, reason)])


def _lower_tflite(op: Op) -> None:
    x, y = op.inputs[0], op.output
    if y.zero_point != 127 or y.scale != 1 / 16:
        raise _refused(op, "the TFLITE form of log_softmax needs an output scale of 1/16 and zero point 127")
    if x.shape[-1] > MOST_CHANNELS:
        raise _refused(op, f"the TFLITE form of log_softmax takes at most {MOST_CHANNELS} entries; use EXACT")
    multiplier, left, _ = scaling(x.scale, SOFTMAX_BITS)
    if left < 0:
        raise _refused(op, f"the TFLITE form of log_softmax needs an input scale of at least 2^-27, not {x.scale:g}")
    exponential = np.trim_zeros(np.array(softmax_exponential(x.scale), np.uint32), "b")
    op.attrs.update(exponential=exponential, multiplier=multiplier, log_multiplier=0, addend=0, shift=31 - left)


def lower_log_softmax(op: Op) -> None:
    """Sets the integers; the attribute `form` is EXACT (the default) or TFLITE.

    Raises
    ------
    CompileError
        The form does not have these scales.
    """
    if op.attrs.get("form", "EXACT") == "TFLITE":
        _lower_tflite(op)
        return
    x, y = op.inputs[0], op.output
    ratio, logarithm = Fraction(x.scale) / Fraction(y.scale), Fraction(math.log(2)) / Fraction(y.scale)
    op.attrs["exponential"] = np.rint(np.exp(-x.scale * np.arange(256)) * 2**31).astype(np.uint32)
    for shift in range(MAX_SHIFT, -1, -1):
        multiplier, log_multiplier = round(ratio * 2**shift), round(logarithm * 2**shift / 2**LOG_BITS)
        addend = round((y.zero_point + Fraction(1, 2)) * 2**shift)
        if max(multiplier >> 23, log_multiplier) < 2**31 and (
            (log_multiplier << 31) + (multiplier << 8) + abs(addend) < 2**63
        ):
            op.attrs.update(multiplier=multiplier, log_multiplier=log_multiplier, addend=addend, shift=shift)
            return
    raise _refused(op, f"an output scale of {y.scale:g} is too small for an input scale of {x.scale:g}; requantize")
