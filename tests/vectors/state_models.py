"""Files with states and int16 tensors: a golden one, and `BAD_STATES`, by the rule that each violates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from vectors.encode import Table, codes, edge, encode, ints, requant, shorts, ubytes, vectors
from vectors.models import Net, but, conv, reshapes

INT16, INT4 = 2, 3


def states() -> bytes:
    """Two runs from the initial values, and a third one from them again.

    push keeps the last 3 entries; what is assigned was 1 higher than the input, which the run before it left.
    """
    net = Net(name="states", producer="make_vectors.py")
    x = net.input((1, 2), name="x")
    last = net.state((1, 2), 5, 6)
    net.output(net.op(Table("Reshape"), [last], (2, 1), name="before"))
    net.update(Table("Assign"), [x], last)
    window = net.state((1, 3), -7, name="window")
    net.output(net.update(Table("Push", axis=1), [x], window))
    runs = vectors(
        ([codes(10, 20)], [codes(5, 6), codes(-7, 10, 20)]),
        ([codes(30, 40)], [codes(10, 20), codes(20, 30, 40)]),
        ([codes(30, 40)], [codes(5, 6), codes(-7, 30, 40)]),
    )
    runs[1]["continues"] = True
    return encode(net.model(test_vectors=runs))


def wide() -> bytes:
    """int16 codes that move, become int8, and become int16 again: 300 is 3, -32768 is -128 and 32767 is 127."""
    net = Net(name="wide", producer="make_vectors.py")
    x = net.input((1, 3), dtype=INT16, name="x")
    net.inputs[0]["source_dtype"] = INT16
    narrow = net.op(Table("Requantize", requant=requant((1 << 30,), (37,))), [x], (1, 3))
    back = net.op(Table("Requantize", requant=requant((1 << 30,), (23,))), [narrow], (1, 3), dtype=INT16)
    turned = net.op(Table("Transpose", permutation=ubytes(1, 0)), [back], (3, 1), dtype=INT16)
    net.output(narrow)
    net.output(turned, source_dtype=INT16)
    given = shorts(300, -32768, 32767)
    return encode(net.model(test_vectors=vectors(([given], [codes(2, -128, 127), shorts(256, -16384, 16256)]))))


def pushed(x: tuple[int, ...] = (1, 2), y: tuple[int, ...] = (1, 3), axis: int = 1, **changes: Any) -> Table:
    """Tensor 0 is the input, tensor 1 the state."""
    net = Net()
    net.output(net.update(Table("Push", axis=axis), [net.input(x)], net.state(y, 0)))
    return but(net.model(), **changes)


def assigned(twice: bool = False, into_state: bool = True, **changes: Any) -> Table:
    net = Net()
    x = net.input((1, 4))
    y = net.state((1, 4), 0) if into_state else net.tensor((1, 4))
    net.update(Table("Assign"), [x], y)
    if twice:
        net.update(Table("Assign"), [x], y)
    net.output(y)
    return but(net.model(), **changes)


def two_states() -> Table:
    net = Net()
    x = net.input((1, 4))
    for _ in range(2):
        net.output(net.update(Table("Push", axis=0), [x], net.state((2, 4), 0)))
    return but(net.model(), tensors__2__arena_offset=0)


def without_writer() -> Table:
    net = Net()
    net.output(net.op(Table("Add", a_multiplier=1, b_multiplier=1), [net.input((1, 4)), net.state((1, 4), 0)], (1, 4)))
    return net.model()


def reading_itself() -> Table:
    net = Net()
    net.input((1, 4))
    state = net.state((1, 4), 0)
    net.output(net.update(Table("Assign"), [state], state))
    model = net.model()
    model["tensors"][0]["lifetime"] = (0, 0)
    return model


def of_dtypes(options: Table, *dtypes: int, shape: tuple[int, ...] = (1, 4), **changes: Any) -> Table:
    """An operator whose inputs, and output, have these dtypes."""
    net = Net()
    *inputs, y = dtypes
    operands = [net.input(shape, dtype=dtype) for dtype in inputs]
    net.output(net.op(options, operands, shape, dtype=y))
    for given in (*net.inputs, *net.outputs):
        given["source_dtype"] = INT16 if net.tensors[given["tensor"]]["dtype"] == INT16 else 0
    return but(net.model(), **changes)


BAD_STATES: dict[str, Callable[[], Table]] = {
    "v15_state_with_a_lifetime": lambda: pushed(tensors__1__lifetime=(1, 2)),
    "v15_int16_data_too_short": lambda: but(conv(), tensors__1__dtype=INT16),
    "v15_int4_data_too_long": lambda: but(conv(), tensors__1__dtype=INT4),
    "v25_state_reads_itself": reading_itself,
    "v27_states_overlap": two_states,
    "v35_value_of_int16": lambda: of_dtypes(Table("Pad", before=ints(0, 0), after=ints(0, 0), value=1), INT16, INT16),
    "v61_int16_input_as_int8": lambda: of_dtypes(Table("Reshape"), INT16, INT16, inputs__0__source_dtype=0),
    "v61_int16_output_as_int8": lambda: of_dtypes(Table("Reshape"), INT16, INT16, outputs__0__source_dtype=0),
    "v61_int8_input_as_uint16": lambda: reshapes(inputs__0__source_dtype=3),
    "v61_int16_input_with_requant": lambda: of_dtypes(Table("Reshape"), INT16, INT16, inputs__0__requant=requant()),
    "v68_state_as_input": lambda: pushed(inputs=[edge(1)]),
    "v68_above_state_size": lambda: pushed(state_size=0),
    "v68_below_state_size": lambda: pushed(state_size=32),
    "v68_int32": lambda: pushed(tensors__1__dtype=1),
    "v68_initial_too_short": lambda: pushed(tensors__1__initial=codes(1, 2)),
    "v68_initial_too_long": lambda: pushed(tensors__1__initial=codes(1, 2, 3, 4)),
    "v68_no_initial": lambda: pushed(tensors__1__initial=codes()),
    "v68_two_writers": lambda: assigned(twice=True),
    "v68_no_writer": without_writer,
    "v68_output_is_no_state": lambda: assigned(into_state=False),
    "v68_output_is_a_state": lambda: but(
        pushed(), operators__0__options_type=11, operators__0__options=Table("Reshape")
    ),
    "v69_axis": lambda: pushed(axis=2),
    "v69_rank": lambda: pushed(x=(1, 2, 1)),
    "v69_too_long": lambda: pushed(x=(1, 4)),
    "v69_other_lengths": lambda: pushed(x=(2, 2)),
    "v39_assign": lambda: assigned(tensors__0__shape=ints(4, 1)),
    "v70_int4_in_the_arena": lambda: reshapes(tensors__0__dtype=INT4),
    "v70_int16_weights": lambda: but(conv(), tensors__1__dtype=INT16, tensors__1__data=codes(*[1] * 12)),
    "v70_moves_to_another_type": lambda: of_dtypes(Table("Reshape"), INT16, 0),
    "v70_input_without_arithmetic": lambda: of_dtypes(Table("L2Norm"), INT16, 0),
    "v70_output_without_arithmetic": lambda: of_dtypes(Table("L2Norm"), 0, INT16),
    "v70_second_input": lambda: of_dtypes(Table("SquaredDifference"), 0, INT16, 0),
}
