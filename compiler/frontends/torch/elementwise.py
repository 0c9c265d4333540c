"""Translators of PyTorch's elementwise operators, for `qrt.compiler.frontends.torch.nodes.ATEN`.

A function of one tensor may become several operators: what lies between quantize and dequantize becomes one table.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from qrt.compiler.frontends.importer import Unsupported
from qrt.compiler.frontends.torch.importer import Importer, constant_array
from qrt.compiler.ir import Tensor

Translator = Callable[..., Any]
# SELU's constants, as PyTorch has them.
SELU = (1.6732632423543772848170429916717, 1.0507009873554804934193349852946)


def unary(kind: str) -> Translator:
    return lambda n, input, **rest: n.emit(kind, [input], input.shape)


def binary(kind: str) -> Translator:
    def translate(n: Importer, input: Any, other: Any, alpha: float = 1, **rest: Any) -> Tensor:
        if rest.get("rounding_mode") is not None:
            raise Unsupported("has a rounding mode, which is not supported")
        a, b = n.value(input), n.value(other)
        if alpha != 1:
            b = n.emit("mul", [b, n.value(alpha)], b.shape, f"{n.node.name}_alpha")
        return n.emit(kind, [a, b], np.broadcast_shapes(a.shape, b.shape))

    return translate


def rsub(n: Importer, input: Any, other: Any, alpha: float = 1) -> Tensor:
    result: Tensor = binary("sub")(n, other, input, alpha)
    return result


def power(n: Importer, input: Any, exponent: Any) -> Tensor:
    """PyTorch multiplies for 2 and 3, and takes the square root for a half."""
    if exponent == 0.5:
        return n.emit("sqrt", [input], input.shape)
    if exponent in (2, 3):
        square = n.emit("mul", [input, input], input.shape, "" if exponent == 2 else f"{n.node.name}_square")
        return square if exponent == 2 else n.emit("mul", [square, input], input.shape)
    a, b = n.value(input), n.value(exponent)
    return n.emit("pow", [a, b], np.broadcast_shapes(a.shape, b.shape))


def square(n: Importer, input: Tensor) -> Tensor:
    return power(n, input, 2)


def rsqrt(n: Importer, input: Tensor) -> Tensor:
    return n.emit("reciprocal", [n.emit("sqrt", [input], input.shape, f"{n.node.name}_root")], input.shape)


def larger(kind: str) -> Translator:
    """torch.maximum and torch.minimum of two tensors, or of one and a constant number."""
    bound = "min" if kind == "maximum" else "max"

    def translate(n: Importer, input: Any, other: Any) -> Tensor:
        a, b = n.value(input), n.value(other)
        x, number = (b, a) if a.is_constant else (a, b)
        if number.data is not None and number.size == 1 and len(number.shape) <= len(x.shape):
            attrs: dict[str, Any] = {bound: float(number.data.reshape(()))}
            return n.emit("clip", [x], x.shape, **attrs)
        return n.emit(kind, [a, b], np.broadcast_shapes(a.shape, b.shape))

    return translate


def clamp(n: Importer, input: Tensor, min: float | None = None, max: float | None = None) -> Tensor:
    bounds: dict[str, Any] = {
        name: float(constant_array(bound, "bound")) for name, bound in (("min", min), ("max", max)) if bound is not None
    }
    return n.emit("clip", [input], input.shape, **bounds)


def hardtanh(n: Importer, input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    return clamp(n, input, min_val, max_val)


def relu6(n: Importer, input: Tensor, inplace: bool = False) -> Tensor:
    return clamp(n, input, 0.0, 6.0)


def hardsigmoid(n: Importer, input: Tensor, inplace: bool = False) -> Tensor:
    return n.emit("hard_sigmoid", [input], input.shape, alpha=1 / 6, beta=0.5, form="PYTORCH")


def hardswish(n: Importer, input: Tensor, inplace: bool = False) -> Tensor:
    return n.emit("hard_swish", [input], input.shape, form="PYTORCH")


def leaky_relu(n: Importer, input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    return n.emit("leaky_relu", [input], input.shape, alpha=float(negative_slope))


def rrelu(
    n: Importer,
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    *rest: Any,
    **more: Any,
) -> Tensor:
    if training:
        raise Unsupported("draws random slopes; call eval() before converting")
    return leaky_relu(n, input, (lower + upper) / 2)


def elu(
    n: Importer,
    input: Tensor,
    alpha: float = 1.0,
    scale: float = 1.0,
    input_scale: float = 1.0,
    inplace: bool = False,
    **rest: Any,
) -> Tensor:
    attrs = {"alpha": float(alpha), "scale": float(scale), "input_scale": float(input_scale)}
    used: dict[str, Any] = {name: value for name, value in attrs.items() if name == "alpha" or value != 1}
    return n.emit("elu", [input], input.shape, **used)


def selu(n: Importer, input: Tensor, inplace: bool = False) -> Tensor:
    return elu(n, input, *SELU)


def celu(n: Importer, input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    return elu(n, input, alpha, 1.0, 1.0 / alpha)


def gelu(n: Importer, input: Tensor, approximate: str = "none") -> Tensor:
    return n.emit("gelu", [input], input.shape, approximate=approximate)


def softplus(n: Importer, input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    return n.emit("softplus", [input], input.shape, beta=float(beta), threshold=float(threshold))


def mish(n: Importer, input: Tensor, inplace: bool = False) -> Tensor:
    name, shape = n.node.name, input.shape
    inner = n.emit("tanh", [n.emit("softplus", [input], shape, f"{name}_softplus")], shape, f"{name}_tanh")
    return n.emit("mul", [input, inner], shape)


def softsign(n: Importer, input: Tensor) -> Tensor:
    name, shape = n.node.name, input.shape
    size = n.emit("abs", [input], shape, f"{name}_abs")
    return n.emit("div", [input, n.emit("add", [size, n.value(1.0)], shape, f"{name}_sum")], shape)


def tanhshrink(n: Importer, input: Tensor) -> Tensor:
    return n.emit("sub", [input, n.emit("tanh", [input], input.shape, f"{n.node.name}_tanh")], input.shape)


def log_sigmoid(n: Importer, input: Tensor) -> Tensor:
    name, shape = n.node.name, input.shape
    inner = n.emit("softplus", [n.emit("neg", [input], shape, f"{name}_neg")], shape, f"{name}_softplus")
    return n.emit("neg", [inner], shape)


def hardshrink(n: Importer, input: Tensor, lambd: float = 0.5) -> Tensor:
    return n.emit("hard_shrink", [input], input.shape, bound=float(lambd))


def softshrink(n: Importer, input: Tensor, lambd: float = 0.5) -> Tensor:
    inner = n.emit("clip", [input], input.shape, f"{n.node.name}_clip", min=-float(lambd), max=float(lambd))
    return n.emit("sub", [input, inner], input.shape)


def threshold(n: Importer, input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    return n.emit("threshold", [input], input.shape, bound=float(threshold), value=float(value))


def prelu(n: Importer, input: Tensor, weight: Tensor) -> Tensor:
    """One slope makes it a function; one for each channel, which is axis 1, does not."""
    slope = n.constant_value(weight, "slope").astype(np.float32)
    if slope.size == 1:
        return leaky_relu(n, input, float(slope.reshape(())))
    shape = [-1 if axis == 1 else 1 for axis in range(len(input.shape))]
    return n.emit("prelu", [input, n.constant(slope.reshape(shape), f"{n.node.name}_slope")], input.shape)


def glu(n: Importer, input: Tensor, dim: int = -1) -> Tensor:
    raise Unsupported(
        "multiplies by a sigmoid that is not quantized; write x[:, :c] * torch.sigmoid(x[:, c:]), or quantize with "
        "PT2E and QrtQuantizer"
    )


def where(n: Importer, condition: Any, input: Any, other: Any) -> Tensor:
    mask = constant_array(condition, "condition").astype(bool)
    a, b = n.value(input), n.value(other)
    return n.emit("where", [a, b], np.broadcast_shapes(mask.shape, a.shape, b.shape), condition=mask)


def masked_fill(n: Importer, input: Tensor, mask: Any, value: Any) -> Tensor:
    filled = n.value(constant_array(value, "value").astype(np.float32))
    return where(n, mask, filled, input)


ELEMENTWISE: dict[str, Translator] = {
    "add": binary("add"),
    "sub": binary("sub"),
    "rsub": rsub,
    "mul": binary("mul"),
    "div": binary("div"),
    "pow": power,
    "square": square,
    "maximum": larger("maximum"),
    "minimum": larger("minimum"),
    "where": where,
    "masked_fill": masked_fill,
    "relu": unary("relu"),
    "relu6": relu6,
    "hardtanh": hardtanh,
    "clamp": clamp,
    "clip": clamp,
    "clamp_min": lambda n, input, min: clamp(n, input, min),
    "clamp_max": lambda n, input, max: clamp(n, input, None, max),
    "sigmoid": unary("sigmoid"),
    "tanh": unary("tanh"),
    "hardsigmoid": hardsigmoid,
    "hardswish": hardswish,
    "silu": unary("silu"),
    "leaky_relu": leaky_relu,
    "rrelu": rrelu,
    "elu": elu,
    "selu": selu,
    "celu": celu,
    "gelu": gelu,
    "mish": mish,
    "softsign": softsign,
    "tanhshrink": tanhshrink,
    "log_sigmoid": log_sigmoid,
    "logsigmoid": log_sigmoid,
    "hardshrink": hardshrink,
    "softshrink": softshrink,
    "threshold": threshold,
    "_threshold": threshold,
    "prelu": prelu,
    "_prelu_kernel": prelu,
    "glu": glu,
    "exp": unary("exp"),
    "log": unary("log"),
    "sqrt": unary("sqrt"),
    "rsqrt": rsqrt,
    "neg": unary("neg"),
    "abs": unary("abs"),
    "reciprocal": unary("reciprocal"),
    "softplus": softplus,
    "erf": unary("erf"),
}
