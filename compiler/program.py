"""One layer of a .qfb file as a standalone Python program: numpy integers only, the same codes as the kernels."""

from __future__ import annotations

import base64
import textwrap
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np

from qrt.compiler.arithmetic import add_addend, implied_addend
from qrt.compiler.errors import CompileError, Problem
from qrt.compiler.ir import Op, Tensor

HEAD = '''"""{kind} {name}, from {file}: {dtypes} in, {dtype} out, integers in between.

    python program.py {arguments} y.npy
"""

import sys

import numpy as np
'''
UNPACKED = """

def unpacked(text, dtype, shape):
    return np.frombuffer(zlib.decompress(base64.b85decode("".join(text.split()))), dtype).reshape(shape)
"""
TAIL = """

if __name__ == "__main__":
    if len(sys.argv) != {count}:
        sys.exit("usage: python program.py {arguments} y.npy")
    codes = [np.load(path, allow_pickle=False) for path in sys.argv[1:-1]]
    for given, name, shape, dtype in zip(codes, {names!r}, {shapes!r}, {dtypes!r}):
        if given.dtype != dtype or given.shape[1:] != shape[1:]:
            sys.exit(f"{{name}} is {{dtype}} of shape {{shape}}, got {{given.dtype}} {{given.shape}}")
    np.save(sys.argv[-1], layer(*codes))
"""
SINGLE = """
def requantized(acc):
    # One rounding, half up: adding 2^(shift-1) in front of the shift, which `addend` holds.
    y = (acc * multiplier + addend) >> shift
    return np.clip(y, output_min, output_max).astype(np.int8)
"""
DOUBLE = """
def requantized(acc):
    # Two roundings, as gemmlowp: the high half of a doubled product, then a shift, ties away from zero.
    left, right = np.maximum(31 - shift, 0), np.maximum(shift - 31, 0)
    high = (((acc + bias) << left) * multiplier + (1 << 30)) >> 31
    y = (high + ((1 << right) >> 1) - ((high < 0) & (right > 0))) >> right
    return np.clip(y + y_zero_point, output_min, output_max).astype(np.int8)
"""
ACCUMULATORS = """
def requantized(acc):
    return (acc + bias).astype(np.int32)
"""
REQUANTIZE_SUM = """
def layer(a, b):
    # What a layer and what codes stand for, summed and rounded once.
    y = (a.astype(np.int64) * multiplier + b.astype(np.int64) * b_multiplier + addend) >> shift
    return np.clip(y, output_min, output_max).astype(np.int8)
"""
PATCHES = """
def patches(x, fill):
    # Every place of the window: [filter_height, filter_width, N, out_height, out_width, C].
    top, bottom, left, right = padding
    x = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
    (high, wide), (step_y, step_x), (far_y, far_x) = window, stride, dilation
    out_y = (x.shape[1] - (high - 1) * far_y - 1) // step_y + 1
    out_x = (x.shape[2] - (wide - 1) * far_x - 1) // step_x + 1
    rows = [
        [x[:, i * far_y :: step_y, j * far_x :: step_x][:, :out_y, :out_x] for j in range(wide)] for i in range(high)
    ]
    return np.array(rows)
"""
CONV2D = """
def layer(x):
    taken = patches(x.astype(np.int64) - x_zero_point, 0)
    size, count = weights.shape[3], weights.shape[0] // groups
    parts = []
    for g in range(groups):
        w = weights[g * count : (g + 1) * count].astype(np.int64)
        parts.append(np.einsum("hwnyxi,ohwi->nyxo", taken[..., g * size : (g + 1) * size], w))
    return requantized(np.concatenate(parts, axis=-1))
"""
DWCONV2D = """
def layer(x):
    taken = patches(x.astype(np.int64) - x_zero_point, 0)
    taken = np.repeat(taken, weights.shape[3] // x.shape[3], axis=-1)
    return requantized(np.einsum("hwnyxc,hwc->nyxc", taken, weights[0].astype(np.int64)))
"""
LINEAR = """
def layer(x):
    return requantized((x.astype(np.int64) - x_zero_point) @ weights.astype(np.int64).T)
"""
MUL = """
def layer(a, b):
    return requantized((a.astype(np.int64) - a_zero_point) * (b.astype(np.int64) - b_zero_point))
"""
MEAN = """
def layer(x):
    return requantized((x.astype(np.int64) - x_zero_point).sum(axis=(1, 2), keepdims=True))
"""
REQUANTIZE = """
def layer(x):
    return requantized(x.astype(np.int64) - x_zero_point)
"""
ADD = """
def layer(a, b):
    # The exact sum of the reals, rounded once.
    y = (a.astype(np.int64) * a_multiplier + b.astype(np.int64) * b_multiplier + addend) >> shift
    return np.clip(y, output_min, output_max).astype(np.int8)
"""
ADD_TFLITE = """
def scale_down(v, multiplier, shift):
    high, right = (v * multiplier + (1 << 30)) >> 31, shift - 31
    return (high + ((1 << right) >> 1) - ((high < 0) & (right > 0))) >> right


def layer(a, b):
    a = scale_down((a.astype(np.int64) - a_zero_point) << 20, a_multiplier, a_shift)
    b = scale_down((b.astype(np.int64) - b_zero_point) << 20, b_multiplier, b_shift)
    y = scale_down(a + sign * b, y_multiplier, y_shift) + y_zero_point
    return np.clip(y, output_min, output_max).astype(np.int8)
"""
MAX_POOL2D = """
def layer(x):
    y = patches(x.astype(np.int64), -128).max(axis=(0, 1))
    return np.clip(y, output_min, output_max).astype(np.int8)
"""
AVERAGE_POOL2D = """
def layer(x):
    base = x_zero_point if rounding == "HALF_EVEN" else 0
    s = patches(x.astype(np.int64) - base, 0).sum(axis=(0, 1))
    n = patches(np.ones(x.shape, np.int64), 0).sum(axis=(0, 1))  # what is not padding
    if rounding == "HALF_AWAY":
        y = np.sign(s) * ((2 * np.abs(s) + n) // (2 * n))
    else:
        y, rest = s // n, s % n
        y += (2 * rest > n) | ((2 * rest == n) & (y % 2 == 1))
    return np.clip(y + base, output_min, output_max).astype(np.int8)
"""
CLAMP = """
def layer(x):
    return np.clip(x, output_min, output_max).astype(np.int8)
"""
LUT = """
def layer(x):
    return table[x.astype(np.int64) + 128]
"""


