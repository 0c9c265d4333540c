"""Translators of standard ONNX operators, each ``(importer, node)``; `NODES` lists them by type."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.onnx.importer import Importer
from qrt.compiler.frontends.windows import ceil_out, out
from qrt.compiler.ir import Tensor

if TYPE_CHECKING:
    import onnx

Translator = Callable[[Importer, "onnx.NodeProto"], None]
Pair = tuple[int, int]
Sides = tuple[int, int, int, int]


def quantize_linear(importer: Importer, node: onnx.NodeProto) -> None:
    attrs = importer.attributes(node)
    dtype = "uint8" if not importer.has(node, 2) else importer.input(node, 2).dtype
    if dtype not in ("int8", "uint8"):
        raise Unsupported(f"quantizes to {dtype}; only int8 and uint8 are supported")
    quantization = importer.quantization(node, 1, 2, attrs.get("axis", 1))
    if quantization.per_channel:
        raise Unsupported("quantizes an activation per channel; quantize activations per tensor")
    importer.quantize(node, importer.input(node), quantization, dtype)


def dequantize_linear(importer: Importer, node: onnx.NodeProto) -> None:
    axis = importer.attributes(node).get("axis", 1)
    codes = importer.input(node)
    quantization = importer.quantization(node, 1, 2, axis % max(len(codes.shape), 1))
    importer.values[node.output[0]] = importer.dequantize(node, codes, quantization, node.output[0])


# Convolution and pools


def window(attrs: dict[str, Any], spatial: tuple[int, ...], size: Pair) -> tuple[Pair, Pair, Sides]:
    """stride, dilation and padding of a 2-D window; `spatial` is the input's height and width."""
    stride, dilation = _pair(attrs.get("strides", [1, 1])), _pair(attrs.get("dilations", [1, 1]))
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
    pads = [0, 0, 0, 0] if auto == "VALID" else list(attrs.get("pads", [0, 0, 0, 0]))
    if len(pads) == 2:
        pads = [0, pads[0], 0, pads[1]]
    if min(pads) < 0:
        raise Unsupported("has negative padding; slice before it instead")
    return stride, dilation, (pads[0], pads[2], pads[1], pads[3])


def _pair(values: list[int]) -> Pair:
    return (1, int(values[0])) if len(values) == 1 else (int(values[0]), int(values[1]))


def conv2d(importer: Importer, node: onnx.NodeProto, x: Tensor, arguments: list[Tensor]) -> Tensor:
    """A convolution of rank-3 or rank-4 `x` with float weights and bias `arguments`; the float output."""
    attrs = importer.attributes(node)
    weights = arguments[0]
    flat = len(x.shape) == 3
    if flat:
        x = importer.emit("reshape", node, [x], (*x.shape[:2], 1, x.shape[2]), f"{node.output[0]}_image")
        shape = (*weights.shape[:2], 1, weights.shape[2])
        weights = importer.emit("reshape", node, [weights], shape, f"{node.output[0]}_filter")
    if len(x.shape) != 4:
        raise Unsupported(f"convolves a rank-{len(x.shape)} tensor; only 1-D and 2-D convolutions are supported")
    size = (weights.shape[2], weights.shape[3])
    stride, dilation, padding = window(attrs, x.shape[2:], size)
    top, bottom, left, right = padding
    spatial = (
        out(x.shape[2], size[0], stride[0], dilation[0], top + bottom),
        out(x.shape[3], size[1], stride[1], dilation[1], left + right),
    )
    y = importer.emit(
        "conv2d",
        node,
        [x, weights, *arguments[1:]],
        (x.shape[0], weights.shape[0], *spatial),
        f"{node.output[0]}_conv" if flat else f"{node.output[0]}_real",
        layout="NCHW",
        stride=stride,
        dilation=dilation,
        padding=padding,
        groups=int(attrs.get("group", 1)),
    )
    if flat:
        y = importer.emit("reshape", node, [y], (y.shape[0], y.shape[1], y.shape[3]), f"{node.output[0]}_real")
    return y


def conv(importer: Importer, node: onnx.NodeProto) -> None:
    arguments = [importer.tensor(name) for name in node.input[1:] if name]
    y = conv2d(importer, node, importer.input(node), arguments)
    y.name = node.output[0]
    importer.values[y.name] = y


