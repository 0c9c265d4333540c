"""Files whose operators take turns row by row: good ones, and bad ones in `BAD_BANDS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from vectors.encode import Table, band, encode, ints, requant, ushorts, vectors, window
from vectors.good_models import pattern
from vectors.models import Net, but

# lead, capacity, kept, rows, per, slide
FIRST, MIDDLE, LAST = (1, 3, 2, 1, 1, 0), (0, 1, 0, 1, 1, 0), (0, 6, 6, 1, 1, 0)
SHAPE = (1, 6, 1, 16)
BIG = (1 << 31) - 1


def three() -> tuple[Net, int]:
    """Clamp, a window of three rows, Clamp; tensors 0 to 3."""
    net = Net()
    t = net.op(Table("Clamp"), [net.input(SHAPE)], SHAPE)
    t = net.op(Table("MaxPool2D", window=window((3, 1), padding=(1, 1, 0, 0))), [t], SHAPE)
    return net, net.op(Table("Clamp"), [t], SHAPE)


def bands(net: Net, *given: Table, **fields: Any) -> Table:
    return net.model(bands=[*given], **fields)


def with_bands(*given: Table) -> Table:
    net, y = three()
    net.output(y)
    return bands(net, *given)


def paced(first: Any = FIRST, middle: Any = MIDDLE, last: Any = LAST, turns: int = 7, **changes: Any) -> Table:
    return but(with_bands(band(0, turns, first, middle, last)), **changes)


def changed(pace: tuple[int, ...], at: int, value: int) -> tuple[int, ...]:
    return (*pace[:at], value, *pace[at + 1 :])


def one(options: Table, *inputs: Any, y: Any, pace: Any = None, turns: int | None = None, **fields: Any) -> Table:
    """A band of one operator whose rows are all made in one turn."""
    net = Net()
    operands = [net.input(shape) for shape in inputs]
    net.output(net.op(options, operands, y, **fields))
    height = y[1]
    return bands(net, band(0, turns or 1, pace or (height, height, height, 1, 1, 0)))


def highest(rows: np.ndarray) -> np.ndarray:
    """Of each row and its neighbours."""
    padded = np.pad(rows.astype(int), ((1, 1), (0, 0)), constant_values=-128)
    return np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:]).astype(np.int8)


def computed() -> list[Table]:
    given = pattern(96).reshape(6, 16)
    return vectors(([given.reshape(-1)], [highest(given).reshape(-1)]))


def banded() -> bytes:
    """Buffers that slide to the left and to the right: the second one's rows lie where the first one's rest does."""
    net, y = three()
    net.output(y)
    model = bands(net, band(0, 7, changed(FIRST, 5, 1), MIDDLE, LAST), name="bands", producer="make_vectors.py")
    model["test_vectors"] = computed()
    return encode(but(model, tensors__1__arena_offset=96, tensors__2__arena_offset=144, tensors__3__arena_offset=160))


def fed() -> bytes:
    """The input comes row by row, into the place where it is kept from turn to turn."""
    net, y = three()
    net.output(y)
    model = bands(net, band(0, 7, FIRST, MIDDLE, LAST, feed=(1, 1, 0, 1, 1, 0)), name="fed")
    model["test_vectors"] = computed()
    model = but(model, tensors__0__arena_offset=0, tensors__1__arena_offset=16, tensors__2__arena_offset=0)
    return encode(but(model, tensors__3__arena_offset=64, arena_size=160))


def averaged() -> bytes:
    """A global average of rows that are never there together."""
    net = Net(name="average")
    t = net.op(Table("Clamp"), [net.input((1, 4, 1, 16))], (1, 4, 1, 16))
    net.output(net.op(Table("Mean", requant=requant((1 << 30,), (32,))), [t], (1, 1, 1, 16)))
    model = bands(net, band(0, 4, (1, 1, 0, 1, 1, 0), (1, 4, 4, 1, 1, 0)))
    given = pattern(64)
    sums = given.reshape(4, 16).astype(int).sum(0)
    model["test_vectors"] = vectors(([given], [((sums + 2) // 4).astype(np.int8)]))
    return encode(but(model, tensors__1__arena_offset=64, tensors__2__arena_offset=80, arena_size=144))


def average(**changes: Any) -> Table:
    """Its sums take 64 bytes."""
    net = Net()
    net.output(net.op(Table("Mean", requant=requant()), [net.input((1, 4, 1, 16))], (1, 1, 1, 16)))
    return but(bands(net, band(0, 1, (4, 4, 4, 1, 1, 0))), **{"arena_size": 128, **changes})


def average_read(capacity: int = 4) -> Table:
    net = Net()
    t = net.op(Table("Mean", requant=requant()), [net.input((1, 4, 1, 16))], (1, 1, 1, 16))
    net.output(net.op(Table("Clamp"), [t], (1, 1, 1, 16)))
    model = bands(net, band(0, 1, (4, capacity, capacity, 1, 1, 0), (1, 1, 1, 1, 1, 0)))
    return but(model, tensors__1__arena_offset=128, arena_size=256, tensors__2__arena_offset=64)


def read_behind(*outputs: int, pace: Any = FIRST) -> Table:
    """A band of two operators, of which the first one's output is read behind it."""
    net, y = three()
    net.output(net.op(Table("Maximum"), [1, y], SHAPE))
    for output in outputs:
        net.output(output)
    return bands(net, band(0, 7, pace, MIDDLE, LAST))


