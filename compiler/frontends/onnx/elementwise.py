"""Translators of elementwise operators; several are written as the operators that they consist of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.onnx.importer import Importer, Translator
from qrt.compiler.frontends.onnx.movement import on_codes, real_number
from qrt.compiler.ir import Tensor

if TYPE_CHECKING:
    import onnx

# Exponents besides the first that a Pow may have.
MAX_EXPONENTS = 15


# One input


def _unary(kind: str, **defaults: Any) -> Translator:
    """One input; the node's attributes that `defaults` names are kept, with these values if it has none."""

    def translate(importer: Importer, node: onnx.NodeProto) -> None:
        x, attrs = importer.input(node), importer.attributes(node)
        importer.emit(kind, node, [x], x.shape, **{name: attrs.get(name, value) for name, value in defaults.items()})

    return translate


def clip(importer: Importer, node: onnx.NodeProto) -> None:
    attrs, x = importer.attributes(node), importer.input(node)
    bounds: dict[str, Any] = {name: attrs[name] for name in ("min", "max") if name in attrs}
    for index, name in ((1, "min"), (2, "max")):
        if importer.has(node, index):
            bounds[name] = importer.number(node, index, name)
    bounds = {name: real_number(x, bound) for name, bound in bounds.items()}
    on_codes(importer, node, lambda real, called: importer.emit("clip", node, [real], x.shape, called, **bounds))


def relu(importer: Importer, node: onnx.NodeProto) -> None:
    """Of codes, it is the larger of a code and the code 0, whatever number that is."""
    x = importer.input(node)
    if x.dtype != "float32":
        zero = real_number(x, 0)
        on_codes(importer, node, lambda real, name: importer.emit("clip", node, [real], x.shape, name, min=zero))
        return
    importer.emit("relu", node, [x], x.shape)


def gelu(importer: Importer, node: onnx.NodeProto) -> None:
    x = importer.input(node)
    approximate = importer.attributes(node).get("approximate", b"none").decode()
    importer.emit("gelu", node, [x], x.shape, approximate=approximate)


class _Formula:
    """Operators on the way to a node's result."""

    def __init__(self, importer: Importer, node: onnx.NodeProto) -> None:
        self.importer, self.node = importer, node
        self.count = 0

    def __call__(self, kind: str, *operands: Tensor | float, last: bool = False, **attrs: Any) -> Tensor:
        """`kind` of tensors and numbers; `last` gives the node's output."""
        self.count += 1
        name = f"{self.node.output[0]}_{self.count}_{kind}"
        tensors = [
            operand if isinstance(operand, Tensor) else self.importer.parameter(f"{name}_{k}", np.asarray(operand))
            for k, operand in enumerate(operands)
        ]
        shape = np.broadcast_shapes(*(tensor.shape for tensor in tensors))
        return self.importer.emit(kind, self.node, tensors, shape, None if last else name, **attrs)


def selu(importer: Importer, node: onnx.NodeProto) -> None:
    f, attrs = _Formula(importer, node), importer.attributes(node)
    alpha, gamma = attrs.get("alpha", 1.67326319217681884765625), attrs.get("gamma", 1.05070102214813232421875)
    f("mul", f("elu", importer.input(node), alpha=alpha), gamma, last=True)


def celu(importer: Importer, node: onnx.NodeProto) -> None:
    f, alpha = _Formula(importer, node), importer.attributes(node).get("alpha", 1.0)
    f("mul", f("elu", f("div", importer.input(node), alpha), alpha=1.0), alpha, last=True)


def mish(importer: Importer, node: onnx.NodeProto) -> None:
    f, x = _Formula(importer, node), importer.input(node)
    f("mul", x, f("tanh", f("softplus", x)), last=True)


def softsign(importer: Importer, node: onnx.NodeProto) -> None:
    f, x = _Formula(importer, node), importer.input(node)
    f("div", x, f("add", f("abs", x), 1.0), last=True)


def swish(importer: Importer, node: onnx.NodeProto) -> None:
    f, x, alpha = _Formula(importer, node), importer.input(node), importer.attributes(node).get("alpha", 1.0)
    f("mul", x, f("sigmoid", x if alpha == 1.0 else f("mul", x, alpha)), last=True)


# Several inputs


def _binary(kind: str) -> Translator:
    def translate(importer: Importer, node: onnx.NodeProto) -> None:
        a, b = importer.input(node, 0), importer.input(node, 1)
        importer.emit(kind, node, [a, b], np.broadcast_shapes(a.shape, b.shape))

    return translate


