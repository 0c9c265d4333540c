"""TensorFlow Lite's operators that reduce axes: means, sums, extremes and their places."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.tflite.engine import Translation, float32
from qrt.compiler.frontends.tflite.importer import Importer
from qrt.compiler.frontends.tflite.movement import constant, to_last
from qrt.compiler.frontends.tflite.node import Node
from qrt.compiler.integers import functions
from qrt.compiler.integers.channels import Requant, quantize_multiplier
from qrt.compiler.integers.codes import OPPOSITE
from qrt.compiler.ir import Quantization, Tensor


def reduced(importer: Importer, node: Node) -> tuple[Tensor, Tensor]:
    """The input with all axes to reduce as the height of [outer, reduced, 1, inner], and the output kept so."""
    x, y = node.inputs[0], node.output
    rank = len(x.shape)
    axes = sorted({int(a) % rank for a in constant(node, 1, "axes").reshape(-1)})
    if not axes:
        raise Unsupported("reduces no axis")
    if axes != list(range(axes[0], axes[-1] + 1)):
        others = [k for k in range(rank) if k not in axes]
        order = tuple([k for k in others if k < axes[-1]] + axes + [k for k in others if k > axes[-1]])
        x = importer.transposed(node, x, order, f"moved_for_{node.name}")
        axes = list(range(axes[-1] + 1 - len(axes), axes[-1] + 1))
    outer, inner = math.prod(x.shape[: axes[0]]), math.prod(x.shape[axes[-1] + 1 :])
    count = math.prod(x.shape[k] for k in axes)
    flat = importer.between(node, x, x.shape if rank == 4 and axes == [1, 2] else (outer, count, 1, inner))
    kept = (outer, 1, 1, inner)
    return flat, y if y.shape == kept else importer.new(node, "kept", kept, y)


def _write(importer: Importer, node: Node, whole: Tensor) -> None:
    if whole is not node.output:
        importer.emit("reshape", node, [whole])


def mean(importer: Importer, node: Node) -> None:
    """Mean over any axes."""
    flat, whole = reduced(importer, node)
    attrs: dict[str, Any] = {"rounding": "SINGLE"} | float32(importer, "XNNPACK")
    if importer.match != "xnnpack":
        attrs = {"requant": mean_requant(flat, whole, flat.shape[1] * flat.shape[2])}
    importer.emit("mean", node, [flat], whole, **attrs)
    _write(importer, node, whole)


def total(importer: Importer, node: Node) -> None:
    """Sum over any axes: a mean without the division."""
    if importer.match == "litert" and node.inputs[0] not in importer.unsigned:
        raise Unsupported("LiteRT's reference kernel reads its codes as uint8; use --match tflm or xnnpack")
    flat, whole = reduced(importer, node)
    attrs: dict[str, Any] = {"total": True, "rounding": "SINGLE"} | float32(importer, "XNNPACK")
    if importer.match != "xnnpack":
        attrs = {"requant": functions.double(flat.scale / whole.scale, whole.dtype)}
    importer.emit("mean", node, [flat], whole, **attrs)
    _write(importer, node, whole)


def extreme(greatest: bool) -> Translation:
    """The largest or the smallest code over any axes: the largest of a window, or of the codes counted backwards."""

    def translate(importer: Importer, node: Node) -> None:
        flat, whole = reduced(importer, node)
        flat = importer.recoded(node, flat, whole)
        size = (flat.shape[1], flat.shape[2])
        window: dict[str, Any] = {"filter": size, "stride": size, "padding": (0, 0, 0, 0)}
        if greatest:
            importer.emit("max_pool2d", node, [flat], whole, **window)
        else:
            least = importer.new(node, "least", whole.shape, whole)
            importer.emit("max_pool2d", node, [_backwards(importer, node, flat)], least, **window)
            importer.emit("lut", node, [least], whole, table=OPPOSITE)
        _write(importer, node, whole)

    return translate


def _backwards(importer: Importer, node: Node, x: Tensor) -> Tensor:
    """Codes in the opposite order: -1 - code."""
    return importer.emit("lut", node, [x], importer.new(node, "backwards", x.shape, x), table=OPPOSITE)


def mean_requant(x: Tensor, y: Tensor, count: int) -> Requant:
    """The multiplier of the scales with 1 / count folded in as in TFLite: in integers, rounded down."""
    multiplier, shift = quantize_multiplier(x.scale / y.scale)
    spare = min(count.bit_length() - 1, 32, 62 - shift)
    return replace(
        functions.double(x.scale / y.scale, y.dtype),
        multiplier=np.array([(multiplier << spare) // count], np.int32),
        shift=np.array([shift + spare], np.uint8),
    )


def arg_extreme(greatest: bool) -> Translation:
    """The place of the largest or the smallest code, as a code: index - 128."""

    def translate(importer: Importer, node: Node) -> None:
        x, y = node.inputs[0], node.output
        rank = len(x.shape)
        axis = int(constant(node, 1, "axis").reshape(-1)[0]) % rank
        if x.shape[axis] > 256:
            reason = f"selects among {x.shape[axis]} entries; at most 256 are supported; end the network before it"
            raise Unsupported(reason)
        x = to_last(importer, node, x if greatest else _backwards(importer, node, x), axis)
        if not y.shape:
            y.shape = (1,)
            importer.scalars.add(y)
        _hold_position(importer, y)
        kept = (*x.shape[:-1], 1)
        whole = y if y.shape == kept else importer.new(node, "kept", kept, y)
        importer.emit("arg_max", node, [x], whole)
        _write(importer, node, whole)

    return translate


def _hold_position(importer: Importer, tensor: Tensor) -> None:
    tensor.dtype, tensor.quantization = "int8", Quantization(np.array(1, np.float32), np.array(-128, np.int32))
    importer.positions.add(tensor)


def moved_position(importer: Importer, node: Node) -> bool:
    """Whether a node only changes the type or the shape of a position, which is then the same code."""
    if node.kind not in ("CAST", "RESHAPE", "SQUEEZE", "EXPAND_DIMS") or node.inputs[0] not in importer.positions:
        return False
    _hold_position(importer, node.output)
    importer.emit("reshape", node, node.inputs[:1])
    return True