def unread(capacity: int) -> Table:
    net = Net()
    x = net.input(SHAPE)
    net.op(Table("Clamp"), [x], SHAPE)
    net.output(net.op(Table("Clamp"), [x], SHAPE))
    return bands(net, band(0, 6, (1, capacity, 0, 1, 1, 0), (1, 6, 6, 1, 1, 0)))


def nine(made: bool) -> Table:
    net = Net()
    t = net.input(SHAPE)
    pace = [(6, 6, 6, 1, 1, 0)]
    if made:
        t = net.op(Table("Clamp"), [t], SHAPE)
    net.output(net.op(Table("Concat", axis=3), [t] * 9, (1, 6, 1, 144)))
    return bands(net, band(0, 1, *(pace * (2 if made else 1))))


def state() -> Table:
    """A band that reads a state, and an operator behind it that writes it."""
    net = Net()
    s = net.state((1, 1, 1, 16), 0)
    y = net.op(Table("Clamp"), [s], (1, 1, 1, 16))
    net.update(Table("Assign"), [net.input((1, 1, 1, 16))], s)
    net.output(y)
    return bands(net, band(0, 1, (1, 1, 1, 1, 1, 0)))


def assigning() -> Table:
    net = Net()
    s = net.state((1, 1, 1, 16), 0)
    x = net.input((1, 1, 1, 16))
    net.update(Table("Assign"), [x], s)
    net.output(net.op(Table("Clamp"), [x], (1, 1, 1, 16)))
    return bands(net, band(0, 1, (1, 1, 1, 1, 1, 0)))


def of_a_constant() -> Table:
    net = Net()
    net.input(SHAPE)
    net.output(net.op(Table("Clamp"), [net.constant(SHAPE)], SHAPE))
    return bands(net, band(0, 1, (6, 6, 6, 1, 1, 0)))


def skipping(**changes: Any) -> Table:
    """A reader of every third row: of those between nobody reads any, but there must be room for them."""
    net = Net()
    t = net.op(Table("Clamp"), [net.input(SHAPE)], SHAPE)
    net.output(net.op(Table("MaxPool2D", window=window((1, 1), (3, 1))), [t], (1, 2, 1, 16)))
    paces = [(1, changes.pop("capacity", 3), 0, 3, 1, 0), (1, 2, 2, 1, 1, 0)]
    return but(bands(net, band(0, 3, *paces)), **changes)


def late(**changes: Any) -> Table:
    """The same, but the last rows are made when nobody reads any more."""
    net = Net()
    t = net.op(Table("Clamp"), [net.input(SHAPE)], SHAPE)
    net.output(net.op(Table("MaxPool2D", window=window((1, 1), (3, 1))), [t], (1, 2, 1, 16)))
    net.output(net.op(Table("Clamp"), [0], SHAPE))
    paces = [(1, 2, 1, 1, 1, 0), (2, 2, 2, 1, 3, 0), (-4, 6, 6, 1, 1, 0)]
    return but(bands(net, band(0, 11, *paces)), **changes)


def feeding(first: int = 0, again: bool = False, **changes: Any) -> Table:
    """Two Clamps of the input, of which the band holds the operator `first`."""
    net = Net()
    x = net.input(SHAPE)
    net.output(net.op(Table("Clamp"), [x], SHAPE))
    net.output(net.op(Table("Clamp"), [x if again else 1], SHAPE))
    return but(bands(net, band(first, 6, (1, 6, 6, 1, 1, 0), feed=(1, 6, 6, 1, 1, 0))), **changes)


def feeding_nobody() -> Table:
    net = Net()
    net.input(SHAPE)
    net.output(net.op(Table("Clamp"), [net.input(SHAPE)], SHAPE))
    return bands(net, band(0, 6, (1, 6, 6, 1, 1, 0), feed=(1, 6, 6, 1, 1, 0)))


def two_feeds() -> Table:
    feed = (6, 6, 6, 1, 1, 0)
    return with_bands(band(0, 1, feed, feed=feed), band(1, 1, feed, feed=feed))


def resized(*rows: int) -> Table:
    options = Table("Resize2D", rows=ushorts(*rows), columns=ushorts(0))
    return one(options, (1, 2, 1, 16), y=(1, len(rows), 1, 16))


def padded(before: Any, after: Any, y: Any) -> Table:
    return one(Table("Pad", before=ints(*before), after=ints(*after)), SHAPE, y=y)


