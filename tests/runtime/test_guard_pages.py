"""No kernel accesses a byte outside its buffers: every operator of every case, whole and in parts for threads, between
inaccessible pages."""

from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from c_programs import ENGINE, FLAGS, compiler
from cases import CASES
from graphs import to_bytes
from kernel_sets import COMPARED
from places import DIGITS, MODELS, ROOT, VECTORS
from sanitizers import ENVIRONMENT

from qrt.compiler import compile

# The last is for CPUs that hardly anybody has.
SETS = (*COMPARED, *(["signed emulated"] if "avx2" in COMPARED else []))
GOLDEN = sorted((VECTORS / "good").glob("*.qfb"))
# One of them takes the portable set too long.
PUBLISHED = [path for path in MODELS if path.stem != "mobilenet_v2_224"]
SOURCES = [
    *ENGINE,
    *(ROOT / "runtime/host" / name for name in ("qrt_split.c", "dispatch.c")),
    *sorted((ROOT / "runtime/kernels/x86").rglob("*.c")),
]


@pytest.fixture(scope="module")
def guard_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """guard/guard_pages.c, compiled with all kernel sets."""
    if not sys.platform.startswith("linux"):
        pytest.skip("inaccessible pages are made as Linux makes them")
    program = tmp_path_factory.mktemp("guard") / "guard_pages"
    command = [compiler(), *FLAGS, *(ROOT / "tests/guard").glob("*.c"), *SOURCES, "-o", program]
    subprocess.run(command, check=True, env=ENVIRONMENT)
    return program


def stream(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Named files as guard_pages reads them."""
    named = [(name.encode(), content) for name, content in files]
    return b"".join(struct.pack("<II", len(name), len(content)) + name + content for name, content in named)


@pytest.fixture(scope="module")
def files() -> bytes:
    """All cases, the golden files, and the example's network."""
    named = [(case.name, to_bytes(case.graph())) for case in CASES]
    named += [(path.name, path.read_bytes()) for path in GOLDEN]
    return stream([*named, ("digits", compile(DIGITS / "digits_resnet.onnx"))])


@pytest.fixture(scope="module")
def published() -> bytes:
    """The published networks."""
    if not PUBLISHED:
        pytest.skip("the published .tflite models are not beside the project")
    pytest.importorskip("tflite")
    return stream((path.name, compile(path)) for path in PUBLISHED)


def run(program: Path, kernels: str, content: bytes) -> tuple[list[str], int]:
    """The violations of a set, and how many operators ran."""
    done = subprocess.run([program, kernels], input=content, capture_output=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr.decode()
    *violations, summary = done.stdout.decode().splitlines()
    return violations, int(summary.split()[0])


@pytest.mark.parametrize("kernels", SETS)
def test_no_kernel_leaves_its_buffers(guard_pages: Path, files: bytes, kernels: str) -> None:
    violations, operators = run(guard_pages, kernels, files)
    assert violations == []
    assert operators > len(CASES) + len(GOLDEN)


@pytest.mark.parametrize("kernels", SETS)
def test_nor_in_published_networks(guard_pages: Path, published: bytes, kernels: str) -> None:
    violations, operators = run(guard_pages, kernels, published)
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
    violations, operators = run(guard_pages, "faulty", stream([(name, to_bytes(case.graph()))]))
    assert f"{name}: faulty: operator 0, {told}" in violations
    assert operators == 1