def _window(op: Op) -> dict[str, Any]:
    size = op.attrs["filter"] if "filter" in op.attrs else tuple(op.inputs[1].shape[1:3])
    return {
        "window": tuple(size),
        "stride": op.attrs["stride"],
        "dilation": op.attrs["dilation"],
        "padding": op.attrs["padding"],
    }


def _limits(op: Op) -> dict[str, Any]:
    return {key: int(op.attrs[key]) for key in ("output_min", "output_max")}


def _requant(op: Op) -> dict[str, Any]:
    """Multiplier, shift and what is added, one entry for each channel or for all."""
    requant = op.attrs["requant"]
    numbers: dict[str, Any] = {
        "output_min": requant.output_min,
        "output_max": requant.output_max,
        "multiplier": requant.multiplier.astype(np.int64),
        "shift": requant.shift.astype(np.int64),
    }
    bias = np.zeros(1, np.int64) if requant.bias is None else requant.bias.astype(np.int64)
    if op.output.dtype == "int32":
        return {"bias": bias}
    if requant.rounding == "DOUBLE":
        return numbers | {"bias": bias, "y_zero_point": op.output.zero_point}
    implied = implied_addend(numbers["multiplier"], numbers["shift"], bias, op.output.zero_point)
    return numbers | {"addend": implied if requant.addend is None else requant.addend}


def _weighted(op: Op) -> dict[str, Any]:
    window = {} if op.kind == "linear" else _window(op)
    groups = {"groups": int(op.attrs["groups"])} if op.kind == "conv2d" else {}
    return {"x_zero_point": op.inputs[0].zero_point, **window, **groups, "weights": op.inputs[1].data, **_requant(op)}


def _add(op: Op) -> dict[str, Any]:
    a, b, attrs = op.inputs[0], op.inputs[1], op.attrs
    sign = -1 if attrs["subtract"] else 1
    if attrs["form"] == "TFLITE":
        keys = [f"{name}_{part}" for name in "aby" for part in ("multiplier", "shift")]
        zeros = {"a_zero_point": a.zero_point, "b_zero_point": b.zero_point, "y_zero_point": op.output.zero_point}
        return {key: int(attrs[key]) for key in keys} | zeros | {"sign": sign} | _limits(op)
    numbers = {"a_multiplier": int(attrs["a_multiplier"]), "b_multiplier": sign * int(attrs["b_multiplier"])}
    return numbers | {"shift": int(attrs["shift"]), "addend": add_addend(op)} | _limits(op)


def _one(op: Op) -> dict[str, Any]:
    return {"x_zero_point": op.inputs[0].zero_point, **_requant(op)}


def _two(op: Op) -> dict[str, Any]:
    return {"a_zero_point": op.inputs[0].zero_point, "b_zero_point": op.inputs[1].zero_point, **_requant(op)}


def _sum(op: Op) -> dict[str, Any]:
    requant = op.attrs["requant"]
    arrays = {"multiplier": requant.multiplier, "shift": requant.shift, "addend": requant.addend}
    arrays["b_multiplier"] = op.attrs["b_multiplier"]
    limits = {"output_min": requant.output_min, "output_max": requant.output_max}
    return {name: array.astype(np.int64) for name, array in arrays.items()} | limits


