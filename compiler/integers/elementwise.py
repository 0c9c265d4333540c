"""Float functions of one code: the operators that they consist of, and their lookup table of 256 codes.

Evaluated in float32, operator by operator, as an engine that runs the source in float does.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qrt.compiler.integers.singles import codes_of_function, dequantized, quantized
from qrt.compiler.ir import Op, Quantization, Tensor

Reals = NDArray[Any]
Function = Callable[..., Reals]

ONE = np.float32(1)


def _sigmoid(op: Op, x: Reals) -> Reals:
    result: Reals = ONE / (ONE + np.exp(-x))
    return result


def _erf(op: Op, x: Reals) -> Reals:
    result: Reals = np.array([math.erf(float(v)) for v in x.reshape(-1)], np.float32).reshape(x.shape)
    return result


def _gelu(op: Op, x: Reals) -> Reals:
    if op.attrs.get("approximate", "none") == "tanh":
        inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x * x * x)
        bell = np.tanh(inner)
    else:
        bell = _erf(op, x * np.float32(math.sqrt(0.5)))
    result: Reals = np.float32(0.5) * x * (ONE + bell)
    return result


def _six_steps(x: Reals) -> Reals:
    result: Reals = np.clip(x + np.float32(3), np.float32(0), np.float32(6))
    return result


def _hard_sigmoid(op: Op, x: Reals) -> Reals:
    if op.attrs.get("form") == "PYTORCH":
        return _six_steps(x) / np.float32(6)
    alpha, beta = np.float32(op.attrs.get("alpha", 0.2)), np.float32(op.attrs.get("beta", 0.5))
    result: Reals = np.clip(alpha * x + beta, np.float32(0), ONE)
    return result


def _hard_swish(op: Op, x: Reals) -> Reals:
    """HardSigmoid with alpha 1/6 and beta 0.5, times x; PyTorch divides by 6 at the end."""
    if op.attrs.get("form") == "PYTORCH":
        return x * _six_steps(x) / np.float32(6)
    result: Reals = x * np.clip(np.float32(1 / 6) * x + np.float32(0.5), np.float32(0), ONE)
    return result


def _clip(op: Op, x: Reals) -> Reals:
    low, high = op.attrs.get("min"), op.attrs.get("max")
    return np.clip(x, None if low is None else np.float32(low), None if high is None else np.float32(high))


def _elu(op: Op, x: Reals) -> Reals:
    """With PyTorch's other factors, by which SELU and CELU are one too."""
    scale, of_input = op.attrs.get("scale", 1.0), np.float32(op.attrs.get("input_scale", 1.0))
    below = np.float32(op.attrs.get("alpha", 1.0) * scale)
    return np.where(x < 0, below * np.expm1(x * of_input), np.float32(scale) * x)


def _softplus(op: Op, x: Reals) -> Reals:
    beta, linear = np.float32(op.attrs.get("beta", 1.0)), np.float32(op.attrs.get("threshold", 20.0))
    return np.where(x * beta > linear, x, np.log1p(np.exp(x * beta)) / beta)


def _leaky_relu(op: Op, x: Reals) -> Reals:
    return np.where(x < 0, np.float32(op.attrs.get("alpha", 0.01)) * x, x)


# All elementwise float operators.
ELEMENTWISE: dict[str, Function] = {
    "relu": lambda op, x: np.maximum(x, np.float32(0)),
    "clip": _clip,
    "sigmoid": _sigmoid,
    "tanh": lambda op, x: np.tanh(x),
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": _hard_swish,
    "silu": lambda op, x: x * _sigmoid(op, x),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "gelu": _gelu,
    "exp": lambda op, x: np.exp(x),
    "log": lambda op, x: np.log(x),
    "sqrt": lambda op, x: np.sqrt(x),
    "neg": lambda op, x: -x,
    "abs": lambda op, x: np.abs(x),
    "reciprocal": lambda op, x: ONE / x,
    "softplus": _softplus,
    "threshold": lambda op, x: np.where(x > np.float32(op.attrs["bound"]), x, np.float32(op.attrs["value"])),
    "hard_shrink": lambda op, x: np.where(np.abs(x) > np.float32(op.attrs["bound"]), x, np.float32(0)),
    "erf": _erf,
    "sign": lambda op, x: np.sign(x),
    "floor": lambda op, x: np.floor(x),
    "ceil": lambda op, x: np.ceil(x),
    "round": lambda op, x: np.rint(x),
    "thresholded_relu": lambda op, x: np.where(x > np.float32(op.attrs["alpha"]), x, np.float32(0)),
    "add": lambda op, a, b: a + b,
    "sub": lambda op, a, b: a - b,
    "mul": lambda op, a, b: a * b,
    "div": lambda op, a, b: a / b,
    "pow": lambda op, a, b: np.power(a, b),
}


