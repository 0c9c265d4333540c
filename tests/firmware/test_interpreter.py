"""The interpreter of a device, firmware/qrt_device.h, on emulated cores: the reference's bytes, the host's refusals."""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace

import graphs
import numpy as np
import pytest
from c_programs import ARM, DEVICE
from device_programs import place
from expected import Expected, Sample, every_case
from fuzz import corpus
from places import ROOT, VECTORS

import qrt
from qrt.firmware.emulators import Call, Command, Read, Settings, Write, execute
from qrt.firmware.generate.memory import interpreter_memory
from qrt.firmware.targets import TARGETS, Target
from qrt.firmware.toolchain.compilers import find_compiler, link
from qrt.firmware.toolchain.image import Image

OK, ERR_INVALID, ERR_MEMORY = 0, -4, -5
GUARD = 64
INCLUDE = [ROOT / folder for folder in ("schema", "runtime", "runtime/kernels", "firmware")]
CORES = ["cortex-m0", "cortex-m3", "cortex-m4", "cortex-m33", "riscv32", "cortex-m55"]
FIRST = "cortex-m4"
# Refused only after billions of instructions: one text is validated wherever it is referred to.
SLOW = ("v12_sharing_a_text",)
ANSWER = struct.Struct("<iiiIiIii")
each_core = pytest.mark.parametrize("core", CORES)


@dataclass(frozen=True)
class Answer:
    """What open_files.c says of a file."""

    status: int
    rule: int
    place: int
    index: int
    kind: int
    needed: int
    status_of_less: int
    intact: int


def target_of(core: str) -> Target:
    """A core; unaligned accesses are looked for where that costs nothing."""
    return replace(place(core, "qemu" if core == "cortex-m55" else "unicorn"), aligned=False)


@functools.cache
def interpreter(target: Target) -> Image:
    sources, defines = [*DEVICE, ROOT / "tests/firmware/open_files.c"], []
    if target.kernels != "portable":
        sources += [*ARM[target.kernels], ROOT / f"firmware/qrt_device_{target.kernels}.c"]
        defines = [f"ALL=QRT_DEVICE_ALL_{target.kernels.upper()}"]
    return link(target, find_compiler(target), sources, INCLUDE, ["run_file"], defines=defines)


def run_files(core: str, files: Sequence[tuple[bytes, int, int, bytes, int]]) -> list[tuple[Answer, bytes]]:
    """Runs each file: its bytes, its memory, the number of samples, their inputs, the size of their outputs."""
    target = target_of(core)
    image = interpreter(target)
    at = -(-image.free // 16) * 16
    request, answer = at, at + 32
    commands: list[Command] = []
    end = at
    for file, memory, samples, inputs, outputs in files:
        file_at = at + 64
        inputs_at = file_at + len(file)
        workspace = -(-(inputs_at + len(inputs)) // 16) * 16 + 8
        outputs_at = workspace + memory + 2 * GUARD
        words = (file_at, len(file), memory, inputs_at, samples, workspace, outputs_at)
        commands.append(Write(request, struct.pack("<7I", *words)))
        commands.append(Write(file_at, file + inputs))
        commands.append(Call("run_file", (request, answer)))
        commands.append(Read(answer, ANSWER.size))
        commands.append(Read(outputs_at, outputs))
        end = max(end, outputs_at + outputs)
    # QEMU's processor looks for unaligned accesses itself; unicorn would take twenty times as long.
    settings = Settings(memory=end - image.free, aligned=target.emulator == "qemu")
    reads = execute(image, target, commands, settings).reads
    return [(Answer(*ANSWER.unpack(reads[i])), reads[i + 1]) for i in range(0, len(reads), 2)]


def samples_of(case: Expected, core: str) -> tuple[Sample, ...]:
    """All on one core; on the others, which differ by their compiler's code alone, random codes and the lowest ones."""
    return case.samples if core == FIRST else (case.samples[-1], case.samples[0])


@functools.cache
def memory_of(file: bytes, kernels: str) -> int:
    return interpreter_memory(file, kernels)


@each_core
def test_every_case_has_the_references_bytes(core: str) -> None:
    cases = every_case()
    rows = []
    for case in cases:
        samples = samples_of(case, core)
        inputs = b"".join(sample.inputs for sample in samples)
        memory = memory_of(case.file, TARGETS[core].kernels)
        rows.append((case.file, memory, len(samples), inputs, sum(case.output_sizes) * len(samples)))
    for case, (answer, outputs) in zip(cases, run_files(core, rows), strict=True):
        assert (answer.status, answer.status_of_less, answer.intact) == (OK, ERR_MEMORY, 1), case.name
        assert answer.needed == memory_of(case.file, TARGETS[core].kernels), case.name
        assert outputs == b"".join(sample.outputs for sample in samples_of(case, core)), case.name


@each_core
def test_a_bad_file_is_refused_by_its_rule(core: str) -> None:
    paths = [path for path in sorted((VECTORS / "bad").glob("*.qfb")) if path.stem not in SLOW]
    answers = run_files(core, [(path.read_bytes(), 0, 0, b"", 0) for path in paths])
    for path, (answer, _) in zip(paths, answers, strict=True):
        assert (answer.status, answer.rule, answer.needed) == (ERR_INVALID, int(path.stem[1:3]), 0), path.name


def verdict(file: bytes) -> int | None:
    """The rule by which the host refuses a file; 0 when it opens it; None when it refuses it without a rule."""
    try:
        qrt.load(file, kernels="reference")
    except qrt.ModelError as error:
        return error.rule
    return 0


@pytest.mark.parametrize("core", ["cortex-m4", "riscv32", "cortex-m55"])
def test_the_fuzz_corpus_faults_nowhere(core: str) -> None:
    files = corpus.read("model")
    for file, (answer, _) in zip(files, run_files(core, [(file, 0, 0, b"", 0) for file in files]), strict=True):
        rule = verdict(file)
        assert answer.status < 0
        assert answer.rule == (rule or 0)
        if rule == 0:
            assert (answer.status, answer.needed) == (ERR_MEMORY, memory_of(file, TARGETS[core].kernels))


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m55"])
def test_a_row_that_is_mostly_padding_needs_the_memory_that_is_said(core: str) -> None:
    """A kernel whose scratch is many times the row would be left out on the host, which has a limit, alone."""
    window = graphs.Window(padding=(1, 1, 30000, 30000))
    file = graphs.to_bytes(graphs.dwconv2d(np.random.default_rng(1), (1, 1, 1, 4), 1, window))
    ((answer, _),) = run_files(core, [(file, 0, 0, b"", 0)])
    assert (answer.status, answer.needed) == (ERR_MEMORY, memory_of(file, TARGETS[core].kernels))