def _pool(op: Op) -> dict[str, Any]:
    rounding = {"rounding": op.attrs["rounding"], "x_zero_point": op.inputs[0].zero_point}
    return _window(op) | _limits(op) | (rounding if op.kind == "average_pool2d" else {})


# For each kind: its numbers, and the functions that compute it.
KINDS: dict[str, tuple[Callable[[Op], dict[str, Any]], list[str]]] = {
    "conv2d": (_weighted, [PATCHES, CONV2D]),
    "dwconv2d": (_weighted, [PATCHES, DWCONV2D]),
    "linear": (_weighted, [LINEAR]),
    "mul": (_two, [MUL]),
    "mean": (_one, [MEAN]),
    "requantize": (_one, [REQUANTIZE]),
    "add": (_add, [ADD]),
    "requantize_sum": (_sum, [REQUANTIZE_SUM]),
    "max_pool2d": (_pool, [PATCHES, MAX_POOL2D]),
    "average_pool2d": (_pool, [PATCHES, AVERAGE_POOL2D]),
    "clamp": (_limits, [CLAMP]),
    "lut": (lambda op: {"table": op.attrs["table"]}, [LUT]),
}


def program(op: Op, file: str) -> str:
    """The text of a Python program that computes one operator of a lowered graph.

    Parameters
    ----------
    op : Op
    file : str
        What the program says it is from.

    Raises
    ------
    CompileError
        The operator only moves codes, or has no program.
    """
    if op.kind not in KINDS:
        reason = f"has no program; these have: {', '.join(KINDS)}"
        raise CompileError([Problem(op.name, op.kind, reason)])
    numbers_of, functions = KINDS[op.kind]
    if op.kind == "add" and op.attrs["form"] == "TFLITE":
        functions = [ADD_TFLITE]
    requant = op.attrs.get("requant")
    if op.output.dtype == "int32":
        functions = [ACCUMULATORS, *functions]
    elif requant is not None and op.kind != "requantize_sum":
        functions = [SINGLE if requant.rounding == "SINGLE" else DOUBLE, *functions]
    inputs = op.inputs[:1] if op.kind in ("conv2d", "dwconv2d", "linear") else op.inputs
    names = ["x"] if len(inputs) == 1 else ["a", "b"]
    given = [(name, tensor) for name, tensor in zip(names, inputs, strict=True) if tensor.data is None]
    numbers = numbers_of(op)
    if len(given) < len(inputs):
        functions = [*functions, _with_constants(names, inputs)]
        numbers |= {f"{n}_codes": t.data for n, t in zip(names, inputs, strict=True) if t.data is not None}
    arguments = " ".join(f"{name}.npy" for name, _ in given)
    dtypes = [tensor.dtype for _, tensor in given]
    text = HEAD.format(
        kind=op.kind,
        name=_quoted(op.name),
        file=_quoted(file),
        arguments=arguments,
        dtypes=" and ".join(dict.fromkeys(dtypes)),
        dtype=op.output.dtype,
    )
    assignments = "".join(_assignment(name, value) for name, value in numbers.items())
    if "unpacked(" in assignments:
        text = text.replace("import sys\n", "import base64\nimport sys\nimport zlib\n", 1) + UNPACKED + "\n"
    text += "\n" + assignments
    text += "".join(f"\n{function}" for function in functions)
    called = [name for name, _ in given]
    shapes = [tensor.shape for _, tensor in given]
    return text + TAIL.format(count=len(given) + 2, arguments=arguments, names=called, shapes=shapes, dtypes=dtypes)


def _with_constants(names: list[str], inputs: list[Tensor]) -> str:
    """A layer of the operands that are no constants."""
    free = [name for name, tensor in zip(names, inputs, strict=True) if tensor.data is None]
    passed = [name if tensor.data is None else f"{name}_codes" for name, tensor in zip(names, inputs, strict=True)]
    return f"\noperator = layer\n\n\ndef layer({', '.join(free)}):\n    return operator({', '.join(passed)})\n"


def _quoted(text: str) -> str:
    """Text from a file, fit for a docstring."""
    return text.encode("unicode_escape").decode().replace('"', "'")


def _assignment(name: str, value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return f"{name} = {value!r}\n"
    if value.size <= 16:
        return f"{name} = np.array({value.tolist()}, np.{value.dtype})\n"
    packed = base64.b85encode(zlib.compress(np.ascontiguousarray(value).tobytes(), 9)).decode()
    lines = textwrap.wrap(packed, 112, break_on_hyphens=False)
    body = "".join(f'    r"{line}"\n' for line in lines)
    return f"{name} = unpacked(\n{body}    , np.{value.dtype}, {value.shape}\n)\n"
