"""The interpreter of a device, firmware/qrt_device.h, on emulated cores: the reference's bytes, the host's refusals."""

from __future__ import annotations

import functools

import graphs
import numpy as np
import pytest
from expected import Expected, Sample, every_case
from fuzz import corpus
from opened_files import run_files
from places import VECTORS

import qrt
from qrt.firmware.generate.memory import interpreter_memory
from qrt.firmware.targets import TARGETS

OK, ERR_INVALID, ERR_MEMORY = 0, -4, -5
CORES = ["cortex-m0", "cortex-m3", "cortex-m4", "cortex-m33", "riscv32", "cortex-m55"]
FIRST = "cortex-m4"
# Refused only after billions of instructions: one text is validated wherever it is referred to.
SLOW = ("v12_sharing_a_text",)
each_core = pytest.mark.parametrize("core", CORES)


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
