"""TensorFlow Lite's operators that reduce axes: means, the place of the maximum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.engine import float32
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.movement import constant, to_last
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.integers.channels import Requant, quantize_multiplier
from qrt.compiler.ir import Quantization, Tensor


def mean(importer: Importer, node: Node) -> None:
    """Mean over any axes: they are moved together and become the height of [outer, reduced, 1, inner]."""
    x, y = node.inputs[0], node.output
    rank = len(x.shape)
    axes = sorted({int(a) % rank for a in constant(node, 1, "axes").reshape(-1)})
    if axes != list(range(axes[0], axes[-1] + 1)):
        others = [k for k in range(rank) if k not in axes]
        order = tuple([k for k in others if k < axes[-1]] + axes + [k for k in others if k > axes[-1]])
        moved = importer.new(node, "moved", tuple(x.shape[k] for k in order), x)
        x = importer.emit("transpose", node, [x], moved, permutation=order)
        axes = list(range(axes[-1] + 1 - len(axes), axes[-1] + 1))
    outer, inner = math.prod(x.shape[: axes[0]]), math.prod(x.shape[axes[-1] + 1 :])
    count = math.prod(x.shape[k] for k in axes)
    attrs: dict[str, Any] = {"rounding": "SINGLE"} | float32(importer, "XNNPACK")
    if importer.match != "xnnpack":
        attrs = {"requant": mean_requant(x, y, count)}
    flat = importer.between(node, x, x.shape if rank == 4 and axes == [1, 2] else (outer, count, 1, inner))
    kept = (outer, 1, 1, inner)
    whole = y if y.shape == kept else importer.new(node, "kept", kept, y)
    importer.emit("mean", node, [flat], whole, **attrs)
    if whole is not y:
        importer.emit("reshape", node, [whole])


def mean_requant(x: Tensor, y: Tensor, count: int) -> Requant:
    """The multiplier of the scales with 1 / count folded in as in TFLite: in integers, rounded down."""
    multiplier, shift = quantize_multiplier(x.scale / y.scale)
    spare = min(count.bit_length() - 1, 32, 62 - shift)
    multiplier, shift = (multiplier << spare) // count, shift + spare
    return Requant(np.array([multiplier], np.int32), np.array([shift], np.uint8), rounding="DOUBLE")


def arg_max(importer: Importer, node: Node) -> None:
    """The index becomes a code: index - 128."""
    x, y = node.inputs[0], node.output
    rank = len(x.shape)
    axis = int(constant(node, 1, "axis").reshape(-1)[0]) % rank
    if x.shape[axis] > 256:
        reason = f"selects among {x.shape[axis]} entries; at most 256 are supported; end the network before it"
        raise Unsupported(reason)
    x = to_last(importer, node, x, axis)
    y.dtype, y.quantization = "int8", Quantization(np.array(1, np.float32), np.array(-128, np.int32))
    kept = (*x.shape[:-1], 1)
    whole = y if y.shape == kept else importer.new(node, "kept", kept, y)
    importer.emit("arg_max", node, [x], whole)
    if whole is not y:
        importer.emit("reshape", node, [whole])
