"""Operators with a constant operand as ``factor * x + summand``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qrt.compiler.ir import Op, Tensor

Reals = NDArray[np.float64]
# Both broadcast to x.
Line = tuple[Reals, Reals]
KINDS = ("add", "sub", "mul", "div")


def constant_values(tensor: Tensor, producer: Op | None) -> Reals | None:
    """The real values of a constant, also of one behind a dequantize, its `producer`; None for other tensors."""
    source = producer.inputs[0] if producer is not None and producer.kind == "dequantize" else tensor
    return source.real() if source.data is not None else None


def line_of(op: Op, values: list[Reals | None]) -> tuple[Tensor, Line] | None:
    """The operand that is not constant, and what add, sub, mul or div makes of it.

    `values` has the real values of constant operands. None if both or none are constant, if the result is larger than
    the operand, for quotients that are no line, and for other operators.
    """
    if op.kind not in KINDS:
        return None
    first = values[0] is not None  # whether the constant is the first operand
    constant, other = values if first else values[::-1]
    x = op.inputs[1] if first else op.inputs[0]
    if constant is None or other is not None or x.shape != op.output.shape:
        return None
    one, none = np.ones((1,) * constant.ndim), np.zeros((1,) * constant.ndim)
    match op.kind:
        case "add":
            return x, (one, constant)
        case "sub":
            return x, ((-one, constant) if first else (one, -constant))
        case "mul":
            return x, (constant, none)
        case _:
            return None if first or not constant.all() else (x, (1 / constant, none))