def pow_(importer: Importer, node: onnx.NodeProto) -> None:
    """Constant exponents are numbers; where they differ, each power is chosen by its places."""
    x, b = importer.input(node, 0), importer.input(node, 1)
    shape = np.broadcast_shapes(x.shape, b.shape)
    given = importer.known(b)
    if given is None:
        importer.emit("pow", node, [x, b], shape)
        return
    exponents = given.astype(np.float32)
    first, *others = np.unique(exponents)
    if len(others) > MAX_EXPONENTS:
        raise Unsupported(f"has {len(others) + 1} different exponents; at most {MAX_EXPONENTS + 1} are supported")
    f = _Formula(importer, node)
    if not others and shape == x.shape:
        f("pow", x, first, last=True)
        return
    y = f("pow", x, first)
    for k, exponent in enumerate(others or [first], 1):
        power = f("pow", x, exponent)
        name = None if k == len(others or [first]) else f"{node.output[0]}_of{k}"
        y = importer.emit("where", node, [power, y], shape, name, condition=exponents == exponent)


def _chained(kind: str) -> Translator:
    """Any number of inputs, two at a time."""

    def translate(importer: Importer, node: onnx.NodeProto) -> None:
        inputs = [importer.tensor(name) for name in node.input]
        y = inputs[0]
        for k, tensor in enumerate(inputs[1:], 2):
            shape = np.broadcast_shapes(y.shape, tensor.shape)
            y = importer.emit(kind, node, [y, tensor], shape, None if k == len(inputs) else f"{node.output[0]}_of{k}")
        if len(inputs) == 1:
            importer.values[node.output[0]] = y

    return translate


def sum_of_inputs(importer: Importer, node: onnx.NodeProto) -> None:
    """One rounding of the sum of two activations is exact; of more there is no such operator."""
    inputs = [importer.tensor(name) for name in node.input]
    if len(inputs) > 2:
        raise Unsupported(f"adds {len(inputs)} tensors; use Add, and quantize what it gives")
    _chained("add")(importer, node)


def mean_of_inputs(importer: Importer, node: onnx.NodeProto) -> None:
    if len(node.input) > 1:
        raise Unsupported(f"averages {len(node.input)} tensors; use Add and Div, and quantize what they give")
    importer.values[node.output[0]] = importer.input(node)


def p_relu(importer: Importer, node: onnx.NodeProto) -> None:
    x, slope = importer.input(node), importer.constant(node, 1, "slope")
    while slope.ndim > len(x.shape) and slope.shape[0] == 1:
        slope = slope[0]
    if slope.size > 1 and np.broadcast_shapes(x.shape, slope.shape) != x.shape:
        raise Unsupported(f"has slopes of shape {list(slope.shape)} for {list(x.shape)}")
    number = importer.parameter(f"{node.output[0]}_slope", slope)
    importer.emit("prelu", node, [x, number], x.shape)


def where(importer: Importer, node: onnx.NodeProto) -> None:
    condition = importer.known(importer.input(node, 0))
    if condition is None:
        raise Unsupported("its condition is not constant; only constant ones are supported")
    a, b = importer.input(node, 1), importer.input(node, 2)
    shape = np.broadcast_shapes(condition.shape, a.shape, b.shape)
    importer.emit("where", node, [a, b], shape, condition=condition.astype(bool))


ELEMENTWISE: dict[str, Translator] = {
    "Add": _binary("add"),
    "Sub": _binary("sub"),
    "Mul": _binary("mul"),
    "Div": _binary("div"),
    "Pow": pow_,
    "Sum": sum_of_inputs,
    "Mean": mean_of_inputs,
    "Max": _chained("maximum"),
    "Min": _chained("minimum"),
    "PRelu": p_relu,
    "Where": where,
    "Relu": relu,
    "Clip": clip,
    "Sigmoid": _unary("sigmoid"),
    "Tanh": _unary("tanh"),
    "HardSigmoid": _unary("hard_sigmoid", alpha=0.2, beta=0.5),
    "HardSwish": _unary("hard_swish"),
    "LeakyRelu": _unary("leaky_relu", alpha=0.01),
    "Elu": _unary("elu", alpha=1.0),
    "Selu": selu,
    "Celu": celu,
    "Gelu": gelu,
    "Mish": mish,
    "Swish": swish,
    "ThresholdedRelu": _unary("thresholded_relu", alpha=1.0),
    "Softsign": softsign,
    "Softplus": _unary("softplus"),
    "Erf": _unary("erf"),
    "Exp": _unary("exp"),
    "Log": _unary("log"),
    "Sqrt": _unary("sqrt"),
    "Neg": _unary("neg"),
    "Abs": _unary("abs"),
    "Reciprocal": _unary("reciprocal"),
    "Sign": _unary("sign"),
    "Floor": _unary("floor"),
    "Ceil": _unary("ceil"),
    "Round": _unary("round"),
}
