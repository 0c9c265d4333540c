"""Cases of conv2d that a set may compute by Winograd's F(4x4, 3x3): where it is faster, and every cut of tiles."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import graphs
import numpy as np
from case import Case, case
from graphs import Numbers, Rng, Shape, Window

from qrt.compiler.ir import Graph

SAME = Window((3, 3), padding=(1, 1, 1, 1))
VALID = Window((3, 3))
# The asymmetric ones reach beyond what a tile needs.
PADDINGS = (SAME, VALID, Window((3, 3), padding=(2, 0, 1, 3)), Window((3, 3), padding=(4, 5, 7, 6)))
WAYS = [Numbers(rounding=rounding, bias=bias) for rounding in ("SINGLE", "DOUBLE") for bias in ("none", "int32")]


def with_taps(rng: Rng, shape: Shape, taps: int) -> Graph:
    """A convolution with this many weights of -128 in one channel; the others of that channel are 0."""
    graph = graphs.conv2d(rng, shape, 64, SAME, numbers=Numbers(x_zero_point=0), weights="minimum")
    weights = graph.ops[0].inputs[1].data
    assert weights is not None
    weights[37] = np.where(np.arange(weights[37].size) < taps, -128, 0).reshape(weights[37].shape)
    return graph


def winograd_cases() -> Iterator[Case]:
    for size, inside, outside in (
        ((2, 2), 8, 9),
        ((5, 3), 17, 31),
        ((6, 51), 9, 16),
        ((51, 2), 16, 17),
        ((9, 9), 64, 40),
        ((4, 4), 1024, 16),
    ):
        for name, window in {"3x3": VALID, "3x3 same": SAME, "asymmetric": PADDINGS[2]}.items():
            shape = (1, *size, inside)
            if min(window.output_shape(shape, 1)) < 1:
                continue
            yield case(f"conv2d {name} {shape} to {outside}", graphs.conv2d, shape, outside, window)
    for shape, outside in (
        ((1, 8, 8, 64), 64),
        ((1, 14, 14, 64), 80),
        ((1, 15, 13, 72), 100),
        ((1, 12, 17, 48), 48),
        ((3, 7, 7, 64), 112),
        ((1, 5, 70, 64), 64),
        ((1, 16, 16, 49), 130),
        ((1, 11, 10, 128), 33),
        # Few channels; a block, a register and a pair that are not full; more weights than stay near.
        ((1, 8, 9, 19), 9),
        ((1, 30, 41, 17), 16),
        ((1, 7, 9, 121), 123),
    ):
        yield case(f"conv2d tiles {shape} to {outside}", graphs.conv2d, shape, outside, SAME)
        yield case(f"conv2d tiles valid {shape} to {outside}", graphs.conv2d, shape, outside, VALID)
    for height, width in product((5, 6, 7, 8), (9, 10, 11, 12)):
        yield case(f"conv2d tiles {height} by {width}", graphs.conv2d, (1, height, width, 24), 24, SAME)
    for weights, zero_point in product(("minimum", "maximum", "int4", "int4 minimum"), (-128, -3, 0, 127)):
        numbers = Numbers(x_zero_point=zero_point, rounding="SINGLE" if zero_point % 2 else "DOUBLE")
        name = f"conv2d tiles weights {weights} zero point {zero_point}"
        yield case(name, graphs.conv2d, (1, 8, 8, 64), 64, SAME, numbers=numbers, weights=weights)
    # The most that sums can hold, and one more.
    for taps in (2047, 2048):
        yield case(f"conv2d tiles {taps} weights of -128", with_taps, (1, 12, 12, 240), taps)
    slow = Numbers(bias="edge", shift=55, y_zero_point=0)
    yield case("conv2d tiles slow", graphs.conv2d, (1, 8, 8, 64), 41, SAME, numbers=slow)
    wide = Numbers(bias="int32", per_channel=False)
    yield case("conv2d tiles accumulators", graphs.accumulators, graphs.conv2d, (1, 8, 8, 64), 64, SAME, numbers=wide)


def tile_cases() -> Iterator[Case]:
    """Every size of an image up to 17 x 17, with channels that are no faster by Winograd's algorithm too."""
    channels = np.random.default_rng(0)
    for height, width in product(range(1, 18), repeat=2):
        window = PADDINGS[(3 * height + width) % len(PADDINGS)]
        inside, outside = (int(n) for n in channels.integers(1, 100, 2))
        shape = (1 + height % 2, height, width, 16 if width % 3 == 0 else inside)
        if min(window.output_shape(shape, 1)) < 1:
            continue
        numbers = WAYS[(height + width) % len(WAYS)]
        yield case(f"conv2d tiles {shape} to {outside}", graphs.conv2d, shape, outside, window, numbers=numbers)
    # One position, whose channels threads share even where they are no multiple of a part's unit.
    for outside in (65, 80, 81, 130, 144):
        yield case(f"conv2d tiles one position to {outside}", graphs.conv2d, (1, 3, 3, 33), outside, VALID)
