"""Operators that make some of their rows, with what was packed for all: one row at a time, and 2, 3 and 1. The same
bytes, nothing read but the rows that these need, and no more scratch memory."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import graphs
import guarded
import numpy as np
import pytest
from c_programs import ARM, compiler
from case import Case, case
from cases import CASES
from graphs import Numbers, Rng, Sum, Window, to_bytes
from guarded import run_by_rows, stream
from kernel_sets import COMPARED

from qrt.compiler.ir import Graph

# The sets for devices: plain C stands in for their processors' instructions.
DEVICES = tuple(ARM)
SINGLE = Numbers(rounding="SINGLE", bias="addend")
ZERO_POINT = replace(graphs.PER_TENSOR, x_zero_point=-7)
# Most rows of the output see padding only.
PADDED = [
    Window((3, 3), padding=(7, 8, 1, 1)),
    Window((2, 3), stride=(3, 2), padding=(9, 0, 0, 2)),
    Window((3, 1), dilation=(3, 1), padding=(0, 13, 0, 0)),
    Window((1, 1), padding=(3, 2, 0, 0)),
    Window((4, 4), stride=(2, 1), padding=(1, 1, 2, 2)),
]
COLUMNS = [
    Window((3, 1), padding=(1, 1, 0, 0)),
    Window((5, 1), stride=(2, 1), padding=(2, 9, 0, 0)),
    Window((2, 1), dilation=(4, 1), padding=(8, 0, 0, 0)),
    Window((1, 1), stride=(3, 1)),
]


def of_one_row(rng: Rng, kind: str, x: tuple[int, ...], b: tuple[int, ...]) -> Graph:
    """With an operand whose only row all rows share."""
    if kind == "add":
        return graphs.add(rng, x, b, Sum(), constant=True)
    return graphs.elementwise(rng, kind, x, b, constant=True)


def resized(rng: Rng, height: int, rows: int, *, bilinear: bool) -> Graph:
    graph = graphs.resize2d(rng, (1, height, 5, 9), (rows, 7), bilinear=bilinear)
    attrs = graph.ops[0].attrs
    attrs["rows"] = np.sort(attrs["rows"])
    return graph


def windows() -> Iterator[Case]:
    for (i, window), channels in itertools.product(enumerate(PADDED), (3, 16, 70)):
        shape = (1, 5, 6, channels)
        yield case(f"conv2d {i} of {channels}", graphs.conv2d, shape, 18, window)
        yield case(f"conv2d {i} of {channels}, SINGLE", graphs.conv2d, shape, 8, window, numbers=SINGLE)
        yield case(f"dwconv2d {i} of {channels}", graphs.dwconv2d, shape, 1, window)
        yield case(f"dwconv2d {i} of {channels}, twice", graphs.dwconv2d, shape, 2, window)
    for (i, window), channels, height in itertools.product(enumerate(COLUMNS), (1, 3, 16, 70), (9, 33)):
        shape = (1, height, 1, channels)
        yield case(f"dwconv2d column {i} of {height}, {channels}", graphs.dwconv2d, shape, 1, window)
        yield case(f"conv2d column {i} of {height}, {channels}", graphs.conv2d, shape, 17, window)
    for height in range(4, 69, 8):  # Winograd's tiles, alone and in groups
        window = Window((3, 3), padding=(1, 1, 1, 1))
        yield case(f"conv2d tiles of {height}", graphs.conv2d, (1, height, 16, 64), 64, window)
    for window in (Window((1, 1)), Window((1, 1), padding=(0, 1, 0, 0)), Window((1, 1), padding=(1, 0, 0, 0))):
        yield case(f"conv2d pointwise {window.padding}", graphs.conv2d, (1, 20, 7, 64), 32, window)
    for stride in ((1, 1), (2, 2), (3, 1), (5, 2)):
        window = Window((3, 2), stride=stride)
        yield case(f"transpose_conv2d by {stride}", graphs.transpose_conv2d, (1, 5, 4, 3), 5, window)


def others() -> Iterator[Case]:
    shape = (1, 7, 5, 6)
    for kind in ("add", "mul", "maximum"):
        for b in ((1, 1, 1, 1), (1, 1, 1, 6), (1, 1, 5, 6), (1, 7, 1, 1), (1, 7, 1, 6), (1, 7, 5, 6)):
            yield case(f"{kind} with {b}", of_one_row, kind, shape, b)
    for height, rows in ((6, 13), (9, 4), (1, 5)):
        for bilinear in (False, True):
            yield case(f"resize2d {height} to {rows}, {bilinear}", resized, height, rows, bilinear=bilinear)
    yield case("pad", graphs.pad, shape, (0, 3, 1, 0), (0, 2, 2, 3), -3)
    yield case("pad of columns", graphs.pad, shape, (0, 0, 1, 0), (0, 0, 2, 3), 4)
    yield case("concat", graphs.concat, shape, 3, [2, 3, 1])
    yield case("concat of columns", graphs.concat, shape, 2, [2, 3, 1])
    yield case("slice", graphs.slice_of, shape, (0, 2, 4, 1), (1, 1, -2, 3), (1, 4, 3, 2))
    yield case("slice of a row", graphs.slice_of, shape, (0, 6, 0, 1), (1, -2, 1, 1), (1, 1, 3, 2))
    yield case("linear", graphs.linear, (1, 6, 3, 20), 40)
    for positions in ((5, 4), (1, 9), (16, 16)):
        for channels in (1, 30, 32, 33, 100):
            image = (1, *positions, channels)
            name = f"{positions}, {channels}"
            yield case(f"mean of {name}", graphs.mean, image, numbers=ZERO_POINT)
            for rounding in ("HALF_AWAY", "HALF_EVEN", "HALF_EVEN_RAW"):
                yield case(
                    f"average of {name}, {rounding}",
                    graphs.pool,
                    "average_pool2d",
                    image,
                    Window(positions),
                    -7,
                    rounding=rounding,
                )


ROWS = [*windows(), *others()]


def content(cases: list[Case]) -> bytes:
    return stream((case.name, to_bytes(case.graph())) for case in cases)


@pytest.fixture(scope="module")
def guard_pages(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return guarded.build(shared, tmp_path_factory.mktemp("rows") / "guard_pages", [compiler()])


@pytest.mark.parametrize("kernels", (*COMPARED, *DEVICES))
def test_rows_are_those_of_the_whole(guard_pages: Path, kernels: str) -> None:
    violations, count = run_by_rows([guard_pages, kernels], content(ROWS))
    assert violations == []
    assert count == len(ROWS)


@pytest.mark.parametrize("kernels", DEVICES)
def test_cases_with_the_sets_for_devices(guard_pages: Path, kernels: str) -> None:
    violations, count = run_by_rows([guard_pages, kernels], content(CASES))
    assert violations == []
    assert 3 * count > len(CASES)


@pytest.mark.skipif("avx2" not in COMPARED, reason="no set here has kernels that are chosen by their cost")
def test_also_where_a_kernel_is_not_the_fastest(shared: Path, tmp_path: Path) -> None:
    program = guarded.build(shared, tmp_path / "guard_pages", [compiler()], winograd=["-DQRT_COSTS_NOTHING"])
    for kernels in {"avx2", "avxvnni", "avx512vnni"}.intersection(COMPARED):
        violations, count = run_by_rows([program, kernels], content(ROWS))
        assert violations == []
        assert count == len(ROWS)


def without_rows() -> Iterator[Case]:
    yield case("concat of rows", graphs.concat, (1, 4, 3, 2), 1, [2, 3])
    yield case("slice backwards", graphs.slice_of, (1, 7, 5, 6), (0, 6, 0, 0), (1, -1, 1, 1), (1, 4, 3, 2))
    yield case("slice of every other row", graphs.slice_of, (1, 7, 5, 6), (0, 0, 0, 0), (1, 2, 1, 1), (1, 4, 3, 2))
    yield case("two images", graphs.conv2d, (2, 4, 5, 3), 4, Window())
    yield case("transpose", graphs.transpose, (1, 4, 3, 2), (0, 2, 1, 3))

    def upside_down(rng: Rng) -> Graph:
        graph = graphs.resize2d(rng, (1, 6, 5, 3), (4, 4))
        graph.ops[0].attrs["rows"] = np.array([5, 3, 3, 0], np.uint16)
        return graph

    yield case("resize2d upside down", upside_down)


def test_operators_without_rows(guard_pages: Path) -> None:
    assert run_by_rows([guard_pages, "portable"], content([*without_rows()])) == ([], 0)


def test_many_cases_have_rows(guard_pages: Path) -> None:
    violations, count = run_by_rows([guard_pages, "portable"], content(CASES))
    assert violations == []
    assert 3 * count > len(CASES)
