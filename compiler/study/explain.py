"""What one layer of a .qfb file computes: SPEC.md's formulas with this layer's numbers.

A .qfb file holds integers. It has the scales of activations as information only; a weight's scale follows from the
real multiplier, and a float bias from the addend that holds it. What only the source has (the float bias of a layer
whose file has int32 biases) is taken from the source's graph if there is one.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

import numpy as np

from qrt.compiler.integers.arithmetic import LEFT_SHIFT, add_addend, implied_addend
from qrt.compiler.integers.channels import CHANNEL_AXIS, Requant, channel_range
from qrt.compiler.integers.codes import steps
from qrt.compiler.ir import Graph, Op, Quantization
from qrt.compiler.study.program_kernels import formula
from qrt.schema.operators import OPERATORS


@dataclass
class ChannelFacts:
    """The numbers of one output channel of a layer with weights.

    Attributes
    ----------
    channel : int
    multiplier, shift : int
        ``multiplier * 2^-shift`` is the real multiplier.
    real_multiplier : float
        x_scale * w_scale / y_scale.
    w_scale : float or None
        None if the file has no scales of activations.
    bias_float : float or None
        The bias before it was rounded to int32; None if neither the file nor a source has it.
    bias : int
        ``round(bias_float / (x_scale * w_scale))``; if the file keeps the float bias in the addend, the int32 bias
        that it would have.
    bias_error : float or None
        bias * x_scale * w_scale - bias_float: the error of rounding the bias to int32, as a real number.
    bias_error_codes : float or None
        The same in codes of the output.
    addend : int
        ``bias * multiplier + 2^(shift-1) + y_zero_point * 2^shift``, or the addend in the file.
    acc_min, acc_max : int
        Bounds of the sum of products over all inputs, from the layer's weights.
    all_zero : bool
        Whether all weights of the channel are 0, so that its output is constant.
    """

    channel: int
    multiplier: int
    shift: int
    real_multiplier: float
    w_scale: float | None
    bias_float: float | None
    bias: int
    bias_error: float | None
    bias_error_codes: float | None
    addend: int
    acc_min: int
    acc_max: int
    all_zero: bool


@dataclass
class Explanation:
    """One layer.

    Attributes
    ----------
    index : int
        Its index in the file.
    name, kind : str
    formulas : list of str
        SPEC.md's, in order.
    numbers : dict
        Values of the formulas' names in this layer.
    keeps_float_bias : bool
        Whether the file holds an explicit addend.
    channels : list of ChannelFacts
        For layers with weights.
    derivation : list of str
        Derivation of the formulas.
    """

    index: int
    name: str
    kind: str
    formulas: list[str]
    numbers: dict[str, Any]
    keeps_float_bias: bool = False
    channels: list[ChannelFacts] = field(default_factory=list)
    derivation: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain types only, for JSON."""
        return asdict(self)