# Forms of ATen's kernels on codes, where they differ.
ON_CODES: dict[str, Function] = {
    "elu": lambda op, x: np.where(x > 0, x, (np.exp(x) - ONE) * np.float32(op.attrs.get("alpha", 1.0))),
    "hard_swish": lambda op, x: x * np.clip(x + np.float32(3), np.float32(0), np.float32(6)) / np.float32(6),
}
# Functions whose last bits differ between math libraries, and the largest relative difference between them.
APPROXIMATED = frozenset({"sigmoid", "tanh", "silu", "elu", "gelu", "exp", "log", "softplus", "erf", "pow"})
APART = 2.0**-21


def _scalar(tensor: Tensor, producers: dict[Tensor, Op]) -> Reals | None:
    """The value of a scalar constant, dequantized if necessary."""
    op = producers.get(tensor)
    source = op.inputs[0] if op is not None and op.kind == "dequantize" else tensor
    if source.data is None or source.size != 1:
        return None
    return source.real().reshape(()).astype(np.float32)


def leaves(op: Op, producers: dict[Tensor, Op], is_leaf: Callable[[Tensor], bool]) -> set[Tensor] | None:
    """The input tensors, without constants, of a region of elementwise operators that ends in `op`.

    None if anything in the region is neither elementwise, nor a leaf, nor a scalar constant.
    """
    found: set[Tensor] = set()
    pending = list(op.inputs)
    while pending:
        tensor = pending.pop()
        if _scalar(tensor, producers) is not None:
            continue
        if is_leaf(tensor):
            found.add(tensor)
            continue
        producer = producers.get(tensor)
        if producer is None or producer.kind not in ELEMENTWISE:
            return None
        pending += producer.inputs
    return found


def table(
    op: Op, producers: dict[Tensor, Op], leaf: Tensor, codes: Tensor, quantization: Quantization, way: str
) -> tuple[np.ndarray, int]:
    """The region's output codes for the 256 codes of `leaf`, int8; and how many depend on a function's last bits.

    `way` is how the engine quantizes (`qrt.compiler.integers.singles`). PyTorch's kernels on codes, which have the
    attribute ``on_codes``, dequantize in another way than float operators between codes.
    """
    x = codes.quantization
    assert x is not None
    on_codes = way == "QUANTIZED" and op.attrs.get("on_codes", False)
    functions = ELEMENTWISE | (ON_CODES if on_codes else {})
    approximated = APPROXIMATED | ({"hard_swish"} if on_codes else set())

    def real(given: Reals, apart: float) -> Reals:
        """The region's results if those of approximated functions have the relative error `apart`."""
        values: dict[Tensor, Reals] = {leaf: given}

        def value(tensor: Tensor) -> Reals:
            if tensor not in values:
                scalar = _scalar(tensor, producers)
                values[tensor] = scalar if scalar is not None else evaluate(producers[tensor])
            return values[tensor]

        def evaluate(node: Op) -> Reals:
            arguments = [value(t) for t in node.inputs]
            with np.errstate(all="ignore"):
                result: Reals = functions[node.kind](node, *arguments).astype(np.float32)
                if node.kind in approximated:
                    is_exact = (result == arguments[0]) | (result == 0) | (np.abs(result) == 1)
                    result = np.where(is_exact, result, result * np.float32(1 + apart))
            return result

        return np.broadcast_to(evaluate(op), (256,))

    tables: list[np.ndarray] = []
    for apart in (0.0, -APART, APART):
        if on_codes:
            tables += codes_of_function(partial(real, apart=apart), x, quantization)
        else:
            tables.append(quantized(real(dequantized(np.arange(-128, 128), x), apart), quantization, way))
    near = np.any([one != tables[0] for one in tables[1:]], axis=0)
    return tables[0].astype(np.int8), int(near.sum())
