"""Which functions of .tflite give a table or a clamp: proven for every code, engine by engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from qrt.compiler.integers import functions
from qrt.compiler.integers.arithmetic import requantize
from qrt.compiler.integers.codes import per_tensor
from qrt.compiler.integers.gemmlowp import softmax_exponential
from qrt.compiler.ir import Tensor

# Scale and zero point of the output of functions for which the format allows no others.
FIXED = {"SOFTMAX": (1 / 256, -128), "LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}
ENGINES = ("tflm", "litert")
# Real bounds of fused activations, by their number in the schema.
ACTIVATIONS: dict[int, tuple[float | None, float | None]] = {
    0: (None, None),
    1: (0.0, None),
    2: (-1.0, 1.0),
    3: (0.0, 6.0),
}


@dataclass(frozen=True)
class Form:
    """A function that gives a table.

    Attributes
    ----------
    kind : str
        The operator.
    options : str or None
        The schema's name of its options.
    requantized : bool
        Whether a QUANTIZE from the scale that the format prescribes for `kind` to that of the table follows.
    differing : tuple of str
        The engines that give another table.
    """

    kind: str
    options: str | None = None
    requantized: bool = False
    differing: tuple[str, ...] = ()


def form_of(x: Tensor, y: Tensor, table: np.ndarray) -> Form | None:
    """The operator that gives `table` in at least one engine, or with a QUANTIZE behind it in all; None without one."""
    fixed = {"LOGISTIC": functions.logistic, "TANH": functions.tanh}
    direct: dict[Form, Callable[[str], np.ndarray]] = {
        Form(kind): partial(function, x, y)
        for kind, function in fixed.items()
        if (y.scale, y.zero_point) == FIXED[kind]
    }
    direct[Form("HARD_SWISH", "HardSwishOptions")] = partial(functions.hard_swish, x, y)
    for form, codes_of in direct.items():
        same = {engine for engine in (*ENGINES, "xnnpack") if np.array_equal(codes_of(engine), table)}
        if same:
            return replace(form, differing=tuple(engine for engine in ENGINES if engine not in same))
    for kind, function in fixed.items():
        scale, zero_point = FIXED[kind]
        between = replace(y, quantization=per_tensor(scale, zero_point))
        requant = functions.double(scale / y.scale)
        tables = [function(x, between, engine).astype(np.int64) - zero_point for engine in ENGINES]
        if all(np.array_equal(requantize(steps, requant, y.zero_point), table) for steps in tables):
            return Form(kind, requantized=True)
    return None


def beta_of(x_scale: float, exponential: np.ndarray) -> float | None:
    """The beta of SOFTMAX with this table of exponentials, in units of 2^-31; None without one."""

    def gives(beta: float) -> bool:
        entries = softmax_exponential(beta * x_scale)
        return list(exponential) == entries[: len(exponential)] and not any(entries[len(exponential) :])

    if gives(1.0):
        return 1.0
    # Where the exponential is near 1/2, its logarithm is known best.
    place = max(1, int(np.abs(exponential.astype(np.float64) - 2.0**30).argmin()))
    estimate = -np.log(float(max(exponential[place], 1)) / 2.0**31) / (x_scale * place)
    return next((beta for digits in range(1, 10) if gives(beta := float(np.float32(f"{estimate:.{digits}g}")))), None)


def activation_of(y: Tensor, low: int, high: int) -> int | None:
    """The number of the fused activation with these bounds in codes, rounded as the engines round; None without one."""

    def code(real: float | None, default: int) -> int:
        if real is None:
            return default
        scaled = np.float32(real) / np.float32(y.scale)
        rounded = np.floor(np.abs(scaled) + np.float32(0.5)) * np.sign(scaled)
        return int(np.clip(rounded + y.zero_point, -128, 127))

    found = ((number, code(least, -128), code(most, 127)) for number, (least, most) in ACTIVATIONS.items())
    return next((number for number, *bounds in found if bounds == [low, high]), None)
