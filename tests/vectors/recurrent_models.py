"""Files of svdf and lstm: a golden one, and `BAD_RECURRENT`, by the rule that each violates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from vectors.encode import Table, edge, encode, ints, longs, requant, shorts, vectors
from vectors.good_models import pattern
from vectors.models import Net, but

INT16 = 2
# Codes that look like noise, as bytes of int16.
WIDE = pattern(1024, 91)


def constant(net: Net, shape: tuple[int, ...], dtype: int = 0, **fields: Any) -> int:
    size = int(np.prod(shape)) * (2 if dtype == INT16 else 1)
    return net.tensor(shape, dtype=dtype, data=WIDE[:size], **fields)


def finished(net: Net, changes: dict[str, Any]) -> Table:
    """The model, whose edges have the types of their tensors."""
    for given in (*net.inputs, *net.outputs):
        given["source_dtype"] = INT16 if net.tensors[given["tensor"]].fields.get("dtype") == INT16 else 0
    return but(net.model(), **changes)


def svdf(
    x: Any = (2, 6),
    features: Any = (4, 6),
    time: Any = (4, 3),
    state: Any = (2, 12),
    y: Any = (2, 2),
    rank: int = 2,
    dtype: int = 0,
    x_dtype: int = 0,
    y_dtype: int = 0,
    feature: Table | None = None,
    own: bool = False,
    output: Table | None = None,
    **changes: Any,
) -> Table:
    """Tensors: 0 x, 1 feature weights, 2 time weights, 3 state, 4 y; with `own`, x is the state."""
    net = Net()
    options = Table("Svdf", rank=rank, feature=feature or requant(shift=(37,)), requant=output or requant(shift=(42,)))
    given = net.input(x, dtype=x_dtype, zero_point=-3)
    operands = [given, constant(net, features), constant(net, time, dtype), net.state(state, 0, dtype=dtype)]
    if own:
        operands[0] = operands[3]
    net.output(net.op(options, operands, y, dtype=y_dtype))
    return finished(net, changes)


def gates(count: int = 4, shift: int = 33, multiplier: int = 1 << 30, **fields: Any) -> Table:
    return requant((multiplier,) * count, (shift,) * count, **fields)


def lstm(
    x: Any = (2, 3, 5),
    weights: Any = (8, 5),
    recurrent: Any = (8, 2),
    h: Any = (2, 2),
    c: Any = (2, 2),
    y: Any = (2, 3, 2),
    dtype: int = 0,
    of_x: Table | None = None,
    of_h: Table | None = None,
    options: dict[str, Any] | None = None,
    h_dtype: int | None = None,
    y_dtype: int | None = None,
    c_dtype: int = INT16,
    **changes: Any,
) -> Table:
    """Tensors: 0 x, 1 weights, 2 recurrent weights, 3 h, 4 c, 5 y."""
    net = Net()
    usual = gates(shift=25, multiplier=1 << 14) if dtype == INT16 else gates()
    numbers = {"cell_power": -11, "output_multiplier": 1 << 30, "output_shift": 45 if dtype == INT16 else 53}
    table = Table("Lstm", input=of_x or usual, recurrent=of_h or usual, **numbers | (options or {}))
    given = net.input(x, dtype=dtype)
    operands = [given, constant(net, weights), constant(net, recurrent)]
    operands.append(net.state(h, 0, dtype=dtype if h_dtype is None else h_dtype))
    operands.append(net.state(c, 0, dtype=c_dtype))
    net.output(net.op(table, operands, y, dtype=dtype if y_dtype is None else y_dtype))
    return finished(net, changes)


def recurrent() -> bytes:
    """svdf with a state of each type, and lstm of each type; two runs, and a third one from the initial values."""
    net = Net(name="recurrent", producer="make_vectors.py")
    x, wide = net.input((1, 6), zero_point=-3, name="x"), net.input((3, 1, 5), dtype=INT16, name="wide")
    net.inputs[1]["source_dtype"] = INT16
    options = Table("Svdf", rank=2, feature=requant((1500000000,), (37,), rounding=1))
    options.fields["requant"] = requant((1300000000,), (39,), bias=ints(900, -700), rounding=1, output_min=-100)
    state = net.state((1, 12), -20, zero_point=-20, name="state")
    first = net.op(options, [x, constant(net, (4, 6)), constant(net, (4, 3)), state], (1, 2), 5)
    options = Table("Svdf", feature=requant((1500000000,), (29,)), requant=requant((1300000000,), (54,)))
    memory = net.state((1, 9), *shorts(1, -2, 3, 400, -500, 600, 7, 8, 9).tolist(), dtype=INT16)
    second = net.op(options, [first, constant(net, (3, 2)), constant(net, (3, 3), INT16), memory], (1, 3), -7)
    sequence = net.op(Table("Reshape"), [second], (1, 3, 1), -7)
    options = Table("Lstm", input=gates(4, 30, bias=ints(*range(-400, 400, 100)), rounding=1))
    options.fields.update(recurrent=gates(8, 30, rounding=1), cell_power=-11, cell_clip=20000)
    options.fields.update(output_multiplier=1 << 30, output_shift=53)
    states = [net.state((1, 2), 4, zero_point=4, name="h"), net.state((1, 2), 0, dtype=INT16, name="c")]
    net.output(net.op(options, [sequence, constant(net, (8, 1)), constant(net, (8, 2)), *states], (1, 3, 2), 4))
    options = Table("Lstm", input=gates(8, 25, 1 << 14, addend=longs(*range(-(1 << 36), 1 << 36, 1 << 34))))
    options.fields.update(recurrent=gates(4, 26, 25000), time_major=True, cell_power=-13)
    options.fields.update(output_multiplier=1 << 30, output_shift=45)
    states = [net.state((1, 2), 0, dtype=INT16), net.state((1, 2), *shorts(3000, -4000).tolist(), dtype=INT16)]
    operands = [wide, constant(net, (8, 5)), constant(net, (8, 2)), *states]
    net.output(net.op(options, operands, (3, 1, 2), dtype=INT16), source_dtype=INT16)
    given = [[pattern(6, 53 + run), WIDE[30 * run : 30 * run + 30]] for run in (0, 1, 1)]
    expected = [np.frombuffer(bytes.fromhex(text), np.int8) for text in RECURRENT_CODES]
    runs = vectors(*((inputs, [codes_of[:6], codes_of[6:]]) for inputs, codes_of in zip(given, expected, strict=True)))
    runs[1]["continues"] = True
    return encode(net.model(test_vectors=runs))


# What recurrent() computes in its three runs: 6 codes of 8 bits, then 6 of 16.
RECURRENT_CODES = (
    "04020ceb20d9c314b30161043bff68097d0e",
    "15df22d42ad9500c76019a002411d9097c00",
    "04020ceb20d90c10d4dadb04fafbc60cd7f6",
)


def in_the_arena(tensor: int) -> dict[str, Any]:
    """Changes that make a constant an input of the model, behind all other tensors."""
    path = f"tensors__{tensor}"
    return {
        f"{path}__data": None,
        f"{path}__lifetime": (0, 1),
        f"{path}__arena_offset": 960,
        "inputs": [edge(0), edge(tensor)],
        "arena_size": 1024,
    }


BAD_RECURRENT: dict[str, Callable[[], Table]] = {
    "v71_x_of_int16": lambda: svdf(x_dtype=INT16),
    "v71_y_of_int16": lambda: svdf(y_dtype=INT16),
    "v71_x_is_the_state": lambda: svdf((2, 12), (4, 12), own=True),
    "v71_features_in_the_arena": lambda: but(svdf(), **in_the_arena(1)),
    "v71_time_weights_of_int8": lambda: svdf(dtype=INT16, tensors__2__dtype=0, tensors__2__data=WIDE[:12]),
    "v71_zero_point_of_int16": lambda: svdf(dtype=INT16, tensors__3__zero_point16=1),
    "v71_rank_0": lambda: svdf(rank=0),
    "v71_rank_3": lambda: svdf(rank=3, y=(2, 1)),
    "v71_rank_of_x": lambda: svdf(x=(2, 6, 1)),
    "v71_features": lambda: svdf(features=(4, 5)),
    "v71_filters": lambda: svdf(time=(3, 3)),
    "v71_memory": lambda: svdf(time=(4, 2)),
    "v71_units": lambda: svdf(y=(2, 4)),
    "v72_feature_shifts": lambda: svdf(feature=requant((1 << 30,), (37, 37))),
    "v72_feature_multiplier": lambda: svdf(feature=requant((-1,), (37,))),
    "v72_requant_shift": lambda: svdf(output=requant((0,), (63,), rounding=1)),
    "v72_feature_of_two": lambda: svdf(feature=requant((1, 1), (37, 37))),
    "v72_feature_bias": lambda: svdf(feature=requant(shift=(37,), bias=ints(1, 1, 1, 1))),
    "v72_feature_addend": lambda: svdf(feature=requant(shift=(37,), addend=longs(1))),
    "v72_requant_of_two": lambda: svdf(output=requant((1, 1), (37, 37))),
    "v72_requant_addend": lambda: svdf(output=requant(shift=(37,), addend=longs(1))),
    "v72_range": lambda: svdf(output=requant(output_min=2, output_max=1)),
    "v72_bias": lambda: svdf(output=requant(bias=ints(1, 2, 3))),
    "v49_feature": lambda: svdf(feature=requant(shift=(0,), rounding=1)),
    "v72_requant_double": lambda: svdf(output=requant(shift=(31,), rounding=1)),
    "v72_requant_single": lambda: svdf(output=requant((0,), (57,)), tensors__4__zero_point=-128),
    "v73_zero_point_of_int16": lambda: lstm(dtype=INT16, tensors__0__zero_point16=1),
    "v73_h_of_int16": lambda: lstm(h_dtype=INT16),
    "v73_y_of_int16": lambda: lstm(y_dtype=INT16),
    "v73_c_of_int8": lambda: lstm(c_dtype=0),
    "v73_zero_point_of_c": lambda: lstm(tensors__4__zero_point16=1),
    "v73_zero_point_of_y": lambda: lstm(tensors__5__zero_point=1),
    "v73_scale_of_y": lambda: lstm(tensors__3__scale=0.5, tensors__5__scale=0.25),
    "v73_weights_in_the_arena": lambda: but(lstm(), **in_the_arena(1)),
    "v73_recurrent_weights_in_the_arena": lambda: but(lstm(), **in_the_arena(2)),
    "v73_rank_of_x": lambda: lstm(x=(2, 3, 5, 1)),
    "v73_rank_of_y": lambda: lstm(y=(2, 3, 2, 1)),
    "v73_batch_of_y": lambda: lstm(y=(1, 3, 2)),
    "v73_steps_of_y": lambda: lstm(y=(2, 4, 2)),
    "v73_weights": lambda: lstm(weights=(8, 4)),
    "v73_recurrent_weights": lambda: lstm(recurrent=(8, 3)),
    "v73_h": lambda: lstm(h=(3, 2)),
    "v73_c": lambda: lstm(c=(2, 3)),
    "v73_time_major": lambda: lstm(options={"time_major": True}),
    "v74_two_entries": lambda: lstm(of_x=gates(2)),
    "v74_shifts": lambda: lstm(of_x=requant((1,) * 4, (33,) * 3)),
    "v74_shift_of_recurrent": lambda: lstm(of_h=gates(shift=63, multiplier=0)),
    "v74_bias": lambda: lstm(of_x=gates(bias=ints(*range(7)))),
    "v74_addend_of_double": lambda: lstm(of_x=gates(8, addend=longs(*range(8)), rounding=1)),
    "v74_addend_and_bias": lambda: lstm(of_x=gates(8, addend=longs(*range(8)), bias=ints(*range(8)))),
    "v74_addends": lambda: lstm(of_x=gates(8, addend=longs(*range(4)))),
    "v74_recurrent_bias": lambda: lstm(of_h=gates(bias=ints(*range(8)))),
    "v74_recurrent_addend": lambda: lstm(of_h=gates(8, addend=longs(*range(8)))),
    "v74_cell_power_30": lambda: lstm(options={"cell_power": -30}),
    "v74_cell_power_2": lambda: lstm(options={"cell_power": 2}),
    "v74_cell_clip": lambda: lstm(options={"cell_clip": 32768}),
    "v74_output_multiplier": lambda: lstm(options={"output_multiplier": -1}),
    "v74_output_shift_30": lambda: lstm(options={"output_shift": 30}),
    "v74_output_shift_63": lambda: lstm(options={"output_shift": 63}),
    "v75_double_of_int16": lambda: lstm(dtype=INT16, of_x=gates(shift=40, rounding=1)),
    "v49_lstm": lambda: lstm(of_x=gates(shift=0, rounding=1)),
    "v49_lstm_recurrent": lambda: lstm(of_h=gates(shift=0, rounding=1)),
    "v47_lstm_bias": lambda: lstm(of_x=gates(bias=ints(*[0] * 7, (1 << 31) - 1))),
    "v48_lstm_addend": lambda: lstm(of_x=gates(8, addend=longs(*[0] * 7, (1 << 63) - 1))),
    "v48_lstm_of_int16": lambda: lstm(dtype=INT16, of_x=gates(8, addend=longs(*[0] * 7, (1 << 63) - 1))),
}
