"""Translators of Conv and ConvTranspose, and the windows of convolutions and pools."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.onnx.channels import into_weights
from qrt.compiler.frontends.onnx.importer import Importer, Translator
from qrt.compiler.frontends.windows import out
from qrt.compiler.ir import Tensor

if TYPE_CHECKING:
    import onnx

Pair = tuple[int, int]
Sides = tuple[int, int, int, int]


def window(attrs: dict[str, Any], spatial: tuple[int, ...], size: Pair) -> tuple[Pair, Pair, Sides]:
    """stride, dilation and padding of a 2-D window; `spatial` is the input's height and width."""
    stride, dilation = pair(attrs.get("strides", [1, 1])), pair(attrs.get("dilations", [1, 1]))
    auto = attrs.get("auto_pad", b"NOTSET").decode()
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        sides: list[int] = []
        for k in range(2):
            span = (size[k] - 1) * dilation[k] + 1
            total = (-(-spatial[k] // stride[k]) - 1) * stride[k] + span - spatial[k]
            if total < -1:  # onnxruntime then starts inside of the image, at -total // 2
                raise Unsupported("has a stride for which auto_pad is negative; set pads instead")
            total = max(total, 0)
            small, large = total // 2, total - total // 2
            sides += [small, large] if auto == "SAME_UPPER" else [large, small]
        return stride, dilation, (sides[0], sides[1], sides[2], sides[3])
    padding = _sides([0, 0, 0, 0] if auto == "VALID" else list(attrs.get("pads", [0, 0, 0, 0])))
    if min(padding) < 0:
        raise Unsupported("has negative padding; slice before it instead")
    return stride, dilation, padding


def _sides(pads: list[int]) -> Sides:
    """The attribute ``pads`` of a window along one or two axes as top, bottom, left, right."""
    if len(pads) == 2:
        pads = [0, pads[0], 0, pads[1]]
    return pads[0], pads[2], pads[1], pads[3]


def pair(values: list[int]) -> Pair:
    return (1, int(values[0])) if len(values) == 1 else (int(values[0]), int(values[1]))


def on_image(importer: Importer, node: onnx.NodeProto, x: Tensor, what: str) -> tuple[Tensor, bool]:
    """`x` with height and width, and whether it had only one of them; `what` is what the node does, for the error."""
    if len(x.shape) == 3:
        shape = (*x.shape[:2], 1, x.shape[2])
        return importer.emit("reshape", node, [x], shape, f"{node.output[0]}_image"), True
    if len(x.shape) != 4:
        raise Unsupported(f"{what} a rank-{len(x.shape)} tensor; only one or two spatial axes are supported")
    return x, False


def _layer(
    importer: Importer,
    node: onnx.NodeProto,
    kind: str,
    x: Tensor,
    arguments: list[Tensor],
    flat: bool,
    shape: tuple[int, ...],
    **attrs: Any,
) -> Tensor:
    """The float output of a convolution with weights and bias `arguments`; without height if `flat`."""
    name = f"{node.output[0]}_real"
    y = importer.emit(
        kind, node, [x, *arguments], shape, f"{node.output[0]}_conv" if flat else name, layout="NCHW", **attrs
    )
    return importer.emit("reshape", node, [y], (shape[0], shape[1], shape[3]), name) if flat else y


def _filter(importer: Importer, node: onnx.NodeProto, weights: Tensor, flat: bool) -> Tensor:
    """The weights with height and width."""
    if not flat:
        return weights
    shape = (*weights.shape[:2], 1, weights.shape[2])
    return importer.emit("reshape", node, [weights], shape, f"{node.output[0]}_filter")


def conv2d(importer: Importer, node: onnx.NodeProto, x: Tensor, arguments: list[Tensor]) -> Tensor:
    """A convolution of rank-3 or rank-4 `x` with float weights and bias `arguments`; the float output."""
    attrs = importer.attributes(node)
    x, flat = on_image(importer, node, x, "convolves")
    groups = int(attrs.get("group", 1))
    weights = _filter(importer, node, arguments[0], flat)
    x, weights = into_weights(importer, node, x, weights, groups)
    size = (weights.shape[2], weights.shape[3])
    stride, dilation, padding = window(attrs, x.shape[2:], size)
    top, bottom, left, right = padding
    spatial = (
        out(x.shape[2], size[0], stride[0], dilation[0], top + bottom),
        out(x.shape[3], size[1], stride[1], dilation[1], left + right),
    )
    return _layer(
        importer,
        node,
        "conv2d",
        x,
        [weights, *arguments[1:]],
        flat,
        (x.shape[0], weights.shape[0], *spatial),
        stride=stride,
        dilation=dilation,
        padding=padding,
        groups=groups,
    )


def transpose_conv2d(importer: Importer, node: onnx.NodeProto, x: Tensor, arguments: list[Tensor]) -> Tensor:
    """A transposed convolution of rank-3 or rank-4 `x`; the float output.

    Padding is what is cut from the sides of the full output; it is negative where output_padding adds zeros.
    """
    attrs = importer.attributes(node)
    x, flat = on_image(importer, node, x, "convolves")
    weights = _filter(importer, node, arguments[0], flat)
    groups = int(attrs.get("group", 1))
    stride, dilation = pair(attrs.get("strides", [1, 1])), pair(attrs.get("dilations", [1, 1]))
    full = [(x.shape[2 + k] - 1) * stride[k] + (weights.shape[2 + k] - 1) * dilation[k] + 1 for k in range(2)]
    top, bottom, left, right = _cut(attrs, x.shape[2:], full, stride, flat)
    spatial = (full[0] - top - bottom, full[1] - left - right)
    if min(spatial) < 1:
        raise Unsupported(f"has an output of {spatial[0]} x {spatial[1]}; reduce its padding")
    return _layer(
        importer,
        node,
        "transpose_conv2d",
        x,
        [weights, *arguments[1:]],
        flat,
        (x.shape[0], weights.shape[1] * groups, *spatial),
        stride=stride,
        dilation=dilation,
        padding=(top, bottom, left, right),
        groups=groups,
    )


def _cut(attrs: dict[str, Any], spatial: tuple[int, ...], full: list[int], stride: Pair, flat: bool) -> Sides:
    """What the attributes of ConvTranspose cut from the sides of an output of size `full`.

    `spatial` is the height and width of the input. As in onnxruntime, the last entries of output_shape count, and
    auto_pad adds nothing to an output that is too small.
    """
    auto = attrs.get("auto_pad", b"NOTSET").decode()
    added = [0, 0, *attrs.get("output_padding", [])][-2:]
    given = attrs.get("output_shape")
    if given is None and auto == "NOTSET":
        top, bottom, left, right = _sides(list(attrs.get("pads", [0, 0, 0, 0])))
        return top, bottom - added[0], left, right - added[1]
    if given is not None:
        wanted = [full[0], given[-1]] if flat else list(given[-2:])
    elif auto == "VALID":
        wanted = [length + more for length, more in zip(full, added, strict=True)]
    else:
        same = (length * s for length, s in zip(spatial, stride, strict=True))
        wanted = [min(length, whole + more) for length, whole, more in zip(same, full, added, strict=True)]
    sides: list[int] = []
    for length, more, target in zip(full, added, wanted, strict=True):
        total = max(length + more - target, 0)
        before = total // 2 if auto == "SAME_UPPER" else total - total // 2
        sides += [before, length - target - before]
    return sides[0], sides[1], sides[2], sides[3]


def _layer_node(emit: Any) -> Translator:
    def translate(importer: Importer, node: onnx.NodeProto) -> None:
        arguments = [importer.tensor(name) for name in node.input[1:] if name]
        y = emit(importer, node, importer.input(node), arguments)
        y.name = node.output[0]
        importer.values[y.name] = y

    return translate


CONVOLUTIONS: dict[str, Translator] = {"Conv": _layer_node(conv2d), "ConvTranspose": _layer_node(transpose_conv2d)}
