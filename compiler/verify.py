"""The rules of the intermediate representation, as data; `verify` runs them after every pass.

A broken rule is a defect of the compiler, not of the user's network, so it raises an AssertionError that
names the pass, the operator and the rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from qrt.compiler.integers.channels import CHANNEL_AXIS, Requant
from qrt.compiler.integers.codes import LIMITS
from qrt.compiler.integers.elementwise import ELEMENTWISE
from qrt.compiler.ir import Graph, Op, Tensor
from qrt.schema.operators import ANY_INPUTS, OPERATORS, Operator

PAIR, SIDES = "pair", "four sides"

# Attributes that an operator must have, by kind: name -> what it is. A source graph has the same, with a
# layout where it matters, and the kinds of SOURCE_ATTRS besides.
ATTRS: dict[str, dict[str, object]] = {
    "conv2d": {"stride": PAIR, "dilation": PAIR, "padding": SIDES, "groups": int},
    "dwconv2d": {"stride": PAIR, "dilation": PAIR, "padding": SIDES},
    "average_pool2d": {"filter": PAIR, "stride": PAIR, "padding": SIDES},
    "max_pool2d": {"filter": PAIR, "stride": PAIR, "padding": SIDES},
    "pad": {"before": tuple, "after": tuple},
    "concat": {"axis": int},
    "transpose": {"permutation": tuple},
    "push": {"axis": int},
    "svdf": {"rank": int},
    "lstm": {"time_major": bool},
    "lut": {"table": np.ndarray},
    "slice": {"begin": tuple, "stride": tuple},
    "resize2d": {"rows": np.ndarray, "columns": np.ndarray},
    "transpose_conv2d": {"stride": PAIR, "padding": SIDES},
}
SOURCE_ATTRS: dict[str, dict[str, object]] = {
    "quantize": {},
    "dequantize": {},
    "batch_norm": {"epsilon": float},
    "affine": {"factor": np.ndarray, "summand": np.ndarray},
    "softmax": {"axis": int},
    "log_softmax": {"axis": int},
    "layer_norm": {"epsilon": float},
    **{kind: {"axes": tuple, "keepdims": bool} for kind in ("mean", "sum", "reduce_max", "reduce_min")},
    **{kind: {"axis": int, "keepdims": bool} for kind in ("arg_max", "arg_min")},
    "clip": {},
    "slice": {"begin": tuple, "stride": tuple},
    "gather": {"axis": int, "indices": np.ndarray},
    "where": {"condition": np.ndarray},
    "prelu": {},
    "resize_linear": dict.fromkeys(("rows", "columns", "row_weight", "column_weight"), np.ndarray),
    "transpose_conv2d": {"stride": PAIR, "dilation": PAIR, "padding": tuple, "groups": int},
}
SOURCE_KINDS = {*SOURCE_ATTRS, *ELEMENTWISE}
# Lowered: attributes that hold the operator's integers.
LOWERED_ATTRS: dict[str, dict[str, object]] = {
    **{kind: {"requant": Requant} for kind, facts in OPERATORS.items() if facts.has("requant")},
    "requantize_sum": {"requant": Requant, "b_multiplier": np.ndarray},
    "svdf": {"requant": Requant, "feature": Requant},
    "lstm": {
        **dict.fromkeys(("input", "recurrent"), Requant),
        **dict.fromkeys(("cell_power", "cell_clip", "output_multiplier", "output_shift"), int),
    },
    "add": {"a_multiplier": int, "b_multiplier": int},
    "squared_difference": {f"{name}_{part}": int for name in "aby" for part in ("multiplier", "shift")},
    "layer_norm": {"multiplier": np.ndarray, "addend": np.ndarray, "epsilon": int, "epsilon_bits": int, "shift": int},
    "log_softmax": {"exponential": np.ndarray, "multiplier": int, "log_multiplier": int, "addend": int, "shift": int},
    "softmax": {"exponential": np.ndarray, "shift": int},
    **{kind: {"multiplier": int, "shift": int} for kind in ("sigmoid", "tanh")},
    "leaky_relu": dict.fromkeys(("multiplier", "shift", "negative_multiplier", "negative_shift"), int),
}


class Rule(NamedTuple):
    """What must hold for each operator; `broken` is true where it does not."""

    stages: tuple[str, ...]
    message: str
    broken: Callable[[Op], bool]


def _is(value: object, what: object) -> bool:
    if what is PAIR:
        return isinstance(value, tuple) and len(value) == 2 and all(v >= 1 for v in value)
    if what is SIDES:
        return isinstance(value, tuple) and len(value) == 4 and all(v >= 0 for v in value)
    return isinstance(value, what)  # type: ignore[arg-type]


def _lacks(op: Op, attrs: dict[str, dict[str, object]]) -> bool:
    return any(name not in op.attrs or not _is(op.attrs[name], what) for name, what in attrs.get(op.kind, {}).items())


def _activations(op: Op) -> Iterator[Tensor]:
    """What must be codes: all but weights, and what a layer writes and requantize_sum reads as accumulators."""
    first, last = (1 if op.kind == "requantize_sum" else 0), (1 if op.kind in CHANNEL_AXIS else None)
    yield from (tensor for tensor in op.inputs[first:last] if not tensor.is_constant)
    if not OPERATORS[op.kind].accumulates or op.output.dtype != "int32":
        yield op.output


def _window_shape(op: Op) -> tuple[int, ...]:
    x = op.inputs[0].shape
    size = op.attrs["filter"] if "filter" in op.attrs else op.inputs[1].shape[1:3]
    dilation, stride = op.attrs.get("dilation", (1, 1)), op.attrs["stride"]
    top, bottom, left, right = op.attrs["padding"]
    out = [
        (x[1 + k] + pad - (size[k] - 1) * dilation[k] - 1) // stride[k] + 1
        for k, pad in enumerate((top + bottom, left + right))
    ]
    channels = {"conv2d": 0, "dwconv2d": 3}
    last = op.inputs[1].shape[channels[op.kind]] if op.kind in channels else x[3]
    return (x[0], *out, last)


def _transpose_conv2d_shape(op: Op) -> tuple[int, ...]:
    """The output's own height and width where the window can reach them, else the nearest that it can."""
    x, y, (_, *size, _), stride = op.inputs[0].shape, op.output.shape, op.inputs[1].shape, op.attrs["stride"]
    top, bottom, left, right = op.attrs["padding"]
    out = []
    for k, pads in enumerate((top + bottom, left + right)):
        least = (x[1 + k] - 1) * stride[k] + size[k] - pads
        out.append(min(max(y[1 + k], least), least + stride[k] - 1))
    return (x[0], *out, op.inputs[1].shape[0])


