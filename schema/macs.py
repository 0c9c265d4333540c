"""What an operator of the format costs."""

from __future__ import annotations

import math
from collections.abc import Sequence


def macs(kind: str, inputs: Sequence[tuple[int, ...]], output: tuple[int, ...]) -> int:
    """Multiply-accumulates of an operator that sums products, from the shapes; 0 for others."""
    match kind:
        case "conv2d" | "linear":
            return math.prod(output) * math.prod(inputs[1][1:])
        case "dwconv2d":
            return math.prod(output) * math.prod(inputs[1][1:3])
        case "transpose_conv2d":
            return math.prod(inputs[0][:3]) * math.prod(inputs[1])
        case "matmul":
            return math.prod(output) * inputs[0][-1]
        case "lstm" | "svdf":
            return math.prod(inputs[0][:-1]) * (math.prod(inputs[1]) + math.prod(inputs[2]))
        case _:
            return 0
