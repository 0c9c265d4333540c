"""guard/guard_pages.c: how it is built, and the files that it runs."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from c_programs import ENGINE, FLAGS, build_program
from cases import CASES
from graphs import to_bytes
from places import DIGITS, MODELS, ROOT, VECTORS
from sanitizers import ENVIRONMENT

from qrt.compiler import compile

GOLDEN = sorted((VECTORS / "good").glob("*.qfb"))
# One of them takes the portable set too long.
PUBLISHED = [path for path in MODELS if path.stem != "mobilenet_v2_224"]
PROGRAM = ("guard_pages.c", "guard_rows.c", "pages.c", "signed_emulated.c")
# With the kernel sets of all hosts; those of other processors compile to nothing.
SOURCES = [
    *ENGINE,
    *(ROOT / "runtime/host" / name for name in ("qrt_split.c", "dispatch.c")),
    *sorted((ROOT / "runtime/kernels/x86").rglob("*.c")),
    *sorted((ROOT / "runtime/kernels/arm").rglob("*.c")),
]


def build(
    shared: Path,
    program: Path,
    command: Sequence[str | Path],
    names: Sequence[str] = PROGRAM,
    winograd: Sequence[str] = (),
) -> Path:
    """A program of guard/, compiled with `command`; `winograd` are options for what decides where that pays."""
    sources = [*(ROOT / "tests/guard" / name for name in names), *SOURCES]
    own = {path: winograd for path in SOURCES if path.name == "winograd.c"}
    return build_program(shared, program, [*command, *FLAGS], sources, own)


def stream(files: Iterable[tuple[str, bytes]]) -> bytes:
    """Named files as guard_pages reads them."""
    named = [(name.encode(), content) for name, content in files]
    return b"".join(struct.pack("<II", len(name), len(content)) + name + content for name, content in named)


def all_cases() -> bytes:
    """All cases, the golden files, and the example's network."""
    named = [(case.name, to_bytes(case.graph())) for case in CASES]
    named += [(path.name, path.read_bytes()) for path in GOLDEN]
    return stream([*named, ("digits", compile(DIGITS / "digits_resnet.onnx").to_bytes())])


def published_networks() -> bytes:
    return stream((path.name, compile(path).to_bytes()) for path in PUBLISHED)


def _lines(command: Sequence[str | Path], content: bytes) -> list[str]:
    done = subprocess.run(command, input=content, capture_output=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()


def run(command: Sequence[str | Path], content: bytes) -> tuple[list[str], int, str]:
    """The violations of a set, how many operators ran, and the checksum of the portable set's codes."""
    *violations, summary = _lines(command, content)
    return violations, int(summary.split()[0]), summary.split()[-1]


def run_by_rows(command: Sequence[str | Path], content: bytes) -> tuple[list[str], int]:
    """The violations of a set, and how many operators ran by rows."""
    *violations, summary = _lines(command, content)
    return violations, int(summary.split()[2])