BAD_BANDS: dict[str, Callable[[], Table]] = {
    "v81_no_paces": lambda: with_bands(band(0, 7)),
    "v81_beyond_the_last_operator": lambda: with_bands(band(1, 7, FIRST, MIDDLE, LAST)),
    "v81_first_is_large": lambda: with_bands(band((1 << 32) - 1, 7, FIRST)),
    "v81_bands_meet": lambda: with_bands(band(0, 1, LAST, LAST), band(1, 1, LAST, LAST)),
    "v81_two_feeds": two_feeds,
    "v82_overlap": lambda: paced(operators__1__overlap=True),
    "v82_reshape": lambda: one(Table("Reshape"), SHAPE, y=SHAPE),
    "v82_rank_of_x": lambda: one(Table("Clamp"), (1, 6, 16), y=(1, 6, 16)),
    "v82_batch": lambda: one(Table("Clamp"), (2, 6, 1, 16), y=(2, 6, 1, 16)),
    "v82_batch_of_y": lambda: one(Table("Maximum"), (1, 6, 1, 16), (1, 6, 1, 16), y=(2, 6, 1, 16)),
    "v82_a_state_is_read": state,
    "v82_a_state_is_written": assigning,
    "v82_only_constants": of_a_constant,
    "v82_rows_decrease": lambda: resized(1, 0),
    "v82_concat_of_rows": lambda: one(Table("Concat", axis=1), SHAPE, SHAPE, y=(1, 12, 1, 16)),
    "v82_pad_before_rows": lambda: padded((0, 1, 0, 0), (0, 0, 0, 0), (1, 7, 1, 16)),
    "v82_pad_after_rows": lambda: padded((0, 0, 0, 0), (0, 1, 0, 0), (1, 7, 1, 16)),
    "v83_rows_0": lambda: paced((6, 6, 6, 0, 1, 0)),
    "v83_per_0": lambda: paced(changed(FIRST, 4, 0)),
    "v83_slide_2": lambda: paced(changed(FIRST, 5, 2)),
    "v83_capacity_0": lambda: paced(middle=(0, 0, 0, 1, 1, 0)),
    "v83_capacity_7": lambda: paced((1, 7, 6, 1, 1, 0)),
    "v83_kept_negative": lambda: paced(middle=(0, 1, -1, 1, 1, 0)),
    "v83_kept_above_capacity": lambda: paced((1, 3, 4, 1, 1, 0)),
    "v83_right_keeps_all": lambda: paced((1, 3, 3, 1, 1, 1)),
    "v83_whole_keeps_less": lambda: paced(last=(0, 6, 5, 1, 1, 0)),
    "v83_turns_0": lambda: paced(turns=0),
    "v83_turns_6": lambda: paced(turns=6),
    "v83_rows_are_many": lambda: one(
        Table("Clamp"), (1, 1 << 16, 1, 1), y=(1, 1 << 16, 1, 1), pace=(BIG, 1 << 16, 1 << 16, 1, 1 << 15, 0), turns=2
    ),
    "v83_pace_of_a_reader": lambda: paced(last=(0, 6, 6, 0, 0, 0)),
    "v83_feed": lambda: with_bands(band(0, 7, FIRST, MIDDLE, LAST, feed=(1, 0, 0, 1, 1, 0))),
    "v84_turns": lambda: paced(turns=(1 << 32) - 1),
    "v85_reads_too_early": lambda: paced(middle=changed(MIDDLE, 0, 1), last=changed(LAST, 0, 1)),
    "v85_feed": lambda: with_bands(band(0, 7, FIRST, MIDDLE, LAST, feed=(0, 1, 0, 1, 1, 0))),
    "v86_capacity": lambda: paced((1, 2, 1, 1, 1, 0)),
    "v86_kept": lambda: paced((1, 3, 1, 1, 1, 0)),
    "v86_rows_that_nobody_reads": lambda: skipping(capacity=1),
    "v87_output": lambda: paced(last=(0, 1, 0, 1, 1, 0)),
    "v87_read_behind": read_behind,
    "v87_unread": lambda: unread(1),
    "v87_average_is_read": average_read,
    "v87_average_of_fewer_rows": lambda: but(average(), bands=[band(0, 1, (4, 1, 0, 1, 1, 0))]),
    "v87_nine_readers": lambda: nine(True),
    "v87_nine_readers_of_an_input": lambda: nine(False),
    "v87_fed_before": lambda: feeding(1, again=True),
    "v87_fed_behind": lambda: feeding(0, again=True),
    "v87_fed_is_not_read": lambda: feeding(1),
    "v87_fed_is_read_by_nobody": feeding_nobody,
    "v16_capacity_above_the_arena": lambda: paced(tensors__1__arena_offset=368, arena_size=400),
    "v16_sums_above_the_arena": lambda: average(arena_size=112),
    "v27_kept_rows": lambda: paced(tensors__2__arena_offset=96),
    "v27_sums": lambda: average(tensors__1__arena_offset=0),
    "v27_not_only_in_the_band": lambda: but(read_behind(pace=(1, 6, 6, 1, 1, 0)), tensors__3__arena_offset=96),
    "v27_rows_made_late": lambda: late(tensors__3__arena_offset=96),
    "v27_in_place_in_a_band": lambda: paced(middle=(0, 6, 6, 1, 1, 0), tensors__3__arena_offset=192),
}
