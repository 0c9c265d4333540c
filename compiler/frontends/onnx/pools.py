"""Translators of pools over windows and over whole images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.onnx.convolutions import Pair, on_image, pair, window
from qrt.compiler.frontends.onnx.importer import Importer, Translator
from qrt.compiler.frontends.onnx.movement import on_codes
from qrt.compiler.frontends.windows import ceil_out, out
from qrt.compiler.ir import Tensor

if TYPE_CHECKING:
    import onnx

# Entries of a dilated window.
MAX_SLICES = 64


def pool2d(importer: Importer, node: onnx.NodeProto, x: Tensor, kind: str, name: str | None = None) -> Tensor:
    attrs = importer.attributes(node)
    x, flat = on_image(importer, node, x, "pools")
    size = pair(attrs["kernel_shape"])
    stride, dilation, (top, bottom, left, right) = window(attrs, x.shape[2:], size)
    if len(node.output) > 1 and node.output[1]:
        raise Unsupported("outputs indices, which are not supported")
    if dilation != (1, 1):
        if kind != "max_pool2d" or any((top, bottom, left, right)) or flat or attrs.get("ceil_mode", 0):
            raise Unsupported("has a dilated window, which is supported for MaxPool of images without padding alone")
        return _dilated(importer, node, x, (size, stride, dilation), name)
    spatial, sides = [], []
    for k, (before, after) in enumerate(((top, bottom), (left, right))):
        length = x.shape[2 + k]
        count = out(length, size[k], stride[k], 1, before + after)
        if attrs.get("ceil_mode", 0):
            count, after = ceil_out(length, size[k], stride[k], before, after)
        spatial.append(count)
        sides += [before, after]
    # If padding is counted, onnxruntime's QLinearAveragePool, which also replaces AveragePool, divides by the size of
    # the whole window, even where ceil_mode makes it exceed the padding.
    counted = tuple(sides) if attrs.get("count_include_pad", 0) else (0, 0, 0, 0)
    extra: dict[str, Any] = {"counted": counted} if kind == "average_pool2d" else {}
    y = importer.emit(
        kind,
        node,
        [x],
        (*x.shape[:2], *spatial),
        f"{node.output[0]}_pooled" if flat else name,
        layout="NCHW",
        filter=size,
        stride=stride,
        padding=tuple(sides),
        **extra,
    )
    return importer.emit("reshape", node, [y], (*x.shape[:2], spatial[1]), name) if flat else y


def _dilated(
    importer: Importer, node: onnx.NodeProto, x: Tensor, window: tuple[Pair, Pair, Pair], name: str | None
) -> Tensor:
    """The largest of as many slices as the window has entries."""
    size, stride, dilation = window
    if size[0] * size[1] > MAX_SLICES:
        raise Unsupported(f"has a dilated window of more than {MAX_SLICES} entries")
    counts = [out(x.shape[2 + k], size[k], stride[k], dilation[k], 0) for k in range(2)]
    shape, called = (*x.shape[:2], *counts), node.output[0]
    y: Tensor | None = None
    for place in range(size[0] * size[1]):
        row, column = divmod(place, size[1])
        begin = (0, 0, row * dilation[0], column * dilation[1])
        part = importer.emit("slice", node, [x], shape, f"{called}_at{place}", begin=begin, stride=(1, 1, *stride))
        is_last = place == size[0] * size[1] - 1
        result = name if is_last else f"{called}_of{place}"
        y = part if y is None else importer.emit("maximum", node, [y, part], shape, result)
    assert y is not None
    return y


def max_pool(importer: Importer, node: onnx.NodeProto) -> None:
    on_codes(importer, node, lambda real, name: pool2d(importer, node, real, "max_pool2d", name))


def average_pool(importer: Importer, node: onnx.NodeProto) -> None:
    pool2d(importer, node, importer.input(node), "average_pool2d")


def global_average_pool(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    axes = tuple(range(2, len(x.shape)))
    importer.emit("mean", node, [x], (*x.shape[:2], *[1] * len(axes)), axes=axes, keepdims=True)


def global_max_pool(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    axes = tuple(range(2, len(x.shape)))
    shape = (*x.shape[:2], *[1] * len(axes))
    if len(axes) != 2:
        on_codes(
            importer,
            node,
            lambda real, name: importer.emit("reduce_max", node, [real], shape, name, axes=axes, keepdims=True),
        )
        return
    whole: dict[str, Any] = {"layout": "NCHW", "filter": x.shape[2:], "stride": (1, 1), "padding": (0, 0, 0, 0)}
    on_codes(importer, node, lambda real, name: importer.emit("max_pool2d", node, [real], shape, name, **whole))


POOLS: dict[str, Translator] = {
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
}
