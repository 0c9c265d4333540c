"""layer_norm: gamma, beta and epsilon become the integers of SPEC.md, section 2."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.integers.channels import MAX_SHIFT
from qrt.compiler.ir import Op

MOST_CHANNELS = 32768
# What the sum of squares is less than, for one channel; for C of them C^3 times as much.
SQUARES = 2**14
# Fraction bits of a normalized value.
BITS = 30
# Codes beyond all others: an addend may saturate any output.
BEYOND = 512


def _epsilon(op: Op, channels: int) -> tuple[int, int]:
    """Epsilon in squared codes, times C^3, and its fraction bits: as many as the sum of squares leaves room for."""
    x_scale = op.inputs[0].scale
    exact, squares = Fraction(op.attrs["epsilon"]) * channels**3 / Fraction(x_scale) ** 2, SQUARES * channels**3
    for bits in range(MAX_SHIFT, -1, -2):
        epsilon = round(exact * 2**bits)
        if (squares << bits) + epsilon < 2**63:
            return epsilon, bits
    reason = (
        f"an epsilon of {op.attrs['epsilon']:g} is too large for an input scale of {x_scale:g}; requantize its input"
    )
    raise CompileError([Problem(op.name, op.kind, reason)])


def lower_layer_norm(op: Op) -> None:
    """Replaces the attributes `gamma`, `beta` and `epsilon`, which are real, by integers.

    Raises
    ------
    CompileError
        Too many channels, or a gamma or epsilon that is too large for the scales.
    """
    y, channels = op.output, op.inputs[0].shape[-1]
    if channels > MOST_CHANNELS:
        reason = f"its last axis has {channels} entries, at most {MOST_CHANNELS} can be normalized; split it"
        raise CompileError([Problem(op.name, op.kind, reason)])
    gamma, beta = (np.broadcast_to(np.float64(op.attrs.pop(key)), (channels,)) for key in ("gamma", "beta"))
    factors = gamma * (math.sqrt(channels) / y.scale)
    reach = float(np.abs(factors).max())
    codes = np.clip(beta / y.scale, -reach - BEYOND, reach + BEYOND)
    shift = min(MAX_SHIFT, 60 - math.frexp(reach + 2 * BEYOND)[1])
    if shift < BITS:
        reason = "gamma is too large for the scale of its output; requantize"
        raise CompileError([Problem(op.name, op.kind, reason)])
    op.attrs["epsilon"], op.attrs["epsilon_bits"] = _epsilon(op, channels)
    op.attrs["multiplier"] = np.rint(factors * 2.0 ** (shift - BITS)).astype(np.int32)
    half_up = Fraction(1, 2) + y.zero_point
    op.attrs["addend"] = np.array([round((Fraction(code) + half_up) * 2**shift) for code in codes], np.int64)
    op.attrs["shift"] = shift