# For tensors whose values are not codes.
NO_NUMBERS = Quantization(np.array(0.0), np.array(0))
SUMS = {
    "conv2d": "acc = sum over filter_y, filter_x, in_channel of (x - x_zero_point) * w",
    "dwconv2d": "acc = sum over filter_y, filter_x of (x - x_zero_point) * w",
    "transpose_conv2d": "acc = sum over filter_y, filter_x, in_channel of (x - x_zero_point) * w",
    "linear": "acc = sum over in_channel of (x - x_zero_point) * w",
    "matmul": "acc = sum over k of (a - a_zero_point) * (b - b_zero_point)",
    "mean": "acc = sum over height and width of (x - x_zero_point)",
}
REAL_MULTIPLIERS = {
    "matmul": "a_scale * b_scale / y_scale",
    "mean": "x_scale / (height * width * y_scale)",
}
# Of elementwise operators, by their accumulators.
ACC_MULTIPLIERS = {"x": "x_scale / y_scale", "product": "a_scale * b_scale / y_scale"}
STATE = "y is a state: until this layer it holds what the run before left, at first its initial value"
PUSH = [
    "rows of y before this layer, along axis: the last old_rows of them move to the start of y",
    "the new_rows of x become the last rows of y",
    STATE,
]
OTHERS = {
    "average_pool2d": ["y = clamp(mean of the window's codes, ties as `rounding` says)"],
    "max_pool2d": ["y = clamp(largest code of the window)"],
    "clamp": ["y = clamp(x)"],
    "lut": ["y = table[x + 128]"],
    "softmax": [
        "e = exponential[max - x]",
        "y = clamp(((e * floor(numerator / sum of e) + round) >> shift) + y_zero_point)",
    ],
    "log_softmax": [
        "e = exponential[max - x]",
        "y = clamp((addend - (max - x) * multiplier - log2(sum of e) * log_multiplier) >> shift)",
        "multiplier * 2^-shift = x_scale / y_scale, log_multiplier * 2^(26 - shift) = ln(2) / y_scale",
    ],
    "svdf": [
        "acc = sum over features of (x - x_zero_point) * feature_weights, for each filter",
        "each filter's memory in the state moves on by one; its last entry is",
        "wrap(round(acc * real_feature) + state_zero_point)",
        "acc = bias + sum over the rank filters of y and their memory of (state - state_zero_point) * time_weights",
        "y = clamp(round(acc * real_multiplier) + y_zero_point)",
        "real_feature = x_scale * feature_scale / state_scale, real_multiplier = state_scale * time_scale / y_scale",
    ],
    "lstm": [
        "gate = sat16(sat16(round((sum of (x - x_zero_point) * w + bias) * real_input)) + sat16(round((sum of (h - "
        "h_zero_point) * r) * real_recurrent))), in units of 2^-12",
        "i, f, o = sigmoid(gate), g = tanh(gate), in units of 2^-15",
        "c = sat16(f * c + i * g), in units of 2^cell_power; clipped to cell_clip where that is not 0",
        "y = h = clamp(round(tanh(c) * o * 2^-30 / h_scale) + h_zero_point)",
        "real_input = x_scale * w_scale * 2^12 and real_recurrent = h_scale * r_scale * 2^12, for each gate",
    ],
    "assign": ["y = x", STATE],
    "arg_max": ["y = index of the first of the largest codes - 128"],
    "layer_norm": [
        "d = C * x - sum of x, n = d / sqrt(sum of d^2 + epsilon * 2^-epsilon_bits) in units of 2^-30",
        "y = clamp((n * multiplier + addend) >> shift), multiplier and addend of each entry of the last axis",
        "multiplier * 2^(30 - shift) = gamma * sqrt(C) / y_scale",
    ],
    "l2_norm": ["y = x / length of x, in units of 2^-7"],
    "sigmoid": ["y = sigmoid of (x * multiplier) >> shift, in units of 1/12288, in units of 2^-15"],
    "tanh": ["y = tanh of (x * multiplier) >> shift, in units of 1/12288, in units of 2^-15"],
    "leaky_relu": [
        "v = x - x_zero_point, rounded twice with multiplier and shift, or the negative ones where it is negative",
        "y = clamp(v + y_zero_point), v with its other sign where it was negative and `negate` says so",
    ],
    "squared_difference": [
        "d = scale_down((a - a_zero_point) * 2^7, a_multiplier, a_shift) - the same of b",
        "y = clamp(scale_down(d * d, y_multiplier, y_shift) + y_zero_point)",
        "scale_down(v, multiplier, shift) = rounding_shift(high_mul(v, multiplier), shift - 31)",
    ],
}
# The inputs of operators that have states.
RECURRENT = {"svdf": ("x", "feature", "time", "state"), "lstm": ("x", "w", "r", "h", "c")}
SINGLE = [
    "y = clamp((acc * multiplier + addend) >> shift)",
    "addend = bias * multiplier + 2^(shift-1) + y_zero_point * 2^shift",
]
DOUBLE = [
    "high = (((acc + bias) << max(31 - shift, 0)) * multiplier + 2^30) >> 31",
    "y = clamp(rounding_shift(high, max(shift - 31, 0)) + y_zero_point)",
]
ACCUMULATORS = ["y = acc + bias                 int32, not rounded to codes"]
REQUANTIZE_SUM = [
    "y = clamp((a * multiplier + b * b_multiplier + addend) >> shift)",
    "multiplier * 2^-shift = x_scale * w_scale of the layer that writes a / y_scale",
    "b_multiplier * 2^-shift = b_scale / y_scale",
]
REALS = "real(y) = sum of real(x) * real(w) + bias_float, with real(q) = scale * (q - zero_point):"
LAYER_DERIVATION = [
    REALS,
    "y_scale * (y - y_zero_point) = x_scale * w_scale * acc + bias_float",
    "y = acc * (x_scale * w_scale / y_scale) + bias_float / y_scale + y_zero_point",
]
SINGLE_DERIVATION = [
    *LAYER_DERIVATION,
    "multiplier * 2^-shift = x_scale * w_scale / y_scale, so multiply by 2^shift: all of it is integer,",
    "and 2^(shift-1) before the shift rounds half up",
]
DOUBLE_DERIVATION = [
    *LAYER_DERIVATION,
    "bias_float = x_scale * w_scale * bias, so y = (acc + bias) * (x_scale * w_scale / y_scale) + y_zero_point",
    "multiplier * 2^-shift = x_scale * w_scale / y_scale = (multiplier * 2^-31) * 2^(31 - shift), in two steps:",
    "high = (acc + bias) * multiplier * 2^-31 rounds half up, after a shift to the left where shift is below 31;",
    "rounding_shift by shift - 31, where that is above 0, rounds again: to nearest, ties away from zero",
]
ACCUMULATORS_DERIVATION = [
    REALS,
    "y_scale = x_scale * w_scale: y_scale * y = x_scale * w_scale * acc + bias_float",
    "bias_float = x_scale * w_scale * bias, so y = acc + bias: nothing is rounded but the bias",
]
ADD_DERIVATION = [
    "real(y) = real(a) + real(b), with real(q) = scale * (q - zero_point):",
    "y_scale * (y - y_zero_point) = a_scale * (a - a_zero_point) + b_scale * (b - b_zero_point)",
    "y = (a_scale / y_scale) * a + (b_scale / y_scale) * b + y_zero_point - the zero points' share, which is constant",
    "a_multiplier * 2^-shift = a_scale / y_scale, b_multiplier * 2^-shift = b_scale / y_scale: one shift, one rounding",
]


