"""What depends on the engine to match: rounding, float32 arithmetic, bounds of fused activations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.integers.codes import LIMITS, half_away
from qrt.compiler.ir import Tensor

Translation = Callable[[Importer, Node], None]


def rounding(importer: Importer) -> str:
    """The rounding mode of all operators except add and the fully-connected layer."""
    return "SINGLE" if importer.match == "xnnpack" else "DOUBLE"


def float32(importer: Importer, way: str) -> dict[str, Any]:
    """The attribute ``float32`` (`qrt.compiler.integers.singles`) of an operator that XNNPACK computes in float32."""
    return {"float32": way} if importer.match == "xnnpack" else {}


def of_uint8(importer: Importer, x: Tensor) -> dict[str, Any]:
    """The attribute ``float32`` of an operator whose kernel for uint8 is another one than that for int8."""
    return {"float32": "UINT8"} if x in importer.unsigned else {}


def requantization(importer: Importer) -> dict[str, Any]:
    """How a layer with weights requantizes accumulators to codes."""
    engine = {"engine": "xnnpack"} if importer.match == "xnnpack" else {}
    return {"rounding": rounding(importer), **engine}


def activation(importer: Importer, node: Node, code: int, by_litert: bool = False) -> dict[str, Any]:
    """output_min and output_max of a fused activation, rounded in float32: half away from zero, XNNPACK half to even.

    `by_litert` says that LiteRT computes the operator itself, not with XNNPACK.
    """
    kinds = importer.tflite.ActivationFunctionType
    bounds = {
        kinds.NONE: (None, None),
        kinds.RELU: (0.0, None),
        kinds.RELU6: (0.0, 6.0),
        kinds.RELU_N1_TO_1: (-1.0, 1.0),
    }
    if code not in bounds:
        raise Unsupported("has a fused activation other than ReLU, ReLU6 or ReLU_N1_TO_1")
    y = node.output
    lowest, highest = LIMITS[y.dtype]

    def clamped(real: float | None, default: int) -> int:
        if real is None:
            return default
        scaled = np.float32(real) / np.float32(y.scale)
        if importer.match == "xnnpack" and not by_litert:
            code = int(np.rint(scaled + np.float32(y.zero_point)))
        else:
            code = int(half_away(np.asarray(scaled))) + y.zero_point
        return max(lowest, min(highest, code))

    low, high = bounds[code]
    return {"output_min": clamped(low, lowest), "output_max": clamped(high, highest)}
