"""No kernel touches a byte beside its buffers: every operator of every case, whole and in parts for threads, between
inaccessible pages."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from cases import CASES
from graphs import to_bytes
from sanitizers import ENVIRONMENT

import qrt
from qrt.compiler import compile

ROOT = Path(__file__).parent.parent
SETS = [name for name in qrt.kernel_sets() if name != "reference"]
GOLDEN = sorted((ROOT / "tests/vectors/good").glob("*.qfb"))
# One of them takes the portable set too long.
PUBLISHED = [
    path for path in sorted((ROOT.parent / "shared/models").glob("*.tflite")) if path.stem != "mobilenet_v2_224"
]
SOURCES = [
    *sorted((ROOT / "schema").glob("*.c")),
    ROOT / "runtime/qrt_prepare.c",
    ROOT / "runtime/qrt_split.c",
    *sorted((ROOT / "runtime/kernels").glob("*.c")),
]
FOLDERS = [f"-I{ROOT / folder}" for folder in ("schema", "runtime", "runtime/kernels")]
# What a kernel reads does not hang on how well it is optimized, and this compiles quickly.
FLAGS = ["-std=c99", "-O1", *FOLDERS]


@pytest.fixture(scope="module")
def guard_pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """guard/guard_pages.c, compiled with all kernel sets."""
    if not sys.platform.startswith("linux"):
        pytest.skip("inaccessible pages are made as Linux makes them")
    names = (os.environ.get("CC", "cc").split()[0], "gcc", "clang")
    compiler = next((name for name in names if shutil.which(name)), None)
    if compiler is None:
        pytest.skip("no C compiler")
    program = tmp_path_factory.mktemp("guard") / "guard_pages"
    command = [compiler, *FLAGS, ROOT / "tests/guard/guard_pages.c", *SOURCES, "-o", program]
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
    return stream([*named, ("digits", compile(ROOT / "examples/digits/digits_resnet.onnx"))])


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
        ("clamp (300,) (-5, 6)", "clamp: run() touches byte 300 of input 0, which has 300"),
        ("lut (300,)", "lut: run() touches byte -1 of table, which begins at 0"),
        ("transpose rank 6", "transpose: run() writes byte 48 of the output, which has 48"),
        ("pad rank 1", "pad: run() writes byte 0 of input 0, which is only read"),
        ("softmax (300,)", "softmax: run() touches byte 0 of scratch, which has 0"),
        ("clamp (1,) (0, 0)", "clamp: byte 0 of the output is not the portable set's"),
    ],
)
def test_what_errs_is_found(guard_pages: Path, name: str, told: str) -> None:
    (case,) = [case for case in CASES if case.name == name]
    violations, operators = run(guard_pages, "faulty", stream([(name, to_bytes(case.graph()))]))
    assert f"{name}: faulty: operator 0, {told}" in violations
    assert operators == 1
