"""No kernel accesses a byte outside its buffers: every operator of every case, whole and in parts for threads, between
inaccessible pages."""

from __future__ import annotations

import sys
from pathlib import Path

import guarded
import pytest
from c_programs import compiler
from cases import CASES
from graphs import to_bytes
from guarded import GOLDEN, PUBLISHED, run, stream
from kernel_sets import COMPARED
from winograd_cases import tile_cases

# The last is for CPUs that hardly anybody has.
SETS = (*COMPARED, *(["signed emulated"] if "avx2" in COMPARED else []))


def built(shared: Path, folder: Path, *winograd: str) -> Path:
    """guard/guard_pages.c, compiled with all kernel sets."""
    if not sys.platform.startswith("linux"):
        pytest.skip("inaccessible pages are made as Linux makes them")
    return guarded.build(shared, folder / "guard_pages", [compiler()], winograd=winograd)


@pytest.fixture(scope="module")
def guard_pages(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(shared, tmp_path_factory.mktemp("guard"))


@pytest.fixture(scope="module")
def files() -> bytes:
    return guarded.all_cases()


@pytest.fixture(scope="module")
def published() -> bytes:
    """The published networks."""
    if not PUBLISHED:
        pytest.skip("the published .tflite models are not beside the project")
    pytest.importorskip("tflite")
    return guarded.published_networks()


@pytest.mark.parametrize("kernels", SETS)
def test_no_kernel_leaves_its_buffers(guard_pages: Path, files: bytes, kernels: str) -> None:
    violations, operators, _ = run([guard_pages, kernels], files)
    assert violations == []
    assert operators > len(CASES) + len(GOLDEN)


@pytest.mark.skipif("avx2" not in SETS, reason="no set here has kernels that are chosen by their cost")
def test_nor_where_a_kernel_is_not_the_fastest(shared: Path, tmp_path: Path, files: bytes) -> None:
    """Winograd's algorithm for all layers that it can compute, of all sizes, and not where it pays alone."""
    tiles = stream((case.name, to_bytes(case.graph())) for case in tile_cases())
    program = built(shared, tmp_path, "-DQRT_COSTS_NOTHING")
    for kernels in {"avx2", "avxvnni", "avx512vnni"}.intersection(SETS):
        violations, operators, _ = run([program, kernels], files + tiles)
        assert violations == []
        assert operators > len(CASES) + len(GOLDEN) + 200


@pytest.mark.parametrize("kernels", SETS)
def test_nor_in_published_networks(guard_pages: Path, published: bytes, kernels: str) -> None:
    violations, operators, _ = run([guard_pages, kernels], published)
    assert violations == []
    assert operators > 10 * len(PUBLISHED)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("clamp from -5 to 6", "clamp: run() touches byte 300 of input 0, which has 300"),
        ("lut (300,)", "lut: run() touches byte -1 of table, which begins at 0"),
        ("transpose rank 6", "transpose: run() writes byte 48 of the output, which has 48"),
        ("pad rank 1", "pad: run() writes byte 0 of input 0, which is only read"),
        ("softmax (300,)", "softmax: run() touches byte 0 of scratch, which has 0"),
        ("clamp from 0 to 0", "clamp: byte 0 of the output is not the portable set's"),
    ],
)
def test_what_errs_is_found(guard_pages: Path, name: str, told: str) -> None:
    (case,) = [case for case in CASES if case.name == name]
    violations, operators, _ = run([guard_pages, "faulty"], stream([(name, to_bytes(case.graph()))]))
    assert f"{name}: faulty: operator 0, {told}" in violations
    assert operators == 1