def find(graph: Graph, layer: str) -> int:
    """The index of a layer by its number, its name (the first of those that a converter joined), or its output's.

    Raises
    ------
    LookupError
        No such layer, or several; it says which.
    """
    if layer.isdigit() and int(layer) < len(graph.ops):
        return int(layer)
    named = [i for i, op in enumerate(graph.ops) if layer in (op.name, op.output.name)]
    short = [(op.name.split(";")[0], op.output.name.removesuffix("_nhwc")) for op in graph.ops]
    named = named or [i for i, names in enumerate(short) if layer in names]
    if len(named) == 1:
        return named[0]
    if not named:
        raise LookupError(f"no layer is called {layer!r}; {_layers_there(graph, layer)}")
    found = ", ".join(f"{i} ({graph.ops[i].kind} {graph.ops[i].name} -> {graph.ops[i].output.name})" for i in named)
    raise LookupError(f"several layers are called {layer!r}: {found}; give the number")


def _layers_there(graph: Graph, layer: str) -> str:
    """Which layers could have been meant; the first of the names that a converter joined stands for a layer."""
    if not graph.ops:
        return "the file has no layers"
    near = get_close_matches(layer, [op.name.split(";")[0] for op in graph.ops], n=3)
    names = f"did you mean {' or '.join(near)}?" if near else "'qrt inspect' lists their names"
    return f"layers are 0 to {len(graph.ops) - 1}; {names}"


def explain(graph: Graph, index: int, source: Graph | None = None) -> Explanation:
    """One layer of a lowered graph.

    Parameters
    ----------
    graph : Graph
        As `qrt.compiler.backends.qfb.reader.read` gives it.
    index : int
    source : Graph, optional
        The same network before biases were quantized (`qrt.compiler.folded_graph`), for the float biases.
    """
    op = graph.ops[index]
    if op.kind in CHANNEL_AXIS:
        return _layer(op, index, source)
    if op.kind == "add":
        return _add(op, index)
    if op.kind == "requantize_sum":
        return _requantize_sum(op, index)
    if op.kind in RECURRENT:
        return _recurrent(op, index)
    if op.kind == "push":
        return _push(op, index)
    numbers = _edges(op)
    facts = OPERATORS[op.kind]
    if facts.has("requant"):
        requant = op.attrs["requant"]
        acc = SUMS.get(op.kind) or f"acc = {formula(op.kind)}"
        real = REAL_MULTIPLIERS.get(op.kind) or ACC_MULTIPLIERS[facts.acc]
        rule = SINGLE if requant.rounding == "SINGLE" else DOUBLE
        numbers |= {"multiplier": int(requant.multiplier[0]), "shift": int(requant.shift[0])}
        numbers["real_multiplier"] = numbers["multiplier"] * 2.0 ** -numbers["shift"]
        numbers |= {"rounding": requant.rounding, "output_min": requant.output_min, "output_max": requant.output_max}
        if requant.addend is not None:
            rule = [rule[0], "addend = value in the file, close to 2^(shift-1) + y_zero_point * 2^shift"]
            numbers["addend"] = int(requant.addend[0])
        formulas = [acc, *rule, f"multiplier * 2^-shift = {real}"]
        return Explanation(index, op.name, op.kind, formulas, numbers)
    numbers |= {key: _plain(value) for key, value in op.attrs.items() if _plain(value) is not None}
    moved = f"y = {formula(op.kind)}" if facts.elementwise else "y = the codes of x, moved"
    formulas = OTHERS.get(op.kind, [moved])
    return Explanation(index, op.name, op.kind, formulas, numbers)


