"""The fewest instructions that a processor allows an operator: what a count is compared with.

Of the operators that multiply by weights. Counted are the multiplications, the loads of their operands and, for each
output, the requantization. What copies windows, treats edges and runs loops is not: that is what separates a kernel
from this limit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from qrt.compiler.ir import Op
from qrt.firmware.targets import Target


@dataclass(frozen=True)
class Loop:
    """Instructions for a number of multiply-accumulates."""

    instructions: int
    macs: int


@dataclass(frozen=True)
class Limits:
    """The best loops for a kind of processors.

    Attributes
    ----------
    tile : Loop
        conv2d: as many outputs at once as the registers hold.
    row : Loop
        linear: of one row of inputs, each weight is loaded for one multiplication.
    window : Loop
        dwconv2d: an input is loaded for one channel.
    requantize : dict of str to float
        Instructions for an output: requantization by that rounding, clamp and store.
    """

    tile: Loop
    row: Loop
    window: Loop
    requantize: dict[str, float]


# A tile of 2 channels x 4 positions: for 2 steps 8 SMLAD, 3 loads, and 1 SXTB16, since a word has the weights of both
# channels. A row: 2 channels of it, 15. 3 taps of 2 positions: 4 SMLAD, 1 load.
DSP = Limits(Loop(12, 16), Loop(15, 16), Loop(5, 6), {"SINGLE": 4, "DOUBLE": 4})
# 4 channels x 2 positions, 16 steps: 8 VMLADAVA, 6 loads. A row: 4 features, 4 and 5. 2 taps of 16 channels: 4 VMULL,
# 4 loads, 2 VADD, and 8 to add what has 16 bits to what has 32.
MVE = Limits(Loop(14, 128), Loop(9, 64), Loop(18, 32), {"SINGLE": 1.5, "DOUBLE": 2})
# 2 channels x 4 positions, 1 feature in 4, 1 tap: a load of each operand, MLA.
M3 = Limits(Loop(14, 8), Loop(9, 4), Loop(2, 1), {"SINGLE": 10, "DOUBLE": 14})
# 2 x 2: MULS and ADDS; no long product.
M0 = Limits(Loop(12, 4), Loop(13, 4), Loop(3, 1), {"SINGLE": 30, "DOUBLE": 34})
# 4 x 4: MUL and ADD.
RV32 = Limits(Loop(40, 16), Loop(25, 8), Loop(3, 1), {"SINGLE": 14, "DOUBLE": 18})

LOOPS = {"conv2d": "tile", "linear": "row", "dwconv2d": "window"}


def limits(target: Target) -> Limits:
    """Those of a processor."""
    by_set = {"dsp": DSP, "mve": MVE}
    if target.kernels in by_set:
        return by_set[target.kernels]
    if not target.is_arm:
        return RV32
    return M0 if target.aligned else M3


@dataclass(frozen=True)
class Fewest:
    """The limit of an operator, in instructions.

    Attributes
    ----------
    multiply : int
        To load operands, multiply and add.
    requantize : int
        To turn accumulators into stored codes.
    """

    multiply: int
    requantize: int

    @property
    def instructions(self) -> int:
        return self.multiply + self.requantize


def fewest(op: Op, macs: int, target: Target) -> Fewest | None:
    """The limit of an operator; None where none is known.

    Parameters
    ----------
    op : Op
    macs : int
        Its multiply-accumulates.
    target : Target
    """
    if op.kind not in LOOPS or not macs:
        return None
    known = limits(target)
    loop: Loop = getattr(known, LOOPS[op.kind])
    requant = op.attrs.get("requant")
    each = known.requantize[requant.rounding] if requant is not None else 1
    return Fewest(round(macs * loop.instructions / loop.macs), round(math.prod(op.output.shape) * each))
