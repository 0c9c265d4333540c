"""The kernel sets for 64-bit Arm, on emulated processors: every case, whole and in parts for threads, between
inaccessible pages; and the portable set's bytes there are this machine's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import guarded
import pytest
from arm_programs import COMPILERS, PROCESSORS, emulated, kernel_owners, present
from c_programs import FLAGS, compiler
from guarded import ENVIRONMENT, GOLDEN, PUBLISHED, run
from marked_tables import between_marks, columns
from places import ROOT

STRICT = ["-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-c"]
FILES = [ROOT / "runtime/host/dispatch.c", *sorted((ROOT / "runtime/kernels/arm/neon").glob("*.c"))]


@pytest.fixture(scope="module")
def guard_pages(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """guard/guard_pages.c for 64-bit Arm."""
    return guarded.build(shared, tmp_path_factory.mktemp("neon") / "guard_pages", [*present("gcc"), "-static"])


@pytest.fixture(scope="module")
def here(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """guard/guard_pages.c for this machine."""
    return guarded.build(shared, tmp_path_factory.mktemp("here") / "guard_pages", [compiler()])


@pytest.fixture(scope="module")
def cases(here: Path) -> tuple[bytes, str]:
    """A stream of files, and the checksum of this machine's bytes."""
    files = guarded.all_cases()
    return files, run([here, "portable"], files)[2]


@pytest.fixture(scope="module")
def networks(here: Path) -> tuple[bytes, str]:
    if not PUBLISHED:
        pytest.skip("the published .tflite models are not beside the project")
    pytest.importorskip("tflite")
    files = guarded.published_networks()
    return files, run([here, "portable"], files)[2]


@pytest.mark.parametrize("kernels", PROCESSORS)
def test_same_bytes(guard_pages: Path, cases: tuple[bytes, str], kernels: str) -> None:
    violations, operators, checksum = run(emulated(guard_pages, PROCESSORS[kernels], kernels), cases[0])
    assert violations == []
    assert operators > len(GOLDEN)
    assert checksum == cases[1]


@pytest.mark.parametrize("kernels", PROCESSORS)
def test_same_bytes_of_published_networks(guard_pages: Path, networks: tuple[bytes, str], kernels: str) -> None:
    violations, operators, checksum = run(emulated(guard_pages, PROCESSORS[kernels], kernels), networks[0])
    assert violations == []
    assert operators > 10 * len(PUBLISHED)
    assert checksum == networks[1]


@pytest.mark.parametrize(
    ("processor", "kernels", "reason"),
    [
        ("cortex-a72", "neondot", "this CPU has no dot products (DotProd)"),
        ("cortex-a72", "neoni8mm", "this CPU has no dot products (DotProd)"),
        ("cortex-a76", "neoni8mm", "this CPU has no matrix products of int8 (I8MM)"),
        ("cortex-a72", "avx2", "qrt was not built for x86-64"),
    ],
)
def test_a_processor_without(guard_pages: Path, processor: str, kernels: str, reason: str) -> None:
    done = subprocess.run(emulated(guard_pages, processor, kernels), input="", capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (2, f": {reason}\n")


@pytest.mark.parametrize("name", COMPILERS)
def test_compiles_without_warnings(tmp_path: Path, name: str) -> None:
    subprocess.run([*present(name), *FLAGS, *STRICT, *FILES], check=True, cwd=tmp_path, env=ENVIRONMENT)


def test_kernel_table_is_what_the_code_says(shared: Path, tmp_path: Path) -> None:
    shown = columns(between_marks(ROOT / "docs/kernels.md", "kernel table"))
    for name, owners in kernel_owners(shared, tmp_path).items():
        in_table = dict(zip(shown["operator"][1:], shown[name][1:], strict=True))  # behind the line under the titles
        assert in_table == {op: owners[op] for op in in_table}, f"{name}: test_readme.py rewrites the table"