def _sliced(op: Op) -> bool:
    """Whether a slice stays inside of its input."""
    places = zip(op.inputs[0].shape, op.output.shape, op.attrs["begin"], op.attrs["stride"], strict=True)
    return all(s != 0 and 0 <= b < size and 0 <= b + (count - 1) * s < size for size, count, b, s in places)


def _svdf_shape(op: Op) -> tuple[int, ...]:
    x, features, time, state = (tensor.shape for tensor in op.inputs)
    (filters, memory), rank = time, op.attrs["rank"]
    fits = features == (filters, x[-1]) and state == (x[0], filters * memory) and rank >= 1 and filters % rank == 0
    return (x[0], filters // rank) if fits and len(x) == 2 else ()


def _lstm_shape(op: Op) -> tuple[int, ...]:
    x, weights, recurrent, h, c = (tensor.shape for tensor in op.inputs)
    batch, units = x[1 if op.attrs["time_major"] else 0], h[-1]
    fits = weights == (4 * units, x[-1]) and recurrent == (4 * units, units) and h == c == (batch, units)
    return (*x[:2], units) if fits and len(x) == 3 else ()


def implied_shape(op: Op) -> tuple[int, ...]:
    """Shape of the output that follows from the inputs."""
    x = op.inputs[0].shape
    if OPERATORS[op.kind].elementwise:
        return np.broadcast_shapes(*(t.shape for t in op.inputs))
    match op.kind:
        case "conv2d" | "dwconv2d" | "average_pool2d" | "max_pool2d":
            return _window_shape(op)
        case "linear":
            return (*x[:-1], op.inputs[1].shape[0])
        case "transpose_conv2d":
            return _transpose_conv2d_shape(op)
        case "matmul":
            return (*x[:-1], op.inputs[1].shape[-2])
        case "arg_max":
            return (*x[:-1], 1)
        case "resize2d":
            return (x[0], len(op.attrs["rows"]), len(op.attrs["columns"]), x[3])
        case "slice":
            return op.output.shape if _sliced(op) else ()
        case "mean":
            return (x[0], 1, 1, x[3])
        case "pad":
            return tuple(b + s + a for b, s, a in zip(op.attrs["before"], x, op.attrs["after"], strict=True))
        case "concat":
            axis = op.attrs["axis"]
            return (*x[:axis], sum(t.shape[axis] for t in op.inputs), *x[axis + 1 :])
        case "transpose":
            return tuple(x[k] for k in op.attrs["permutation"])
        case "reshape":
            return op.output.shape if op.output.size == op.inputs[0].size else ()
        case "push":
            axis, y = op.attrs["axis"], op.output.shape
            return (*x[:axis], y[axis], *x[axis + 1 :]) if x[axis] <= y[axis] else ()
        case "svdf":
            return _svdf_shape(op)
        case "lstm":
            return _lstm_shape(op)
        case _:
            return x


def _other_numbers(op: Op) -> bool:
    quantization = op.output.quantization
    return OPERATORS[op.kind].keeps_numbers and any(
        t.quantization is None or not t.quantization.same_as(quantization) for t in op.inputs
    )


ALL = ("source", "quantized", "lowered")
INTEGER = ("quantized", "lowered")
RULES = (
    Rule(("source",), "its kind is known", lambda op: op.kind not in SOURCE_KINDS and op.kind not in OPERATORS),
    Rule(INTEGER, "its kind is an operator of SPEC.md", lambda op: op.kind not in OPERATORS),
    Rule(ALL, "has an input", lambda op: not op.inputs),
    Rule(("source",), "has its attributes", lambda op: _lacks(op, SOURCE_ATTRS)),
    Rule(INTEGER, "has its attributes", lambda op: _lacks(op, ATTRS)),
    Rule(("lowered",), "has its integers", lambda op: _lacks(op, LOWERED_ATTRS)),
    Rule(
        ("quantized",),
        "has as many inputs as its kind takes",
        lambda op: not _takes(OPERATORS[op.kind], len(op.inputs)),
    ),
    Rule(INTEGER, "its tensors are codes with one scale", lambda op: any(_not_codes(t) for t in _activations(op))),
    Rule(INTEGER, "its output is a state", lambda op: op.output.is_state != OPERATORS[op.kind].writes_state),
    Rule(INTEGER, "its last inputs are states", lambda op: not all(tensor.is_state for tensor in op.states)),
    Rule(INTEGER, "has 16-bit arithmetic", lambda op: _is_int16(op) and not _has_int16(OPERATORS[op.kind])),
    Rule(INTEGER, "adds accumulators", lambda op: op.kind == "requantize_sum" and op.inputs[0].dtype != "int32"),
    Rule(("quantized",), "its weights are constant int8 or int16", lambda op: _other_weights(op, np.int8, np.int16)),
    Rule(("lowered",), "its weights are constant int8", lambda op: _other_weights(op, np.int8)),
    Rule(INTEGER, "its operands have the same channels", lambda op: _other_channels(op)),
    Rule(
        INTEGER,
        "its output has the shape that follows from its inputs",
        lambda op: implied_shape(op) != op.output.shape,
    ),
    Rule(INTEGER, "keeps the numbers of its input", _other_numbers),
    Rule(
        INTEGER,
        "output_min and output_max are codes in order",
        lambda op: _bad_range(op),
    ),
)


def _is_int16(op: Op) -> bool:
    return any(tensor.dtype == "int16" for tensor in (op.inputs[0], op.output))


def _has_int16(facts: Operator) -> bool:
    return facts.int16 or facts.moves or facts.states > 0


def _bad_range(op: Op) -> bool:
    low, high = LIMITS.get(op.output.dtype, LIMITS["int8"])
    return not low <= op.attrs.get("output_min", low) <= op.attrs.get("output_max", high) <= high


def _other_weights(op: Op, *dtypes: type) -> bool:
    return op.kind in CHANNEL_AXIS and (op.inputs[1].data is None or op.inputs[1].data.dtype not in dtypes)


def _other_channels(op: Op) -> bool:
    """Whether the sums of products of `op` have operands of different lengths."""
    if op.kind not in CHANNEL_AXIS and op.kind != "matmul":
        return False
    x, w = op.inputs[0].shape, op.inputs[1].shape
    if op.kind == "dwconv2d":
        return bool(w[0] != 1 or w[3] % x[3] != 0)
    groups = op.attrs.get("groups", 1)
    return bool(w[-1] * groups != x[-1] or w[0] % groups != 0)


def _takes(facts: Operator, count: int) -> bool:
    """Whether so many inputs are right; until it is lowered, a layer's bias is one too."""
    least, most = facts.inputs
    return facts.inputs == ANY_INPUTS or least <= count <= most + (facts.channels is not None)


def _not_codes(tensor: Tensor) -> bool:
    quantization = tensor.quantization
    if tensor.dtype not in LIMITS or quantization is None or quantization.per_channel:
        return True
    low, high = LIMITS[tensor.dtype]
    return not (low <= int(quantization.zero_point) <= high and float(quantization.scale) > 0)


def verify(graph: Graph, stage: str, after: str = "") -> None:
    """Raises an AssertionError when `graph` breaks a rule of `stage`.

    Parameters
    ----------
    graph : Graph
    stage : str
        ``"source"``, ``"quantized"`` or ``"lowered"``.
    after : str
        What has just run, for the message.
    """
    where = f"after {after or stage}: "
    known = {edge.tensor for edge in graph.inputs} | set(graph.states())
    for op in graph.ops:
        for rule in RULES:
            if stage in rule.stages and rule.broken(op):
                raise AssertionError(f"{where}{op.name}: rule broken: {rule.message}: {op}")
        for tensor in op.inputs:
            if not tensor.is_constant and tensor not in known:
                raise AssertionError(f"{where}{op.name}: reads {tensor.name}, which nothing has written yet")
        if (op.output in known and not op.output.is_state) or op.output.is_constant:
            raise AssertionError(f"{where}{op.name}: writes {op.output.name}, which has a value already")
        known.add(op.output)
    updated = [tensor for op in graph.ops for tensor in ([op.output] if op.output.is_state else op.states)]
    if sorted(map(id, updated)) != sorted(map(id, graph.states())):
        raise AssertionError(f"{where}each state is updated by one operator")
    for edge in graph.outputs:
        if edge.tensor not in known:
            raise AssertionError(f"{where}output {edge.tensor.name} is written by nothing")
