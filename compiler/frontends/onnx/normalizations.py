"""Translators of normalizations and of softmax."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.onnx.importer import Importer, Translator
from qrt.compiler.ir import Tensor

if TYPE_CHECKING:
    import onnx

# Groups of a normalization whose factors differ from group to group: each is a layer_norm of its own.
MAX_GROUPS = 64


def _softmax(kind: str) -> Translator:
    def translate(importer: Importer, node: onnx.NodeProto) -> None:
        x = importer.input(node)
        axis = importer.attributes(node).get("axis", -1 if importer.opset >= 13 else 1) % len(x.shape)
        if importer.opset >= 13 or math.prod(x.shape[axis + 1 :]) == 1:
            importer.emit(kind, node, [x], x.shape, axis=axis)
            return
        # Before operator set 13 it spans all axes from `axis` on.
        flat = (math.prod(x.shape[:axis]), math.prod(x.shape[axis:]))
        rows = importer.emit("reshape", node, [x], flat, f"{node.output[0]}_rows")
        y = importer.emit(kind, node, [rows], flat, f"{node.output[0]}_flat", axis=1)
        importer.emit("reshape", node, [y], x.shape)

    return translate


def batch_norm(importer: Importer, node: onnx.NodeProto) -> None:
    attrs = importer.attributes(node)
    if attrs.get("training_mode", 0) or any(node.output[1:]):
        raise Unsupported("is in training mode; export the network for inference")
    x, name = importer.input(node), node.output[0]
    names = ("scale", "bias", "mean", "variance")
    parameters = [importer.parameter(f"{name}_{n}", importer.constant(node, k, n)) for k, n in enumerate(names, 1)]
    epsilon = float(attrs.get("epsilon", 1e-5))
    importer.emit("batch_norm", node, [x, *parameters], x.shape, epsilon=epsilon, layout="NCHW")


def layer_norm(importer: Importer, node: onnx.NodeProto) -> None:
    attrs, x = importer.attributes(node), importer.input(node)
    if any(node.output[1:]):
        raise Unsupported("outputs the mean or the deviation, which is not supported")
    axis = attrs.get("axis", -1) % len(x.shape)
    inner = x.shape[axis:]
    gamma = importer.constant(node, 1, "scale")
    beta = importer.constant(node, 2, "bias") if importer.has(node, 2) else np.zeros((), np.float32)
    last, name, flat = len(x.shape) - 1, node.output[0], math.prod(inner)
    factors = [np.broadcast_to(values, inner).reshape(-1) for values in (gamma, beta)]
    if axis == last:
        _normalized(importer, node, x, factors, None)
        return
    rows = importer.emit("reshape", node, [x], (*x.shape[:axis], flat), f"{name}_rows")
    y = _normalized(importer, node, rows, factors, f"{name}_normalized")
    importer.emit("reshape", node, [y], x.shape)


def _normalized(
    importer: Importer, node: onnx.NodeProto, x: Tensor, factors: list[np.ndarray], name: str | None
) -> Tensor:
    """`x` normalized along its last axis, times the first of `factors`, plus the second."""
    epsilon = float(importer.attributes(node).get("epsilon", 1e-5))
    called = name or node.output[0]
    gamma, beta = (
        importer.parameter(f"{called}_{what}", values) for what, values in zip(("gamma", "beta"), factors, strict=True)
    )
    return importer.emit("layer_norm", node, [x, gamma, beta], x.shape, name, epsilon=epsilon)


def instance_norm(importer: Importer, node: onnx.NodeProto) -> None:
    _group_norm(importer, node, importer.input(node).shape[1])


def group_norm(importer: Importer, node: onnx.NodeProto) -> None:
    _group_norm(importer, node, importer.attributes(node)["num_groups"])


def _group_norm(importer: Importer, node: onnx.NodeProto, groups: int) -> None:
    """layer_norm of each group; groups with factors of their own are normalized one by one."""
    x, name = importer.input(node), node.output[0]
    batch, channels = x.shape[:2]
    size = x.size // batch // channels
    factors = []
    for index, what in ((1, "scale"), (2, "bias")):
        values = importer.constant(node, index, what).reshape(-1)
        per_channel = np.repeat(values, channels // len(values))  # before operator set 21 there is one per group
        factors.append(np.repeat(per_channel, size).reshape(groups, -1))
    shape = (batch, groups, channels // groups * size)
    rows = importer.emit("reshape", node, [x], shape, f"{name}_rows")
    if all((values == values[0]).all() for values in factors):
        y = _normalized(importer, node, rows, [values[0] for values in factors], f"{name}_normalized")
    elif groups > MAX_GROUPS:
        raise Unsupported(f"has {groups} groups with factors of their own; at most {MAX_GROUPS} are supported")
    else:
        parts = []
        for k in range(groups):
            called = f"{name}_group{k}"
            part = importer.emit(
                "slice", node, [rows], (batch, 1, shape[2]), f"{called}_of", begin=(0, k, 0), stride=(1, 1, 1)
            )
            parts.append(_normalized(importer, node, part, [values[k] for values in factors], called))
        y = importer.emit("concat", node, parts, shape, f"{name}_normalized", axis=1)
    importer.emit("reshape", node, [y], x.shape)


NORMALIZATIONS: dict[str, Translator] = {
    "Softmax": _softmax("softmax"),
    "LogSoftmax": _softmax("log_softmax"),
    "BatchNormalization": batch_norm,
    "LayerNormalization": layer_norm,
    "InstanceNormalization": instance_norm,
    "GroupNormalization": group_norm,
}
