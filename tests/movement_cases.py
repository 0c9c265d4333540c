"""Operators that move codes: pads, concatenations, transposes, reshapes, slices and resizes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import graphs
from case import Case, case


def movement_cases() -> Iterator[Case]:
    for before, after in (((0, 0, 0, 0), (0, 0, 0, 0)), ((0, 1, 2, 0), (0, 2, 0, 0)), ((1, 0, 1, 3), (0, 0, 2, 1))):
        yield case(f"pad {before} {after}", graphs.pad, (2, 3, 2, 5), before, after, -7)
    yield case("pad rank 1", graphs.pad, (4,), (2,), (3,), 127)
    yield case("pad rank 6", graphs.pad, (1, 2, 1, 2, 3, 2), (1, 0, 1, 0, 1, 0), (0, 1, 0, 1, 0, 1), -128)
    for axis in range(4):
        yield case(f"concat axis {axis}", graphs.concat, (2, 3, 4, 5), axis, (1, 4, 2))
    yield case("concat of one", graphs.concat, (2, 3), 1, (3,))
    for permutation in ((0, 1, 2, 3), (0, 3, 1, 2), (0, 2, 3, 1), (3, 2, 1, 0), (2, 0, 1, 3)):
        yield case(f"transpose {permutation}", graphs.transpose, (2, 3, 4, 5), permutation)
    # Matrices of few rows, of tiles and of what is left of them; with axes in front, and with axes that are one.
    for rows, columns in product((2, 3, 4, 5, 15, 16, 17, 40), (15, 16, 19, 20, 21, 37)):
        yield case(f"transpose {columns} columns of {rows}", graphs.transpose, (rows, columns), (1, 0))
    for shape in ((2, 3, 5, 8), (1, 17, 4, 9), (2, 20, 1, 18), (1, 1, 6, 40)):
        for permutation in ((0, 2, 3, 1), (0, 3, 1, 2)):
            yield case(f"transpose {shape} {permutation}", graphs.transpose, shape, permutation)
    yield case("transpose shuffle", graphs.transpose, (1, 2, 3, 2, 29), (0, 1, 2, 4, 3))
    yield case("transpose of groups", graphs.transpose, (3, 2, 4, 5, 6), (2, 3, 0, 1, 4))
    yield case("transpose rank 1", graphs.transpose, (6,), (0,))
    yield case("transpose rank 6", graphs.transpose, (1, 2, 3, 2, 1, 4), (5, 1, 3, 0, 4, 2))
    yield case("reshape", graphs.reshape, (2, 3, 4), (6, 4))


def place_cases() -> Iterator[Case]:
    for shape, begin, stride, out_shape in (
        ((6,), (1,), (2,), (3,)),
        ((6,), (5,), (-2,), (3,)),
        ((2, 3, 4, 5), (0, 0, 0, 0), (1, 1, 1, 1), (2, 3, 4, 5)),
        ((2, 3, 4, 5), (1, 0, 1, 2), (1, 1, 2, 2), (1, 3, 2, 2)),
        ((2, 3, 4, 5), (1, 2, 3, 4), (-1, -1, -1, -1), (2, 3, 4, 5)),
        ((1, 2, 3, 2, 3, 2), (0, 1, 2, 0, 1, 1), (9, -1, -2, 1, 1, 7), (1, 2, 2, 2, 2, 1)),
    ):
        yield case(f"slice {shape} {begin} {stride}", graphs.slice_of, shape, begin, stride, out_shape)
    for bilinear, shape, size in product(
        (False, True), ((1, 1, 1, 3), (2, 3, 4, 5), (1, 3, 2, 16), (1, 5, 2, 65)), ((1, 1), (7, 4))
    ):
        name = f"resize2d {'bilinear' if bilinear else 'nearest'} {shape} to {size}"
        yield case(name, graphs.resize2d, shape, size, bilinear=bilinear)