def pool2d(importer: Importer, node: onnx.NodeProto, x: Tensor, kind: str, name: str | None = None) -> Tensor:
    attrs = importer.attributes(node)
    flat = len(x.shape) == 3
    if flat:
        x = importer.emit("reshape", node, [x], (*x.shape[:2], 1, x.shape[2]), f"{node.output[0]}_image")
    size = _pair(attrs["kernel_shape"])
    stride, dilation, (top, bottom, left, right) = window(attrs, x.shape[2:], size)
    if dilation != (1, 1):
        raise Unsupported("has a dilated window, which is not supported for pooling")
    if len(node.output) > 1 and node.output[1]:
        raise Unsupported("outputs indices, which are not supported")
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
    extra = {"counted": counted} if kind == "average_pool2d" else {}
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


def max_pool(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    if x.dtype == "float32":
        pool2d(importer, node, x, "max_pool2d")
        return
    _on_codes(importer, node, lambda real: pool2d(importer, node, real, "max_pool2d", f"{node.output[0]}_real"))


def average_pool(importer: Importer, node: onnx.NodeProto) -> None:
    pool2d(importer, node, importer.input(node), "average_pool2d")


def global_average_pool(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    axes = tuple(range(2, len(x.shape)))
    importer.emit("mean", node, [x], (*x.shape[:2], *[1] * len(axes)), axes=axes, keepdims=True)


def global_max_pool(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    if len(x.shape) != 4:
        raise Unsupported(f"pools a rank-{len(x.shape)} tensor; only images are supported")
    importer.emit(
        "max_pool2d",
        node,
        [x],
        (*x.shape[:2], 1, 1),
        layout="NCHW",
        filter=(x.shape[2], x.shape[3]),
        stride=(1, 1),
        padding=(0, 0, 0, 0),
    )


def reduce_mean(importer: Importer, node: onnx.NodeProto) -> None:
    attrs, x = importer.attributes(node), importer.input(node)
    rank = len(x.shape)
    given = importer.constant(node, 1, "axes").tolist() if importer.has(node, 1) else attrs.get("axes", range(rank))
    axes = tuple(sorted(axis % rank for axis in given))
    keepdims = bool(attrs.get("keepdims", 1))
    kept = [1 if k in axes else n for k, n in enumerate(x.shape)]
    shape = kept if keepdims else [n for k, n in enumerate(x.shape) if k not in axes]
    importer.emit("mean", node, [x], tuple(shape), axes=axes, keepdims=keepdims)


# Matrix products


def linear(
    importer: Importer, node: onnx.NodeProto, arguments: list[Tensor], transposed: bool, name: str | None
) -> Tensor:
    """x @ w (+ bias) with w [in, out], or [out, in] if `transposed`."""
    x, weights = arguments[:2]
    if len(weights.shape) != 2:
        raise Unsupported(f"multiplies by a rank-{len(weights.shape)} tensor; only constant matrices are supported")
    if not transposed:
        shape = (weights.shape[1], weights.shape[0])
        turned = f"{node.output[0]}_weights"
        weights = importer.emit("transpose", node, [weights], shape, turned, permutation=(1, 0))
    if x.shape[-1] != weights.shape[1]:
        raise Unsupported(f"multiplies {list(x.shape)} by a matrix of {weights.shape[1]} rows")
    return importer.emit("linear", node, [x, weights, *arguments[2:]], (*x.shape[:-1], weights.shape[0]), name)


def gemm(importer: Importer, node: onnx.NodeProto) -> None:
    attrs = importer.attributes(node)
    if attrs.get("transA", 0) or attrs.get("alpha", 1.0) != 1.0 or attrs.get("beta", 1.0) != 1.0:
        raise Unsupported("has transA, alpha or beta, which are not supported for quantized layers")
    arguments = [importer.tensor(name) for name in node.input if name]
    linear(importer, node, arguments, bool(attrs.get("transB", 0)), None)


def mat_mul(importer: Importer, node: onnx.NodeProto) -> None:
    linear(importer, node, [importer.input(node, 0), importer.input(node, 1)], False, None)


# Elementwise


def _elementwise(kind: str, *names: str) -> Translator:
    """One input; the node's attributes `names` are kept."""

    def translate(importer: Importer, node: onnx.NodeProto) -> None:
        x, attrs = importer.input(node), importer.attributes(node)
        kept = {name: attrs[name] for name in names if name in attrs}
        importer.emit(kind, node, [x], x.shape, **kept)

    return translate


def _binary(kind: str) -> Translator:
    def translate(importer: Importer, node: onnx.NodeProto) -> None:
        a, b = importer.input(node, 0), importer.input(node, 1)
        importer.emit(kind, node, [a, b], np.broadcast_shapes(a.shape, b.shape))

    return translate


def clip(importer: Importer, node: onnx.NodeProto) -> None:
    attrs, x = importer.attributes(node), importer.input(node)
    bounds: dict[str, Any] = {name: attrs[name] for name in ("min", "max") if name in attrs}
    for index, name in ((1, "min"), (2, "max")):
        if importer.has(node, index):
            bounds[name] = float(importer.constant(node, index, name).reshape(()))
    importer.emit("clip", node, [x], x.shape, **bounds)


def hard_sigmoid(importer: Importer, node: onnx.NodeProto) -> None:
    attrs, x = importer.attributes(node), importer.input(node)
    importer.emit("hard_sigmoid", node, [x], x.shape, alpha=attrs.get("alpha", 0.2), beta=attrs.get("beta", 0.5))


def gelu(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    approximate = importer.attributes(node).get("approximate", b"none").decode()
    importer.emit("gelu", node, [x], x.shape, approximate=approximate)


def softmax(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    axis = importer.attributes(node).get("axis", -1 if importer.opset >= 13 else 1) % len(x.shape)
    if importer.opset < 13 and math.prod(x.shape[axis + 1 :]) != 1:
        raise Unsupported("spans several axes (operator set below 13); export with operator set 13 or later")
    importer.emit("softmax", node, [x], x.shape, axis=axis)


def batch_norm(importer: Importer, node: onnx.NodeProto) -> None:
    attrs = importer.attributes(node)
    inputs = [importer.input(node, k) for k in range(5)]
    epsilon = float(attrs.get("epsilon", 1e-5))
    importer.emit("batch_norm", node, inputs, inputs[0].shape, epsilon=epsilon, layout="NCHW")


# Data movement


def _on_codes(importer: Importer, node: onnx.NodeProto, move: Callable[[Tensor], Tensor]) -> None:
    """Data movement of codes, as source graphs have it: dequantize, move, quantize with the same parameters."""
    codes = importer.input(node)
    if codes.quantization is None:
        raise Unsupported(f"moves codes {codes.name!r}, whose scale is unknown")
    real = importer.dequantize(node, codes, codes.quantization, f"{node.output[0]}_of")
    importer.quantize(node, move(real), codes.quantization, codes.dtype)


def move(importer: Importer, node: onnx.NodeProto, kind: str, shape: tuple[int, ...], **attrs: Any) -> None:
    """Data movement of the first input, floats or codes."""
    x = importer.input(node)
    if x.dtype == "float32":
        importer.emit(kind, node, [x], shape, **attrs)
        return
    _on_codes(importer, node, lambda real: importer.emit(kind, node, [real], shape, f"{node.output[0]}_real", **attrs))


def reshape(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    target = [int(n) for n in importer.constant(node, 1, "target shape").reshape(-1)]
    if not importer.attributes(node).get("allowzero", 0):
        target = [x.shape[k] if n == 0 else n for k, n in enumerate(target)]
    if -1 in target:
        known = math.prod(n for n in target if n != -1)
        target[target.index(-1)] = x.size // known
    if math.prod(target) != x.size:
        raise Unsupported(f"reshapes {list(x.shape)} to {target}; if the batch is fixed, export with batch 1")
    move(importer, node, "reshape", tuple(target))


def flatten(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    axis = importer.attributes(node).get("axis", 1) % (len(x.shape) + 1)
    move(importer, node, "reshape", (math.prod(x.shape[:axis]), math.prod(x.shape[axis:])))


def _axes(importer: Importer, node: onnx.NodeProto) -> list[int] | None:
    if importer.has(node, 1):
        return [int(axis) for axis in importer.constant(node, 1, "axes").reshape(-1)]
    given: list[int] | None = importer.attributes(node).get("axes")
    return given


def squeeze(importer: Importer, node: onnx.NodeProto) -> None:
    x, axes = importer.input(node), _axes(importer, node)
    dropped = [k for k, n in enumerate(x.shape) if n == 1] if axes is None else [a % len(x.shape) for a in axes]
    move(importer, node, "reshape", tuple(n for k, n in enumerate(x.shape) if k not in dropped))


def unsqueeze(importer: Importer, node: onnx.NodeProto) -> None:
    x, axes = importer.input(node), _axes(importer, node) or []
    rank = len(x.shape) + len(axes)
    added = {axis % rank for axis in axes}
    rest = iter(x.shape)
    move(importer, node, "reshape", tuple(1 if k in added else next(rest) for k in range(rank)))


def transpose(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    permutation = tuple(importer.attributes(node).get("perm", range(len(x.shape))[::-1]))
    move(importer, node, "transpose", tuple(x.shape[k] for k in permutation), permutation=permutation)


def pad(importer: Importer, node: onnx.NodeProto) -> None:
    attrs, x = importer.attributes(node), importer.input(node)
    if attrs.get("mode", b"constant") != b"constant":
        raise Unsupported(f"has padding mode {attrs['mode'].decode()}; only constant padding is supported")
    rank = len(x.shape)
    pads = [int(n) for n in (importer.constant(node, 1, "pads") if importer.has(node, 1) else attrs["pads"])]
    value = float(importer.constant(node, 2, "value").reshape(())) if importer.has(node, 2) else attrs.get("value", 0.0)
    before, after = [0] * rank, [0] * rank
    axes = [int(a) % rank for a in importer.constant(node, 3, "axes")] if importer.has(node, 3) else range(rank)
    for k, axis in enumerate(axes):
        before[axis], after[axis] = pads[k], pads[len(pads) // 2 + k]
    if min(before + after) < 0:
        raise Unsupported("has negative padding; slice instead")
    shape = tuple(b + n + a for b, n, a in zip(before, x.shape, after, strict=True))
    move(importer, node, "pad", shape, before=tuple(before), after=tuple(after), value=value)


def concat(importer: Importer, node: onnx.NodeProto) -> None:
    inputs = [importer.tensor(name) for name in node.input]
    axis = importer.attributes(node)["axis"] % len(inputs[0].shape)
    shape = list(inputs[0].shape)
    shape[axis] = sum(tensor.shape[axis] for tensor in inputs)
    importer.emit("concat", node, inputs, tuple(shape), axis=axis)


def identity(importer: Importer, node: onnx.NodeProto) -> None:
    importer.values[node.output[0]] = importer.input(node)


NODES: dict[str, Translator] = {
    "QuantizeLinear": quantize_linear,
    "DequantizeLinear": dequantize_linear,
    "Conv": conv,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
    "ReduceMean": reduce_mean,
    "Gemm": gemm,
    "MatMul": mat_mul,
    "Add": _binary("add"),
    "Sub": _binary("sub"),
    "Mul": _binary("mul"),
    "Div": _binary("div"),
    "Pow": _binary("pow"),
    "Relu": _elementwise("relu"),
    "Clip": clip,
    "Sigmoid": _elementwise("sigmoid"),
    "Tanh": _elementwise("tanh"),
    "HardSigmoid": hard_sigmoid,
    "HardSwish": _elementwise("hard_swish"),
    "LeakyRelu": _elementwise("leaky_relu", "alpha"),
    "Elu": _elementwise("elu", "alpha"),
    "Gelu": gelu,
    "Erf": _elementwise("erf"),
    "Exp": _elementwise("exp"),
    "Log": _elementwise("log"),
    "Sqrt": _elementwise("sqrt"),
    "Neg": _elementwise("neg"),
    "Abs": _elementwise("abs"),
    "Reciprocal": _elementwise("reciprocal"),
    "Softplus": _elementwise("softplus"),
    "Softmax": softmax,
    "BatchNormalization": batch_norm,
    "Reshape": reshape,
    "Flatten": flatten,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "Pad": pad,
    "Concat": concat,
    "Identity": identity,
    "Dropout": identity,
}