def _plain(value: Any) -> Any:
    """A short attribute in plain types; None for tables."""
    if isinstance(value, np.ndarray):
        return None
    return list(value) if isinstance(value, tuple) else value


def _edges(op: Op) -> dict[str, Any]:
    """Scales and zero points of an operator's inputs and output."""
    activations = op.inputs[:1] if op.kind in CHANNEL_AXIS else op.inputs
    usual = {1: ["x"], 2: ["a", "b"]}
    names = usual.get(len(activations), [f"x{i}" for i in range(len(activations))])
    numbers: dict[str, Any] = {}
    for name, tensor in (*zip(names, activations, strict=True), ("y", op.output)):
        if tensor.dtype == "int32":
            continue
        numbers |= {f"{name}_scale": tensor.scale, f"{name}_zero_point": tensor.zero_point}
    return numbers


def _layer(op: Op, index: int, source: Graph | None) -> Explanation:
    requant = op.attrs["requant"]
    weights = op.inputs[1]
    assert weights.data is not None
    count = weights.shape[CHANNEL_AXIS[op.kind]]
    rows = np.moveaxis(weights.data, CHANNEL_AXIS[op.kind], 0).reshape(count, -1).astype(np.int64)
    x, y = op.inputs[0], op.output
    if y.dtype == "int32":
        y = replace(y, quantization=NO_NUMBERS)
    low, high = channel_range(rows, steps(x))
    known = _source_bias(op, source)
    channels = []
    for c in range(count):
        entry = c if len(requant.multiplier) > 1 else 0
        multiplier, shift = int(requant.multiplier[entry]), int(requant.shift[entry])
        real = multiplier * 2.0**-shift
        unit = real * y.scale if y.scale else None
        bias = 0 if requant.bias is None else int(requant.bias[c])
        if requant.addend is None:
            addend = implied_addend(multiplier, shift, bias, y.zero_point)
            exact = None if known is None else float(known[c])
        else:
            addend = int(requant.addend[c if len(requant.addend) > 1 else 0])
            stated = addend - implied_addend(multiplier, shift, 0, y.zero_point)
            exact = float(Fraction(stated, 2**shift) * Fraction(y.scale)) if y.scale else None
            exact = exact if known is None else float(known[c])
            bias = round(Fraction(exact) / Fraction(unit)) if exact is not None and unit else 0
        error = None if exact is None or unit is None else bias * unit - exact
        channels.append(
            ChannelFacts(
                channel=c,
                multiplier=multiplier,
                shift=shift,
                real_multiplier=real,
                w_scale=unit / x.scale if unit and x.scale else None,
                bias_float=exact,
                bias=bias,
                bias_error=error,
                bias_error_codes=None if error is None else error / y.scale,
                addend=addend,
                acc_min=int(low[c]),
                acc_max=int(high[c]),
                all_zero=not rows[c].any(),
            )
        )
    single = requant.rounding == "SINGLE"
    derivation = SINGLE_DERIVATION if single else DOUBLE_DERIVATION
    formulas = [SUMS[op.kind], "bias = round(bias_float / (x_scale * w_scale))"]
    if op.output.dtype == "int32":
        formulas += ACCUMULATORS
        derivation = ACCUMULATORS_DERIVATION
    else:
        formulas += [*(SINGLE if single else DOUBLE), "multiplier * 2^-shift = x_scale * w_scale / y_scale"]
    numbers = _edges(op) | {"rounding": requant.rounding, "output_min": requant.output_min}
    numbers |= {"output_max": requant.output_max, "products": rows.shape[1], "out_channels": count}
    explicit = requant.addend is not None
    return Explanation(index, op.name, op.kind, formulas, numbers, explicit, channels, derivation)


def _requantize_sum(op: Op, index: int) -> Explanation:
    requant = op.attrs["requant"]
    numbers = _edges(op) | {"output_min": requant.output_min, "output_max": requant.output_max}
    numbers |= {"multiplier": requant.multiplier.tolist(), "shift": requant.shift.tolist()}
    numbers |= {"b_multiplier": op.attrs["b_multiplier"].tolist(), "addend": requant.addend.tolist()}
    return Explanation(index, op.name, op.kind, REQUANTIZE_SUM, numbers)


