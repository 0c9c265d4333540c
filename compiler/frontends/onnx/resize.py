"""Translators of Resize and Upsample: nearest is a gather along each axis, linear interpolates height and width.

Positions are computed in float32, as onnxruntime does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.onnx.importer import Importer, Translator
from qrt.compiler.frontends.onnx.movement import on_codes, take_along
from qrt.compiler.ir import Tensor

if TYPE_CHECKING:
    import onnx

Singles = np.ndarray[Any, np.dtype[np.float32]]
HALF, ONE = np.float32(0.5), np.float32(1)


@dataclass(frozen=True)
class Axis:
    """An axis that is resized from `length` to `target` entries; `start` and `end` are its part of roi."""

    length: int
    target: int
    scale: np.float32
    start: float = 0.0
    end: float = 1.0


def positions(axis: Axis, mode: str) -> Singles:
    """Where each entry of the result lies between the entries of the input."""
    y = np.arange(axis.target, dtype=np.float32)
    length, target = np.float32(axis.length), np.float32(axis.target)
    match mode:
        case "asymmetric":
            return y / axis.scale
        case "half_pixel":
            return (y + HALF) / axis.scale - HALF
        case "pytorch_half_pixel":
            return (y + HALF) / axis.scale - HALF if axis.target > 1 else np.zeros_like(y)
        case "tf_half_pixel_for_nn":
            return (y + HALF) / axis.scale
        case "align_corners":
            return y * (length - ONE) / (target - ONE) if axis.target > 1 else np.zeros_like(y)
        case "half_pixel_symmetric":
            offset = length / np.float32(2) * (ONE - target / (axis.scale * length))
            return offset + (y + HALF) / axis.scale - HALF
        case "tf_crop_and_resize":
            start, end = np.float32(axis.start), np.float32(axis.end)
            if axis.target > 1:
                steps = y * (end - start) * (length - ONE) / (target - ONE)
                return start * (length - ONE) + steps
            return HALF * (start + end) * (length - ONE) + np.zeros_like(y)
    raise Unsupported(f"has coordinate_transformation_mode {mode}, which is not supported")


def nearest(axis: Axis, mode: str, rounding: str) -> np.ndarray:
    """The entry of the input that each entry of the result is."""
    x = positions(axis, mode)
    match rounding:
        case "round_prefer_floor":
            places = np.ceil(x - HALF)
        case "round_prefer_ceil":
            places = np.floor(x + HALF)
        case "floor":
            places = np.floor(x)
        case "ceil":
            places = np.ceil(x)
        case "simple":  # of Upsample
            places = np.ceil(x) if axis.scale < 1 else np.trunc(x)
        case _:
            raise Unsupported(f"has nearest_mode {rounding}, which is not supported")
    result: np.ndarray = np.clip(places, 0, axis.length - 1).astype(np.int64)
    return result


def between(axis: Axis, mode: str) -> tuple[np.ndarray, Singles]:
    """For each entry of the result the entry of the input before it, and the weight of the next one."""
    x = np.clip(positions(axis, mode), np.float32(0), np.float32(axis.length - 1))
    first = x.astype(np.int64)
    return first, x - first.astype(np.float32)


def resize(importer: Importer, node: onnx.NodeProto) -> None:
    attrs, x = importer.attributes(node), importer.input(node)
    mode = attrs.get("mode", b"nearest").decode()
    where = attrs.get("coordinate_transformation_mode", b"half_pixel").decode()
    if importer.opset < 11 or node.op_type == "Upsample":
        axes, where = _scaled_axes(importer, node, x, attrs), "asymmetric"
    else:
        axes = _axes(importer, node, x, attrs, where == "tf_crop_and_resize")
    if attrs.get("antialias", 0) and any(axis.target < axis.length for axis in axes):
        raise Unsupported("has antialias, which is not supported; export without it")
    if where == "tf_crop_and_resize":
        _check_inside(axes)
    moving = {k: axis for k, axis in enumerate(axes) if axis != Axis(axis.length, axis.length, ONE)}
    if mode == "nearest":
        rounding = attrs.get("nearest_mode", b"round_prefer_floor").decode()
        if importer.opset < 11 or node.op_type == "Upsample":
            rounding = "simple"
        chosen = {k: nearest(axis, where, rounding) for k, axis in moving.items()}
        on_codes(importer, node, lambda real, name: take_along(importer, node, real, chosen, name))
    elif mode == "linear":
        _linear(importer, node, axes, set(moving), where)
    else:
        raise Unsupported(f"has mode {mode}, which is not supported; nearest and linear are")


def _scaled_axes(importer: Importer, node: onnx.NodeProto, x: Tensor, attrs: dict[str, Any]) -> list[Axis]:
    """The axes of an Upsample, and of a Resize of operator set 10."""
    scales = importer.constant(node, 1, "scales").reshape(-1) if importer.has(node, 1) else attrs["scales"]
    return [_by_scale(n, np.float32(scale)) for n, scale in zip(x.shape, scales, strict=True)]


def _by_scale(length: int, scale: np.float32) -> Axis:
    return Axis(length, int(np.floor(np.float32(length) * scale)), scale)


def _axes(importer: Importer, node: onnx.NodeProto, x: Tensor, attrs: dict[str, Any], has_roi: bool) -> list[Axis]:
    """The axes of a Resize with inputs x, roi, scales, sizes."""
    chosen = [axis % len(x.shape) for axis in attrs.get("axes", range(len(x.shape)))]
    lengths = [x.shape[axis] for axis in chosen]
    scales = importer.constant(node, 2, "scales").reshape(-1) if importer.has(node, 2) else np.zeros(0)
    if scales.size:
        made = [_by_scale(n, np.float32(scale)) for n, scale in zip(lengths, scales, strict=True)]
    else:
        made = _by_size(lengths, importer.integers(node, 3, "sizes"), attrs)
    if has_roi:
        roi = importer.constant(node, 1, "roi").reshape(2, -1).astype(np.float32)
        made = [replace(axis, start=float(start), end=float(end)) for axis, start, end in zip(made, *roi, strict=True)]
    axes = [Axis(n, n, ONE) for n in x.shape]
    for axis, resized in zip(chosen, made, strict=True):
        axes[axis] = resized
    return axes


def _by_size(lengths: list[int], sizes: list[int], attrs: dict[str, Any]) -> list[Axis]:
    policy = attrs.get("keep_aspect_ratio_policy", b"stretch").decode()
    scales = [np.float32(size) / np.float32(n) for n, size in zip(lengths, sizes, strict=True)]
    if policy != "stretch":
        scales = [min(scales) if policy == "not_larger" else max(scales)] * len(scales)
        sizes = [int(np.floor(scale * np.float32(n) + HALF)) for n, scale in zip(lengths, scales, strict=True)]
    return [Axis(n, size, scale) for n, size, scale in zip(lengths, sizes, scales, strict=True)]


def _check_inside(axes: list[Axis]) -> None:
    """Raises where tf_crop_and_resize extrapolates."""
    for axis in axes:
        x = positions(axis, "tf_crop_and_resize")
        if x.min() < 0 or x.max() > axis.length - 1:
            raise Unsupported("reads beyond the edges of its input (extrapolation_value); crop inside of it")


def _linear(importer: Importer, node: onnx.NodeProto, axes: list[Axis], moving: set[int], where: str) -> None:
    """Linear interpolation along height and width, which are the last two axes or the two in the middle."""
    x, name = importer.input(node), node.output[0]
    rank = len(axes)
    is_nhwc = rank == 4 and moving <= {1, 2} and 1 in moving
    if rank > 4 or rank < 1 or (not is_nhwc and moving - {rank - 2, rank - 1}):
        raise Unsupported("interpolates along other axes than height and width")
    height, width = (axes[1], axes[2]) if is_nhwc else ([Axis(1, 1, ONE), *axes][-2], axes[-1])
    rows, row_weight = between(height, where)
    columns, column_weight = between(width, where)
    attrs: dict[str, Any] = {"rows": rows, "columns": columns, "row_weight": row_weight, "column_weight": column_weight}
    shape = tuple(axis.target for axis in axes)

    def interpolated(real: Tensor, result: str | None) -> Tensor:
        if rank == 4:
            layout = "NHWC" if is_nhwc else "NCHW"
            return importer.emit("resize_linear", node, [real], shape, result, layout=layout, **attrs)
        image = (*x.shape[: max(rank - 2, 0)], *[1] * (4 - rank), *x.shape[max(rank - 2, 0) :])
        real = importer.emit("reshape", node, [real], image, f"{name}_image")
        resized = (*image[:2], len(rows), len(columns))
        y = importer.emit("resize_linear", node, [real], resized, f"{name}_resized", layout="NCHW", **attrs)
        return importer.emit("reshape", node, [y], shape, result)

    on_codes(importer, node, interpolated)


RESIZES: dict[str, Translator] = {"Resize": resize, "Upsample": resize}
