"""Convolutions with few products for each code, which a set may compute with its rows in registers or cut in two."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import graphs
from case import Case, case
from graphs import Numbers, Window

# Shapes of an image, and filters that keep it, let it shrink, or read past it.
WINDOWS = {
    "3x3": Window((3, 3)),
    "3x3 same": Window((3, 3), padding=(1, 1, 1, 1)),
    "3x3 stride 2": Window((3, 3), stride=(2, 2), padding=(0, 1, 0, 1)),
    "5x4 stride 1x3": Window((5, 4), stride=(1, 3), padding=(4, 0, 3, 2)),
    "2x3 dilation 3x1": Window((2, 3), dilation=(3, 1), padding=(2, 2, 5, 0)),
    "10x8 stride 2": Window((10, 8), stride=(2, 2), padding=(4, 5, 3, 3)),
}


def thin_cases() -> Iterator[Case]:
    for width, channels in product((40, 43, 62, 71), (1, 2, 3, 4, 5)):
        name, window = list(WINDOWS.items())[(width + channels) % 5]
        yield case(f"conv2d {name} width {width} of {channels} to 8", graphs.conv2d, (2, 4, width, channels), 8, window)
    for name, window in WINDOWS.items():
        for width, multiplier in product((7, 16, 33), (2, 8)):
            yield case(
                f"dwconv2d {name} width {width} times {multiplier}",
                graphs.dwconv2d,
                (2, 7, width, 1),
                multiplier,
                window,
            )
        yield case(f"conv2d {name} to 8", graphs.conv2d, (1, 9, 70, 1), 8, window)
    for outside, width in product((1, 7, 8, 16, 20, 32, 40, 48, 64, 70, 112), (48, 53)):
        yield case(f"conv2d 1x1 width {width} to {outside}", graphs.conv2d, (1, 2, width, 7), outside, Window((1, 1)))
    for rounding, shift in product(("SINGLE", "DOUBLE"), (31, 36)):
        for outside, y_zero_point in ((8, -128), (8, 1), (16, 1), (24, 1), (64, 1)):
            numbers = Numbers(rounding=rounding, shift=shift, y_zero_point=y_zero_point, output_max=99)
            name = f"conv2d 3x3 width 35 to {outside} {rounding} shift {shift} {y_zero_point}"
            yield case(name, graphs.conv2d, (1, 3, 35, 3), outside, WINDOWS["3x3 same"], numbers=numbers)
    for weights, x_zero_point in product(("minimum", "maximum"), (-128, 127)):
        numbers = Numbers(x_zero_point=x_zero_point, y_zero_point=0)
        name = f"conv2d 3x3 width 20 to 8 weights {weights} zero point {x_zero_point}"
        yield case(name, graphs.conv2d, (1, 4, 20, 3), 8, WINDOWS["3x3 same"], numbers=numbers, weights=weights)