def _recurrent(op: Op, index: int) -> Explanation:
    tensors = (*zip(RECURRENT[op.kind], op.inputs, strict=True), ("y", op.output))
    numbers: dict[str, Any] = {}
    for name, tensor in tensors:
        # The file has no scales of weights; they are in the multipliers.
        if not tensor.is_constant:
            numbers |= {f"{name}_scale": tensor.scale, f"{name}_zero_point": tensor.zero_point}
    for name, value in op.attrs.items():
        if isinstance(value, Requant):
            numbers |= {f"{name}_multiplier": value.multiplier.tolist(), f"{name}_shift": value.shift.tolist()}
        else:
            numbers[name] = value
    return Explanation(index, op.name, op.kind, OTHERS[op.kind], numbers)


def _push(op: Op, index: int) -> Explanation:
    axis, rows = op.attrs["axis"], op.inputs[0].shape[op.attrs["axis"]]
    numbers = _edges(op) | {"axis": axis, "new_rows": rows, "old_rows": op.output.shape[axis] - rows}
    return Explanation(index, op.name, op.kind, PUSH, numbers)


def _source_bias(op: Op, source: Graph | None) -> np.ndarray | None:
    """The real bias of the source's layer of the same name, if the source has it in float."""
    if source is None or without_float_bias(op, source):
        return None
    (layer,) = _layers_of(op, source)
    return layer.inputs[2].real().reshape(-1) if len(layer.inputs) > 2 else np.zeros(op.output.shape[-1])


def without_float_bias(op: Op, source: Graph) -> str:
    """Why a source has no float biases for a layer; "" if it has."""
    if op.kind not in CHANNEL_AXIS:
        return f"layer {op.name} is {op.kind}, which has no biases"
    found = _layers_of(op, source)
    if len(found) != 1:
        return f"has no layer {op.name} with weights"
    if len(found[0].inputs) < 3:
        return ""
    bias = found[0].inputs[2]
    if bias.data is None or bias.quantization is not None or bias.dtype != "float32":
        return f"the biases of layer {op.name} are no floats there either"
    if bias.size != op.output.shape[-1]:
        return f"layer {op.name} has {bias.size} channels there, {op.output.shape[-1]} in the file"
    return ""


def _layers_of(op: Op, source: Graph) -> list[Op]:
    """The layers with weights of the same name."""
    return [other for other in source.ops if other.kind in CHANNEL_AXIS and _names(other) & _names(op)]


def _names(op: Op) -> set[str]:
    """The source's names of an operator and its output; onnxruntime's quantizer renames the network's outputs."""
    return {name.removesuffix("_nhwc").removesuffix("_QuantizeLinear_Input") for name in (op.name, op.output.name)}


def _add(op: Op, index: int) -> Explanation:
    attrs = op.attrs
    numbers = _edges(op) | {"form": attrs["form"], "output_min": attrs["output_min"], "output_max": attrs["output_max"]}
    sign, other = ("-", "+") if attrs["subtract"] else ("+", "-")
    if attrs["form"] == "TFLITE":
        keys = [f"{name}_{part}" for name in "aby" for part in ("multiplier", "shift")]
        left = LEFT_SHIFT[op.output.dtype]
        formulas = [
            f"y = clamp(scale_down(scale_down((a - a_zero_point) << {left}, a) {sign} "
            f"scale_down((b - b_zero_point) << {left}, b), y) + y_zero_point)",
            "scale_down(v, n) = rounding_shift(high_mul(v, n_multiplier), n_shift - 31)",
        ]
    else:
        keys = ["a_multiplier", "b_multiplier", "shift"]
        formulas = [
            f"y = clamp((a * a_multiplier {sign} b * b_multiplier + addend) >> shift)",
            f"addend = 2^(shift-1) + y_zero_point * 2^shift - a_zero_point * a_multiplier {other} "
            "b_zero_point * b_multiplier",
            "a_multiplier * 2^-shift = a_real_multiplier = a_scale / y_scale",
            "b_multiplier * 2^-shift = b_real_multiplier = b_scale / y_scale",
        ]
        for name, tensor in zip("ab", op.inputs, strict=True):
            if tensor.scale and op.output.scale:
                numbers[f"{name}_real_multiplier"] = tensor.scale / op.output.scale
        numbers["addend"] = add_addend(op)
    numbers |= {key: attrs[key] for key in keys}
    derivation = ADD_DERIVATION if attrs["form"] != "TFLITE" else []
    return Explanation(index, op.name, op.kind, formulas, numbers, derivation=derivation)
