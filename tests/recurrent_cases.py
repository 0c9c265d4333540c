"""Cases of svdf and lstm: what is drawn for them and, of their numbers, what the rules still allow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from case import Case, case
from graphs import Array, Rng, Shape, codes, one_operator, tensor

from qrt.compiler.integers.channels import Requant
from qrt.compiler.ir import Graph, Tensor

LARGEST = {"int8": 2**7 - 1, "int16": 2**15 - 1}


def of_type(name: str, shape: Shape, dtype: str, zero_point: int = 0, data: Array | None = None) -> Tensor:
    made = tensor(name, shape, zero_point, data)
    made.dtype = dtype
    return made


def state(name: str, shape: Shape, dtype: str, zero_point: int = 0, initial: Array | int | None = None) -> Tensor:
    made = of_type(name, shape, dtype, zero_point)
    made.initial = np.broadcast_to(np.asarray(zero_point if initial is None else initial, dtype), shape).copy()
    return made


def single_or_double(multiplier: int, shift: int, rounding: str = "DOUBLE", bias: Array | None = None) -> Requant:
    return Requant(np.array([multiplier], np.int32), np.array([shift], np.uint8), bias, rounding=rounding)


@dataclass(frozen=True)
class Svdf:
    """An svdf; `feature` and `output` are multiplier and shift, `bias` none, small, or edge: sums then wrap."""

    batch: int = 1
    features: int = 5
    units: int = 3
    rank: int = 1
    memory: int = 4
    dtype: str = "int8"
    state_zero_point: int = 0
    rounding: str = "DOUBLE"
    feature: tuple[int, int] = (1_500_000_000, 38)
    output: tuple[int, int] = (1_400_000_000, 40)
    bias: str = "small"
    weights: str = "random"


def svdf(rng: Rng, s: Svdf) -> Graph:
    filters, largest = s.units * s.rank, LARGEST[s.dtype]
    features = codes(rng, (filters, s.features))
    time = rng.integers(-largest - 1, largest, (filters, s.memory), s.dtype, endpoint=True)
    if s.weights == "minimum":
        features, time = np.full_like(features, -128), np.full_like(time, -largest - 1)
    bias = {
        "none": None,
        "small": rng.integers(-5000, 5000, s.units).astype(np.int32),
        "edge": rng.choice([-(2**31), 2**31 - 1], s.units).astype(np.int32),
    }[s.bias]
    initial = rng.integers(-largest - 1, largest, (s.batch, filters * s.memory), s.dtype, endpoint=True)
    return one_operator(
        "svdf",
        [
            tensor("x", (s.batch, s.features), -5),
            of_type("features", features.shape, "int8", data=features),
            of_type("time", time.shape, s.dtype, data=time),
            state("state", initial.shape, s.dtype, s.state_zero_point, initial),
        ],
        tensor("y", (s.batch, s.units), 3),
        rank=s.rank,
        feature=single_or_double(*s.feature, s.rounding),
        requant=single_or_double(*s.output, s.rounding, bias),
    )


@dataclass(frozen=True)
class Lstm:
    """An lstm; `shifts` of input and recurrent, `bias` none, int32 or addend; with `rows` an entry for each row."""

    batch: int = 1
    steps: int = 3
    features: int = 5
    units: int = 4
    dtype: str = "int8"
    time_major: bool = False
    rounding: str = "DOUBLE"
    shifts: tuple[int, int] = (33, 33)
    bias: str = "int32"
    rows: bool = False
    cell_power: int = -11
    cell_clip: int = 0
    output: tuple[int, int] = (2**30, 53)
    h_zero_point: int = -3


def gates(rng: Rng, s: Lstm, shift: int, bias: str) -> Requant:
    count = 4 * s.units if s.rows or bias == "addend" else 4
    least = 2**30 if s.dtype == "int8" else 2**14
    multiplier = rng.integers(least, 2 * least, count)
    shifts = rng.integers(shift, shift + 3, count)
    addend = rng.integers(-(2 ** (shift + 14)), 2 ** (shift + 14), count) if bias == "addend" else None
    given = rng.integers(-3000, 3000, 4 * s.units).astype(np.int32) if bias == "int32" else None
    return Requant(multiplier.astype(np.int32), shifts.astype(np.uint8), given, addend, s.rounding)


def lstm(rng: Rng, s: Lstm) -> Graph:
    wide, shape = s.dtype == "int16", (s.steps, s.batch) if s.time_major else (s.batch, s.steps)
    zero_point = 0 if wide else s.h_zero_point
    weights, recurrent = codes(rng, (4 * s.units, s.features)), codes(rng, (4 * s.units, s.units))
    c = rng.integers(-(2**15), 2**15, (s.batch, s.units))
    graph = one_operator(
        "lstm",
        [
            of_type("x", (*shape, s.features), s.dtype, 0 if wide else -7),
            of_type("weights", weights.shape, "int8", data=weights),
            of_type("recurrent", recurrent.shape, "int8", data=recurrent),
            state("h", (s.batch, s.units), s.dtype, zero_point),
            state("c", (s.batch, s.units), "int16", initial=c),
        ],
        of_type("y", (*shape, s.units), s.dtype, zero_point),
        input=gates(rng, s, s.shifts[0], s.bias),
        recurrent=gates(rng, s, s.shifts[1], "none"),
        time_major=s.time_major,
        cell_power=s.cell_power,
        cell_clip=s.cell_clip,
        output_multiplier=s.output[0],
        output_shift=s.output[1],
    )
    if wide:
        for edge in (*graph.inputs, *graph.outputs):
            edge.source_dtype = "INT16"
    return graph


def svdf_cases() -> Iterator[Case]:
    sizes: tuple[dict[str, Any], ...] = (
        {},
        {"batch": 2, "features": 1, "units": 1, "memory": 1},
        {"batch": 3, "features": 17, "units": 5, "rank": 2, "memory": 8},
        {"features": 33, "units": 2, "rank": 3, "memory": 1},
    )
    for (k, size), dtype in product(enumerate(sizes), LARGEST):
        yield case(f"svdf {dtype} {k}", svdf, Svdf(dtype=dtype, **size))
    for dtype, rounding in product(LARGEST, ("SINGLE", "DOUBLE")):
        way = {"dtype": dtype, "rounding": rounding}
        yield case(f"svdf {dtype} {rounding} without bias", svdf, Svdf(bias="none", **way))
        yield case(f"svdf {dtype} {rounding} sums wrap", svdf, Svdf(bias="edge", weights="minimum", **way))
        yield case(
            f"svdf {dtype} {rounding} largest", svdf, Svdf(feature=(2**31 - 1, 31), output=(2**31 - 1, 32), **way)
        )
        yield case(f"svdf {dtype} {rounding} nothing", svdf, Svdf(feature=(0, 62), output=(0, 54), **way))
    for zero_point in (-128, 60, 127):
        wraps = Svdf(state_zero_point=zero_point, feature=(2**30, 31), batch=2, rank=2)
        yield case(f"svdf state zero point {zero_point}", svdf, wraps)


def lstm_cases() -> Iterator[Case]:
    of_int16 = {"dtype": "int16", "rounding": "SINGLE", "shifts": (25, 25), "output": (2**30, 45)}
    for dtype, usual in (("int8", {}), ("int16", of_int16)):
        for (batch, steps, features, units), major in product(
            ((1, 1, 1, 1), (2, 3, 5, 4), (3, 2, 17, 9), (1, 4, 300, 2)), (False, True)
        ):
            size = {"batch": batch, "steps": steps, "features": features, "units": units, "time_major": major}
            yield case(f"lstm {dtype} {size}", lstm, Lstm(**size, **usual))
        for power, clip in product((-29, -15, -12, -11, 1), (0, 1, 32767)):
            yield case(
                f"lstm {dtype} cell 2^{power} clip {clip}", lstm, Lstm(cell_power=power, cell_clip=clip, **usual)
            )
        for bias, rows in product(("none", "int32", "addend"), (False, True)):
            way = usual | {"rounding": "SINGLE"}
            yield case(f"lstm {dtype} bias {bias} rows {rows}", lstm, Lstm(bias=bias, rows=rows, batch=2, **way))
        for output in ((0, 31), (2**31 - 1, 31), (2**31 - 1, 62)):
            yield case(f"lstm {dtype} output {output}", lstm, Lstm(**usual | {"output": output}))
        low, high = (27, 40) if dtype == "int8" else (12, 30)
        for shifts in ((low, high), (high, low)):
            yield case(f"lstm {dtype} shifts {shifts}", lstm, Lstm(**usual | {"shifts": shifts}))
    for zero_point in (-128, 127):
        yield case(f"lstm zero point {zero_point}", lstm, Lstm(h_zero_point=zero_point, units=7))


def recurrent_cases() -> Iterator[Case]:
    yield from svdf_cases()
    yield from lstm_cases()
