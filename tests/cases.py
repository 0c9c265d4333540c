"""The list of shapes and edge cases that every kernel set is tested on (`CASES`).

A case is a graph and its critical inputs: all codes at the minimum, at the maximum, at the zero point, and random.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import graphs
from case import Case, case
from cases16 import int16_cases
from graphs import PER_TENSOR, Numbers, Shape, Sum, Window
from int4_cases import int4_cases
from movement_cases import movement_cases, place_cases
from recurrent_cases import recurrent_cases
from row_cases import row_cases
from state_cases import state_cases
from thin_cases import thin_cases
from winograd_cases import winograd_cases

from qrt.schema.operators import OPERATORS, RANGE

CHANNELS = (1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65)
SHIFTS = (0, 1, 30, 31, 32, 55, 62)
MULTIPLIERS = (0, 1, 2**30, 2**31 - 1)
WINDOWS = {
    "1x1": Window((1, 1)),
    "3x3": Window((3, 3)),
    "3x3 same": Window((3, 3), padding=(1, 1, 1, 1)),
    "5x5 same": Window((5, 5), padding=(2, 2, 2, 2)),
    "10x4 stride 2": Window((10, 4), stride=(2, 2), padding=(4, 5, 1, 1)),
    "1x5": Window((1, 5), padding=(0, 0, 2, 2)),
    "7x1": Window((7, 1), padding=(3, 2, 0, 0)),
    "stride 2": Window((3, 3), stride=(2, 2), padding=(0, 1, 0, 1)),
    "3x1 stride 2": Window((3, 1), stride=(2, 2), padding=(1, 1, 0, 0)),
    "stride 1x3": Window((2, 2), stride=(1, 3)),
    "stride above filter": Window((1, 2), stride=(3, 4)),
    "dilation 2": Window((3, 3), dilation=(2, 2), padding=(2, 2, 2, 2)),
    "dilation 1x3": Window((2, 2), dilation=(1, 3), padding=(0, 1, 3, 0)),
    "dilation 3x1": Window((3, 2), dilation=(3, 1), padding=(1, 2, 0, 1)),
    "asymmetric": Window((3, 3), padding=(2, 0, 1, 3)),
    "windows of padding only": Window((2, 2), padding=(4, 5, 3, 4)),
    "dilation over padding": Window((2, 2), dilation=(9, 8), padding=(8, 3, 6, 4)),
    "dilation over wide padding": Window((2, 2), dilation=(2500, 2500), padding=(2500, 0, 2500, 0)),
}
# Each requantization that the format knows.
WAYS = {
    f"{rounding} {bias} {'per channel' if per_channel else 'per tensor'}": Numbers(
        rounding=rounding, bias=bias, per_channel=per_channel
    )
    for rounding, biases in (("SINGLE", ("none", "int32", "addend")), ("DOUBLE", ("none", "int32")))
    for bias, per_channel in product(biases, (True, False))
}


def conv2d_cases() -> Iterator[Case]:
    for inside, outside in zip(CHANNELS, reversed(CHANNELS), strict=True):
        yield case(f"conv2d 1x1 {inside} to {outside}", graphs.conv2d, (1, 3, 3, inside), outside, WINDOWS["1x1"])
        yield case(f"conv2d 3x3 {inside} to 5", graphs.conv2d, (1, 3, 4, inside), 5, WINDOWS["3x3 same"])
        yield case(f"conv2d 3x3 2 to {inside}", graphs.conv2d, (1, 4, 3, 2), inside, WINDOWS["3x3"])
    for name, window in WINDOWS.items():
        yield case(f"conv2d {name}", graphs.conv2d, (2, 8, 7, 3), 4, window)
        yield case(f"conv2d {name} groups", graphs.conv2d, (1, 8, 7, 6), 9, window, groups=3)
    # More positions, and more of them in a row, than are computed together; images that are not copied at once.
    for shape in ((1, 50, 3, 5), (1, 3, 50, 16), (2, 49, 1, 40), (1, 40, 41, 33)):
        yield case(f"conv2d {shape}", graphs.conv2d, shape, 9, WINDOWS["3x3 same"])
        yield case(f"conv2d {shape} stride 2", graphs.conv2d, shape, 20, WINDOWS["3x1 stride 2"])
    # Positions and channels that a set may compute in parts: rows, strips and blocks of each size.
    for shape, outside, name in (
        ((2, 7, 9, 300), 20, "1x1"),
        ((1, 9, 9, 600), 150, "1x1"),
        ((1, 3, 17, 20), 80, "3x3 same"),
        ((1, 3, 30, 5), 48, "3x3 same"),
        ((2, 3, 3, 70), 130, "3x3 same"),
    ):
        yield case(f"conv2d {name} {shape} to {outside}", graphs.conv2d, shape, outside, WINDOWS[name])
    for weights, x_zero_point in product(("minimum", "maximum"), (-128, 127)):
        numbers = Numbers(x_zero_point=x_zero_point, y_zero_point=0)
        name = f"conv2d 3x3 40 to 16 weights {weights} zero point {x_zero_point}"
        yield case(name, graphs.conv2d, (1, 4, 5, 40), 16, WINDOWS["3x3 same"], numbers=numbers, weights=weights)
    for name, numbers in WAYS.items():
        yield case(f"conv2d 3x3 8 to 19 {name}", graphs.conv2d, (2, 5, 4, 8), 19, WINDOWS["3x3 same"], numbers=numbers)
    for groups in (1, 2, 4, 8):
        yield case(f"conv2d groups {groups}", graphs.conv2d, (1, 4, 4, 8), 16, WINDOWS["3x3"], groups=groups)
    for name, numbers in WAYS.items():
        yield case(f"conv2d {name}", graphs.conv2d, (1, 4, 4, 5), 6, WINDOWS["3x3 same"], numbers=numbers)
    for weights, x_zero_point in product(("minimum", "maximum", "zero"), (-128, 0, 127)):
        numbers = Numbers(x_zero_point=x_zero_point, y_zero_point=0)
        yield case(
            f"conv2d weights {weights} zero point {x_zero_point}",
            graphs.conv2d,
            (1, 4, 4, 9),
            3,
            WINDOWS["3x3 same"],
            numbers=numbers,
            weights=weights,
        )
    numbers = Numbers(output_min=-20, output_max=31)
    yield case("conv2d clamp", graphs.conv2d, (1, 4, 4, 3), 4, WINDOWS["3x3"], numbers=numbers)


def transform_cases() -> Iterator[Case]:
    # Enough tiles that a transform pays, with and without a rest.
    for size in product((7, 8, 10), (8, 11, 21)):
        yield case(f"conv2d tiles of {size}", graphs.conv2d, (2, *size, 32), 24, WINDOWS["3x3 same"])
    for name, numbers in WAYS.items():
        yield case(f"conv2d tiles {name}", graphs.conv2d, (1, 8, 8, 16), 19, WINDOWS["3x3 same"], numbers=numbers)
    for weights, x_zero_point in product(("minimum", "maximum", "int4"), (-128, 127)):
        numbers = Numbers(x_zero_point=x_zero_point, y_zero_point=0)
        name = f"conv2d tiles of 224 channels, weights {weights} zero point {x_zero_point}"
        yield case(name, graphs.conv2d, (1, 8, 8, 224), 16, WINDOWS["3x3 same"], numbers=numbers, weights=weights)


def dwconv2d_cases() -> Iterator[Case]:
    for channels in (*CHANNELS, 130):
        yield case(f"dwconv2d {channels}", graphs.dwconv2d, (1, 4, 4, channels), 1, WINDOWS["3x3 same"])
    for channels, depth_multiplier in ((1, 8), (3, 2), (8, 3), (5, 17), (1, 65), (2, 70)):
        yield case(
            f"dwconv2d {channels} times {depth_multiplier}",
            graphs.dwconv2d,
            (2, 4, 3, channels),
            depth_multiplier,
            WINDOWS["3x3 same"],
        )
    # Sets that compute 16 channels at once may take several positions together, or let blocks overlap.
    for channels, width in ((1, 16), (1, 48), (2, 8), (4, 4), (4, 12), (8, 2), (8, 6), (8, 7), (16, 3)):
        for name in ("3x3 same", "5x5 same", "1x5", "7x1"):
            yield case(
                f"dwconv2d {name} {width} of {channels}", graphs.dwconv2d, (1, 8, width, channels), 1, WINDOWS[name]
            )
    # Each of those positions is requantized with the numbers of its own channels.
    slow = Numbers(bias="edge", shift=55, y_zero_point=0)
    for channels, depth_multiplier, width in ((1, 2, 8), (1, 8, 6), (2, 2, 4), (4, 1, 4), (8, 1, 2), (8, 1, 12)):
        name = f"dwconv2d slow {width} of {channels} times {depth_multiplier}"
        shape = (2, 5, width, channels)
        yield case(name, graphs.dwconv2d, shape, depth_multiplier, WINDOWS["3x3 same"], numbers=slow)
    # More positions, and more of them in a row, than are computed together.
    for shape in ((1, 50, 3, 8), (1, 3, 50, 24), (2, 49, 1, 40), (1, 60, 61, 33)):
        yield case(f"dwconv2d {shape}", graphs.dwconv2d, shape, 1, WINDOWS["3x3 same"])
        yield case(f"dwconv2d {shape} stride 2", graphs.dwconv2d, shape, 1, WINDOWS["3x1 stride 2"])
    for name, window in WINDOWS.items():
        yield case(f"dwconv2d {name}", graphs.dwconv2d, (2, 8, 7, 5), 1, window)
        yield case(f"dwconv2d {name} times 2", graphs.dwconv2d, (1, 8, 7, 3), 2, window)
    for name, numbers in WAYS.items():
        yield case(f"dwconv2d {name}", graphs.dwconv2d, (1, 4, 4, 6), 1, WINDOWS["3x3"], numbers=numbers)
    for weights, x_zero_point in product(("minimum", "maximum"), (-128, 127)):
        numbers = Numbers(x_zero_point=x_zero_point, y_zero_point=0)
        yield case(
            f"dwconv2d weights {weights} zero point {x_zero_point}",
            graphs.dwconv2d,
            (1, 4, 4, 9),
            1,
            WINDOWS["3x3 same"],
            numbers=numbers,
            weights=weights,
        )


def linear_cases() -> Iterator[Case]:
    for inside, outside in zip(CHANNELS, reversed(CHANNELS), strict=True):
        yield case(f"linear {inside} to {outside}", graphs.linear, (1, inside), outside)
    # A weight of -128 has no int8 of the other sign.
    for weights, x_zero_point in product(("minimum", "maximum"), (-128, 0, 127)):
        numbers = Numbers(x_zero_point=x_zero_point, y_zero_point=0)
        name = f"linear weights {weights} zero point {x_zero_point}"
        yield case(name, graphs.linear, (1, 41), 37, numbers=numbers, weights=weights)
    for outside in (10, 128, 130, 200):
        yield case(f"linear 33 to {outside}", graphs.linear, (1, 33), outside)
    for shape in ((11,), (5, 11), (2, 3, 11), (1, 2, 1, 3, 11)):
        yield case(f"linear {shape}", graphs.linear, shape, 6)
    yield case("linear (3, 600) to 500", graphs.linear, (3, 600), 500)
    for name, numbers in WAYS.items():
        yield case(f"linear {name}", graphs.linear, (3, 40), 7, numbers=numbers)
    for rounding, shift, weights in product(("SINGLE", "DOUBLE"), (31, 54, 55, 62), ("random", "minimum")):
        edge = Numbers(rounding=rounding, bias="edge", shift=shift, y_zero_point=0)
        yield case(
            f"linear {rounding} edge bias {shift} {weights}", graphs.linear, (4, 9), 8, numbers=edge, weights=weights
        )
    for weights in ("random", "minimum"):
        addend = Numbers(bias="addend edge", shift=62, y_zero_point=0)
        yield case(f"linear edge addend {weights}", graphs.linear, (4, 9), 8, numbers=addend, weights=weights)


def requant_cases() -> Iterator[Case]:
    """Extreme shifts and multipliers. DOUBLE multiplies by 2^(31 - shift) first, so small shifts need small sums."""
    for shift, multiplier in product(SHIFTS, MULTIPLIERS):
        name = f"multiplier {multiplier} shift {shift}"
        numbers = Numbers(multiplier=multiplier, shift=shift, y_zero_point=1 if shift == 62 else -128)
        yield case(f"linear SINGLE {name}", graphs.linear, (6, 5), 4, numbers=numbers)
        twice = replace(numbers, rounding="DOUBLE", y_zero_point=5, bias="int32" if shift else "none")
        weights = "random" if shift >= 30 else "zero"
        yield case(f"linear DOUBLE {name}", graphs.linear, (6, 5), 4, numbers=twice, weights=weights)
    addend = replace(PER_TENSOR, bias="addend")
    yield case("mean addend", graphs.mean, (2, 3, 5, 33), numbers=addend)


BROADCASTS: tuple[tuple[Shape, Shape], ...] = (
    ((7,), (7,)),
    ((1,), (1,)),
    ((1,), (9,)),
    ((2, 3, 4, 5), (2, 3, 4, 5)),
    ((2, 3, 4, 5), (1, 1, 1, 5)),
    ((2, 3, 4, 5), (1, 1, 1, 1)),
    ((2, 3, 4, 1), (2, 3, 4, 5)),
    ((2, 1, 4, 1), (1, 3, 1, 5)),
    ((2, 1, 1, 5), (2, 3, 4, 5)),
    ((1, 2, 1, 3, 1, 4), (2, 2, 3, 1, 2, 1)),
    ((1, 1, 1, 65), (1, 4, 4, 65)),
    ((2, 1), (2, 130)),
)


# Shapes for operators on one tensor.
ALONE: tuple[tuple[Shape], ...] = (((1,),), ((300,),), ((2, 3, 5, 7),), ((2, 3, 65),))
# Elementwise operators that have nothing of their own beside a requant or a range of codes.
PLAIN = {
    kind: facts
    for kind, facts in OPERATORS.items()
    if facts.elementwise and {field.name for field in facts.fields} <= {"requant", *RANGE}
}


def plain_cases() -> Iterator[Case]:
    """What follows from the facts of each elementwise operator that is as others are."""
    for kind, facts in PLAIN.items():
        several = facts.inputs == (2, 2)
        for shapes, constant in product(BROADCASTS if several else ALONE, (False, True) if several else (False,)):
            name = f"{kind} {' and '.join(map(str, shapes))}{' constant' if constant else ''}"
            yield case(name, graphs.elementwise, kind, *shapes, constant=constant)
        for x_zero_point in (-128, 0, 127):
            numbers = replace(PER_TENSOR, x_zero_point=x_zero_point, y_zero_point=x_zero_point)
            shapes = ((3, 99),) * facts.inputs[0]
            yield case(f"{kind} zero point {x_zero_point}", graphs.elementwise, kind, *shapes, numbers=numbers)
        if facts.has("requant"):
            yield from rescaling_cases(kind, ((300,),) * facts.inputs[0])
        elif facts.clamps:
            shapes = ((300,),) * facts.inputs[0]
            for low, high in ((-5, 6), (0, 0), (127, 127), (-128, -128)):
                name = f"{kind} from {low} to {high}"
                yield case(name, graphs.elementwise, kind, *shapes, output_min=low, output_max=high)


def rescaling_cases(kind: str, shapes: tuple[Shape, ...]) -> Iterator[Case]:
    """Extreme shifts and multipliers, both roundings, an addend, and a range of codes."""
    for shift, multiplier in product(SHIFTS, MULTIPLIERS):
        numbers = replace(PER_TENSOR, multiplier=multiplier, shift=shift, y_zero_point=0)
        yield case(f"{kind} multiplier {multiplier} shift {shift}", graphs.elementwise, kind, *shapes, numbers=numbers)
    for shift in (24, 28, 31, 33, 40):
        numbers = replace(PER_TENSOR, rounding="DOUBLE", shift=shift, x_zero_point=0)
        yield case(f"{kind} DOUBLE shift {shift}", graphs.elementwise, kind, *shapes, numbers=numbers)
    ends = {"addend": replace(PER_TENSOR, bias="addend"), "clamped": replace(PER_TENSOR, output_min=-20, output_max=31)}
    for name, numbers in ends.items():
        yield case(f"{kind} {name}", graphs.elementwise, kind, *shapes, numbers=numbers)


def elementwise_cases() -> Iterator[Case]:
    for (a, b), constant in product(BROADCASTS, (False, True)):
        name = f"{a} and {'constant ' if constant else ''}{b}"
        yield case(f"add {name}", graphs.add, a, b, Sum(), constant=constant)
        yield case(f"add TFLITE {name}", graphs.add, a, b, Sum("TFLITE"), constant=constant)
    for shift, multiplier in product(SHIFTS, MULTIPLIERS):
        numbers = Sum(a_multiplier=multiplier, b_multiplier=2**31 - 1, shift=shift, y_zero_point=-1)
        yield case(f"add multiplier {multiplier} shift {shift}", graphs.add, (99,), (99,), numbers)
    # Multipliers at the edges of their upper and lower 16 bits.
    for shift, a, b, subtract in product(
        (15, 16, 17, 40, 47, 48), (0x7FFF7FFF, 0x7FFF8000, 0x40008000), (0x7FFF7FFF, 0x7FFF), (False, True)
    ):
        numbers = Sum(a_multiplier=a, b_multiplier=b, shift=shift, y_zero_point=-2, subtract=subtract)
        yield case(f"add {a:#x} and {b:#x} shift {shift} {subtract}", graphs.add, (99,), (99,), numbers)
    for a_shift, y_shift in product((31, 32, 45, 62), (31, 48, 51, 62)):
        tflite = Sum("TFLITE", a_multiplier=2**31 - 1, a_shift=a_shift, y_shift=y_shift, output_min=-90, output_max=80)
        yield case(f"add TFLITE shifts {a_shift} {y_shift}", graphs.add, (99,), (99,), tflite)
    # A factor of 1/2 needs no rounding.
    factors = {"half": (2**30, 31), "less": (1_374_389_535, 32)}
    for (a_name, a), (b_name, b), subtract in product(factors.items(), factors.items(), (False, True)):
        tflite = Sum("TFLITE", a[0], b[0], 0, a[1], b[1], y_shift=51, subtract=subtract)
        yield case(f"add TFLITE {a_name} and {b_name} {subtract}", graphs.add, (90, 1), (1, 90), tflite)
    for shape in ((1,), (300,), (2, 3, 5, 7)):
        yield case(f"lut {shape}", graphs.lut, shape)
        yield case(f"softmax {shape}", graphs.softmax, shape)
    for x_scale, shift in ((0.001, 24), (0.02, 36), (1.0, 53)):
        yield case(f"softmax scale {x_scale}", graphs.softmax, (3, 12), x_scale=x_scale, shift=shift)
    for first, numerator, shift in (
        (1, 2**62 - 1, 0),
        (2**32 - 1, 2**62 - 1, 62),
        (2**32 - 1, 0, 1),
        (1, 2**62 - 1, 54),
    ):
        rest = [(first * d) % 65521 for d in range(255)]
        yield case(
            f"softmax first {first} numerator {numerator} shift {shift}",
            graphs.softmax_of,
            (4, 5),
            [first, *rest],
            numerator,
            shift,
            13,
        )
    for name, steps in (
        ("falling", [round((2**31 - 1) * math.exp(-0.07 * d)) for d in range(1, 256)]),
        ("of one", [0] * 255),
        ("flat", [2**31 - 1] * 255),
        ("of small ones", [4095] * 255),
    ):
        for shape in ((3, 10), (1, 4095)):
            yield case(f"softmax TFLITE {name} {shape}", graphs.softmax_tflite, shape, steps)
    yield case("chain", graphs.chain, (2, 3, 5, 7))
    yield case("chain of one code", graphs.chain, (1, 1))


POOLS = {
    "2x2": Window((2, 2), stride=(2, 2)),
    "3x3 same": Window((3, 3), padding=(1, 1, 1, 1)),
    "3x2 asymmetric": Window((3, 2), stride=(2, 1), padding=(2, 1, 0, 1)),
    "whole": Window((5, 6)),
    "1x1 stride 2": Window((1, 1), stride=(2, 2)),
    "5x1": Window((5, 1), stride=(1, 2), padding=(4, 3, 0, 0)),
}


def pool_cases() -> Iterator[Case]:
    for rounding, (name, window), zero_point in product(
        ("HALF_AWAY", "HALF_EVEN", "HALF_EVEN_RAW"), POOLS.items(), (-128, 0, 3)
    ):
        yield case(
            f"average_pool2d {rounding} {name} zero point {zero_point}",
            graphs.pool,
            "average_pool2d",
            (2, 5, 6, 4),
            window,
            zero_point,
            rounding=rounding,
        )
    for name, window in POOLS.items():
        yield case(f"max_pool2d {name}", graphs.pool, "max_pool2d", (2, 5, 6, 4), window)
    # Windows of so many positions that int16 does not hold a sum, and divisors of all kinds.
    for rounding, size in product(("HALF_AWAY", "HALF_EVEN", "HALF_EVEN_RAW"), ((16, 16), (17, 16), (3, 85), (1, 300))):
        name, window = f"average_pool2d {rounding} {size}", Window(size)
        yield case(name, graphs.pool, "average_pool2d", (1, *size, 5), window, -128, rounding=rounding)
    for size in ((16, 16), (1, 600)):
        yield case(f"mean {size}", graphs.mean, (1, *size, 17))
    for channels in (*CHANNELS, 130):
        shape = (1, 3, 3, channels)
        yield case(
            f"average_pool2d {channels}", graphs.pool, "average_pool2d", shape, POOLS["2x2"], rounding="HALF_AWAY"
        )
        yield case(f"max_pool2d {channels}", graphs.pool, "max_pool2d", shape, POOLS["2x2"])
        yield case(f"mean {channels}", graphs.mean, shape)
    bounds: dict[str, Any] = {"output_min": -11, "output_max": 12}
    averages = bounds | {"rounding": "HALF_EVEN"}
    for name, shape in (("clamp", (1, 4, 4, 3)), ("clamp of 6", (1, 4, 4, 6))):
        yield case(f"max_pool2d {name}", graphs.pool, "max_pool2d", shape, POOLS["2x2"], **bounds)
        yield case(f"average_pool2d {name}", graphs.pool, "average_pool2d", shape, POOLS["2x2"], **averages)
    for rounding, x_zero_point in product(("SINGLE", "DOUBLE"), (-128, 0, 127)):
        numbers = replace(PER_TENSOR, rounding=rounding, x_zero_point=x_zero_point)
        yield case(f"mean {rounding} zero point {x_zero_point}", graphs.mean, (3, 5, 4, 6), numbers=numbers)


TRANSPOSED = {
    "1x1": Window((1, 1)),
    "2x2 stride 2": Window((2, 2), stride=(2, 2)),
    "3x3 stride 2": Window((3, 3), stride=(2, 2), padding=(1, 0, 0, 1)),
    "4x4 stride 2": Window((4, 4), stride=(2, 2), padding=(1, 1, 1, 1)),
    "2x5 stride 3x1": Window((2, 5), stride=(3, 1), padding=(0, 1, 2, 2)),
    "cut to nothing of some": Window((3, 3), stride=(1, 1), padding=(3, 2, 2, 3)),
}


def transpose_conv2d_cases() -> Iterator[Case]:
    for name, window in TRANSPOSED.items():
        yield case(f"transpose_conv2d {name}", graphs.transpose_conv2d, (2, 4, 5, 3), 4, window)
        rest = (window.stride[0] - 1, window.stride[1] - 1)
        yield case(f"transpose_conv2d {name} and a rest", graphs.transpose_conv2d, (1, 5, 4, 2), 3, window, rest=rest)
    for inside, outside in zip(CHANNELS, reversed(CHANNELS), strict=True):
        window = TRANSPOSED["2x2 stride 2"]
        yield case(
            f"transpose_conv2d {inside} to {outside}", graphs.transpose_conv2d, (1, 2, 2, inside), outside, window
        )
    for name, numbers in WAYS.items():
        window = TRANSPOSED["3x3 stride 2"]
        yield case(f"transpose_conv2d {name}", graphs.transpose_conv2d, (1, 3, 3, 5), 6, window, numbers=numbers)
    for x_zero_point in (-128, 127):
        numbers = Numbers(x_zero_point=x_zero_point, y_zero_point=0)
        window = TRANSPOSED["4x4 stride 2"]
        yield case(
            f"transpose_conv2d zero point {x_zero_point}",
            graphs.transpose_conv2d,
            (1, 3, 3, 9),
            3,
            window,
            numbers=numbers,
            weights="minimum",
        )


def pair_cases() -> Iterator[Case]:
    for (a, b), constant in product(BROADCASTS, (False, True)):
        name = f"{a} and {'constant ' if constant else ''}{b}"
        yield case(f"sub {name}", graphs.add, a, b, Sum(subtract=True), constant=constant)
        yield case(f"sub TFLITE {name}", graphs.add, a, b, Sum("TFLITE", subtract=True), constant=constant)
    for a, b in (
        ((3, 5), (4, 5)),
        ((1, 1), (1, 1)),
        ((2, 3, 7), (2, 4, 7)),
        ((2, 3, 7), (1, 4, 7)),
        ((2, 3, 4, 33), (2, 3, 5, 33)),
        ((2, 3, 4, 65), (1, 1, 5, 65)),
    ):
        for rounding, constant in product(("SINGLE", "DOUBLE"), (False, True)):
            numbers = replace(PER_TENSOR, rounding=rounding)
            name = f"matmul {rounding} {a} and {'constant ' if constant else ''}{b}"
            yield case(name, graphs.matmul, a, b, numbers=numbers, constant=constant)


def squared_difference_cases() -> Iterator[Case]:
    half = Sum(
        a_multiplier=2**30, a_shift=31, b_multiplier=1_503_238_554, b_shift=33, y_multiplier=2**30 + 5, y_shift=52
    )
    for (a, b), constant in product(BROADCASTS, (False, True)):
        name = f"squared_difference {a} and {'constant ' if constant else ''}{b}"
        yield case(name, graphs.squared_difference, a, b, half, constant=constant)
    for (a, a_shift), (b, b_shift), y_shift in product(
        ((2**30, 31), (2**31 - 1, 32), (2**31 - 1, 62), (0, 31)), ((2**30, 31), (2**30 + 1, 33)), (31, 32, 53, 62)
    ):
        numbers = Sum(a_multiplier=a, a_shift=a_shift, b_multiplier=b, b_shift=b_shift, y_shift=y_shift)
        name = f"squared_difference {a} {a_shift} {b} {b_shift} {y_shift}"
        yield case(name, graphs.squared_difference, (2, 99), (2, 99), numbers, zero_points=(-128, 127))
    clamped = replace(half, output_min=-30, output_max=41, y_zero_point=127)
    yield case("squared_difference clamped", graphs.squared_difference, (300,), (300,), clamped)


def accumulator_cases() -> Iterator[Case]:
    same, plain = WINDOWS["3x3 same"], Numbers(bias="none")
    layers: dict[str, tuple[Any, ...]] = {
        "conv2d": (graphs.conv2d, (2, 4, 5, 3), 7, same),
        "conv2d stride 2": (graphs.conv2d, (1, 8, 7, 3), 4, WINDOWS["stride 2"]),
        "conv2d 3x3 8 to 19": (graphs.conv2d, (2, 5, 4, 8), 19, same),
        "dwconv2d": (graphs.dwconv2d, (2, 4, 5, 6), 1, same),
        "dwconv2d times 2": (graphs.dwconv2d, (1, 4, 5, 65), 2, same),
        "linear": (graphs.linear, (3, 40), 7),
        "linear rank 3": (graphs.linear, (2, 3, 11), 33),
    }
    for name, layer in layers.items():
        yield case(f"accumulators of {name}", graphs.accumulators, *layer)
        yield case(f"accumulators of {name} without bias", graphs.accumulators, *layer, numbers=plain)
        for per_channel in (True, False):
            way = "per channel" if per_channel else "per tensor"
            yield case(f"requantize_sum {name} {way}", graphs.requantize_sum, *layer, per_channel=per_channel)
    edge = Numbers(bias="edge", y_zero_point=0)
    yield case("accumulators at the edge", graphs.accumulators, graphs.linear, (4, 9), 8, numbers=edge)
    yield case("requantize_sum at the edge", graphs.requantize_sum, graphs.linear, (4, 9), 8, numbers=edge, edge=True)
    yield case(
        "conv2d groups accumulators", graphs.accumulators, graphs.conv2d, (1, 4, 4, 6), 9, WINDOWS["3x3"], groups=3
    )


def register_cases() -> Iterator[Case]:
    """Edges of kernels that take 64 codes at once: several positions, several rows, a rest of each."""
    same, stride = WINDOWS["3x3 same"], WINDOWS["stride 2"]
    for channels in (127, 128, 129, 192):
        yield case(f"dwconv2d {channels} of a block", graphs.dwconv2d, (1, 3, 5, channels), 1, same)
        yield case(
            f"average_pool2d {channels}",
            graphs.pool,
            "average_pool2d",
            (1, 3, 5, channels),
            POOLS["2x2"],
            rounding="HALF_EVEN",
        )
        yield case(f"max_pool2d {channels}", graphs.pool, "max_pool2d", (1, 3, 5, channels), POOLS["2x2"])
        yield case(f"mean {channels} of a block", graphs.mean, (2, 3, 5, channels))
    for width in (15, 16, 17, 33):
        yield case(f"dwconv2d width {width}", graphs.dwconv2d, (1, 3, width, 64), 1, same)
        yield case(f"dwconv2d width {width} of 8", graphs.dwconv2d, (1, 3, 8 * width, 8), 1, same)
    for channels in (4, 8, 12, 16, 24, 32, 48, 80, 96):
        yield case(f"dwconv2d {channels} stride 2", graphs.dwconv2d, (1, 5, 37, channels), 1, stride)
    for channels, depth_multiplier in ((1, 8), (3, 4), (1, 15), (1, 17), (2, 9)):
        name = f"dwconv2d {channels} times {depth_multiplier} stride 2"
        yield case(name, graphs.dwconv2d, (1, 9, 21, channels), depth_multiplier, stride)
    for height, (name, window) in product(
        range(1, 10),
        {
            "5x5": Window((5, 5), padding=(2, 2, 2, 2)),
            "3x5": Window((3, 5), padding=(1, 1, 2, 2)),
            "4x1": Window((4, 1), padding=(3, 3, 0, 0)),
            "6x2": Window((6, 2), padding=(5, 3, 0, 1)),
        }.items(),
    ):
        yield case(f"dwconv2d {name} height {height}", graphs.dwconv2d, (2, height, 3, 33), 1, window)
    for length, step, channels in product((2, 4, 5, 9), (1, 2, 3), (3, 64)):
        window = Window((1, length), stride=(1, step), padding=(0, 0, 3, 1))
        yield case(f"dwconv2d 1x{length} stride {step} of {channels}", graphs.dwconv2d, (1, 2, 29, channels), 1, window)
    for length, height in product((1, 3, 6, 10, 13, 14), (14, 17, 18, 19, 20)):
        window = Window((length, 1))
        yield case(f"dwconv2d {length}x1 height {height}", graphs.dwconv2d, (1, height, 1, 130), 1, window)
    for length, shift, rounding in product((3, 7, 12), (30, 32, 40), ("SINGLE", "DOUBLE")):
        numbers = Numbers(rounding=rounding, shift=shift)
        name = f"dwconv2d 1x{length} {rounding} shift {shift}"
        yield case(name, graphs.dwconv2d, (2, 1, 22, 64), 1, Window((1, length)), numbers=numbers)
    for shift, multiplier, rounding in product((31, 32, 33, 53, 54, 55), MULTIPLIERS, ("SINGLE", "DOUBLE")):
        numbers = Numbers(rounding=rounding, multiplier=multiplier, shift=shift, y_zero_point=1 if shift > 53 else -60)
        name = f"dwconv2d {rounding} multiplier {multiplier} shift {shift}"
        yield case(name, graphs.dwconv2d, (1, 16, 16, 5), 1, WINDOWS["1x1"], numbers=numbers)
    for rounding, weights in product(("SINGLE", "DOUBLE"), ("random", "minimum")):
        edge = Numbers(rounding=rounding, bias="edge", shift=55, y_zero_point=0)
        name = f"dwconv2d {rounding} edge bias {weights}"
        yield case(name, graphs.dwconv2d, (1, 3, 3, 66), 1, same, numbers=edge, weights=weights)


def double_cases() -> Iterator[Case]:
    """DOUBLE requantizations that round once: no second shift, or all negative numbers are clamped; and nearly so."""
    layers: dict[str, tuple[Any, ...]] = {
        "conv2d": (graphs.conv2d, (1, 12, 13, 2), 18, WINDOWS["1x1"]),
        "dwconv2d": (graphs.dwconv2d, (1, 13, 12, 18), 1, WINDOWS["1x1"]),
        "linear": (graphs.linear, (30, 2), 18),
    }
    shifts = (30, 31, 32, 33, 36, 38, (30, 31, 38), (31, 36), (32, 37))
    for (name, layer), shift, multiplier in product(layers.items(), shifts, (2**30, 2**31 - 1, None)):
        for y_zero_point, output_min in ((-128, -128), (-7, -7), (-7, -8), (5, -128)):
            numbers = Numbers("DOUBLE", True, "int32", multiplier, shift, 3, y_zero_point, output_min)
            yield case(f"{name} DOUBLE {multiplier} shift {shift} {y_zero_point} {output_min}", *layer, numbers=numbers)


def wide_cases() -> Iterator[Case]:
    """Weights that are more than the input, which threads share by channels."""
    for channels in (128, 192, 200, 256, 320):
        yield case(f"conv2d 1x1 to {channels}", graphs.conv2d, (1, 3, 7, 33), channels, WINDOWS["1x1"])
        yield case(f"conv2d 3x3 to {channels}", graphs.conv2d, (1, 4, 6, 20), channels, WINDOWS["3x3 same"])
        yield case(f"linear 5 to {channels}", graphs.linear, (5, 40), channels)
        yield case(f"linear 1 to {channels}", graphs.linear, (1, 257), channels)
    yield case("linear 20 to 192", graphs.linear, (20, 70), 192)
    for layer, shape, more in ((graphs.linear, (3, 50), ()), (graphs.conv2d, (1, 2, 5, 50), (WINDOWS["1x1"],))):
        slow = Numbers(bias="edge", shift=55, y_zero_point=0)
        yield case(f"{layer.__name__} slow to 192", layer, shape, 192, *more, numbers=slow)
        yield case(f"{layer.__name__} accumulators to 192", graphs.accumulators, layer, shape, 192, *more)


def immense_cases() -> Iterator[Case]:
    """Padding, strides and dilations by which a few codes would have an immense copy, or one whose size wraps."""
    far = Window((2, 2), dilation=(60_000, 60_000), padding=(60_000, 0, 60_000, 0))
    apart = Window((2, 2), (60_000, 60_000), padding=(59_999, 59_999, 59_999, 59_999))
    wraps = Window((1, 1), (1, 60_000), padding=(0, 0, 60_000, 0))
    for name, window, channels in (("far", far, 3), ("apart", apart, 3), ("wraps", wraps, 40_000)):
        yield case(f"conv2d immense {name}", graphs.conv2d, (1, 1, 2, channels), 3, window)
        yield case(f"dwconv2d immense {name}", graphs.dwconv2d, (1, 1, 2, channels), 1, window)


# What only the kernels of hosts tell from others.
HOST_CASES: tuple[Case, ...] = (*winograd_cases(), *transform_cases(), *thin_cases())
DEVICE_CASES: tuple[Case, ...] = (
    *double_cases(),
    *wide_cases(),
    *conv2d_cases(),
    *dwconv2d_cases(),
    *linear_cases(),
    *requant_cases(),
    *plain_cases(),
    *elementwise_cases(),
    *pool_cases(),
    *movement_cases(),
    *transpose_conv2d_cases(),
    *pair_cases(),
    *squared_difference_cases(),
    *row_cases(),
    *state_cases(),
    *int4_cases(),
    *place_cases(),
    *accumulator_cases(),
    *register_cases(),
    *recurrent_cases(),
    *int16_cases(),
)
CASES = (*DEVICE_CASES, *HOST_CASES)
# For sets beside each other only: with bigints they take as much memory as the copy that kernels must not make.
IMMENSE: tuple[Case, ...] = tuple(immense_cases())
