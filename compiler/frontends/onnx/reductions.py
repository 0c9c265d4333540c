"""Translators of reductions along axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.onnx.importer import Importer, Translator
from qrt.compiler.frontends.onnx.movement import axes_of, on_codes
from qrt.compiler.ir import Tensor

if TYPE_CHECKING:
    import onnx


def reduced(
    importer: Importer, node: onnx.NodeProto, x: Tensor, kind: str, given: list[int] | None, name: str | None
) -> Tensor:
    """`x` reduced along the axes that are given, by default all."""
    attrs, rank = importer.attributes(node), len(x.shape)
    if not given:
        given = [] if attrs.get("noop_with_empty_axes", 0) else list(range(rank))
    axes = tuple(sorted(axis % rank for axis in given))
    keepdims = bool(attrs.get("keepdims", 1))
    kept = [1 if k in axes else n for k, n in enumerate(x.shape)]
    shape = tuple(kept if keepdims else [n for k, n in enumerate(x.shape) if k not in axes])
    if not axes:
        return importer.emit("reshape", node, [x], shape, name)
    return importer.emit(kind, node, [x], shape, name, axes=axes, keepdims=keepdims)


def _reduction(kind: str) -> Translator:
    def translate(importer: Importer, node: onnx.NodeProto) -> None:
        axes = axes_of(importer, node)
        on_codes(importer, node, lambda real, name: reduced(importer, node, real, kind, axes, name))

    return translate


def _arg(kind: str) -> Translator:
    def translate(importer: Importer, node: onnx.NodeProto) -> None:
        attrs, x = importer.attributes(node), importer.input(node)
        if attrs.get("select_last_index", 0):
            raise Unsupported("has select_last_index, which is not supported")
        axis = attrs.get("axis", 0) % len(x.shape)
        keepdims = bool(attrs.get("keepdims", 1))
        shape = (*x.shape[:axis], *([1] if keepdims else []), *x.shape[axis + 1 :])
        if x.dtype != "float32":
            if x.quantization is None:
                raise Unsupported(f"compares codes {x.name!r}, whose scale is unknown")
            x = importer.dequantize(node, x, x.quantization, f"{node.output[0]}_of")
        importer.emit(kind, node, [x], shape, dtype="int64", axis=axis, keepdims=keepdims)

    return translate


REDUCTIONS: dict[str, Translator] = {
    "ReduceMean": _reduction("mean"),
    "ReduceSum": _reduction("sum"),
    "ReduceMax": _reduction("reduce_max"),
    "ReduceMin": _reduction("reduce_min"),
    "ArgMax": _arg("arg_max"),
    "ArgMin": _arg("arg_min"),
}
