"""Operators that take turns on devices, as generated C and by the interpreter: the bytes of whole layers."""

from __future__ import annotations

import functools
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from c_programs import compiler
from device_programs import SET_CORES, place
from expected import DEVICE_MODELS, LARGE, Expected, every_case, expect, model
from many_networks import (
    device_image,
    differ_on_device,
    differ_on_host,
    host_program,
    networks_of,
)
from opened_files import run_files
from places import SHARED

from qrt.compiler import GraphBuilder, compile
from qrt.compiler.backends.qfb import writer
from qrt.compiler.backends.qfb.reader import read
from qrt.compiler.ir import Graph
from qrt.compiler.plan import layout, memory
from qrt.compiler.plan.bands import Band
from qrt.compiler.plan.memory import lifetimes, plan
from qrt.compiler.plan.pacing import Run, Streaming
from qrt.firmware.generate.memory import interpreter_memory
from qrt.firmware.targets import TARGETS
from qrt.firmware.toolchain.compilers import find_compiler

# The RAM of published networks on a Cortex-M4, and whether their input comes by rows.
GOALS = {
    ("ic_resnet8", False): 16_500,
    ("kws_dscnn", False): 10_240,
    ("vww_mobilenet", False): 30_720,
    ("vww_mobilenet", True): 14_336,
    ("person_detect", False): 16_384,
    ("mobilenet_v2_224", False): 262_144,
}
# Of each operator; and of the input of one.
CASES, CODES = 8, 4000


def bands_of(graph: Graph, step: int, feed: bool) -> list[Band]:
    """As many operators in bands as there can be; the fastest makes `step` rows in a turn."""
    facts = Streaming(graph, lifetimes(graph))
    bands, first = [], 0
    while first < len(graph.ops):
        stop = first
        while stop < len(graph.ops) and facts.closed(first, stop + 1):
            stop += 1
        if stop == first:
            first += 1
            continue
        x = graph.inputs[0].tensor
        readers = facts.readers.get(x, [])
        feeds = feed and readers and first <= readers[0] and facts.lives[x][1] <= stop
        bands.append(Run(facts, first, stop, step, x if feeds else None).band())
        first = stop
    return bands


def in_turns(case: Expected, step: int, feed: bool) -> Expected | None:
    """A case whose operators take turns; None where none can, or, with `feed`, where no input can come by rows."""
    graph = read(case.file)
    bands = bands_of(graph, step, feed)
    if not bands or (feed and not any(band.feed for band in bands)):
        return None
    return replace(case, file=writer.write(graph, plan(graph, bands=bands)))


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A short search for positions in memory; the bytes of outputs do not depend on it."""
    monkeypatch.setattr(layout, "SEARCH_LIMIT", 100)
    monkeypatch.setattr(memory, "SEARCH_LIMIT", 100)


@functools.cache
def cases() -> list[Expected]:
    """Of each operator that can take turns some cases; every other is fed where it can be."""
    found, seen = [], Counter[str]()
    for i, case in enumerate(every_case()):
        kinds = "".join(sorted({op.kind for op in read(case.file).ops}))
        if seen[kinds] < CASES and sum(case.input_sizes) < CODES:
            one = in_turns(replace(case, samples=case.samples[-1:]), 1 + i % 3, i % 2 == 0)
            found += [one] if one is not None else []
            seen[kinds] += one is not None
    return found


def test_cases_on_this_machine(tmp_path: Path) -> None:
    networks = networks_of([case.file for case in cases()], TARGETS["cortex-m3"])
    options = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DGUARD=0u"]
    done = host_program(networks, tmp_path, compiler(), options)
    assert done.returncode == 0, done.stderr
    assert differ_on_host(tmp_path / "run_networks", cases()) == []


def unread_rows(feed: bool) -> bytes:
    """A network with rows, of its input and of a layer, that lie between the windows of their reader."""
    g = GraphBuilder("unread")
    rng = np.random.default_rng(0)
    x = g.input("x", (1, 23, 8, 4), scale=0.1)
    if not feed:
        x = g.conv2d(x, rng.normal(size=(4, 1, 1, 4)), scale=0.1)
    y = g.dwconv2d(x, rng.normal(size=(1, 3, 3, 4)), scale=0.1, stride=(5, 1), padding=1)
    g.output(g.mean(y, scale=0.05))
    return compile(g, ram="least", feed=feed).to_bytes()


def test_rows_that_nobody_reads(tmp_path: Path) -> None:
    codes = np.random.default_rng(1).integers(-128, 128, (1, 23, 8, 4), np.int8)
    unread = [expect(f"unread{feed}", unread_rows(feed), [[codes]]) for feed in (False, True)]
    networks = networks_of([case.file for case in unread], TARGETS["cortex-m3"])
    options = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DGUARD=0u"]
    done = host_program(networks, tmp_path, compiler(), options)
    assert done.returncode == 0, done.stderr
    assert differ_on_host(tmp_path / "run_networks", unread) == []


@pytest.mark.parametrize("kernels", SET_CORES)
def test_cases_on_a_device(kernels: str, tmp_path: Path) -> None:
    target = place(*SET_CORES[kernels])
    networks = networks_of([case.file for case in cases()], target)
    image = device_image(networks, tmp_path, target, find_compiler(target))
    assert differ_on_device(image, target, networks, cases(), aligned=False) == []


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4", "riscv32", "cortex-m55"])
def test_cases_by_the_interpreter(core: str) -> None:
    rows = []
    for case in cases():
        inputs = b"".join(sample.inputs for sample in case.samples)
        memory = interpreter_memory(case.file, TARGETS[core].kernels)
        rows.append((case.file, memory, len(case.samples), inputs, sum(case.output_sizes) * len(case.samples)))
    for case, row, (answer, outputs) in zip(cases(), rows, run_files(core, rows), strict=True):
        assert (answer.status, answer.status_of_less, answer.intact) == (0, -5, 1), case.name
        assert answer.needed == row[1], case.name
        assert outputs == b"".join(sample.outputs for sample in case.samples), case.name


@pytest.mark.parametrize(("name", "feed"), GOALS)
def test_published_networks(name: str, feed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if name not in DEVICE_MODELS:
        pytest.skip("the published .tflite models are not beside the project")
    monkeypatch.undo()
    target = place("cortex-m4", "unicorn")
    file = compile(SHARED / "models" / f"{name}.tflite", ram="least", feed=feed).to_bytes()
    case = replace(model(name), file=file, samples=model(name).samples[-1:])
    (network,) = networks_of([file], target)
    assert network.memory_size <= GOALS[name, feed]
    if name not in LARGE:
        image = device_image([network], tmp_path, target, find_compiler(target))
        assert differ_on_device(image, target, [network], [case], aligned=False) == []
