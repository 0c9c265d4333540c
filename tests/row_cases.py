"""Cases of arg_max, l2_norm, layer_norm and log_softmax; those of softmax are in cases.py."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product

import graphs
from case import Case, case


def log_softmax_cases() -> Iterator[Case]:
    """Sums from one exponential to as many as the last axis has, and numbers at the edges of what the rules allow."""
    falling = [round((2**31 - 1) * math.exp(-0.07 * d)) for d in range(1, 256)]
    tables = {"falling": falling, "of one": [], "flat": [2**31 - 1] * 255, "short": falling[:20]}
    usual = (round(0.07 * 16 * 2**40), round(16 * math.log(2) * 2**14), 255 << 39, 40)
    edges = {
        "shift 0": (1, 0, 100, 0),
        "nothing": (0, 0, -(2**63) + 1, 62),
        "largest difference": (2**54 - 1, 0, 2**62 - 1, 62),
        "largest logarithm": (0, 2**31 - 1, 2**62, 55),
    }
    for name, table in tables.items():
        for shape in ((1,), (2, 3, 5), (3, 10), (1, 5000)):
            yield case(f"log_softmax {name} {shape}", graphs.log_softmax, shape, table, usual)
        for shape in ((1,), (2, 3, 5), (3, 10), (1, 4095)):
            numbers = (1_202_590_843, 0, 0, 31 - 23)  # 0.07 in units of 2^-26
            yield case(f"log_softmax TFLITE {name} {shape}", graphs.log_softmax, shape, table, numbers, "TFLITE")
    for name, numbers in edges.items():
        yield case(f"log_softmax {name}", graphs.log_softmax, (3, 300), falling, numbers)
    for multiplier, shift in ((0, 31), (2**31 - 1, 31), (2**31 - 1, 24), (2**31 - 1, 0)):
        name, table = f"log_softmax TFLITE multiplier {multiplier} shift {shift}", falling if shift else []
        yield case(name, graphs.log_softmax, (3, 300), table, (multiplier, 0, 0, shift), "TFLITE")


def row_cases() -> Iterator[Case]:
    yield from log_softmax_cases()
    for shape in ((1,), (7,), (3, 256), (2, 3, 5)):
        yield case(f"arg_max {shape}", graphs.arg_max, shape)
    for x_zero_point, channels in product((-128, 0, 127), (1, 2, 17, 600)):
        yield case(f"l2_norm {channels} zero point {x_zero_point}", graphs.l2_norm, (3, channels), x_zero_point)
    # Of epsilon: none, little, and the most that the rules allow.
    for channels, bits in ((1, 48), (1, 0), (2, 44), (7, 30), (64, 30), (65, 0), (768, 18), (768, 20)):
        for epsilon in (0, 1, 2**63 - 1 - (channels**3 << (14 + bits))):
            name = f"layer_norm {channels} epsilon {epsilon} bits {bits}"
            yield case(name, graphs.layer_norm, (3, channels), epsilon, bits)
    for shift in (0, 1, 31, 32, 55, 62):
        yield case(f"layer_norm shift {shift}", graphs.layer_norm, (2, 3, 33), 1000, 20, shift)
    yield case("layer_norm at the edge", graphs.layer_norm, (2, 40), 0, 30, 62, edge=True)
    yield case("layer_norm of many", graphs.layer_norm, (1, 32768), 2**61, 2)
    yield case("l2_norm of many", graphs.l2_norm, (1, 32768), -128)
