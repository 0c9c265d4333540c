"""Cases of conv2d, dwconv2d and linear whose weights are int4: odd and even counts, and where they begin in a byte."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import graphs
from case import Case, case
from graphs import Numbers, Window

SAME = Window((3, 3), padding=(1, 1, 1, 1))
# Weights stay int4 in sets for devices from 24 channels on, and where sums have room.
WAYS = {
    f"{rounding} {bias} {'per channel' if per_channel else 'per tensor'}": Numbers(
        rounding=rounding, bias=bias, per_channel=per_channel
    )
    for rounding, bias, per_channel in (
        ("SINGLE", "int32", True),
        ("SINGLE", "addend", False),
        ("SINGLE", "edge", True),
        ("DOUBLE", "int32", True),
        ("DOUBLE", "none", False),
        ("DOUBLE", "edge", True),
    )
}


def int4_cases() -> Iterator[Case]:
    for inside, outside in product((1, 2, 3, 5, 17, 33, 35, 64), (1, 3, 25, 33)):
        options = {"weights": "int4"}
        name = f"int4 {inside} to {outside}"
        yield case(f"conv2d 1x1 {name}", graphs.conv2d, (1, 3, 3, inside), outside, Window((1, 1)), **options)
        yield case(f"linear {name}", graphs.linear, (1, inside), outside, **options)
        yield case(f"linear 6 rows {name}", graphs.linear, (6, inside), outside, **options)
    for shape, outside in (((1, 4, 5, 3), 26), ((2, 6, 3, 4), 24), ((1, 3, 3, 9), 7), ((1, 5, 5, 40), 31)):
        yield case(f"conv2d 3x3 int4 {shape} to {outside}", graphs.conv2d, shape, outside, SAME, weights="int4")
    yield case("conv2d int4 groups", graphs.conv2d, (1, 4, 4, 6), 27, Window((1, 1)), groups=3, weights="int4")
    dilated = Window((3, 1), dilation=(2, 1), padding=(2, 1, 0, 0))
    yield case("conv2d int4 dilation", graphs.conv2d, (1, 5, 4, 5), 25, dilated, weights="int4")
    for channels, times in ((1, 1), (2, 1), (3, 1), (5, 1), (16, 1), (33, 1), (3, 5), (1, 27)):
        for window in (SAME, Window((5, 1)), Window((3, 3), stride=(2, 2), padding=(0, 1, 0, 1))):
            name = f"dwconv2d int4 {channels} times {times} {window.filter} stride {window.stride}"
            yield case(name, graphs.dwconv2d, (1, 6, 5, channels), times, window, weights="int4")
    for (name, numbers), weights in product(WAYS.items(), ("int4", "int4 minimum", "int4 maximum")):
        options = {"numbers": numbers, "weights": weights}
        yield case(f"conv2d {weights} {name}", graphs.conv2d, (1, 3, 4, 12), 29, SAME, **options)
        yield case(f"dwconv2d {weights} {name}", graphs.dwconv2d, (1, 4, 4, 6), 1, SAME, **options)
        yield case(f"linear {weights} {name}", graphs.linear, (5, 50), 30, **options)
    wide = Numbers(bias="int32", per_channel=False)
    for layer, arguments in (
        (graphs.conv2d, ((1, 3, 3, 5), 25, SAME)),
        (graphs.dwconv2d, ((1, 3, 3, 7), 1, SAME)),
        (graphs.linear, ((2, 31), 25)),
    ):
        name = f"{layer.__name__} int4 accumulators"
        yield case(name, graphs.accumulators, layer, *arguments, numbers=wide, weights="int4")
    # Sums without room for 4096 times what they are; more terms than for 16 times.
    yield case("linear int4 large sums", graphs.linear, (4, 1500), 24, weights="int4 minimum")
    yield case("linear int4 20000", graphs.linear, (1, 20000), 24, weights="int4")
