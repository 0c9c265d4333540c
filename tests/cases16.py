"""The cases of 16-bit arithmetic: shapes and numbers that an edge of a kernel can depend on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import graphs
import graphs16
from case import Case, case
from graphs import PER_TENSOR, Numbers, Shape, Sum, Window

TYPES = (("int16", "int16"), ("int8", "int16"), ("int16", "int8"))
SAME, PLAIN = Window((3, 3), padding=(1, 1, 1, 1)), Window((1, 1))
WINDOWS = {
    "1x1": PLAIN,
    "1x1 stride 2": Window((1, 1), stride=(2, 2)),
    "3x3 same": SAME,
    "stride 2": Window((3, 2), stride=(2, 1), padding=(0, 1, 1, 0)),
    "dilated": Window((2, 3), dilation=(2, 2), padding=(2, 2, 3, 1)),
    "wide padding": Window((2, 2), padding=(3, 3, 2, 2)),
    "1x7": Window((1, 7), padding=(0, 0, 3, 3)),
}
# Biases, roundings and multipliers.
WAYS = {
    "SINGLE": Numbers(),
    "SINGLE per tensor": replace(PER_TENSOR, bias="int32"),
    "addend": Numbers(bias="addend"),
    "addend per tensor": replace(PER_TENSOR, bias="addend"),
    "DOUBLE": Numbers(rounding="DOUBLE"),
    "DOUBLE per tensor": replace(PER_TENSOR, rounding="DOUBLE"),
    "clamped": Numbers(output_min=-20, output_max=31),
    "no bias": Numbers(bias="none"),
}
CHANNELS = (1, 3, 8, 15, 16, 17, 33, 64, 65)
OPERANDS: tuple[tuple[Shape, Shape], ...] = (
    ((300,), (300,)),
    ((2, 3, 4, 5), (1, 1, 1, 5)),
    ((2, 1, 4, 1), (1, 3, 1, 5)),
    ((1, 1, 1, 65), (1, 4, 4, 65)),
)


def wide(name: str, *arguments: Any, **options: Any) -> Case:
    types = f"{options.get('x', 'int16')} to {options.get('y', 'int16')}"
    return case(f"{name} of {types}", graphs16.wide, *arguments, **options)


def layer_cases() -> Iterator[Case]:
    for (x, y), (name, numbers) in product(TYPES, WAYS.items()):
        types = {"x": x, "y": y, "numbers": numbers}
        yield wide(f"conv2d {name}", graphs.conv2d, (2, 4, 5, 3), 7, SAME, **types)
        yield wide(f"dwconv2d {name}", graphs.dwconv2d, (2, 4, 5, 6), 1, SAME, **types)
        yield wide(f"linear {name}", graphs.linear, (3, 40), 21, **types)
        yield wide(
            f"transpose_conv2d {name}", graphs.transpose_conv2d, (1, 3, 3, 5), 6, Window((3, 3), (2, 2)), **types
        )
    for name, window in WINDOWS.items():
        yield wide(f"conv2d {name}", graphs.conv2d, (2, 8, 7, 3), 4, window)
        yield wide(f"conv2d {name} groups", graphs.conv2d, (1, 8, 7, 6), 9, window, groups=3)
        yield wide(f"dwconv2d {name}", graphs.dwconv2d, (2, 8, 7, 5), 1, window)
        yield wide(f"dwconv2d {name} times 2", graphs.dwconv2d, (1, 8, 7, 3), 2, window)
    for inside, outside in zip(CHANNELS, reversed(CHANNELS), strict=True):
        yield wide(f"conv2d 1x1 {inside} to {outside}", graphs.conv2d, (1, 3, 3, inside), outside, PLAIN)
        yield wide(f"conv2d 3x3 {inside} to 5", graphs.conv2d, (1, 3, 4, inside), 5, SAME)
        yield wide(f"linear {inside} to {outside}", graphs.linear, (1, inside), outside)
        yield wide(f"linear 5 rows {inside} to {outside}", graphs.linear, (5, inside), outside)
        yield wide(f"dwconv2d {inside}", graphs.dwconv2d, (1, 4, 4, inside), 1, SAME)
    for x_zero_point, y_zero_point in ((-32768, 32767), (32767, -32768), (-300, 40)):
        points = {"x_zero_point": x_zero_point, "y_zero_point": y_zero_point}
        for build, arguments in (
            (graphs.conv2d, ((1, 4, 5, 9), 17, SAME)),
            (graphs.dwconv2d, ((1, 4, 5, 17), 1, SAME)),
            (graphs.linear, ((2, 33), 18)),
            (graphs.transpose_conv2d, ((1, 2, 3, 4), 3, Window((2, 2), (2, 2)))),
        ):
            yield wide(f"{build.__name__} zero points {x_zero_point} {y_zero_point}", build, *arguments, **points)


def sum_cases() -> Iterator[Case]:
    """Sums of so many products that an int32 does not hold them, and windows of more taps than are summed at once."""
    for weights in ("minimum", "maximum", "random"):
        for size in (254, 255, 256, 511, 512, 517, 1100, 2051):
            yield wide(f"linear of {size} {weights}", graphs.linear, (2, size), 19, weights=weights)
        for size in ((17, 17), (16, 16), (5, 51)):
            window = Window(size)
            yield wide(f"dwconv2d {size} {weights}", graphs.dwconv2d, (1, *size, 5), 1, window, weights=weights)
            yield wide(f"conv2d {size} {weights}", graphs.conv2d, (1, *size, 5), 3, window, weights=weights)
        yield wide(f"linear full range {weights}", graphs.linear, (2, 999), 19, weights=weights, x_zero_point=-32768)
        same = Window((3, 3), padding=(1, 1, 1, 1))
        yield wide(f"conv2d 130 channels {weights}", graphs.conv2d, (1, 3, 3, 130), 20, same, weights=weights)
    for shift, multiplier in product((31, 40, 54, 62), (0, 1, 2**30, 2**31 - 1)):
        numbers = replace(PER_TENSOR, multiplier=multiplier, shift=shift, y_zero_point=0)
        for x, y in TYPES:
            yield wide(f"linear {multiplier} {shift}", graphs.linear, (3, 5), 4, numbers=numbers, x=x, y=y)


def plain_cases() -> Iterator[Case]:
    for (x, y), (a, b), constant in product(TYPES, OPERANDS, (False, True)):
        types = {"x": x, "y": y, "constant": constant}
        name = f"{a} and {'constant ' if constant else ''}{b}"
        for rounding in ("SINGLE", "DOUBLE") if x == "int16" else ("SINGLE",):
            numbers = replace(PER_TENSOR, rounding=rounding)
            points = {"x_zero_point": 0} if rounding == "DOUBLE" else {"x_zero_point": None}
            yield wide(f"mul {rounding} {name}", graphs.elementwise, "mul", a, b, numbers=numbers, **types, **points)
        for subtract in (False, True):
            yield case(f"add {subtract} {name} of {x} to {y}", graphs16.add, a, b, Sum(subtract=subtract), **types)
    for (a, b), subtract in product(OPERANDS, (False, True)):
        tflite = Sum("TFLITE", subtract=subtract, output_min=-127 if subtract else -128)
        yield case(f"add TFLITE {subtract} {a} and {b} of int16", graphs16.add, a, b, tflite)
        for kind in ("maximum", "minimum"):
            name, constant = f"{kind} {subtract} {a} and {b}", {"constant": subtract}
            yield wide(name, graphs.elementwise, kind, a, b, x_zero_point=9, y_zero_point=9, **constant)
    for a_shift, y_shift in product((31, 45, 62), (36, 50, 62)):
        numbers = Sum("TFLITE", a_multiplier=2**31 - 1, a_shift=a_shift, y_shift=y_shift, output_min=-90)
        yield case(f"add TFLITE {a_shift} {y_shift} of int16", graphs16.add, (99,), (99,), numbers)
    for x, y in TYPES:
        for shape, rounding in product(((1,), (300,), (2, 3, 65)), ("SINGLE", "DOUBLE")):
            numbers = replace(PER_TENSOR, rounding=rounding, x_zero_point=0, y_zero_point=0)
            types = {"x": x, "y": y, "numbers": numbers}
            name = f"{rounding} {shape}"
            yield wide(f"requantize {name}", graphs.elementwise, "requantize", shape, full=True, **types)
            if len(shape) == 3:
                yield wide(f"mean {name}", graphs.mean, (2, *shape), **types)
        for y_zero_point in (-128, 100):
            points = {"x_zero_point": 5, "y_zero_point": y_zero_point, "x": x, "y": y}
            yield wide(f"requantize zero point {y_zero_point}", graphs.elementwise, "requantize", (300,), **points)
    for bounds in ({}, {"output_min": -20, "output_max": 31}):
        yield wide(f"clamp {bounds}", graphs.elementwise, "clamp", (300,), x_zero_point=4, y_zero_point=4, **bounds)
    yield case("chain of int16", graphs16.chain, (2, 3, 65))


def pool_cases() -> Iterator[Case]:
    windows = {
        "2x2": Window((2, 2), stride=(2, 2)),
        "3x3 same": SAME,
        "asymmetric": Window((3, 2), stride=(2, 1), padding=(2, 1, 0, 1)),
        "whole": Window((5, 6)),
    }
    bounds = {"output_min": -11, "output_max": 12}
    for (name, window), z in product(windows.items(), (-32768, 0, 3)):
        points = {"x_zero_point": z, "y_zero_point": z}
        for rounding in ("HALF_AWAY", "HALF_EVEN", "HALF_EVEN_RAW"):
            options = {"rounding": rounding, **points, **(bounds if z == 3 else {})}
            yield wide(
                f"average_pool2d {rounding} {name} {z}", graphs.pool, "average_pool2d", (2, 5, 6, 4), window, **options
            )
        yield wide(f"max_pool2d {name} {z}", graphs.pool, "max_pool2d", (2, 5, 6, 17), window, **points)
    for rounding in ("HALF_AWAY", "HALF_EVEN"):
        window, points = Window((128, 256)), {"x_zero_point": -32768, "y_zero_point": -32768}
        name = f"average_pool2d of 32768 {rounding}"
        yield wide(name, graphs.pool, "average_pool2d", (1, 128, 256, 1), window, rounding=rounding, **points)
    yield wide("matmul", graphs.matmul, (2, 3, 7), (2, 4, 7))
    for x, y in TYPES:
        for (a, b), constant in product((((3, 5), (4, 5)), ((2, 3, 33), (1, 4, 33))), (False, True)):
            name = f"matmul {a} and {'constant ' if constant else ''}{b}"
            yield wide(name, graphs.matmul, a, b, x=x, y=y, constant=constant)
    yield wide("matmul zero points", graphs.matmul, (3, 99), (4, 99), x_zero_point=-9000, y_zero_point=-999)


def movement_cases() -> Iterator[Case]:
    yield wide("pad", graphs.pad, (2, 3, 2, 5), (0, 1, 2, 0), (0, 2, 0, 1), 0)
    for axis in range(4):
        yield wide(f"concat axis {axis}", graphs.concat, (2, 3, 4, 5), axis, (1, 4, 2))
    for permutation in ((0, 3, 1, 2), (0, 2, 3, 1), (3, 2, 1, 0)):
        yield wide(f"transpose {permutation}", graphs.transpose, (2, 3, 4, 17), permutation)
    yield wide("transpose rank 6", graphs.transpose, (1, 2, 3, 2, 1, 4), (5, 1, 3, 0, 4, 2))
    yield wide("transpose matrix", graphs.transpose, (40, 37), (1, 0))
    yield wide("reshape", graphs.reshape, (2, 3, 4), (6, 4))
    yield wide("slice", graphs.slice_of, (2, 3, 4, 5), (1, 2, 0, 4), (1, -1, 2, -2), (1, 3, 2, 2))


def function_cases() -> Iterator[Case]:
    for kind, (multiplier, shift) in product(
        ("sigmoid", "tanh"), ((3, 0), (6, 0), (16385, 4), (32767, 0), (32767, 31), (0, 7), (20000, 16))
    ):
        name, attrs = f"{kind} {multiplier} {shift}", {"multiplier": multiplier, "shift": shift}
        yield case(name, graphs16.activation, kind, (2, 3001), **attrs)
    for (positive, negative, negate), points in product(
        (
            ((2**30, 30), (2**30 + 7, 33), False),
            ((2**30, 30), (-(2**30), 30), False),
            ((1_503_238_554, 31), (1_181_116_007, 34), True),
            ((2**31 - 1, 45), (0, 31), False),
            ((1_503_238_554, 18), (-(2**31) + 1, 62), True),
        ),
        ((0, 0), (-9, 300), (32767, -32768)),
    ):
        attrs = {"multiplier": positive[0], "shift": positive[1], "negate": negate}
        attrs |= {"negative_multiplier": negative[0], "negative_shift": negative[1]}
        name = f"leaky_relu {positive} {negative} {negate} {points}"
        yield case(name, graphs16.activation, "leaky_relu", (2, 3001), zero_points=points, **attrs)
    for shape, (multiplier, shift) in product(
        ((1,), (300,), (3, 10), (2, 3, 65)), ((1_503_238_554, 31), (2**30, 33), (2**31 - 1, 17), (2**30, 40), (0, 31))
    ):
        yield case(f"softmax of int16 {shape} {multiplier} {shift}", graphs16.softmax, shape, multiplier, shift)
    from_int8 = {"x": "int8", "y_zero_point": -32768}
    exponential = [2**23 - d * 2**15 for d in range(256)]
    yield wide("softmax exact", graphs.softmax_of, (4, 50), exponential, 2**56, 40, 0, **from_int8)
    for name, steps in (
        ("falling", [2**31 // (d + 1) - 1 for d in range(1, 256)]),
        ("of one", [0] * 255),
        ("flat", [2**31 - 1] * 255),
    ):
        for shape in ((3, 10), (1, 4095)):
            yield wide(f"softmax TFLITE {name} {shape}", graphs.softmax_tflite, shape, steps, **from_int8)


def int16_cases() -> Iterator[Case]:
    yield from layer_cases()
    yield from sum_cases()
    yield from plain_cases()
    yield from pool_cases()
    yield from movement_cases()
    yield from function_cases()
